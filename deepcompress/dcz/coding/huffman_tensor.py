"""One tensor as bytes: the cheapest of four encodings, and back.

An encoding says two things: where the values stand (everywhere, in order; or at
coded positions, with zeros elsewhere) and what they are (raw bytes; or indices into
a codebook). Values are bit patterns throughout, so that -0.0 and every NaN come back
as they were; a zero is the pattern without a set bit.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from deepcompress.dcz.coding import gaps
from deepcompress.dcz.coding.bytestream import ByteReader, ByteWriter, varint
from deepcompress.dcz.coding.codebook import SharedValues, shared_values
from deepcompress.dcz.coding.huffman import MAX_ALPHABET, HuffmanCode, count_symbols
from deepcompress.dcz.coding.positions import nonzeros, reverse
from deepcompress.dcz.coding.tensor import TensorStats
from deepcompress.errors import CorruptFileError

_HAS_GAPS = 1
_HAS_SYMBOLS = 2
_IS_REVERSED = 4
_WIDTH_SHIFT = 4

# A scan in reverse order is taken where it saves more than this part of a tensor.
_REVERSED_GAIN = 1024


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
class HuffmanTensor:
    """A `CodedTensor` of Huffman-coded codes and gaps.

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
        n_bytes: Bytes of the tensor in its section.
    """

    coder: ClassVar[str] = "huffman"
    Writer: ClassVar[type[ByteWriter]] = ByteWriter
    Reader: ClassVar[type[ByteReader]] = ByteReader

    dtype: np.dtype
    shape: tuple[int, ...]
    n_stored: int
    gap_width: int = 0
    gaps: _Symbols | None = None
    is_reversed: bool = False
    codebook: np.ndarray | None = None
    codes: _Symbols | None = None
    raw: np.ndarray | None = None
    n_bytes: int = 0

    @classmethod
    def encode(cls, array: np.ndarray, writer: ByteWriter) -> "HuffmanTensor":
        """Writes a tensor in the way that needs the fewest bytes, as `CodedTensor`."""
        tensor = cls._smallest(array)
        data = tensor._to_bytes()
        tensor.n_bytes = len(data)
        writer.write(data)
        return tensor

    @classmethod
    def _smallest(cls, array: np.ndarray) -> "HuffmanTensor":
        """Takes a tensor apart in the way that needs the fewest bytes."""
        patterns = np.require(array, requirements=("C", "A")).view(
            pattern_dtype(array.dtype)
        )
        patterns = patterns.reshape(array.shape)  # 0-d arrays would come back 1-d
        raw = cls(array.dtype, array.shape, array.size, raw=patterns.ravel())
        if array.size == 0 or patterns.dtype.kind == "V":
            return raw

        positions, values = nonzeros(patterns)
        shared = shared_values(values, MAX_ALPHABET)
        n_zeros = array.size - len(values)
        best_size, dense_code = array.nbytes, None
        if shared is not None:
            codebook, counts = shared.codebook, shared.counts
            if n_zeros:
                codebook, counts = _with_zero(codebook, counts, n_zeros)
            if len(codebook) <= MAX_ALPHABET:
                code = HuffmanCode.from_counts(counts)
                size = _symbols_size(codebook, code, counts)
                if size < best_size:
                    best_size, dense_code = size, code
        if n_zeros:
            with_gaps = cls._with_gaps(array, positions, values, shared, best_size)
            if with_gaps is not None:
                return with_gaps
        if dense_code is None:
            return raw
        every = shared_values(patterns.reshape(-1), MAX_ALPHABET)
        assert every is not None
        raw.raw, raw.codebook = None, every.codebook
        raw.codes = _Symbols(dense_code, every.codes)
        return raw

    @classmethod
    def _with_gaps(
        cls,
        array: np.ndarray,
        positions: np.ndarray,
        values: np.ndarray,
        shared: SharedValues | None,
        best_size: int,
    ) -> "HuffmanTensor | None":
        """Returns the tensor with gaps, `None` where that takes `best_size` or more."""
        n_stored = len(values)
        if n_stored == 0:
            return cls(array.dtype, array.shape, 0, gap_width=1, raw=values)

        values_size, code = values.nbytes, None
        if shared is not None:
            shared_code = HuffmanCode.from_counts(shared.counts)
            size = _symbols_size(shared.codebook, shared_code, shared.counts)
            if size < values_size:
                values_size, code = size, shared_code

        overhead = len(varint(n_stored)) + values_size
        width, gap_code, size = gaps.count(positions).best_width()
        size += overhead + len(varint(array.size // 2**width))
        is_reversed = False
        if array.ndim > 1:
            other = gaps.count_reversed(positions, array.shape).best_width()
            other_size = other[2] + overhead + len(varint(array.size // 2 ** other[0]))
            # It is slower to read, so it has to be worth it.
            if other_size + other_size // _REVERSED_GAIN < size:
                is_reversed, size, (width, gap_code, _) = True, other_size, other
        if size >= best_size:
            return None

        codes = None if code is None or shared is None else shared.codes
        if is_reversed:
            positions, order = reverse(positions, array.shape)
            values = values[order]
            codes = codes if codes is None else codes[order]
        tensor = cls(array.dtype, array.shape, n_stored, width, is_reversed=is_reversed)
        tensor.gaps = _Symbols(gap_code, gaps.encode(positions, width))
        if code is None or codes is None or shared is None:
            tensor.raw = values
        else:
            tensor.codebook = shared.codebook
            tensor.codes = _Symbols(code, codes)
        return tensor

    def _to_bytes(self) -> bytes:
        """Returns the bytes that `decode` takes apart again."""
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
    def decode(
        cls, reader: ByteReader, dtype: np.dtype, shape: tuple[int, ...]
    ) -> "HuffmanTensor":
        """Takes apart the tensor that comes next, as `CodedTensor`."""
        begin = reader.position
        flags = reader.byte()
        width = flags >> _WIDTH_SHIFT
        has_gaps = bool(flags & _HAS_GAPS)
        if (
            flags & 8
            or has_gaps != (width > 0)
            or (flags & _IS_REVERSED > has_gaps * 4)
        ):
            raise CorruptFileError(f"The tensor encoding {flags:#04x} is not known.")
        pattern = pattern_dtype(dtype)
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
        tensor.n_bytes = reader.position - begin
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
        if not self.gap_width:
            values = values if values.flags.writeable else values.copy()
            array: np.ndarray = values.view(self.dtype).reshape(self.shape)
            return array
        if self.gaps is None:
            return np.zeros(self.shape, self.dtype)
        patterns = gaps.scatter(
            self.gaps.symbols,
            self.gap_width,
            values,
            self.shape,
            is_reversed=self.is_reversed,
        )
        return patterns.view(self.dtype)

    def stats(self) -> TensorStats:
        """Returns the figures of the tensor."""
        codebook, code_counts, code_bits, table_bytes = None, None, 0, 0
        if self.codebook is not None and self.codes is not None:
            codebook = self.codebook.view(self.dtype)
            code_counts = self.codes.counts
            value_bits = code_bits = self.codes.code.n_bits(code_counts)
            table_bytes = len(self.codes.code.table)
            n_zeros = int(code_counts[0]) if self.codebook[0] == 0 else 0
        else:
            assert self.raw is not None
            value_bits = 8 * self.raw.nbytes
            n_zeros = self.n_stored - int(np.count_nonzero(self.raw))
        gap_counts, gap_bits, position_bits = None, 0, 0
        if self.gaps is not None:
            gap_counts = self.gaps.counts
            gap_bits = self.gaps.code.n_bits(gap_counts)
            position_bits = len(self.gaps.symbols) * self.gap_width
            table_bytes += len(self.gaps.code.table)
        return TensorStats(
            n_weights=prod(self.shape),
            itemsize=self.dtype.itemsize,
            n_nonzero=self.n_stored - n_zeros,
            n_stored=self.n_stored,
            n_bytes=self.n_bytes,
            is_coded=codebook is not None or self.gap_width > 0,
            value_bits=value_bits,
            position_bits_fixed=position_bits,
            codebook=codebook,
            code_counts=code_counts,
            code_bits=code_bits,
            gap_width=self.gap_width,
            gap_counts=gap_counts,
            gap_bits=gap_bits,
            table_bytes=table_bytes,
        )


def pattern_dtype(dtype: np.dtype) -> np.dtype:
    """Returns the unsigned integers that show a dtype's bits; void for wide ones."""
    kind = "u" if dtype.itemsize in {1, 2, 4, 8} else "V"
    return np.dtype(f"<{kind}{dtype.itemsize}")


def _with_zero(
    codebook: np.ndarray, counts: np.ndarray, n_zeros: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a codebook that has the zero too."""
    return np.insert(codebook, 0, 0), np.insert(counts, 0, n_zeros)


def _symbols_size(codebook: np.ndarray, code: HuffmanCode, counts: np.ndarray) -> int:
    """Returns the bytes of a codebook, a code table and the coded symbols."""
    return len(varint(len(codebook))) + codebook.nbytes + code.encoded_size(counts)
