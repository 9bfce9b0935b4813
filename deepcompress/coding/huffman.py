"""Canonical, length-limited Huffman codes over NumPy arrays of symbols."""

from functools import cached_property

import numpy as np

from deepcompress import _native
from deepcompress.coding.bytestream import ByteReader, varint
from deepcompress.errors import CorruptFileError

MAX_ALPHABET = _native.DC_MAX_ALPHABET

# Codes up to this length are decoded by one look-up. Holding small alphabets to it
# costs less than 0.01 % in size.
_FAST_LENGTH = 12
_SINGLE_STREAM_BELOW = 1 << 16
_SYMBOLS_PER_GROUP = 1 << 22
_STREAMS_PER_GROUP = 4


class HuffmanCode:
    """The code of one alphabet: for each symbol the length of its code.

    The lengths are all there is to a canonical code, so they are what the file
    holds. A lone used symbol has length 1 and takes no bits at all.

    Args:
        lengths: uint8 array of shape `(n_symbols,)`, the code lengths in bits; 0
            marks a symbol that does not occur.

    References:
        Huffman 1952; Larmore and Hirschberg 1990, "A fast algorithm for optimal
        length-limited Huffman codes".

    Example:

    >>> import numpy as np
    >>> code = HuffmanCode.from_counts(np.array([4, 2, 1, 1]))
    >>> code.lengths
    array([1, 2, 3, 3], dtype=uint8)
    >>> code.n_bits(np.array([4, 2, 1, 1]))
    14
    """

    def __init__(self, lengths: np.ndarray) -> None:
        self.lengths = lengths

    @classmethod
    def from_counts(cls, counts: np.ndarray) -> "HuffmanCode":
        """Returns the optimal code for symbols that occur so often.

        Args:
            counts: Integer array of shape `(n_symbols,)`, at most 65,536 symbols.
        """
        counts = np.ascontiguousarray(counts, np.uint64)
        lengths = np.empty(len(counts), np.uint8)
        longest = min(
            max(_FAST_LENGTH, (len(counts) - 1).bit_length() + 2),
            _native.DC_MAX_CODE_LENGTH,
        )
        _native.huffman_lengths(counts, longest, lengths)
        return cls(lengths)

    @classmethod
    def read(cls, reader: ByteReader, n_symbols: int) -> "HuffmanCode":
        """Returns the code whose table comes next."""
        lengths = np.empty(n_symbols, np.uint8)
        reader.take(_native.table_read(reader.rest, lengths))
        return cls(lengths)

    @cached_property
    def table(self) -> bytes:
        """The lengths in the file's compact form."""
        out = np.empty(2 * len(self.lengths) + 8, np.uint8)
        return out[: _native.table_write(self.lengths, out)].tobytes()

    @cached_property
    def lone_symbol(self) -> int | None:
        """The symbol of an alphabet in which no other occurs, else `None`."""
        used = np.flatnonzero(self.lengths)
        return int(used[0]) if len(used) == 1 and self.lengths[used[0]] == 1 else None

    def n_bits(self, counts: np.ndarray) -> int:
        """Returns the bits that symbols with these counts take."""
        if self.lone_symbol is not None:
            return 0
        return int(np.asarray(counts, np.int64) @ self.lengths.astype(np.int64))

    def encoded_size(self, counts: np.ndarray) -> int:
        """Returns the bytes that `encode` makes of symbols with these counts.

        Exact up to the last byte of each stream but one.
        """
        if self.lone_symbol is not None:
            return len(self.table)
        size = (self.n_bits(counts) + 7) // 8
        n_streams = _n_streams(int(counts.sum()))
        return len(self.table) + size + n_streams * len(varint(size // n_streams))

    def encode(self, symbols: np.ndarray) -> bytes:
        """Returns table, stream sizes and streams.

        Args:
            symbols: uint8 or uint16 array of shape `(n,)`.
        """
        if self.lone_symbol is not None:
            return self.table
        sizes = np.empty(_n_streams(len(symbols)), np.uint64)
        n_bits = self.n_bits(np.bincount(symbols, minlength=len(self.lengths)))
        room = n_bits // 8 + len(sizes) * (1 + _native.DC_STREAM_PADDING)
        streams = np.empty(room, np.uint8)
        size = _native.huffman_encode(symbols, self.lengths, sizes, streams)
        parts = [self.table, *(varint(int(s)) for s in sizes), streams[:size].tobytes()]
        return b"".join(parts)

    def decode(self, reader: ByteReader, n: int) -> np.ndarray:
        """Returns the `n` symbols whose streams come next.

        Returns:
            uint8 array of shape `(n,)`, or uint16 where the alphabet has more than
            256 symbols.

        Raises:
            CorruptFileError: The lengths are not those of a code, or the streams do
                not hold exactly so many symbols.
        """
        dtype = symbol_dtype(len(self.lengths))
        if self.lone_symbol is not None:
            return np.full(n, self.lone_symbol, dtype)
        sizes = [reader.varint() for _ in range(_n_streams(n))]
        streams = reader.take(sum(sizes))
        symbols = np.empty(n, dtype)
        _native.huffman_decode(
            streams, np.array(sizes, np.uint64), self.lengths, symbols
        )
        return symbols


def symbol_dtype(n_symbols: int) -> np.dtype:
    """Returns the smallest dtype for the symbols of an alphabet."""
    if n_symbols > MAX_ALPHABET:
        raise CorruptFileError(f"An alphabet of {n_symbols} symbols is too large.")
    return np.dtype(np.uint8 if n_symbols <= 256 else np.uint16)


def _n_streams(n: int) -> int:
    """Streams for `n` symbols: enough to decode side by side and on every core."""
    if n < _SINGLE_STREAM_BELOW:
        return 1
    return _STREAMS_PER_GROUP * -(-n // _SYMBOLS_PER_GROUP)
