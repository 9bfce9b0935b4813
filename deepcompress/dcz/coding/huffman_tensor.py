"""One tensor as bytes: the cheapest of six encodings, and back.

An encoding says two things: where the values stand (everywhere, in order; or at
coded positions, with zeros elsewhere) and what they are (raw bytes; planes of bytes;
or indices into a codebook). Values are bit patterns throughout, so that -0.0 and every
NaN come back as they were; a zero is the pattern without a set bit. Where another
pattern is the background of the tensor, the difference from it is what is encoded; and
where zeros have either sign, all signs stand apart.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from deepcompress.dcz.coding import gaps
from deepcompress.dcz.coding.background import background_of
from deepcompress.dcz.coding.bytestream import ByteReader, ByteWriter, Located, varint
from deepcompress.dcz.coding.codebook import SharedValues, shared_values
from deepcompress.dcz.coding.forms import (
    FEWEST_PARTED,
    WORTH,
    planes_of,
    symbols_size,
    with_zero,
)
from deepcompress.dcz.coding.huffman import (
    MAX_ALPHABET,
    CodedSymbols,
    HuffmanCode,
    least_bytes,
)
from deepcompress.dcz.coding.huffman_pieces import (
    HAS_BACKGROUND,
    HAS_GAPS,
    HAS_MORE,
    HAS_PLANES,
    HAS_SIGNS,
    HAS_SYMBOLS,
    IS_REVERSED,
    WIDTH_SHIFT,
    pieces_of,
)
from deepcompress.dcz.coding.patterns import (
    are_nonzero,
    count_nonzero,
    pattern_dtype,
    patterns_of,
)
from deepcompress.dcz.coding.planes import BytePlanes
from deepcompress.dcz.coding.positions import nonzeros, reverse
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.signs import (
    has_both_zeros,
    read_signs,
    split_signs,
    turn_signs,
    with_signs,
)
from deepcompress.dcz.coding.tensor import TensorStats
from deepcompress.dcz.coding.weights import Weights
from deepcompress.errors import CorruptFileError

_N_FAST_CODES = 256


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
        planes: The values as planes of bytes, or `None`.
        raw: Bit patterns of the values, or `None` where there are codes, or where they
            have been read as planes.
        background: The pattern that is added to all others; 0 where nothing is.
        signs: The highest bits of all patterns, or `None` where they have their own.
        n_bytes: Bytes of the tensor in its section.
        offset: Where it begins in the file that it was read from, if that is known.
    """

    coder: ClassVar[str] = "huffman"
    Writer: ClassVar[type[ByteWriter]] = ByteWriter
    Reader: ClassVar[type[ByteReader]] = ByteReader

    dtype: np.dtype
    shape: tuple[int, ...]
    n_stored: int
    gap_width: int = 0
    gaps: CodedSymbols | None = None
    is_reversed: bool = False
    codebook: np.ndarray | None = None
    codes: CodedSymbols | None = None
    planes: BytePlanes | None = None
    raw: np.ndarray | None = None
    background: int = 0
    signs: BytePlanes | None = None
    n_bytes: int = 0
    offset: int | None = None

    @classmethod
    def encode(cls, array: np.ndarray, writer: ByteWriter) -> "HuffmanTensor":
        """Writes a tensor in the way that needs the fewest bytes, as `CodedTensor`."""
        tensor = cls._smallest(array)
        pieces, tensor.n_bytes = pieces_of(tensor)
        patterns = patterns_of(array)
        if array.size >= FEWEST_PARTED and has_both_zeros(patterns, array.dtype):
            rest, signs = split_signs(patterns)
            apart = cls._smallest(rest.view(array.dtype))
            apart.signs = signs
            other, apart.n_bytes = pieces_of(apart)
            if apart.n_bytes < tensor.n_bytes:
                tensor, pieces = apart, other
        for piece in pieces:
            writer.write(piece)
        return tensor

    @classmethod
    def _smallest(cls, array: np.ndarray) -> "HuffmanTensor":
        """Takes a tensor apart in the way that needs the fewest bytes."""
        patterns = patterns_of(array)
        items = patterns.reshape(-1)
        every = cls(array.dtype, array.shape, array.size, raw=items)
        best_size, dense_code, with_gaps, shared = array.nbytes, None, None, None
        if patterns.dtype.kind != "V" and array.size:
            n_zeros = array.size - int(np.count_nonzero(patterns))
            # A gap takes a bit at least, but behind the last value there is none.
            has_gaps = 8 * array.itemsize * n_zeros >= array.size or not items[-1]
            positions, values = None, items
            if n_zeros and has_gaps:
                positions, values = nonzeros(patterns)
            shared = shared_values(values, MAX_ALPHABET)
            if shared is not None:
                codebook, counts = shared.codebook, shared.counts
                if positions is not None:
                    codebook, counts = with_zero(codebook, counts, n_zeros)
                is_small = codebook.nbytes + least_bytes(counts) < best_size
                if len(codebook) <= MAX_ALPHABET and is_small:
                    code = HuffmanCode.from_counts(counts)
                    size = symbols_size(codebook, code, counts)
                    if size < best_size:
                        best_size, dense_code = size, code
            if positions is not None:
                with_gaps = cls._with_gaps(array, positions, values, shared, best_size)
                del positions  # which may take more than the tensor
            best_size = best_size if with_gaps is None else with_gaps.n_bytes
            background = background_of(values, shared, array.size - len(values))
            if background:
                rest = items - items.dtype.type(background)
                positions, values = nonzeros(rest)
                around = cls._with_gaps(
                    array,
                    positions,
                    values,
                    shared_values(values, MAX_ALPHABET),
                    best_size,
                    background=background,
                )
                if around is not None:
                    best_size, with_gaps = around.n_bytes, around
            del values
        # Where a quarter is left out, its digits would cost more than gaps do.
        if with_gaps is None or 4 * with_gaps.n_stored > 3 * array.size:
            has_slow_codes = (
                with_gaps is None
                and dense_code is not None
                and len(dense_code.lengths) > _N_FAST_CODES
            )
            limit = best_size + has_slow_codes * (best_size // WORTH)
            limit = min(limit, array.nbytes)
            every.planes = planes_of(items, array.dtype, shared, limit)
        if every.planes is None and with_gaps is not None:
            return with_gaps
        if every.planes is None and dense_code is not None:
            every.raw, dense = None, shared_values(items, MAX_ALPHABET)
            assert dense is not None
            every.codebook = dense.codebook
            every.codes = CodedSymbols(dense_code, dense.codes)
        return every

    @classmethod
    def _with_gaps(
        cls,
        array: np.ndarray,
        positions: np.ndarray,
        values: np.ndarray,
        shared: SharedValues | None,
        best_size: int,
        *,
        background: int = 0,
    ) -> "HuffmanTensor | None":
        """Returns the tensor with gaps, `None` where that takes `best_size` or more.

        Its `n_bytes` are what it takes, but for a few that are not known yet.
        """
        n_stored = len(values)
        tensor = cls(array.dtype, array.shape, n_stored, background=background)
        overhead = len(varint(n_stored)) + (1 + array.itemsize if background else 0)
        if n_stored == 0:
            tensor.gap_width, tensor.raw, tensor.n_bytes = 1, values, overhead
            return tensor if overhead < best_size or not background else None

        values_size, code = values.nbytes, None
        if (
            shared is not None
            and shared.codebook.nbytes + least_bytes(shared.counts) < values_size
        ):
            shared_code = HuffmanCode.from_counts(shared.counts)
            size = symbols_size(shared.codebook, shared_code, shared.counts)
            if size < values_size:
                values_size, code = size, shared_code
        planes = planes_of(values, array.dtype, shared, values_size)
        overhead += values_size if planes is None else 1 + planes.size
        width, gap_code, size = gaps.count(positions).best_width()
        size += overhead + len(varint(array.size // 2**width))
        if array.ndim > 1:
            other = gaps.count_reversed(positions, array.shape).best_width()
            other_size = other[2] + overhead + len(varint(array.size // 2 ** other[0]))
            # It is slower to read, so it has to be worth it.
            if other_size + other_size // WORTH < size:
                tensor.is_reversed, size, (width, gap_code, _) = True, other_size, other
        if size >= best_size:
            return None

        tensor.n_bytes, tensor.gap_width = size, width
        codes = None if shared is None else shared.codes
        if tensor.is_reversed:
            positions, order = reverse(positions, array.shape)
            values = values[order]
            codes = None if codes is None else codes[order]
            planes = None if planes is None else BytePlanes.of(values, array.dtype)
        tensor.gaps = CodedSymbols(gap_code, gaps.encode(positions, width))
        if planes is not None:
            tensor.planes, tensor.raw = planes, values
        elif code is None or codes is None or shared is None:
            tensor.raw = values
        else:
            tensor.codebook = shared.codebook
            tensor.codes = CodedSymbols(code, codes)
        return tensor

    @classmethod
    def decode(
        cls, reader: ByteReader, dtype: np.dtype, shape: tuple[int, ...]
    ) -> "HuffmanTensor":
        """Takes apart the tensor that comes next, as `CodedTensor`."""
        begin, offset = reader.position, reader.offset
        flags = reader.byte()
        more = reader.byte() if flags & HAS_MORE else 0
        width = flags >> WIDTH_SHIFT
        has_gaps, has_planes = bool(flags & HAS_GAPS), bool(more & HAS_PLANES)
        has_background = bool(more & HAS_BACKGROUND)
        if (
            bool(flags & HAS_MORE) != (more > 0)
            or more > HAS_BACKGROUND | HAS_PLANES | HAS_SIGNS
            or has_gaps != (width > 0)
            or (flags & IS_REVERSED and not has_gaps)
            or (has_background and not has_gaps)
            or (has_planes and flags & HAS_SYMBOLS)
        ):
            raise CorruptFileError(
                f"The tensor encoding {flags:#04x}, {more:#04x} is not known.",
                Rule.FLAGS,
            )
        pattern = pattern_dtype(dtype)
        size = prod(shape)
        if flags and (
            size == 0
            or (pattern.kind == "V" and (flags, more) != (HAS_MORE, HAS_PLANES))
        ):
            raise CorruptFileError(
                f"A tensor {shape} of {dtype} cannot be so coded.", Rule.FLAGS
            )

        tensor = cls(dtype, shape, size, width, offset=offset)
        tensor.is_reversed = bool(flags & IS_REVERSED)
        if has_background:
            tensor.background = int.from_bytes(reader.take(dtype.itemsize), "little")
            if tensor.background == 0:
                raise CorruptFileError("The background is 0.", Rule.BACKGROUND)
        if has_gaps:
            tensor.n_stored = reader.varint()
            n_escapes = reader.varint() if tensor.n_stored else 0
            n_gaps = tensor.n_stored + n_escapes
            if n_gaps > size:
                raise CorruptFileError("More gaps than elements.", Rule.NUMBER_OF_GAPS)
            if n_gaps:
                tensor.gaps = CodedSymbols.read(reader, 1 << width, n_gaps)
        if flags & HAS_SYMBOLS:
            n_symbols = reader.varint()
            if not 1 <= n_symbols <= min(tensor.n_stored, MAX_ALPHABET):
                raise CorruptFileError(
                    f"A codebook of {n_symbols}.", Rule.CODEBOOK_SIZE
                )
            data = reader.take(n_symbols * dtype.itemsize)
            tensor.codebook = codebook = np.frombuffer(data, pattern)
            if (codebook[1:] <= codebook[:-1]).any():
                raise CorruptFileError("A codebook out of order.", Rule.CODEBOOK_ORDER)
            tensor.codes = CodedSymbols.read(reader, n_symbols, tensor.n_stored)
        elif has_planes:
            if tensor.n_stored == 0:
                raise CorruptFileError("Planes of no values.", Rule.PLANES)
            tensor.planes = BytePlanes.read(reader, dtype, tensor.n_stored)
        else:
            values = reader.take(tensor.n_stored * dtype.itemsize)
            tensor.raw = np.frombuffer(values, pattern)
        if has_gaps:
            stored = tensor._values() if tensor.codebook is None else tensor.codebook
            if not stored.all():
                raise CorruptFileError("A zero among non-zeros.", Rule.NO_ZERO_STORED)
        if more & HAS_SIGNS:
            tensor.signs = read_signs(reader, size)
        tensor.n_bytes = reader.position - begin
        return tensor

    def to_array(self) -> np.ndarray:
        """Returns the tensor, writeable and in C order.

        Raises:
            CorruptFileError: A gap leads out of the tensor.
        """
        values = self._values()
        if not self.gap_width:
            values = values if values.flags.writeable else values.copy()
            patterns = values.reshape(self.shape)
        elif self.gaps is None:
            patterns = np.zeros(self.shape, pattern_dtype(self.dtype))
        else:
            with Located(self.offset):
                patterns = gaps.scatter(
                    self.gaps.symbols,
                    self.gap_width,
                    values,
                    self.shape,
                    is_reversed=self.is_reversed,
                )
        if self.background:
            patterns += patterns.dtype.type(self.background)
        if self.signs is not None:
            patterns = turn_signs(patterns, self.signs)
        array: np.ndarray = patterns.view(self.dtype)
        return array

    def weights(self) -> Weights:
        """Returns the tensor as it is held compressed, as `CodedTensor`."""
        positions = order = None
        if self.gaps is not None:
            with Located(self.offset):
                positions, order = gaps.positions_of(
                    self.gaps.symbols,
                    self.gap_width,
                    self.n_stored,
                    self.shape,
                    is_reversed=self.is_reversed,
                )
        elif self.gap_width:
            positions = np.empty(0, np.int64)
        stored = self._values() if self.codes is None else self.codes.symbols
        weights = Weights.of_patterns(
            self.dtype,
            self.shape,
            positions,
            stored if order is None else stored[order],
            codebook=self.codebook,
            background=self.background,
        )
        return weights if self.signs is None else with_signs(weights, self.signs)

    def _values(self) -> np.ndarray:
        """Returns the patterns that are stored, less the background."""
        if self.codebook is not None and self.codes is not None:
            values: np.ndarray = self.codebook[self.codes.symbols]
            return values
        if self.raw is not None:
            return self.raw
        assert self.planes is not None
        return self.planes.to_values(self.dtype, pattern_dtype(self.dtype))

    def stats(self) -> TensorStats:
        """Returns the figures of the tensor."""
        codebook, code_counts, code_bits, table_bytes = None, None, 0, 0
        if self.codebook is not None and self.codes is not None:
            patterns = self._with_background(self.codebook)
            codebook = patterns.view(self.dtype)
            code_counts = self.codes.counts
            value_bits = code_bits = self.codes.code.n_bits(code_counts)
            table_bytes = len(self.codes.code.table)
            n_nonzero = int(code_counts @ are_nonzero(patterns, self.dtype))
        else:
            values = self._values()
            value_bits = 8 * values.nbytes
            if self.planes is not None:
                value_bits, table_bytes = self.planes.n_bits, self.planes.table_bytes
            n_nonzero = count_nonzero(self._with_background(values), self.dtype)
        background = None
        if self.background:
            pattern = np.array([self.background], pattern_dtype(self.dtype))
            background = pattern.view(self.dtype).reshape(())
            if are_nonzero(pattern, self.dtype)[0]:
                n_nonzero += prod(self.shape) - self.n_stored
        gap_counts, gap_bits, position_bits = None, 0, 0
        if self.signs is not None:
            value_bits, position_bits = value_bits + self.signs.n_bits, prod(self.shape)
            table_bytes += self.signs.table_bytes
        if self.gaps is not None:
            gap_counts = self.gaps.counts
            gap_bits = self.gaps.code.n_bits(gap_counts)
            position_bits += len(self.gaps.symbols) * self.gap_width
            table_bytes += len(self.gaps.code.table)
        return TensorStats(
            n_weights=prod(self.shape),
            itemsize=self.dtype.itemsize,
            n_nonzero=n_nonzero,
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
            background=background,
        )

    def _with_background(self, patterns: np.ndarray) -> np.ndarray:
        """Returns what stored patterns stand for."""
        if self.background:
            patterns = patterns + patterns.dtype.type(self.background)
        return patterns
