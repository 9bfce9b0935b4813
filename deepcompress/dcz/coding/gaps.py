"""Positions of the non-zeros as gaps: how many zeros stand before each.

A gap symbol is `width` bits wide. Its highest value, the escape, stands for so many
zeros with no non-zero behind them, so that long gaps take several symbols. (Han et
al. store a filler weight there; an escape carries no weight.)

References:
    Han, Mao, Dally 2016, "Deep Compression", section 2, figure 2.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from deepcompress import _native
from deepcompress.dcz.coding.huffman import HuffmanCode, symbol_dtype
from deepcompress.dcz.coding.positions import reverse

MAX_WIDTH = _native.DC_MAX_GAP_WIDTH
_N_COUNTS = 1 << MAX_WIDTH


def encode(positions: np.ndarray, width: int) -> np.ndarray:
    """Returns ascending positions as gap symbols.

    Args:
        positions: int64 array of shape `(n,)`, strictly ascending.
        width: Bits of a symbol, 1 to 15.

    Returns:
        uint8 or uint16 array, one symbol a position and one an escape.

    Example:

    >>> import numpy as np
    >>> encode(np.array([0, 3, 20]), width=3)
    array([0, 2, 7, 7, 2], dtype=uint8)
    """
    gaps, counts = count(positions)
    n_escapes = int(gaps // ((1 << width) - 1) @ counts)
    symbols = np.empty(len(positions) + n_escapes, symbol_dtype(1 << width))
    _native.gaps_encode(positions, width, symbols)
    return symbols


def scatter(
    symbols: np.ndarray,
    width: int,
    values: np.ndarray,
    shape: tuple[int, ...],
    *,
    is_reversed: bool = False,
) -> np.ndarray:
    """Returns a tensor with the values where the gaps lead, and zeros elsewhere.

    Args:
        symbols: uint8 or uint16 array, as `encode` makes it.
        width: Bits of a symbol.
        values: Array of shape `(n,)` of 1, 2, 4 or 8 bytes an item.
        shape: The tensor's shape.
        is_reversed: Whether the gaps run over the tensor with its axes in reverse.
            Defaults to `False`.

    Raises:
        CorruptFileError: The symbols do not lead to exactly so many positions inside
            the tensor.

    Example:

    >>> import numpy as np
    >>> scatter(np.array([1, 0], np.uint8), 3, np.array([5, 6], np.uint8), (2, 2))
    array([[0, 5],
           [6, 0]], dtype=uint8)
    """
    out = np.zeros(shape, values.dtype)
    lengths, strides = np.array([out.size]), np.array([1])
    if is_reversed and shape:
        lengths = np.array(shape[::-1])
        strides = np.array(out.strides[::-1]) // out.itemsize
    values = np.require(values, requirements="A")  # as bytes in a file are not
    _native.gaps_scatter(symbols, width, lengths, strides, values, out.reshape(-1))
    return out


def positions_of(
    symbols: np.ndarray,
    width: int,
    n_positions: int,
    shape: tuple[int, ...],
    *,
    is_reversed: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the positions that gap symbols lead to.

    Args:
        symbols: uint8 or uint16 array, as `encode` makes it.
        width: Bits of a symbol.
        n_positions: How many positions there are.
        shape: The tensor's shape, no axis of it empty.
        is_reversed: Whether the gaps run over the tensor with its axes in reverse.
            Defaults to `False`.

    Returns:
        Positions in C order, an ascending int64 array; and for each of them which
        one it is in the order of the gaps, or `None` where that is the same.

    Raises:
        CorruptFileError: The symbols do not lead to exactly so many positions inside
            the tensor.

    Example:

    >>> import numpy as np
    >>> positions_of(np.array([1, 0], np.uint8), 3, 2, (2, 2), is_reversed=True)
    (array([1, 2]), array([1, 0]))
    """
    positions = np.empty(n_positions, np.int64)
    _native.gaps_positions(symbols, width, prod(shape), positions)
    return reverse(positions, shape[::-1]) if is_reversed else (positions, None)


class GapCounts(NamedTuple):
    """How often each gap occurs.

    Attributes:
        gaps: int64 array, ascending.
        counts: int64 array of the same shape.
    """

    gaps: np.ndarray
    counts: np.ndarray

    def best_width(self) -> tuple[int, HuffmanCode, int]:
        """Returns the width whose Huffman-coded symbols take the fewest bytes.

        Returns:
            The width, the code of its symbols and their size in bytes, table included.
        """
        best = None
        for width in range(1, MAX_WIDTH + 1):
            escape = (1 << width) - 1
            escapes, last = np.divmod(self.gaps, escape)
            counts = np.bincount(last, self.counts, minlength=1 << width)
            counts[escape] = escapes @ self.counts
            code = HuffmanCode.from_counts(counts.astype(np.int64))
            size = code.encoded_size(counts.astype(np.int64))
            if best is None or size < best[2]:
                best = width, code, size
            if escape > self.gaps[-1]:
                break
        assert best is not None
        return best


def count(positions: np.ndarray) -> GapCounts:
    """Returns how often each gap occurs.

    Args:
        positions: int64 array of shape `(n,)`, strictly ascending.

    Example:

    >>> import numpy as np
    >>> count(np.array([0, 3, 4]))
    GapCounts(gaps=array([0, 2]), counts=array([2, 1]))
    """
    counts = np.empty(_N_COUNTS, np.int64)
    longest = _native.gaps_count(positions, counts)
    gaps = np.flatnonzero(counts)
    if longest < _N_COUNTS:
        return GapCounts(gaps, counts[gaps])
    # Few gaps are so long that they are not counted in place.
    every = np.diff(positions, prepend=-1) - 1
    long, occurrences = np.unique(every[every >= _N_COUNTS], return_counts=True)
    return GapCounts(
        np.concatenate((gaps, long)), np.concatenate((counts[gaps], occurrences))
    )


def count_reversed(positions: np.ndarray, shape: tuple[int, ...]) -> GapCounts:
    """Returns how often each gap occurs in the tensor with its axes in reverse.

    Args:
        positions: int64 array of shape `(n,)`, strictly ascending, of the tensor as it
            is.
        shape: The shape of the tensor, no axis of it empty.

    Example:

    >>> import numpy as np
    >>> count_reversed(np.array([0, 3, 4]), (2, 3))
    GapCounts(gaps=array([0, 1]), counts=array([2, 1]))
    """
    n_rows, *columns = [length for length in shape if length > 1] or [1]
    lengths = np.array(columns[::-1] or [1], np.int64)
    strides = np.cumprod([1, *lengths[:-1]], dtype=np.int64)
    counts = np.empty(_N_COUNTS, np.int64)
    longest = _native.gaps_count_reversed(
        positions, n_rows, lengths, strides, prod(columns), counts
    )
    if longest >= _N_COUNTS:
        return count(reverse(positions, shape)[0])
    gaps = np.flatnonzero(counts)
    return GapCounts(gaps, counts[gaps])
