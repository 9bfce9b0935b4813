"""The distinct values of an array, while they are few."""

from typing import NamedTuple

import numpy as np

from deepcompress import _native
from deepcompress.dcz.coding.huffman import count_symbols, symbol_dtype


class SharedValues(NamedTuple):
    """An array as a codebook and codes.

    Attributes:
        codebook: The distinct values, ascending.
        counts: int64 array: how often each of them occurs.
        codes: For each value its index in the codebook: uint8, or uint16 where there
            are more than 256.
    """

    codebook: np.ndarray
    counts: np.ndarray
    codes: np.ndarray


def shared_values(items: np.ndarray, limit: int) -> SharedValues | None:
    """Returns an array's distinct values, or `None` where there are too many.

    Args:
        items: Unsigned integers of shape `(n,)`, C-contiguous.
        limit: The most distinct values, up to 65,536. The search ends with the first
            one more.

    Example:

    >>> import numpy as np
    >>> shared_values(np.array([8, 3, 8], np.uint32), limit=2).codebook
    array([3, 8], dtype=uint32)
    >>> shared_values(np.array([8, 3, 9], np.uint32), limit=2) is None
    True
    """
    if items.itemsize <= 2 and len(items) >= 1 << 8 * items.itemsize:
        return _shared_small(items, limit)
    distinct, counts = np.empty(limit, np.uint64), np.empty(limit, np.uint64)
    numbers = np.empty(len(items), np.uint16)  # in the order of first occurrence
    n_distinct = _native.codebook(items, distinct, counts, numbers)
    if n_distinct < 0:
        return None
    order = np.argsort(distinct[:n_distinct])
    codes = np.empty(n_distinct, symbol_dtype(n_distinct))
    codes[order] = np.arange(n_distinct)
    return SharedValues(
        codebook=distinct[order].astype(items.dtype),
        counts=counts[order].astype(np.int64),
        codes=codes[numbers],
    )


def _shared_small(items: np.ndarray, limit: int) -> SharedValues | None:
    """Returns the same where it pays to count every value that items may have."""
    counts = count_symbols(items, 1 << 8 * items.itemsize)
    used = np.flatnonzero(counts)
    if len(used) > limit:
        return None
    codes = np.zeros(len(counts), symbol_dtype(len(used)))
    codes[used] = np.arange(len(used))
    return SharedValues(used.astype(items.dtype), counts[used], codes[items])
