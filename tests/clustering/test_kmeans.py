"""The clustering of numbers against slow, plain twins of it, and hand-made cases."""

import itertools
import subprocess
import sys
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepcompress import KMeans1D, _native, kmeans1d
from deepcompress.clustering import kmeans

INITS = ("optimal", "linear", "density", "random", "kmeans++")
SLOW_TWIN = settings(max_examples=60, deadline=None)


# ---- The twins -------------------------------------------------------------------


def exact_optimum(values, weights, n_clusters):
    """The least inertia, by the quadratic dynamic program in exact arithmetic."""
    pairs = [
        (Fraction(float(v)), Fraction(float(w)))
        for v, w in sorted(zip(values, weights, strict=True))
        if w > 0
    ]
    n = len(pairs)
    cost = {}
    for first in range(n):
        weight = total = square = Fraction(0)
        for last in range(first, n):
            value, w = pairs[last]
            weight, total = weight + w, total + w * value
            square += w * value * value
            cost[first, last + 1] = square - total * total / weight
    best = [cost[0, end] if end else Fraction(0) for end in range(n + 1)]
    for _ in range(n_clusters - 1):
        best = [
            min((best[cut] + cost[cut, end] for cut in range(end)), default=Fraction(0))
            for end in range(n + 1)
        ]
    return best[n]


def brute_force(values, n_clusters):
    """The least inertia of all ways to cut the sorted values."""
    ordered = np.sort(np.asarray(values, np.float64))
    cuts = itertools.combinations(range(1, len(ordered)), n_clusters - 1)
    return min(
        sum(((part - part.mean()) ** 2).sum() for part in np.split(ordered, cut))
        for cut in cuts
    )


def quadratic_optimum(values, n_clusters):
    """The least inertia of a few hundred values, in extended precision."""
    ordered = np.sort(values.astype(np.longdouble))
    ordered -= ordered.mean()
    count = np.arange(len(ordered) + 1)
    total = np.concatenate(([0], np.cumsum(ordered)))
    square = np.concatenate(([0], np.cumsum(ordered**2)))
    width = np.maximum(count[None, :] - count[:, None], 1)
    sums = total[None, :] - total[:, None]
    cost = square[None, :] - square[:, None] - sums**2 / width
    cost = np.where(count[None, :] > count[:, None], cost, np.inf)
    best = cost[0]
    for _ in range(n_clusters - 1):
        best = (best[:, None] + cost).min(axis=0)
    return float(best[-1])


def plain_lloyd(values, centers, max_iter):
    """Lloyd's iteration on all values, empty clusters by the documented rule."""
    values, centers = np.sort(values), np.sort(np.array(centers, np.float64))
    previous = None
    for iteration in range(max_iter):
        while True:
            distance = np.abs(values[:, None] - centers[None, :])
            labels = distance.argmin(axis=1)
            empty = [j for j in range(len(centers)) if not (labels == j).any()]
            if not empty:
                break
            far = []
            for j in set(labels):
                own = distance[labels == j, j]
                far.append((-own.max(), values[labels == j][own.argmax()]))
            for j, (_, value) in zip(empty, sorted(far), strict=False):
                centers[j] = value
            centers.sort()
        if iteration and (labels == previous).all():
            break
        previous = labels
        centers = np.array([values[labels == j].mean() for j in range(len(centers))])
    return centers


def plain_elements(values, max_count, max_spread):
    """Where elements start: one is closed when it has its count or its spread."""
    starts, first = [], 0
    for i in range(1, len(values) + 1):
        if i < len(values):
            width = float(values[i]) - float(values[first])
            is_full = (
                i - first >= max_count or (i - first) * width * width >= max_spread
            )
            if values[i] == values[i - 1] or not is_full:
                continue
        starts.append(first)
        first = i
    return [*starts, len(values)]


def inertia_of(values, weights, result):
    """The inertia that centers and labels stand for."""
    flat = np.asarray(values, np.longdouble).ravel()
    distance = flat - result.centers.astype(np.longdouble)[result.labels.ravel()]
    return float((np.asarray(weights).ravel() * distance**2).sum())


def slack(values):
    """What the float64 costs of the values cannot tell apart."""
    flat = np.asarray(values, np.float64).ravel()
    return 1e-14 * float(((flat - np.median(flat)) ** 2).sum())


def check_shape_of(result, values, n_clusters):
    """What holds for any result."""
    assert result.centers.shape == (n_clusters,)
    assert (result.centers[1:] > result.centers[:-1]).all()
    assert result.labels.shape == np.shape(values)
    flat = np.asarray(values, np.float64).astype(np.longdouble).reshape(-1, 1)
    distance = np.abs(flat - result.centers)
    chosen = distance[np.arange(len(flat)), result.labels.ravel()]
    least = distance.min(axis=1)
    # The middle between two centers rounds, so a tie may go either way.
    assert (chosen <= least + 4e-16 * np.abs(flat[:, 0]) + 2e-323).all()


# ---- The exact optimum -----------------------------------------------------------

numbers = st.one_of(
    st.integers(-5, 5).map(float),
    st.sampled_from([0.0, -0.0, 1.0, 1e-3, 1e6, -1e6]),
    st.floats(-100, 100, width=16),
    st.floats(-1e6, 1e6, width=32),
    st.integers(-5, 5).map(lambda i: 1e6 + i * 1e-3),
)
samples = st.lists(numbers, min_size=1, max_size=12)
offset_samples = st.lists(
    st.integers(-999, 999).map(lambda i: 1e6 + i * 1e-6), min_size=1, max_size=12
)
tiny_samples = st.lists(
    st.integers(-9, 9).map(lambda i: i * 2.0**-1064), min_size=1, max_size=9
)
huge_samples = st.lists(
    st.integers(-9, 9).map(lambda i: i * 1.9e307), min_size=1, max_size=9
)


@SLOW_TWIN
@given(st.one_of(samples, offset_samples), st.data())
@example([1e6 + i * 1e-3 for i in (0, 1, 5, 6, 9)], None)
def test_the_default_is_the_exact_optimum(values, data):
    distinct = len({v + 0.0 for v in values})
    n_clusters = data.draw(st.integers(1, distinct)) if data else 3
    result = kmeans1d(values, n_clusters)
    check_shape_of(result, values, n_clusters)
    best = float(exact_optimum(values, np.ones(len(values)), n_clusters))
    assert result.inertia == pytest.approx(best, rel=1e-9, abs=slack(values))
    real = inertia_of(values, 1, result)
    assert real == pytest.approx(best, rel=1e-9, abs=slack(values))


@SLOW_TWIN
@given(samples, st.data())
def test_weights_are_part_of_the_optimum(values, data):
    weight = st.sampled_from([0.0, 0.25, 1.0, 3.0, 1e-3, 50.0])
    weights = data.draw(
        st.lists(weight, min_size=len(values), max_size=len(values)).filter(any)
    )
    seen = {v + 0.0 for v, w in zip(values, weights, strict=True) if w}
    n_clusters = data.draw(st.integers(1, len(seen)))
    result = kmeans1d(values, n_clusters, sample_weight=weights)
    check_shape_of(result, values, n_clusters)
    best = float(exact_optimum(values, weights, n_clusters))
    limit = 50 * slack(values)
    assert result.inertia == pytest.approx(best, rel=1e-9, abs=limit)
    assert inertia_of(values, weights, result) == pytest.approx(
        best, rel=1e-9, abs=limit
    )


@SLOW_TWIN
@given(st.one_of(tiny_samples, huge_samples), st.data())
def test_denormal_and_huge_values(values, data):
    n_clusters = data.draw(st.integers(1, len({v + 0.0 for v in values})))
    result = kmeans1d(values, n_clusters)
    check_shape_of(result, values, n_clusters)
    # Their squares are out of range, so the same values are compared in whole units.
    unit = 2.0**-1064 if max(map(abs, values)) < 1 else 1.9e307
    whole = [round(v / unit) for v in values]
    best = float(exact_optimum(whole, np.ones(len(whole)), n_clusters))
    labels = result.labels
    parts = [np.array(whole)[labels == j] for j in range(n_clusters)]
    found = sum(((part - part.mean()) ** 2).sum() for part in parts)
    assert found == pytest.approx(best, rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(50, 300),
    st.integers(1, 40),
    st.sampled_from(["normal", "lattice", "ties", "heavy tail", "two scales"]),
)
def test_hundreds_of_values(seed, n, n_clusters, kind):
    rng = np.random.default_rng(seed)
    values = {
        "normal": lambda: rng.normal(size=n),
        "lattice": lambda: np.arange(n, dtype=np.float64),
        "ties": lambda: rng.integers(0, 60, n).astype(np.float64),
        "heavy tail": lambda: rng.standard_cauchy(n),
        "two scales": lambda: rng.normal(size=n) * 10.0 ** rng.integers(-3, 1, n),
    }[kind]()
    n_clusters = min(n_clusters, len(np.unique(values)))
    result = kmeans1d(values, n_clusters)
    check_shape_of(result, values, n_clusters)
    best = quadratic_optimum(values, n_clusters)
    assert result.inertia == pytest.approx(best, rel=1e-9, abs=slack(values))


@pytest.mark.parametrize("n_clusters", range(1, 8))
def test_all_partitions_of_few_values(n_clusters):
    values = [3.1, -2.0, 0.5, 0.75, 8.0, 8.25, -1.9, 4.4]
    best = brute_force(values, n_clusters)
    assert kmeans1d(values, n_clusters).inertia == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("n_clusters", [2, 3, 7, 30, 31, 64, 99])
def test_a_lattice_has_many_optima_at_the_same_penalty(n_clusters):
    values = np.arange(100.0)
    small, more = divmod(100, n_clusters)
    best = (n_clusters - more) * (small**3 - small) / 12
    best += more * ((small + 1) ** 3 - (small + 1)) / 12
    assert kmeans1d(values, n_clusters).inertia == pytest.approx(best, rel=1e-12)


def test_by_hand():
    centers, labels, inertia = kmeans1d([[0, 1], [10, 12]], 2)
    assert centers.tolist() == [0.5, 11.0]
    assert labels.tolist() == [[0, 0], [1, 1]]
    assert inertia == 0.5 + 2.0


def test_one_cluster_is_the_mean():
    values = np.array([1e6 - 1e-3, 1e6, 1e6 + 2e-3])
    centers, _, inertia = kmeans1d(values, 1)
    assert centers[0] == pytest.approx(values.mean(), rel=1e-15)
    assert inertia == pytest.approx(((values - values.mean()) ** 2).sum(), rel=1e-6)


def test_as_many_clusters_as_values():
    values = np.array([3.0, -0.0, 0.0, 1.5, 3.0])
    centers, labels, inertia = kmeans1d(values, 3)
    assert centers.tolist() == [0.0, 1.5, 3.0]
    assert labels.tolist() == [2, 0, 0, 1, 2]
    assert inertia == 0.0


def test_a_value_halfway_belongs_to_the_lower_center():
    labels = kmeans1d([0.0, 2.0, 1.0], 2, sample_weight=[1, 1, 0]).labels
    assert labels.tolist() == [0, 1, 0]


def test_neighbouring_floats_are_told_apart():
    first = 1.0
    second = np.nextafter(first, 2)
    third = np.nextafter(second, 2)
    for init in INITS:
        result = kmeans1d([third, first, second], 3, init=init, seed=0)
        assert result.centers.tolist() == [first, second, third]
        assert result.labels.tolist() == [2, 0, 1]


def test_an_outlier_does_not_hide_the_rest():
    values = np.concatenate((np.arange(6.0) // 3 + np.arange(6) % 3 * 1e-3, [1e9]))
    result = kmeans1d(values, 3)
    assert result.labels.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert result.inertia == pytest.approx(2 * 2e-6, rel=1e-6)


def test_integer_weights_count_as_repetitions():
    rng = np.random.default_rng(3)
    values, counts = rng.normal(size=50), rng.integers(0, 4, 50)
    weighted = kmeans1d(values, 5, sample_weight=counts)
    repeated = kmeans1d(np.repeat(values, counts), 5)
    np.testing.assert_allclose(weighted.centers, repeated.centers, rtol=1e-12)
    assert weighted.inertia == pytest.approx(repeated.inertia, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e300])
def test_the_scale_of_weights_is_free(scale):
    values, weights = np.array([0.0, 1.0, 5.0, 7.0]), np.array([1.0, 2.0, 1.0, 3.0])
    plain = kmeans1d(values, 2, sample_weight=weights)
    scaled = kmeans1d(values, 2, sample_weight=weights * scale)
    np.testing.assert_allclose(scaled.centers, plain.centers, rtol=1e-12)
    assert scaled.inertia == pytest.approx(plain.inertia * scale, rel=1e-12)


# ---- More values than are clustered exactly -------------------------------------


@pytest.fixture
def small_limits(monkeypatch):
    monkeypatch.setattr(kmeans, "_EXACT_VALUES", 4096)
    monkeypatch.setattr(kmeans, "_ELEMENTS", 4096)


@pytest.mark.parametrize("n_clusters", [2, 8, 16])
@pytest.mark.parametrize(
    "kind", ["normal", "laplace", "heavy tail", "pruned", "rounded"]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_large_inputs_end_within_a_millionth(request, kind, n_clusters, weighted):
    rng = np.random.default_rng(7)
    values = rng.normal(size=60_000) if kind == "normal" else rng.laplace(size=60_000)
    if kind == "heavy tail":
        values = np.exp(2 * rng.normal(size=60_000))
    if kind == "pruned":
        values += 2 * np.sign(values)
    if kind == "rounded":
        values = np.round(values, 5)
    weights = rng.uniform(0.5, 2, values.size) if weighted else None
    exact = kmeans1d(values, n_clusters, sample_weight=weights)
    request.getfixturevalue("small_limits")
    n_distinct = len(np.unique(values))
    assert n_distinct > max(4096, 2048 * n_clusters)
    coarse = kmeans1d(values, n_clusters, sample_weight=weights)
    check_shape_of(coarse, values, n_clusters)
    assert coarse.inertia == pytest.approx(exact.inertia, rel=1e-6)
    assert coarse.inertia >= exact.inertia * (1 - 1e-12)


def test_large_inputs_that_are_nearly_all_ties(small_limits):
    # Elements of 100 values would be fewer than clusters.
    values = np.concatenate((np.zeros(300_000), np.arange(5000.0) % 70 / 7e9, [1.0]))
    values = np.concatenate((values, 2 + np.arange(4200) * 1e-9))
    result = kmeans1d(values, 30)
    check_shape_of(result, values, 30)
    distinct, counts = np.unique(values, return_counts=True)
    assert distinct.size > 4096
    kmeans._EXACT_VALUES = 1 << 20
    exact = kmeans1d(distinct, 30, sample_weight=counts)
    assert result.inertia == pytest.approx(exact.inertia, rel=1e-6)


several_scales = st.builds(
    lambda whole, exponent: whole * 2.0**exponent,
    st.integers(-99, 99),
    st.sampled_from([-30, -3, 0, 0, 0, 20]),
)


@SLOW_TWIN
@given(
    st.lists(several_scales, min_size=2, max_size=200),
    st.integers(1, 30),
    st.floats(1e-6, 1e6),
)
def test_elements_are_those_of_the_twin(values, max_count, max_spread):
    values = np.sort(values) + 0.0
    nodes, starts = np.empty((201, 4)), np.empty(201, np.int64)
    n = _native.kmeans_nodes(values, None, 0.0, max_count, max_spread, nodes, starts)
    expected = plain_elements(values, max_count, max_spread)
    assert starts[: n + 1].tolist() == expected
    np.testing.assert_array_equal(np.diff(nodes[: n + 1, 0]), np.diff(expected))
    for e in range(n):
        part = values[expected[e] : expected[e + 1]]
        close = {"rel": 1e-9, "abs": 1e-6 * np.abs(values).max()}
        assert nodes[e + 1, 1] - nodes[e, 1] == pytest.approx(part.sum(), **close)


@settings(max_examples=300, deadline=None)
@given(st.lists(several_scales, min_size=2, max_size=300), st.integers(1, 40))
def test_elements_are_about_as_many_as_asked_for(values, limit):
    values = np.sort(values) + 0.0
    n_distinct = len(np.unique(values))
    # More than there is room for would be an error.
    elements = kmeans._join(kmeans._Sorted(values, None), n_distinct, limit)
    assert elements.starts[0] == 0
    assert elements.starts[-1] == len(values)
    assert (np.diff(elements.starts) > 0).all()
    if n_distinct <= limit:
        assert len(elements.starts) == n_distinct + 1


def test_far_apart_groups_do_not_make_elements_too_coarse():
    # Nearly all of the range is the gap between the groups; one value lies far out.
    rng = np.random.default_rng(0)
    values = rng.normal(size=1_200_000) + 1e4 * rng.integers(0, 2, 1_200_000)
    values[0] = 1e6
    result = kmeans1d(values, 33)
    parts = [kmeans1d(values[values < 5e3], 16), kmeans1d(values[values > 5e3][1:], 16)]
    best = sum(part.inertia for part in parts)
    assert result.inertia == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "shift"), [(1e-145, 0.0), (1e-157, 1e-145), (1e140, 0.0), (1e300, 0.0)]
)
def test_the_elements_of_denormal_and_huge_squares(small_limits, scale, shift):
    values = np.random.default_rng(0).laplace(size=20_000)
    result = kmeans1d(values * scale + shift, 4)
    check_shape_of(result, values * scale + shift, 4)
    if shift == 0:
        expected = kmeans1d(values, 4)
        np.testing.assert_allclose(result.centers, expected.centers * scale, rtol=1e-6)


class Recorder:
    """The kernels, with a record of what each is given and returns."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*arguments):
            result = getattr(_native, name)(*arguments)
            self.calls.append((name, arguments, result))
            return result

        return call

    def of(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.mark.parametrize("n", [100_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("n_clusters", [2, 32, 256])
def test_the_work_does_not_outgrow_the_values(monkeypatch, n, n_clusters):
    recorder = Recorder()
    monkeypatch.setattr(kmeans, "_native", recorder)
    values = np.random.default_rng(0).standard_exponential(n, dtype=np.float32)
    kmeans1d(values, n_clusters)
    programs = recorder.of("kmeans_optimal")
    # One dynamic program over all elements, and small ones that find its penalty.
    assert programs[-1][1][1] <= 2
    assert sum(len(nodes) * passes for (nodes, *_), (_, passes) in programs) <= 16 * n
    # The values themselves are gone through a fixed number of times.
    for name in ("distinct", "nodes", "summary", "lloyd"):
        assert len(recorder.of(f"kmeans_{name}")) <= 2
    assert all(iterations <= 50 for _, iterations in recorder.of("kmeans_lloyd"))


@pytest.mark.parametrize("n_clusters", [32, 256])
def test_the_memory_beside_alexnets_largest_layer(n_clusters):
    values = np.random.default_rng(0).standard_normal(9216 * 4096, dtype=np.float32)
    tracemalloc.start()
    try:
        labels = kmeans1d(values, n_clusters).labels
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert labels.dtype == np.uint8
    # The sorted copy, and what is found on it; the labels come when both are gone.
    assert 1.0 < peak / values.nbytes < 1.2


# ---- Lloyd -----------------------------------------------------------------------


@SLOW_TWIN
@given(
    st.integers(0, 2**32 - 1),
    st.integers(20, 200),
    st.integers(1, 12),
    st.sampled_from([1, 3, 300]),
    st.booleans(),
)
def test_lloyd_is_lloyd(seed, n, n_clusters, max_iter, outside):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    start = rng.normal(size=n_clusters) + 20 * outside
    result = kmeans1d(values, n_clusters, init=start, max_iter=max_iter)
    expected = plain_lloyd(values, start, max_iter)
    np.testing.assert_allclose(result.centers, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("elements", [1, 7, 1000])
def test_lloyd_does_not_depend_on_the_elements(monkeypatch, elements):
    values = np.random.default_rng(1).normal(size=500)
    expected = plain_lloyd(values, [-1.0, 0.0, 0.5], 300)
    monkeypatch.setattr(kmeans, "_LLOYD_ELEMENTS", elements)
    result = kmeans1d(values, 3, init=[-1.0, 0.0, 0.5])
    np.testing.assert_allclose(result.centers, expected, rtol=1e-12)


@SLOW_TWIN
@given(samples, st.sampled_from(INITS[1:]), st.data())
def test_every_start_gives_all_the_clusters(values, init, data):
    n_clusters = data.draw(st.integers(1, len({v + 0.0 for v in values})))
    result = kmeans1d(values, n_clusters, init=init, seed=0)
    check_shape_of(result, values, n_clusters)
    best = float(exact_optimum(values, np.ones(len(values)), n_clusters))
    assert result.inertia >= best * (1 - 1e-9) - slack(values)


@pytest.mark.parametrize("init", ["random", "kmeans++", "density"])
def test_starts_from_fewer_elements_than_clusters(monkeypatch, init):
    monkeypatch.setattr(kmeans, "_LLOYD_ELEMENTS", 2)
    values = np.random.default_rng(0).normal(size=100)
    check_shape_of(kmeans1d(values, 40, init=init, seed=0), values, 40)


def test_starting_points_by_hand(monkeypatch):
    seen = {}
    plain = _native.kmeans_lloyd

    class Watched:
        def __getattr__(self, name):
            return getattr(_native, name)

        @staticmethod
        def kmeans_lloyd(*arguments):
            seen["start"] = arguments[-2].tolist()
            return plain(*arguments)

    monkeypatch.setattr(kmeans, "_native", Watched())
    values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 20.0]
    kmeans1d(values, 3, init="linear")
    assert seen["start"] == [0.0, 10.0, 20.0]
    kmeans1d(values, 4, init="density")
    assert seen["start"] == [1.0, 3.0, 5.0, 20.0]
    for init in ("random", "kmeans++"):
        kmeans1d(values, 4, init=init, seed=1)
        assert len(set(seen["start"]) & set(values)) == 4
    # The farthest value is all but certain to be drawn by squared distance.
    far = [0.0, 1e-6, 2e-6, 1e6]
    for seed in range(5):
        kmeans1d(far, 2, init="kmeans++", seed=seed)
        assert seen["start"][1] == 1e6


def test_linear_falls_short_where_the_values_are_uneven():
    values = np.random.default_rng(0).laplace(size=5000) ** 3
    best = kmeans1d(values, 16).inertia
    assert kmeans1d(values, 16, init="linear").inertia > 1.01 * best


def test_the_empty_cluster_takes_the_farthest_value():
    # 0 and 1 go to the first center, 10 to the second, none to the third; 1 is the
    # farthest from its center.
    result = kmeans1d([0.0, 1.0, 10.0], 3, init=[0.0, 10.0, 50.0])
    assert result.centers.tolist() == [0.0, 1.0, 10.0]


def test_max_iter_stops_lloyd():
    values = np.random.default_rng(0).normal(size=1000)
    start = [-3.0, -2.9, -2.8, -2.7]
    short = kmeans1d(values, 4, init=start, max_iter=1).inertia
    longer = kmeans1d(values, 4, init=start, max_iter=5).inertia
    assert kmeans1d(values, 4, init=start).inertia < longer < short


@pytest.mark.parametrize("init", ["random", "kmeans++"])
def test_seeds(init):
    values = np.random.default_rng(0).normal(size=2000)

    def run(seed):
        return kmeans1d(values, 12, init=init, seed=seed, max_iter=1).centers.tolist()

    assert run(5) == run(5) == run(np.random.default_rng(5))
    assert run(5) != run(6)


# ---- Kinds of input --------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("n_clusters", "dtype"),
    [(1, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")],
)
def test_the_smallest_dtype_of_labels(n_clusters, dtype):
    values = np.arange(70_000, dtype=np.float32)[::-1]
    result = kmeans1d(values, n_clusters)
    assert result.labels.dtype == dtype
    assert result.labels[0] == n_clusters - 1
    assert result.labels[-1] == 0
    expected = np.searchsorted(
        (result.centers[1:].astype(float) + result.centers[:-1]) / 2, values
    )
    np.testing.assert_array_equal(result.labels, expected)


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
    with pytest.raises(ValueError, match="n_clusters is 2, but there are only 1 dist"):
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
        with pytest.raises(ValueError, match="NaN or infinity"):
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
    with pytest.raises(ValueError, match="there are only 1 distinct values"):
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
        with pytest.raises(ValueError, match="values contains NaN or infinity"):
            kmeans1d(values, 3, sample_weight=weights)


@pytest.mark.parametrize("shape", [0, (0, 5), (3, 0)])
def test_empty_arrays(shape):
    for weights in (None, np.ones(shape)):
        with pytest.raises(ValueError, match="values is empty: pass at least one"):
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


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_number_of_threads_changes_nothing(monkeypatch, init, weighted):
    monkeypatch.setattr(kmeans, "_LABELS_PER_THREAD", 100)
    rng = np.random.default_rng(0)
    values = rng.normal(size=5003).astype(np.float32)
    weights = rng.uniform(size=5003) if weighted else None
    results = [
        kmeans1d(values, 9, init=init, sample_weight=weights, seed=4, n_threads=n)
        for n in (1, 2, 3, 8, None)
    ]
    for result in results[1:]:
        np.testing.assert_array_equal(result.labels, results[0].labels)
        np.testing.assert_array_equal(result.centers, results[0].centers)
        assert result.inertia == results[0].inertia


def test_nine_million_values_on_up_to_eight_threads():
    values = np.random.default_rng(0).standard_normal(9_000_001, dtype=np.float32)
    one = kmeans1d(values, 32, n_threads=1)
    for n_threads in (2, 3, 8):
        result = kmeans1d(values, 32, n_threads=n_threads)
        np.testing.assert_array_equal(result.labels, one.labels)
        np.testing.assert_array_equal(result.centers, one.centers)
        assert result.inertia == one.inertia


@SLOW_TWIN
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40, unique=True),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40),
)
def test_labels_are_the_number_of_thresholds_below(thresholds, values):
    thresholds = np.sort(np.array(thresholds))
    flat = np.concatenate((thresholds, np.array(values, np.float64)))
    for dtype in (np.uint8, np.uint16, np.uint32):
        labels = np.empty(flat.size, dtype)
        _native.kmeans_labels(flat, thresholds, labels)
        np.testing.assert_array_equal(labels, np.searchsorted(thresholds, flat))


# ---- Errors ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], 1), ValueError, "values is empty: pass at least one number"),
        (([1.0, np.nan], 1), ValueError, "values contains NaN or infinity: remove"),
        (([1.0, np.inf], 1), ValueError, "values contains NaN or infinity: remove"),
        (([-np.inf, 1.0], 1), ValueError, "values contains NaN or infinity: remove"),
        ((["a"], 1), TypeError, "values must be real numbers, received dtype <U1"),
        (([1j], 1), TypeError, "values must be real numbers, received dtype complex"),
        (([True], 1), TypeError, "values must be real numbers, received dtype bool"),
        (([1.0], 0), ValueError, "n_clusters must be at least 1, received 0"),
        (([1.0], -3), ValueError, "n_clusters must be at least 1, received -3"),
        (([1.0], 1.0), TypeError, "n_clusters must be an int, received 1.0"),
        (([1.0], True), TypeError, "n_clusters must be an int, received True"),
        (
            ([1.0, 1.0, 2.0], 3),
            ValueError,
            "n_clusters is 3, but there are only 2 distinct values: ask for 2 clusters",
        ),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        kmeans1d(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"init": "best"}, ValueError, r"Unknown init 'best': use one of optimal, lin"),
        ({"init": [1.0]}, ValueError, r"or 2 starting centers; received .*\(1,\)"),
        ({"init": ["a", "b"]}, ValueError, "or 2 starting centers; received dtype <U1"),
        ({"init": [1.0, np.nan]}, ValueError, "init contains NaN or infinity"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1, received 0"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be an int, received 1.5"),
        ({"n_threads": 0}, ValueError, "n_threads must be at least 1, received 0"),
        ({"n_threads": "2"}, TypeError, "n_threads must be an int, received '2'"),
        (
            {"sample_weight": [1.0, 1.0]},
            ValueError,
            r"sample_weight has shape \(2,\), but values has shape \(3,\)",
        ),
        ({"sample_weight": [1.0, -1.0, 1.0]}, ValueError, "finite and not negative"),
        ({"sample_weight": [1.0, np.nan, 1.0]}, ValueError, "finite and not negative"),
        ({"sample_weight": [1.0, np.inf, 1.0]}, ValueError, "finite and not negative"),
        ({"sample_weight": [0.0, 0.0, 0.0]}, ValueError, "is zero for all values"),
        ({"sample_weight": ["a"] * 3}, TypeError, "must be real numbers, received dty"),
        ({"sample_weight": [0.0, 0.0, 1.0]}, ValueError, "only 1 distinct values"),
    ],
)
def test_errors_of_options(options, error, message):
    with pytest.raises(error, match=message):
        kmeans1d([1.0, 2.0, 3.0], 2, **options)


def test_a_weight_of_zero_does_not_excuse_a_nan():
    with pytest.raises(ValueError, match="NaN or infinity"):
        kmeans1d([1.0, np.nan], 1, sample_weight=[1.0, 0.0])


def test_an_unknown_name_of_the_module():
    with pytest.raises(AttributeError, match="no attribute 'KMeans2D'"):
        _ = kmeans.KMeans2D


def test_the_kernels_refuse_what_does_not_fit():
    values, cuts = np.arange(4.0), np.array([0, 2, 4])
    nodes, starts = np.empty((5, 4)), np.empty(5, np.int64)
    _native.kmeans_nodes(values, None, 0.0, 1, np.inf, nodes, starts)
    small = np.arange(4, dtype=np.int16)
    for call, error in [
        (lambda: _native.kmeans_distinct(small, 4), TypeError),
        (lambda: _native.kmeans_distinct(values, -1), ValueError),
        (
            lambda: _native.kmeans_nodes(
                values, None, 0.0, 1, np.inf, nodes[:4], starts[:4]
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_nodes(
                values, values[:2], 0.0, 1, np.inf, nodes, starts
            ),
            ValueError,
        ),
        (lambda: _native.kmeans_optimal(nodes, 0.0, np.empty(7, np.int64)), ValueError),
        (lambda: _native.kmeans_optimal(nodes, 0.0, np.empty(3, "i4")), TypeError),
        (
            lambda: _native.kmeans_lloyd(
                values, None, nodes, starts[::-1].copy(), 0.0, 9, np.zeros(2), cuts
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_lloyd(
                values, None, nodes, starts, 0.0, 9, np.zeros(3), cuts
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_summary(
                values, None, np.array([0, 5, 4]), np.empty(2)
            ),
            ValueError,
        ),
        (
            lambda: _native.kmeans_labels(
                values, np.zeros(3, "f4"), np.empty(4, np.uint8)
            ),
            TypeError,
        ),
        (
            lambda: _native.kmeans_labels(values, np.zeros(3), np.empty(3, np.uint8)),
            ValueError,
        ),
        (
            lambda: _native.kmeans_labels(values, np.zeros(300), np.empty(4, "u1")),
            ValueError,
        ),
    ]:
        with pytest.raises(error):
            call()
    flat = np.zeros(4)
    _native.kmeans_nodes(flat, None, 0.0, 1, np.inf, nodes, starts)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.kmeans_lloyd(
            flat, None, nodes[:2], starts[:2], 0.0, 9, np.zeros(2), cuts
        )


# ---- The module and the estimator ------------------------------------------------


def test_the_module_is_light():
    code = (
        "import sys, deepcompress.clustering.kmeans as k; k.kmeans1d([1.0, 2.0], 2);"
        "sys.exit(bool({'tensorflow', 'keras', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_estimator_finds_the_same():
    values = np.random.default_rng(0).normal(size=(300, 1))
    weights = np.random.default_rng(1).uniform(size=300)
    for init in (*INITS, [[-1.0], [0.0], [1.0]]):
        model = KMeans1D(3, init=init, random_state=0)
        model.fit(values, sample_weight=weights)
        assert model.cluster_centers_.shape == (3, 1)
        assert model.labels_.dtype == np.int32
        assert model.n_features_in_ == 1
        np.testing.assert_array_equal(model.predict(values), model.labels_)
        if init == "optimal":
            expected = kmeans1d(values[:, 0], 3, sample_weight=weights)
            assert model.inertia_ == expected.inertia
            np.testing.assert_array_equal(model.cluster_centers_[:, 0], expected[0])
    labels = KMeans1D(3).fit_predict(values)
    np.testing.assert_array_equal(labels, kmeans1d(values[:, 0], 3).labels)


def test_the_estimator_wants_one_column():
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        KMeans1D(2).fit([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="but X has 2 features: pass one column"):
        KMeans1D(2).fit([[1.0, 2.0], [3.0, 4.0]])


class FirstColumn(KMeans1D):
    """KMeans1D for the checks of scikit-learn, whose data has several features."""

    def _column(self, X, *, reset):
        from sklearn.utils.validation import validate_data

        array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        return np.ascontiguousarray(array[:, 0])


def test_the_conventions_of_scikit_learn():
    from sklearn.utils.estimator_checks import check_estimator

    expected = {
        "check_non_transformer_estimators_n_iter": "the default does not iterate",
    }
    results = check_estimator(
        FirstColumn(n_clusters=2),
        expected_failed_checks=expected,
        on_skip=None,
        on_fail=None,
    )
    failed = [
        (r["check_name"], r["exception"]) for r in results if r["status"] == "failed"
    ]
    assert failed == []
    assert sum(r["status"] == "passed" for r in results) > 40
