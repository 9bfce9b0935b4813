"""Positions of the non-zeros as gaps: how many zeros stand before each.

A gap symbol is `width` bits wide. Its highest value, the escape, stands for so many
zeros with no non-zero behind them, so that long gaps take several symbols. (Han et
al. store a filler weight there; an escape carries no weight.)

References:
    Han, Mao, Dally 2016, "Deep Compression", section 2, figure 2.
"""

import numpy as np

from deepcompress import _native
from deepcompress.coding.huffman import HuffmanCode, symbol_dtype

MAX_WIDTH = _native.DC_MAX_GAP_WIDTH


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
    escape = (1 << width) - 1
    gaps = np.diff(positions, prepend=-1) - 1
    symbols = np.empty(
        len(positions) + int((gaps // escape).sum()), symbol_dtype(1 << width)
    )
    _native.gaps_encode(np.ascontiguousarray(positions, np.int64), width, symbols)
    return symbols


def decode(
    symbols: np.ndarray, width: int, n_elements: int, n_positions: int
) -> np.ndarray:
    """Returns the positions back.

    Args:
        symbols: uint8 or uint16 array, what `encode` returned.
        width: Bits of a symbol, 1 to 15.
        n_elements: Elements of the tensor; every position is below.
        n_positions: How many positions there are.

    Returns:
        int64 array of shape `(n_positions,)`.

    Raises:
        CorruptFileError: The symbols give another number of positions, or one
            outside the tensor.
    """
    positions = np.empty(n_positions, np.int64)
    _native.gaps_decode(symbols, width, n_elements, positions)
    return positions


def best_width(positions: np.ndarray) -> tuple[int, HuffmanCode, int]:
    """Returns the width whose Huffman-coded symbols take the fewest bytes.

    Args:
        positions: int64 array of shape `(n,)`, strictly ascending, not empty.

    Returns:
        The width, the code of its symbols and their size in bytes, table included.
    """
    gaps, occurrences = np.unique(
        np.diff(positions, prepend=-1) - 1, return_counts=True
    )
    best = None
    for width in range(1, MAX_WIDTH + 1):
        escape = (1 << width) - 1
        escapes, last = np.divmod(gaps, escape)
        counts = np.bincount(last, occurrences, minlength=1 << width).astype(np.int64)
        counts[escape] = escapes @ occurrences
        code = HuffmanCode.from_counts(counts)
        size = code.encoded_size(counts)
        if best is None or size < best[2]:
            best = width, code, size
        if escape > gaps[-1]:
            break
    assert best is not None
    return best
