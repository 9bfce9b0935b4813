"""Where the non-zeros of a tensor stand, in either order of its axes."""

from math import prod

import numpy as np

from deepcompress import _native


def nonzeros(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns where the items stand that are not zero, and what they are.

    Args:
        items: Unsigned integers, C-contiguous, of any shape.

    Returns:
        Positions in C order, an int64 array of shape `(n,)`, and the items there.

    Example:

    >>> import numpy as np
    >>> nonzeros(np.array([[0, 7], [8, 0]], np.uint8))
    (array([1, 2]), array([7, 8], dtype=uint8))
    """
    n = int(np.count_nonzero(items))
    if n == items.size:
        return np.arange(n), items.reshape(-1)
    positions, values = np.empty(n, np.int64), np.empty(n, items.dtype)
    _native.nonzeros(items, positions, values)
    return positions, values


def reverse(
    positions: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns positions in the tensor whose axes are reversed.

    Args:
        positions: Ascending int64 array of shape `(n,)`: positions in C order.
        shape: The shape of the tensor, no axis of it empty.

    Returns:
        The positions in the reversed tensor, ascending, and for each of them the
        index of the position that it was.

    Example:

    >>> import numpy as np
    >>> reverse(np.array([0, 1, 4]), (2, 3))
    (array([0, 2, 3]), array([0, 1, 2]))
    """
    lengths = np.array(shape, np.int64)
    strides = np.cumprod([1, *shape[:-1]], dtype=np.int64)
    arrays = np.empty((4, len(positions)), np.int64)
    _native.reverse(positions, lengths, strides, prod(shape), *arrays)
    return arrays[0], arrays[1]
