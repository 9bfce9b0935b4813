"""What every coder of tensors must do: `deepcompress.dcz.coding.tensor`."""

import tracemalloc

import numpy as np
import pytest
from helpers.arrays import dtypes, large_tensors, sparse, tensors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress.dcz.container import VERSIONS
from deepcompress.errors import CorruptFileError

# A reader may be ahead by a part of a byte.
ROUNDED = {"n_bytes": 1, "code_bits": 8, "value_bits": 8}

pytestmark = pytest.mark.parametrize(
    "coder", [version.TENSOR for version in VERSIONS.values()], ids=lambda c: c.coder
)


def write(coder, arrays):
    """The bytes of some tensors, and how they were taken apart."""
    writer = coder.Writer()
    forms = [coder.encode(array, writer) for array in arrays]
    return writer.end(), forms


def read(coder, data, arrays):
    reader = coder.Reader(data)
    forms = [coder.decode(reader, array.dtype, array.shape) for array in arrays]
    reader.end()
    return forms


def assert_comes_back(coder, *arrays):
    data, written = write(coder, arrays)
    forms = read(coder, data, arrays)
    for array, form in zip(arrays, forms, strict=True):
        decoded = form.to_array()
        assert decoded.dtype == array.dtype
        assert decoded.shape == array.shape
        assert decoded.tobytes() == array.tobytes()
        assert decoded.flags.writeable
    return written, forms


@given(arrays=st.lists(tensors() | large_tensors(), min_size=1, max_size=3))
def test_every_bit_comes_back_and_so_do_the_figures(coder, arrays):
    written, forms = assert_comes_back(coder, *arrays)
    for form, other in zip(forms, written, strict=True):
        read_stats, written_stats = vars(form.stats()), vars(other.stats())
        assert read_stats.keys() == written_stats.keys()
        for name, value in written_stats.items():
            if name in ROUNDED:
                assert abs(read_stats[name] - value) <= ROUNDED[name]
            else:
                np.testing.assert_array_equal(read_stats[name], value)


@given(arrays=st.lists(tensors(), min_size=1, max_size=3))
def test_the_figures_are_those_of_the_tensors(coder, arrays):
    data, written = write(coder, arrays)
    every = [form.stats() for form in written]
    assert sum(stats.n_bytes for stats in every) <= len(data)
    for array, stats in zip(arrays, every, strict=True):
        assert (stats.n_weights, stats.itemsize) == (array.size, array.itemsize)
        assert stats.n_nonzero == np.count_nonzero(array)
        assert stats.n_stored <= stats.n_weights
        if stats.background is None:
            assert stats.n_nonzero <= stats.n_stored
        else:
            assert stats.background.dtype == array.dtype
            assert any(stats.background.tobytes())
            assert stats.n_stored == sum(
                item.tobytes() != stats.background.tobytes() for item in array.flat
            )
        if stats.n_stored < stats.n_weights:
            assert stats.is_coded
            assert stats.position_bits_fixed > 0 or stats.n_stored == 0
        else:
            assert stats.position_bits_fixed == 0
        if stats.codebook is not None:
            assert stats.is_coded
            assert stats.codebook.dtype == array.dtype
            assert stats.code_counts.sum() == stats.n_stored


@given(arrays=st.lists(tensors() | large_tensors(), min_size=1, max_size=3))
def test_what_is_held_compressed_is_the_array_bit_for_bit(coder, arrays):
    data, _ = write(coder, arrays)
    for array, form in zip(arrays, read(coder, data, arrays), strict=True):
        weights = form.weights()
        assert weights.to_array().tobytes() == array.tobytes()
        assert (weights.shape, weights.dtype) == (array.shape, array.dtype)
        assert weights.background.shape == ()
        stored = weights.stored()
        assert stored.dtype == weights.background.dtype == array.dtype
        assert stored.shape == (weights.n_stored,)
        assert (weights.codes is None) != (weights.values is None)
        if weights.codes is not None:
            n_values = len(weights.codebook)
            assert weights.codes.dtype == np.min_scalar_type(max(n_values - 1, 0))
        if weights.positions is not None:
            assert weights.positions.dtype == np.int64
            assert (np.diff(weights.positions) > 0).all()
            if form.stats().background is None:
                assert weights.background.tobytes() == bytes(array.itemsize)


def test_what_is_held_compressed_is_made_without_the_array(coder, rng):
    array = sparse((2000, 500), 0.02, 15, rng)
    data, _ = write(coder, [array])
    form = coder.decode(coder.Reader(data), array.dtype, array.shape)
    tracemalloc.start()
    try:
        weights = form.weights()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert weights.n_stored == np.count_nonzero(array)
    assert peak < array.nbytes / 4


def test_an_array_that_is_not_aligned_comes_back(coder):
    data = np.arange(401, dtype=np.uint8) % 3
    array = np.frombuffer(data[1:].tobytes() + b"\0", np.uint8)[1:].view(np.uint32)
    assert not array.flags.aligned
    assert_comes_back(coder, array)


def test_an_array_of_any_strides_comes_back(coder, rng):
    array = sparse((90, 70), 0.3, 15, rng)
    assert_comes_back(coder, array.T, array[:, ::3], array[::-1])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_nan_infinity_and_negative_zero_comes_back(coder, dtype):
    size = np.dtype(dtype).itemsize
    sign = 1 << 8 * size - 1
    # Zero, the least number, -0.0, and the quiet and signalling NaNs' extremes.
    patterns = [0, 1, sign, sign - 1, 2 * sign - 1, 2 * sign - 2]
    array = np.tile(np.array(patterns, f"u{size}"), 50).view(dtype)
    assert_comes_back(coder, array)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_every_pattern_of_the_small_floats_comes_back(coder, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, dtype))
    patterns = np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}")
    array = np.repeat(patterns, 3).view(dtype)
    assert_comes_back(coder, array)


def test_zeros_and_shared_values_are_cheap(coder, rng):
    zeros, shared = np.zeros((512, 512), "float32"), sparse((300, 200), 0.05, 15, rng)
    dense = rng.standard_normal((300, 200)).astype("float32")
    data, forms = write(coder, [zeros, shared, dense])
    stats = [form.stats() for form in forms]
    assert stats[0].is_coded
    assert stats[1].is_coded
    assert stats[0].n_bytes < zeros.nbytes / 500
    assert stats[1].n_bytes < shared.nbytes / 20
    assert stats[2].n_bytes < dense.nbytes * 1.001
    assert len(data) - sum(each.n_bytes for each in stats) < 4


@given(
    data=st.binary(max_size=80),
    dtype=dtypes,
    shape=hnp.array_shapes(min_dims=0, max_side=20),
)
def test_any_bytes_are_decoded_or_refused(coder, data, dtype, shape):
    try:
        form = coder.decode(coder.Reader(data), dtype, shape)
        array = form.to_array()
    except CorruptFileError:
        return
    assert form.weights().to_array().tobytes() == array.tobytes()
    assert array.shape == shape
    assert array.dtype == dtype


@given(array=tensors() | large_tensors(), data=st.data())
def test_damaged_bytes_are_decoded_or_refused(coder, array, data):
    damaged = bytearray(write(coder, [array])[0])
    for _ in range(data.draw(st.integers(1, 3)) if damaged else 0):
        # What comes first says the most.
        at = data.draw(
            st.integers(0, min(len(damaged), 40) - 1) | st.integers(0, 10**4)
        )
        damaged[at % len(damaged)] = data.draw(st.integers(0, 255))
    try:
        form = coder.decode(coder.Reader(bytes(damaged)), array.dtype, array.shape)
        decoded = form.to_array()
        assert form.weights().to_array().tobytes() == decoded.tobytes()
        form.stats()
    except CorruptFileError:
        return
    assert decoded.shape == array.shape
    assert decoded.dtype == array.dtype


@pytest.mark.parametrize("density", [0.4, 1])
def test_decoding_takes_a_few_times_the_memory_of_the_tensor(coder, density, rng):
    shape = 200_000
    array = np.where(rng.random(shape) < density, rng.standard_normal(shape), -0.0)
    data, _ = write(coder, [array])
    assert len(data) < 0.95 * array.nbytes
    tracemalloc.start()
    try:
        coder.decode(coder.Reader(data), array.dtype, array.shape).to_array()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * array.nbytes


def test_bytes_that_no_tensor_takes_are_refused(coder):
    array = np.arange(9.0)
    data, _ = write(coder, [array])
    reader = coder.Reader(data + bytes(8))
    coder.decode(reader, array.dtype, array.shape)
    with pytest.raises(CorruptFileError):
        reader.end()


def test_a_tensor_does_not_change_the_one_before(coder, rng):
    first, second = sparse((40, 30), 0.2, 15, rng), sparse((30, 20), 0.2, 15, rng)
    before = first.tobytes()
    _, forms = write(coder, [first, second])
    assert first.tobytes() == before
    np.testing.assert_array_equal(forms[0].to_array(), first)
