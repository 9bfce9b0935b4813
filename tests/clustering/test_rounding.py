import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcompress.clustering.rounding import round_mantissa

DTYPES = {
    "float16": (np.float16, 10),
    "bfloat16": (ml_dtypes.bfloat16, 7),
    "float32": (np.float32, 23),
    "float64": (np.float64, 52),
}


def patterns(array):
    return array.view(f"u{array.itemsize}")


def few_digit_floats(dtype, n_dropped):
    """All non-negative finite floats of a dtype of 16 bits that end in zeros."""
    infinity = int(patterns(np.array([np.inf], dtype))[0])
    return np.arange(0, infinity, 1 << n_dropped, np.uint16).view(dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("bits", [1, 2, 4, 6])
def test_every_float_of_16_bits_becomes_the_nearest(dtype, bits):
    """Against a search through all the floats that there are."""
    dtype, n_own = DTYPES[dtype]
    everything = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    infinity = patterns(np.array([np.inf], dtype))[0]
    finite = (patterns(everything) & 0x7FFF) < infinity
    rounded = round_mantissa(everything, bits)
    np.testing.assert_array_equal(
        patterns(rounded)[~finite], patterns(everything)[~finite]
    )
    few = few_digit_floats(dtype, n_own - bits)
    known = few.astype(np.float64)
    exact, result = (a[finite].astype(np.float64) for a in (everything, rounded))
    above = np.clip(np.searchsorted(known, abs(exact)), 1, len(known) - 1)
    below = above - 1
    to_below, to_above = abs(exact) - known[below], known[above] - abs(exact)
    is_odd = (patterns(few)[below] >> (n_own - bits) & 1).astype(bool)
    is_up = (to_above < to_below) | ((to_above == to_below) & is_odd)
    # Nothing becomes zero.
    nearest = known[np.maximum(np.where(is_up, above, below), 1)]
    np.testing.assert_array_equal(
        result, np.where(exact == 0, 0, nearest * np.sign(exact))
    )
    np.testing.assert_array_equal(np.signbit(result), np.signbit(exact))


@given(
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 60),
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=20),
)
def test_digits_are_few_and_the_value_near(dtype, bits, values):
    dtype, n_own = DTYPES[dtype]
    array = np.array(values, dtype)
    rounded = round_mantissa(array, bits)
    assert rounded.dtype == array.dtype
    dropped = max(n_own - bits, 0)
    assert not (patterns(rounded) & ((1 << dropped) - 1)).any()
    assert np.isfinite(rounded).all()
    np.testing.assert_array_equal(rounded == 0, array == 0)
    np.testing.assert_array_equal(np.signbit(rounded), np.signbit(array))
    np.testing.assert_array_equal(round_mantissa(rounded, bits), rounded)
    # But for the ends of the range: half a unit of the last digit.
    info = np.finfo(dtype)
    inner = (abs(array) >= info.tiny) & (abs(array) <= info.max / 2)
    error = abs(rounded[inner] / array[inner] - 1)
    assert (error <= 2.0 ** -(bits + 1)).all()


def test_halves_go_to_the_even_digit():
    values = np.array([1.125, 1.375, 1.625, 1.875, -1.125], np.float32)
    assert round_mantissa(values, 2).tolist() == [1.0, 1.5, 1.5, 2.0, -1.0]


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (4, 1, 2)])
def test_shapes_are_kept(shape):
    rounded = round_mantissa(np.full(shape, 1.3, np.float32), 3)
    assert rounded.shape == shape
    assert (rounded == 1.25).all()


def test_strides_do_not_matter():
    values = np.random.default_rng(0).normal(size=(6, 7)).astype(np.float32)
    view = values.T[::2]
    np.testing.assert_array_equal(
        round_mantissa(view, 4), round_mantissa(view.copy(), 4)
    )
