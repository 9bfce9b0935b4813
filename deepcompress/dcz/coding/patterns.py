"""The bits of an array's elements as unsigned integers."""

import numpy as np

_PIECE = 1 << 15  # elements that a processor's cache holds


def pattern_dtype(dtype: np.dtype) -> np.dtype:
    """Returns the unsigned integers that show a dtype's bits; void for wide ones."""
    kind = "u" if dtype.itemsize in {1, 2, 4, 8} else "V"
    return np.dtype(f"<{kind}{dtype.itemsize}")


def patterns_of(array: np.ndarray) -> np.ndarray:
    """Returns the bits of an array's elements, aligned and in C order.

    Args:
        array: Any shape; a little-endian dtype of fixed size.

    Example:

    >>> import numpy as np
    >>> patterns_of(np.array([0.0, -0.0], "<f2"))
    array([    0, 32768], dtype=uint16)
    """
    patterns = np.require(array, requirements=("C", "A")).view(
        pattern_dtype(array.dtype)
    )
    return patterns.reshape(array.shape)  # 0-d arrays would come back 1-d


def are_nonzero(patterns: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Returns which elements are not zero, where -0.0 is.

    Args:
        patterns: The bits of the elements, C-contiguous.
        dtype: What they are.

    Example:

    >>> import numpy as np
    >>> are_nonzero(np.array([0, 32768, 1], "<u2"), np.dtype("<f2"))
    array([False, False,  True])
    """
    found: np.ndarray
    if dtype.kind == "c":
        with np.errstate(invalid="ignore"):  # of a NaN that is to signal
            found = patterns.view(dtype) != 0
    else:
        # Much faster than to compare floats; what is shifted out is the sign.
        found = (patterns if dtype.kind in "biu" else patterns << 1) != 0
    return found


def count_nonzero(patterns: np.ndarray, dtype: np.dtype) -> int:
    """Returns how many elements are not zero, where -0.0 is.

    Args:
        patterns: The bits of the elements, C-contiguous.
        dtype: What they are.

    Example:

    >>> import numpy as np
    >>> count_nonzero(np.array([0, 32768, 1], "<u2"), np.dtype("<f2"))
    1
    """
    # Piece by piece, so that what is compared takes no memory.
    flat = patterns.reshape(-1)
    pieces = (flat[i : i + _PIECE] for i in range(0, flat.size, _PIECE))
    return sum(int(np.count_nonzero(are_nonzero(piece, dtype))) for piece in pieces)
