"""Floats of few binary digits."""

import ml_dtypes
import numpy as np


def round_mantissa(array: np.ndarray, bits: int) -> np.ndarray:
    """Returns the nearest floats with so many binary digits behind the leading one.

    All later digits of the float pattern are zero. A value halfway between two such
    floats becomes the one whose last digit is zero. Nothing becomes zero that is not,
    and nothing finite becomes infinite: such a value becomes the least, or greatest,
    of the floats that have so few digits.

    Args:
        array: Floats of any shape and of a dtype with an infinity, such as float32,
            float16 or bfloat16.
        bits: Binary digits behind the leading one, at least 1.

    Returns:
        An array of the same shape and dtype.

    Example:

    >>> import numpy as np
    >>> round_mantissa(np.array([1.3, -1.1, 0.07, 0.0], np.float32), 2)
    array([ 1.25 , -1.   ,  0.0625,  0.    ], dtype=float32)
    """
    n_dropped = _n_mantissa_bits(array.dtype) - bits
    if n_dropped <= 0:
        return array
    unsigned = np.dtype(f"u{array.itemsize}")
    sign = unsigned.type(1 << (8 * array.itemsize - 1))
    infinity = np.array(np.inf, array.dtype).view(unsigned)[()]
    least = unsigned.type(1 << n_dropped)
    pattern = np.ascontiguousarray(array).view(unsigned)
    magnitude = pattern & ~sign
    # Patterns of one sign are in the order of the floats: a carry goes into the
    # exponent, as it should.
    last = (magnitude >> n_dropped) & unsigned.type(1)
    rounded = magnitude + (least // 2 - unsigned.type(1)) + last
    rounded = np.clip(rounded & ~(least - unsigned.type(1)), least, infinity - least)
    is_kept = (magnitude == 0) | (magnitude >= infinity)
    rounded = np.where(is_kept, magnitude, rounded) | (pattern & sign)
    result: np.ndarray = rounded.view(array.dtype).reshape(array.shape)
    return result


def least_normal(dtype: np.dtype) -> float:
    """Returns the least positive float of a dtype that has all digits."""
    return float(ml_dtypes.finfo(dtype).tiny)  # type: ignore[no-untyped-call]


def _n_mantissa_bits(dtype: np.dtype) -> int:
    """Returns the binary digits of a dtype behind the leading one."""
    return int(ml_dtypes.finfo(dtype).nmant)  # type: ignore[no-untyped-call]
