"""Matrices as compression makes them, and held as a file holds them."""

import numpy as np
from hypothesis import strategies as st

from deepcompress.dcz.coding.bytestream import ByteReader, ByteWriter
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor


def held(array):
    """An array as what a file holds of it."""
    writer = ByteWriter()
    HuffmanTensor.encode(array, writer)
    reader = ByteReader(writer.end())
    return HuffmanTensor.decode(reader, array.dtype, array.shape).weights()


def shared(shape, density, n_values, rng, dtype="float32"):
    """A matrix of some values, the first the most frequent, and zeros."""
    values = (rng.standard_normal(n_values) * 0.1).astype(dtype)
    values[values == 0] = 1
    which = (rng.random(shape) ** 2 * n_values).astype(int)
    return np.where(rng.random(shape) < density, values[which], 0).astype(dtype)


def inputs(shape, density, rng):
    """Rows of inputs, of which some are 0."""
    x = rng.standard_normal(shape).astype("float32")
    return np.where(rng.random(shape) < density, x, np.float32(0))


def assert_close(actual, expected):
    """Within 1e-5 of the largest output; what is not finite is the same."""
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    assert actual.flags.c_contiguous
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(actual), finite)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    scale = np.abs(expected[finite]).max(initial=1e-30)
    assert np.abs(actual[finite] - expected[finite]).max(initial=0) <= 1e-5 * scale


def product(x, dense):
    with np.errstate(invalid="ignore"):
        return (x.astype(np.float64) @ dense.astype(np.float64)).astype(np.float32)


@st.composite
def matrices(draw):
    """Matrices of all kinds and sizes, small ones above all."""
    side = st.integers(1, 5) | st.integers(1, 90) | st.sampled_from([16, 32, 64, 300])
    shape = draw(side), draw(side)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    density = draw(st.sampled_from([0, 0.02, 0.1, 0.3, 0.6, 1]))
    n_values = draw(st.sampled_from([1, 2, 8, 16, 31, 32, 33, 64, 100, 127, 200, 300]))
    array = shared(shape, density, n_values, rng)
    if draw(st.integers(0, 5)) == 0:
        array = np.where(array, rng.standard_normal(shape), 0).astype("float32")
    return array
