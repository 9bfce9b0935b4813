"""One tensor as bytes: the cheapest of four encodings, and back.

An encoding says two things: where the values stand (everywhere, in order; or at
coded positions, with zeros elsewhere) and what they are (raw bytes; or indices into
a codebook). Values are bit patterns throughout, so that -0.0 and every NaN come back
as they were; a zero is the pattern without a set bit.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from deepcompress.coding import gaps
from deepcompress.coding.bytestream import ByteReader, varint
from deepcompress.coding.huffman import (
    MAX_ALPHABET,
    HuffmanCode,
    count_symbols,
    symbol_dtype,
)
from deepcompress.errors import CorruptFileError

_HAS_GAPS = 1
_HAS_SYMBOLS = 2
_IS_REVERSED = 4
_WIDTH_SHIFT = 4

# Elements looked at before a whole tensor is sorted for its distinct values.
_PROBE = 2 * MAX_ALPHABET


@dataclass(frozen=True)
class TensorStats:
    """What became of a tensor: the figures behind one row of a report.

    Attributes:
        n_weights: Elements of the tensor.
        itemsize: Bytes of an element in memory.
        n_nonzero: Elements whose bits are not all zero.
        n_stored: Elements stored: the non-zeros of a tensor with gaps, else all.
        n_bytes: Bytes in the file.
        codebook: Array of the shared values, or `None` for a tensor stored raw.
        code_counts: How often each shared value is stored, or `None`.
        code_bits: Bits of the Huffman-coded codes.
        gap_width: Bits of a gap symbol; 0 without gaps.
        gap_counts: How often each gap symbol is stored, or `None`.
        gap_bits: Bits of the Huffman-coded gap symbols.
        table_bytes: Bytes of the code tables.
    """

    n_weights: int
    itemsize: int
    n_nonzero: int
    n_stored: int
    n_bytes: int
    codebook: np.ndarray | None
    code_counts: np.ndarray | None
    code_bits: int
    gap_width: int
    gap_counts: np.ndarray | None
    gap_bits: int
    table_bytes: int


@dataclass
class _Symbols:
    """Symbols with the code of their alphabet."""

    code: HuffmanCode
    symbols: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        return count_symbols(self.symbols, len(self.code.lengths))

    def encode(self) -> bytes:
        return self.code.encode(self.symbols)

    @classmethod
    def read(cls, reader: ByteReader, n_symbols: int, n: int) -> "_Symbols":
        code = HuffmanCode.read(reader, n_symbols)
        return cls(code, code.decode(reader, n))


@dataclass
class CodedTensor:
    """A tensor taken apart into what the file holds of it.

    Attributes:
        dtype: The tensor's dtype, little-endian.
        shape: The tensor's shape.
        n_stored: How many values are stored.
        gap_width: Bits of a gap symbol; 0 where every value is stored.
        gaps: The gap symbols, or `None`.
        is_reversed: Whether the scan runs over the transposed tensor.
        codebook: Bit patterns of the shared values, ascending, or `None`.
        codes: Indices into the codebook, or `None`.
        raw: Bit patterns of the values, or `None` where there is a codebook.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    n_stored: int
    gap_width: int = 0
    gaps: _Symbols | None = None
    is_reversed: bool = False
    codebook: np.ndarray | None = None
    codes: _Symbols | None = None
    raw: np.ndarray | None = None

    @classmethod
    def from_array(cls, array: np.ndarray) -> "CodedTensor":
        """Takes a tensor apart in the way that needs the fewest bytes.

        Args:
            array: Any shape; a little-endian dtype of fixed size.
        """
        patterns = np.ascontiguousarray(array).view(_pattern_dtype(array.dtype))
        patterns = patterns.reshape(array.shape)  # 0-d arrays would come back 1-d
        raw = cls(array.dtype, array.shape, array.size, raw=patterns.ravel())
        if array.size == 0 or patterns.dtype.kind == "V":
            return raw

        nonzero = patterns[patterns != 0]
        n_zeros = array.size - nonzero.size
        shared = _shared_values(nonzero)
        best, best_size = raw, array.nbytes
        if shared is not None:
            codebook, counts = shared
            if n_zeros:
                codebook, counts = _with_zero(codebook, counts, n_zeros)
            if len(codebook) <= MAX_ALPHABET:
                code = HuffmanCode.from_counts(counts)
                size = _symbols_size(codebook, code, counts)
                if size < best_size:
                    best_size = size
                    best = cls(array.dtype, array.shape, array.size, codebook=codebook)
                    best.codes = _Symbols(code, _look_up(codebook, raw.raw))
        if n_zeros:
            return cls._with_gaps(array, patterns, shared, best, best_size)
        return best

    @classmethod
    def _with_gaps(
        cls,
        array: np.ndarray,
        patterns: np.ndarray,
        shared: tuple[np.ndarray, np.ndarray] | None,
        best: "CodedTensor",
        best_size: int,
    ) -> "CodedTensor":
        """Returns the tensor with gaps where that is shorter than `best`."""
        n_stored = int(np.count_nonzero(patterns))
        if n_stored == 0:
            empty = np.empty(0, patterns.dtype)
            return cls(array.dtype, array.shape, 0, gap_width=1, raw=empty)

        values_size = n_stored * array.itemsize
        codebook, code = None, None
        if shared is not None:
            shared_code = HuffmanCode.from_counts(shared[1])
            size = _symbols_size(shared[0], shared_code, shared[1])
            if size < values_size:
                values_size, codebook, code = size, shared[0], shared_code

        for is_reversed in (False, True) if array.ndim > 1 else (False,):
            scan = (patterns.T if is_reversed else patterns).ravel()
            positions = np.flatnonzero(scan)
            width, gap_code, gaps_size = gaps.best_width(positions)
            size = (
                len(varint(n_stored)) + len(varint(array.size // 2**width)) + gaps_size
            ) + values_size
            if size >= best_size:
                continue
            best_size = size
            best = cls(array.dtype, array.shape, n_stored, width)
            best.is_reversed = is_reversed
            best.gaps = _Symbols(gap_code, gaps.encode(positions, width))
            values = scan[positions]
            if codebook is None or code is None:
                best.raw = values
            else:
                best.codebook = codebook
                best.codes = _Symbols(code, _look_up(codebook, values))
        return best

    def to_bytes(self) -> bytes:
        """Returns the bytes that `read` takes apart again."""
        flags = (
            self.gap_width << _WIDTH_SHIFT
            | (_HAS_GAPS if self.gap_width else 0)
            | (_HAS_SYMBOLS if self.codes is not None else 0)
            | (_IS_REVERSED if self.is_reversed else 0)
        )
        parts = [bytes([flags])]
        if self.gap_width:
            parts.append(varint(self.n_stored))
        if self.gaps is not None:
            parts += [
                varint(len(self.gaps.symbols) - self.n_stored),
                self.gaps.encode(),
            ]
        if self.codebook is not None and self.codes is not None:
            parts += [varint(len(self.codebook)), self.codebook.tobytes()]
            parts.append(self.codes.encode())
        if self.raw is not None:
            parts.append(self.raw.tobytes())
        return b"".join(parts)

    @classmethod
    def read(
        cls, reader: ByteReader, dtype: np.dtype, shape: tuple[int, ...]
    ) -> "CodedTensor":
        """Takes apart the bytes that come next.

        Args:
            reader: Stands at the tensor's first byte.
            dtype: The tensor's dtype, little-endian.
            shape: The tensor's shape; the caller has bounded its size.

        Raises:
            CorruptFileError: The bytes are not those of such a tensor.
        """
        flags = reader.byte()
        width = flags >> _WIDTH_SHIFT
        has_gaps = bool(flags & _HAS_GAPS)
        if (
            flags & 8
            or has_gaps != (width > 0)
            or (flags & _IS_REVERSED > has_gaps * 4)
        ):
            raise CorruptFileError(f"The tensor encoding {flags:#04x} is not known.")
        pattern = _pattern_dtype(dtype)
        size = prod(shape)
        if flags and (pattern.kind == "V" or size == 0):
            raise CorruptFileError(f"A tensor {shape} of {dtype} can only be raw.")

        tensor = cls(dtype, shape, size, width, is_reversed=bool(flags & _IS_REVERSED))
        if has_gaps:
            tensor.n_stored = reader.varint()
            n_escapes = reader.varint() if tensor.n_stored else 0
            n_gaps = tensor.n_stored + n_escapes
            if n_gaps > size:
                raise CorruptFileError("There are more gaps than elements.")
            if n_gaps:
                tensor.gaps = _Symbols.read(reader, 1 << width, n_gaps)
        if flags & _HAS_SYMBOLS:
            n_symbols = reader.varint()
            if not 1 <= n_symbols <= min(tensor.n_stored, MAX_ALPHABET):
                raise CorruptFileError(f"A codebook of {n_symbols} values cannot be.")
            data = reader.take(n_symbols * dtype.itemsize)
            tensor.codebook = codebook = np.frombuffer(data, pattern)
            if (codebook[1:] <= codebook[:-1]).any() or (has_gaps and not codebook[0]):
                raise CorruptFileError("The codebook is not in ascending order.")
            tensor.codes = _Symbols.read(reader, n_symbols, tensor.n_stored)
        else:
            values = reader.take(tensor.n_stored * dtype.itemsize)
            tensor.raw = np.frombuffer(values, pattern)
            if has_gaps and not tensor.raw.all():
                raise CorruptFileError("There is a zero among the non-zeros.")
        return tensor

    def to_array(self) -> np.ndarray:
        """Returns the tensor, writeable and in C order.

        Raises:
            CorruptFileError: A gap leads out of the tensor.
        """
        if self.codebook is not None and self.codes is not None:
            values = self.codebook[self.codes.symbols]
        else:
            assert self.raw is not None
            values = self.raw
        if self.gap_width:
            scan = np.zeros(prod(self.shape), values.dtype)
            if self.gaps is not None:
                positions = gaps.decode(
                    self.gaps.symbols, self.gap_width, len(scan), self.n_stored
                )
                scan[positions] = values
        else:
            scan = values if values.flags.writeable else values.copy()
        if self.is_reversed:
            scan = np.ascontiguousarray(scan.reshape(self.shape[::-1]).T).ravel()
        return scan.view(self.dtype).reshape(self.shape)

    def stats(self, n_bytes: int) -> TensorStats:
        """Returns the figures of the tensor, which takes so many bytes."""
        codebook, code_counts, code_bits, table_bytes = None, None, 0, 0
        if self.codebook is not None and self.codes is not None:
            codebook = self.codebook.view(self.dtype)
            code_counts = self.codes.counts
            code_bits = self.codes.code.n_bits(code_counts)
            table_bytes = len(self.codes.code.table)
            n_zeros = int(code_counts[0]) if self.codebook[0] == 0 else 0
        else:
            assert self.raw is not None
            n_zeros = self.n_stored - int(np.count_nonzero(self.raw))
        gap_counts, gap_bits = None, 0
        if self.gaps is not None:
            gap_counts = self.gaps.counts
            gap_bits = self.gaps.code.n_bits(gap_counts)
            table_bytes += len(self.gaps.code.table)
        return TensorStats(
            n_weights=prod(self.shape),
            itemsize=self.dtype.itemsize,
            n_nonzero=self.n_stored - n_zeros,
            n_stored=self.n_stored,
            n_bytes=n_bytes,
            codebook=codebook,
            code_counts=code_counts,
            code_bits=code_bits,
            gap_width=self.gap_width,
            gap_counts=gap_counts,
            gap_bits=gap_bits,
            table_bytes=table_bytes,
        )


def _pattern_dtype(dtype: np.dtype) -> np.dtype:
    """Returns the unsigned integers that show a dtype's bits; void for wide ones."""
    kind = "u" if dtype.itemsize in {1, 2, 4, 8} else "V"
    return np.dtype(f"<{kind}{dtype.itemsize}")


def _shared_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns distinct values and their counts, `None` where they are too many."""
    if values.size > _PROBE and len(np.unique(values[:_PROBE])) > MAX_ALPHABET:
        return None
    distinct, counts = np.unique(values, return_counts=True)
    return (distinct, counts) if 0 < len(distinct) <= MAX_ALPHABET else None


def _with_zero(
    codebook: np.ndarray, counts: np.ndarray, n_zeros: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a codebook that has the zero too."""
    return np.insert(codebook, 0, 0), np.insert(counts, 0, n_zeros)


def _symbols_size(codebook: np.ndarray, code: HuffmanCode, counts: np.ndarray) -> int:
    """Returns the bytes of a codebook, a code table and the coded symbols."""
    return len(varint(len(codebook))) + codebook.nbytes + code.encoded_size(counts)


def _look_up(codebook: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """Returns the index in the codebook of every value."""
    assert values is not None
    return np.searchsorted(codebook, values).astype(symbol_dtype(len(codebook)))
