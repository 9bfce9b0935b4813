"""Canonical, length-limited Huffman codes over NumPy arrays of symbols."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

import numpy as np

from deepcompress import _native
from deepcompress._threads import map_in_threads
from deepcompress.dcz.coding.bytestream import ByteReader, Located, varint

MAX_ALPHABET = _native.DC_MAX_ALPHABET

# No small alphabet gets a longer code: the encoder takes pairs of such codes at once.
# It costs less than 0.1 % in size in tests/dcz/coding/huffman_speed.py.
_PAIRED_LENGTH = 14
_SINGLE_STREAM_BELOW = 1 << 16
_SYMBOLS_PER_GROUP = 1 << 22
_STREAMS_PER_GROUP = 4

_T = TypeVar("_T")


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
            max(_PAIRED_LENGTH, (len(counts) - 1).bit_length() + 2),
            _native.DC_MAX_CODE_LENGTH,
        )
        _native.huffman_lengths(counts, longest, lengths)
        return cls(lengths)

    @classmethod
    def read(cls, reader: ByteReader, n_symbols: int) -> "HuffmanCode":
        """Returns the code whose table comes next."""
        lengths = np.empty(n_symbols, np.uint8)
        with Located(reader.offset):
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
        longest = int(self.lengths.max(initial=0))

        def encode_group(run: slice, streams: slice) -> tuple[list[int], memoryview]:
            sizes = np.empty(streams.stop - streams.start, np.uint64)
            # Memory that is not written to costs nothing.
            out = np.empty((run.stop - run.start) * longest // 8 + len(sizes), np.uint8)
            size = _native.huffman_encode(symbols[run], self.lengths, sizes, out)
            return sizes.tolist(), out[:size].data

        groups = _for_groups(len(symbols), encode_group)
        sizes = (varint(size) for sizes, _ in groups for size in sizes)
        return b"".join(chain([self.table], sizes, (streams for _, streams in groups)))

    def decode(
        self, reader: ByteReader, n: int, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns the `n` symbols whose streams come next.

        Args:
            reader: Stands where they begin.
            n: How many they are.
            out: Where to put them. Defaults to `None`: a new array.

        Returns:
            uint8 array of shape `(n,)`, or uint16 where the alphabet has more than
            256 symbols.

        Raises:
            CorruptFileError: The lengths are not those of a code, or the streams do
                not hold exactly so many symbols.
        """
        dtype = symbol_dtype(len(self.lengths))
        symbols = np.empty(n, dtype) if out is None else out
        if self.lone_symbol is not None:
            symbols[:] = self.lone_symbol
            return symbols
        begin = reader.offset
        sizes = [reader.varint() for _ in range(_n_streams(n))]
        data = reader.take(sum(sizes))
        ends = np.cumsum([0, *sizes])

        def decode_group(run: slice, streams: slice) -> None:
            _native.huffman_decode(
                data[ends[streams.start] : ends[streams.stop]],
                np.array(sizes[streams], np.uint64),
                self.lengths,
                symbols[run],
            )

        with Located(begin):
            _for_groups(n, decode_group)
        return symbols


@dataclass
class CodedSymbols:
    """Symbols with the code of their alphabet.

    Attributes:
        code: The code of the alphabet.
        symbols: uint8 or uint16 array of shape `(n,)`.
    """

    code: HuffmanCode
    symbols: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """How often each symbol of the alphabet occurs."""
        return count_symbols(self.symbols, len(self.code.lengths))

    def encode(self) -> bytes:
        """Returns table, stream sizes and streams."""
        return self.code.encode(self.symbols)

    @classmethod
    def read(cls, reader: ByteReader, n_symbols: int, n: int) -> "CodedSymbols":
        """Returns the `n` symbols of an alphabet that come next.

        Raises:
            CorruptFileError: What comes next are no such symbols.
        """
        code = HuffmanCode.read(reader, n_symbols)
        return cls(code, code.decode(reader, n))


def least_bytes(counts: np.ndarray) -> int:
    """Returns bytes that no code takes less than: much faster to tell than a code.

    Args:
        counts: How often each symbol occurs.

    Example:

    >>> least_bytes(np.array([64, 0, 64]))
    16
    """
    used = counts[counts > 0]
    if len(used) < 2:
        return 0
    return int(used @ np.log2(used.sum() / used) / 8)


def count_symbols(symbols: np.ndarray, n_symbols: int) -> np.ndarray:
    """Returns how often each symbol of an alphabet occurs.

    Args:
        symbols: uint8 or uint16 array of shape `(n,)`.
        n_symbols: Symbols of the alphabet.

    Returns:
        int64 array of shape `(n_symbols,)`.

    Example:

    >>> import numpy as np
    >>> count_symbols(np.array([2, 0, 2], np.uint8), 4)
    array([1, 0, 2, 0])
    """
    counts = np.empty(n_symbols, np.int64)
    _native.huffman_count(symbols, counts)
    return counts


def symbol_dtype(n_symbols: int) -> np.dtype:
    """Returns the smallest dtype for the symbols of an alphabet."""
    if n_symbols > MAX_ALPHABET:
        raise ValueError(f"An alphabet of {n_symbols} symbols is too large.")
    return np.dtype(np.uint8 if n_symbols <= 256 else np.uint16)


def _n_streams(n: int) -> int:
    """Streams for `n` symbols: enough to decode side by side and on every core."""
    if n < _SINGLE_STREAM_BELOW:
        return 1
    return _STREAMS_PER_GROUP * -(-n // _SYMBOLS_PER_GROUP)


def _for_groups(n: int, run: Callable[[slice, slice], _T]) -> list[_T]:
    """Calls `run` for each group of streams, side by side where there are several.

    Args:
        n: How many symbols there are.
        run: Gets the slices of a group's symbols and of its streams. A group's
            symbols are split over its streams as those of all are over all.

    Returns:
        What `run` has returned, group by group.
    """
    n_streams = _n_streams(n)
    per_stream, n_longer = divmod(n, n_streams)
    firsts = [*range(0, n_streams, _STREAMS_PER_GROUP), n_streams]
    starts = [first * per_stream + min(first, n_longer) for first in firsts]
    runs = list(map(slice, starts[:-1], starts[1:]))
    streams = list(map(slice, firsts[:-1], firsts[1:]))
    return map_in_threads(lambda pair: run(*pair), zip(runs, streams, strict=True))
