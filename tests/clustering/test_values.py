"""Kinds of input, and the order that they are brought into."""

import numpy as np
import pytest
from helpers.clusterings import INITS, check_shape_of

from deepcompress import _native, kmeans1d


@pytest.mark.parametrize(
    ("dtype", "centers"),
    [
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("longdouble", "float64"),
        ("int8", "float64"),
        ("uint16", "float64"),
        ("int64", "float64"),
    ],
)
@pytest.mark.parametrize("init", INITS)
def test_dtypes(dtype, centers, init):
    values = np.array([[3, 1, 2], [100, 101, 0]], dtype)
    result = kmeans1d(values, 2, init=init, seed=0)
    assert result.centers.dtype == centers
    assert result.centers.tolist() == [1.5, 100.5]
    assert result.labels.tolist() == [[0, 0, 0], [1, 1, 0]]
    assert result.inertia == pytest.approx(5.5)
    assert type(result.inertia) is float


def test_float32_centers_are_rounded_and_their_labels_fit_them():
    rng = np.random.default_rng(2)
    values = (1 + rng.integers(0, 9, 4000) * 2.0**-23).astype(np.float32)
    result = kmeans1d(values, 4)
    check_shape_of(result, values, 4)
    exact = kmeans1d(values.astype(np.float64), 4)
    assert result.inertia == pytest.approx(exact.inertia, rel=1e-12)


def layouts(plain):
    """The same array in every layout that NumPy has."""
    read_only = plain.copy()
    read_only.flags.writeable = False
    wide = np.zeros((*plain.shape[:-1], 2 * plain.shape[-1]), plain.dtype)
    wide[..., ::2] = plain
    packed = np.zeros(plain.nbytes + 1, np.uint8)[1:]
    unaligned = packed.view(plain.dtype).reshape(plain.shape)
    unaligned[...] = plain
    return {
        "read-only": read_only,
        "strided": wide[..., ::2],
        "Fortran": np.asfortranarray(plain),
        "reversed": plain[::-1].copy()[::-1],
        "big-endian": plain.astype(plain.dtype.newbyteorder(">")),
        "unaligned": unaligned,
        "list": plain.tolist(),
    }


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["optimal", "linear"])
def test_memory_layouts(dtype, weighted, init):
    rng = np.random.default_rng(0)
    plain = (100 * rng.normal(size=(20, 30))).astype(dtype)
    weights = rng.integers(1, 9, plain.shape).astype(dtype)
    weight = weights if weighted else None
    expected = kmeans1d(plain, 5, init=init, sample_weight=weight)
    of_weights = layouts(weights) if weighted else {}
    for layout, values in layouts(plain).items():
        weight = of_weights.get(layout)
        result = kmeans1d(values, 5, init=init, sample_weight=weight)
        np.testing.assert_array_equal(result.labels, expected.labels, layout)
        np.testing.assert_allclose(result.centers, expected.centers, rtol=1e-7)


def test_a_scalar_and_a_broadcast():
    scalar = kmeans1d(np.float64(3), 1)
    assert scalar.labels.shape == ()
    assert scalar.centers.tolist() == [3.0]
    result = kmeans1d(np.broadcast_to(np.float32([2, 1]), (7, 2)), 2)
    assert result.labels.tolist() == [[1, 0]] * 7


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -3e38, 1e-45])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("init", INITS)
def test_one_distinct_value(value, dtype, init):
    values = np.full((3, 700), value if dtype != "f2" else max(value, -6e4), dtype)
    result = kmeans1d(values, 1, init=init, seed=0)
    assert result.centers.tolist() == [float(values[0, 0])]
    assert not result.labels.any()
    assert result.labels.shape == values.shape
    assert result.inertia == 0.0
    with pytest.raises(
        ValueError, match="`n_clusters` must be at most 1, the number of"
    ):
        kmeans1d(values, 2, init=init, seed=0)


@pytest.mark.parametrize("room", [1, 8])
@pytest.mark.parametrize(
    "kind", ["laplace", "uniform", "cauchy", "ties", "bits", "ascending", "pruned"]
)
def test_sorting_by_digits_sorts(kind, room):
    rng = np.random.default_rng(0)
    n = 100_000
    values = {
        "laplace": lambda: rng.laplace(0, 0.01, n),
        "uniform": lambda: rng.random(n),
        "cauchy": lambda: rng.standard_cauchy(n),
        "ties": lambda: rng.integers(-3, 4, n),
        "bits": lambda: rng.integers(0, 2**32, n).astype(np.uint32).view(np.float32),
        "ascending": lambda: np.linspace(-1, 1, n),
        "pruned": lambda: np.where(rng.random(n) < 0.9, 0, rng.standard_normal(n)),
    }[kind]().astype(np.float32)
    values = values[np.isfinite(values)]
    ordered, spare = np.empty_like(values), np.empty(len(values) // room, np.uint32)
    if _native.sort(values, ordered, spare) < 0:
        assert room > 1
        return
    np.testing.assert_array_equal(ordered, np.sort(values))
    # The same bits, not only the same numbers.
    np.testing.assert_array_equal(
        np.sort(ordered.view(np.uint32)), np.sort(values.view(np.uint32))
    )


def test_sorting_by_digits_puts_what_is_no_number_to_the_ends():
    values = np.zeros(70_000, np.float32)
    values[::3], values[1::3] = -0.0, 1.5
    values[7], values[8], values[9] = np.inf, -np.inf, np.finfo(np.float32).tiny / 2
    spare = np.empty_like(values, np.uint32)
    ordered = np.empty_like(values)
    assert _native.sort(values, ordered, spare) == len(values)
    np.testing.assert_array_equal(ordered, np.sort(values))
    for nan in (0x7FC00000, 0xFFC00001):
        values.view(np.uint32)[500] = nan
        _native.sort(values, ordered, spare)
        assert np.isnan(ordered[[0, -1]]).any()
        with pytest.raises(ValueError, match="`values` must be finite"):
            kmeans1d(values, 2)


def test_sorting_by_digits_takes_no_more_room_than_there_is():
    values = np.random.default_rng(0).random(1 << 16).astype(np.float32)
    spare = np.full(values.size, 7, np.uint32)
    assert _native.sort(values, np.empty_like(values), spare[:1000]) == -1
    assert (spare == 7).all()
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.sort(values, np.empty(5, np.float32), spare)


@pytest.mark.parametrize("init", INITS)
def test_zeros_of_both_signs_are_one_value(init):
    values = np.zeros(2_000_000, np.float32)
    values[::3] = -0.0
    assert kmeans1d(values, 1, init=init, seed=0).centers.tolist() == [0.0]
    with pytest.raises(ValueError, match="at most 1, the number of distinct values"):
        kmeans1d(values, 2, init=init, seed=0)
    values[7] = 1e-9
    result = kmeans1d(values, 2, init=init, seed=0)
    assert np.flatnonzero(result.labels).tolist() == [7]


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "g"])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_not_finite_is_found_wherever_it_stands(bad, dtype, weighted):
    weights = np.ones(1000) if weighted else None
    for position in (0, 500, 999):
        values = np.linspace(-1, 1, 1000).astype(dtype)
        values[position] = bad
        with pytest.raises(
            ValueError, match=f"must be finite: .* Received: {float(bad)}"
        ):
            kmeans1d(values, 3, sample_weight=weights)


@pytest.mark.parametrize("shape", [0, (0, 5), (3, 0)])
def test_empty_arrays(shape):
    for weights in (None, np.ones(shape)):
        with pytest.raises(ValueError, match="`values` must hold at least one number"):
            kmeans1d(np.empty(shape, np.float32), 1, sample_weight=weights)


@pytest.mark.parametrize("init", INITS)
def test_the_input_stays_as_it_is(init):
    values = np.random.default_rng(0).normal(size=100)
    weights = np.random.default_rng(1).uniform(size=100)
    kept = values.copy(), weights.copy()
    start = [2.0, 0.0, 1.0] if init == "optimal" else init
    kmeans1d(values, 3, init=start, sample_weight=weights, seed=0)
    np.testing.assert_array_equal(values, kept[0])
    np.testing.assert_array_equal(weights, kept[1])
    assert start in (init, [2.0, 0.0, 1.0])
