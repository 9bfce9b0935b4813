"""One tensor in a context-coded section: the cheapest of a few forms, and back.

A tensor is a matrix of codes, 0 for a zero, and a codebook; or, where values are not
shared, a matrix of zeros and ones, and the values; or what Huffman coding makes of it.
Values are bit patterns throughout, and lose the zeros that all of them end with. Where
another pattern than 0 is the background of the tensor, the difference from it is coded.
"""

from dataclasses import dataclass, field, replace
from math import isqrt, prod
from typing import ClassVar

import numpy as np

from deepcompress import _native
from deepcompress.dcz.coding.background import background_of
from deepcompress.dcz.coding.bytestream import ByteReader, ByteWriter
from deepcompress.dcz.coding.codebook import SharedValues, shared_values
from deepcompress.dcz.coding.context import (
    GEOMETRY,
    METHOD,
    N_CODES,
    RARITY,
    SHIFT,
    SIZE,
    ContextCoder,
    Matrix,
)
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.dcz.coding.patterns import count_nonzero, pattern_dtype, patterns_of
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.tensor import TensorStats
from deepcompress.dcz.coding.weights import Weights
from deepcompress.errors import CorruptFileError

_CODES, _VALUES, _ZEROS, _HUFFMAN, _BACKGROUND = range(5)
_MAX_CODES = _native.DC_MAX_ALPHABET - 1
# Up to so many elements every geometry is tried, and up to so many values every form.
_MAX_TRIED = 1 << 21
_MAX_FORMS_TRIED = 1 << 12
# Bits of sign and exponent.
_TOP_BITS = {"float16": 6, "float32": 9, "bfloat16": 9, "float64": 12}


@dataclass
class ContextTensor:
    """A `CodedTensor` of codes that are told by their neighbours.

    Attributes:
        dtype: The tensor's dtype, little-endian.
        shape: The tensor's shape.
        method: The form of the tensor.
        codes: uint16 array: for each element 0, or the number of its pattern in the
            codebook, from 1; or 1 where there is no codebook.
        codebook: Bit patterns of the shared values, ascending, or `None`.
        values: Bit patterns of what is not zero, where there is no codebook.
        background: The pattern that is added to all others; 0 where nothing is.
        huffman: The tensor as Huffman coding takes it apart, or `None`.
        huffman_bytes: What Huffman coding makes of it.
        n_bits: Bits of the tensor in its section, rounded up or down.
        n_bytes: Bytes of the tensor in its section, rounded so that they add up.
    """

    coder: ClassVar[str] = "context"
    Writer: ClassVar[type[ContextCoder]] = ContextCoder
    Reader: ClassVar[type[ContextCoder]] = ContextCoder

    dtype: np.dtype
    shape: tuple[int, ...]
    method: int = _ZEROS
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint16))
    codebook: np.ndarray | None = None
    values: np.ndarray | None = None
    background: int = 0
    huffman: HuffmanTensor | None = None
    huffman_bytes: bytes = b""
    n_bits: int = 0
    n_bytes: int = 0

    @classmethod
    def encode(cls, array: np.ndarray, writer: ContextCoder) -> "ContextTensor":
        """Writes a tensor in the way that needs the fewest bits, as `CodedTensor`."""
        begin = writer.n_bits
        best = None
        for form in cls._forms(array):
            geometries = [0]
            if form.method in {_CODES, _VALUES}:
                geometries = _geometries(array.shape, writer.side.size)
            for geometry in geometries:
                trial = writer.copy()
                form._code(trial, geometry)
                if best is None or trial.n_bits < best[1].n_bits:
                    best = form, trial
        assert best is not None
        tensor, trial = best
        writer.go_on_from(trial)
        tensor._measure(begin, writer.n_bits)
        return tensor

    @classmethod
    def _forms(cls, array: np.ndarray) -> list["ContextTensor"]:
        """Returns what may be the cheapest."""
        form = cls(array.dtype, array.shape)
        items = pattern_dtype(array.dtype)
        if array.size == 0:
            return [form]
        huffman = cls(array.dtype, array.shape, _HUFFMAN)
        stream = ByteWriter()
        huffman.huffman = HuffmanTensor.encode(array, stream)
        huffman.huffman_bytes = stream.end()
        if items.kind == "V":
            return [huffman]
        patterns = patterns_of(array).reshape(-1)
        is_stored = patterns != 0
        values = patterns[is_stored]
        if not values.size:
            return [form]
        shared = shared_values(values, _MAX_CODES)
        forms = [*cls._matrices(form, is_stored, values, shared), huffman]
        background = background_of(values, shared, array.size - values.size)
        if background:
            around = replace(form, background=background)
            rest = patterns - items.type(background)
            is_stored = rest != 0
            values = rest[is_stored]
            shared = shared_values(values, _MAX_CODES)
            forms += cls._matrices(around, is_stored, values, shared)
        return forms

    @classmethod
    def _matrices(
        cls,
        form: "ContextTensor",
        is_stored: np.ndarray,
        values: np.ndarray,
        shared: SharedValues | None,
    ) -> list["ContextTensor"]:
        """Returns forms of a tensor as a matrix, of which some elements are stored."""
        if not values.size:
            return [form]
        forms = []
        if shared is not None and 2 * len(shared.codebook) <= len(values) + 1:
            codes = np.zeros(is_stored.size, np.uint16)
            codes[is_stored] = shared.codes
            codes[is_stored] += np.uint16(1)
            coded = replace(form, method=_CODES, codes=codes)
            coded.codebook = shared.codebook
            forms.append(coded)
        if not forms or len(values) <= _MAX_FORMS_TRIED:
            raw = replace(form, method=_VALUES, codes=is_stored.astype(np.uint16))
            raw.values = values
            forms.append(raw)
        return forms

    @classmethod
    def decode(
        cls, reader: ContextCoder, dtype: np.dtype, shape: tuple[int, ...]
    ) -> "ContextTensor":
        """Takes apart the tensor that comes next, as `CodedTensor`."""
        begin = reader.n_bits
        tensor = cls(dtype, shape)
        tensor._code(reader, 0)
        tensor._measure(begin, reader.n_bits)
        return tensor

    def _measure(self, begin: int, end: int) -> None:
        """Notes the room between two bits of the section."""
        self.n_bits, self.n_bytes = end - begin, end // 8 - begin // 8

    def _code(self, coder: ContextCoder, geometry: int) -> None:
        """Writes the tensor, or reads it if that is what the coder does."""
        size = prod(self.shape)
        if size == 0:
            return
        items = pattern_dtype(self.dtype)
        method = _BACKGROUND if self.background else self.method
        method = coder.number(method, METHOD)
        if method > (_HUFFMAN if items.kind == "V" else _BACKGROUND):
            raise CorruptFileError(f"The form {method} is not known.", Rule.METHOD)
        if method == _BACKGROUND:
            pattern = np.array([self.background], np.uint64)
            coder.patterns(pattern, 8 * items.itemsize, 1)
            self.background = int(pattern[0])
            method = coder.number(self.method, METHOD)
            if self.background == 0:
                raise CorruptFileError(
                    "A background of zeros is not stated.", Rule.BACKGROUND
                )
            if method > _ZEROS:
                raise CorruptFileError(
                    f"The form {method} has no background.", Rule.METHOD
                )
        self.method = method
        if method == _ZEROS:
            return
        if method == _HUFFMAN:
            self._code_huffman(coder)
            return
        if items.kind == "V":
            raise CorruptFileError(f"The form {method} is not known.", Rule.METHOD)
        matrix = _matrix(coder, self.shape, geometry)
        if coder.is_reader:
            self.codes = np.zeros(size, np.uint16)
        n_codes = n_low = 1
        if self.method == _CODES:
            codebook = np.zeros(0, items) if self.codebook is None else self.codebook
            n_codes = coder.number(max(len(codebook), 1) - 1, N_CODES) + 1
            if n_codes > min(size, _MAX_CODES):
                raise CorruptFileError(
                    f"A codebook of {n_codes} values cannot be.", Rule.CODEBOOK_SIZE
                )
            if coder.is_reader:
                codebook = np.zeros(n_codes, items)
            self.codebook, n_low = _code_patterns(coder, codebook, self.dtype, True)
        n_stored = int(np.count_nonzero(self.codes))
        rarity = (size // max(n_stored, 1)).bit_length() if n_stored < size else 0
        rarity = coder.number(rarity, RARITY)
        if rarity > _native.DC_MAX_RARITY:
            raise CorruptFileError(f"A rarity of {rarity} cannot be.", Rule.RARITY)
        coder.codes(self.codes, matrix, n_codes, n_low, rarity)
        if self.method == _VALUES:
            values = self.values
            if values is None:
                values = np.zeros(np.count_nonzero(self.codes), items)
            self.values, _ = _code_patterns(coder, values, self.dtype, False)

    def _code_huffman(self, coder: ContextCoder) -> None:
        data = self.huffman_bytes
        size = coder.number(len(data), SIZE)
        dense_size = prod(self.shape) * self.dtype.itemsize
        if size > dense_size + 1:
            raise CorruptFileError(
                f"{size} bytes are too many for a tensor.", Rule.ENCODING_SIZE
            )
        words = np.zeros(-(-size // 4), "<u4")
        words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
        patterns = words.astype(np.uint64)
        coder.patterns(patterns, 32, 1)
        if coder.is_reader:
            data = patterns.astype("<u4").tobytes()
            reader = ByteReader(data[:size], Rule.ENCODING_SIZE)
            self.huffman = HuffmanTensor.decode(reader, self.dtype, self.shape)
            reader.end()
            if any(data[size:]):
                raise CorruptFileError("Bits follow an encoding.", Rule.ENCODING_SIZE)

    def to_array(self) -> np.ndarray:
        """Returns the tensor, writeable and in C order."""
        if self.huffman is not None:
            return self.huffman.to_array()
        array: np.ndarray = self._patterns().view(self.dtype).reshape(self.shape)
        return array

    def weights(self) -> Weights:
        """Returns the tensor as it is held compressed, as `CodedTensor`."""
        if self.huffman is not None:
            return self.huffman.weights()
        positions = np.flatnonzero(self.codes)
        stored = np.zeros(0, pattern_dtype(self.dtype))
        if self.codebook is not None:
            stored = self.codes[positions] - np.uint16(1)
        elif self.values is not None:
            stored = self.values
        is_full = 0 < len(positions) == prod(self.shape)
        return Weights.of_patterns(
            self.dtype,
            self.shape,
            None if is_full else positions,
            stored,
            codebook=self.codebook,
            background=self.background,
        )

    def _patterns(self) -> np.ndarray:
        """Returns the patterns of all elements, an array of shape `(n,)`."""
        items = pattern_dtype(self.dtype)
        if self.codebook is not None:
            with_zero = np.concatenate((np.zeros(1, items), self.codebook))
            patterns: np.ndarray = with_zero[self.codes]
        else:
            patterns = np.zeros(prod(self.shape), items)
            if self.values is not None:
                patterns[self.codes != 0] = self.values
        if self.background:
            patterns += items.type(self.background)
        return patterns

    def stats(self) -> TensorStats:
        """Returns the figures of the tensor."""
        if self.huffman is not None:
            return replace(self.huffman.stats(), n_bytes=self.n_bytes)
        items = pattern_dtype(self.dtype)
        n_weights, n_stored = prod(self.shape), int(np.count_nonzero(self.codes))
        codebook = counts = background = None
        if self.codebook is not None:
            codebook = self.codebook + items.type(self.background)
            codebook = codebook.view(self.dtype)
            counts = np.bincount(self.codes, minlength=len(codebook) + 1)[1:]
        if self.background:
            background = np.array([self.background], items).view(self.dtype)[0, ...]
        is_sparse = n_stored < n_weights
        return TensorStats(
            n_weights=n_weights,
            itemsize=self.dtype.itemsize,
            n_nonzero=count_nonzero(self._patterns(), self.dtype),
            n_stored=n_stored,
            n_bytes=self.n_bytes,
            is_coded=codebook is not None or is_sparse,
            value_bits=self.n_bits,
            position_bits_fixed=n_weights if is_sparse else 0,
            codebook=codebook,
            code_counts=counts,
            code_bits=self.n_bits,
            is_context_coded=True,
            background=background,
        )


def _code_patterns(
    coder: ContextCoder, patterns: np.ndarray, dtype: np.dtype, is_codebook: bool
) -> tuple[np.ndarray, int]:
    """Codes patterns that are not zero, without the zero bits that all end with.

    Returns:
        The patterns, and how many of a codebook have a highest bit of 0.
    """
    n_bits = 8 * patterns.itemsize
    used = int(np.bitwise_or.reduce(patterns))
    shift = coder.number(max((used & -used).bit_length() - 1, 0), SHIFT)
    if shift >= n_bits:
        raise CorruptFileError(f"Patterns cannot end with {shift} zeros.", Rule.SHIFT)
    shifted = patterns.astype(np.uint64) >> np.uint64(shift)
    n_bits -= shift
    n_top = min(_TOP_BITS.get(dtype.name, 8), n_bits)
    n_low = 0
    if is_codebook:
        n_low = coder.codebook(shifted, n_bits, n_top)
    else:
        coder.patterns(shifted, n_bits, n_top)
    if not shifted.all():
        raise CorruptFileError(
            "There is a zero among the non-zeros.", Rule.NO_ZERO_STORED
        )
    return (shifted << np.uint64(shift)).astype(patterns.dtype), n_low


def _geometries(shape: tuple[int, ...], n_side: int) -> list[int]:
    """Returns the geometries to try, by their number in the file."""
    if len(shape) != 2 or prod(shape) > _MAX_TRIED:
        return [0]
    return [0, *(g for g in (1, 2, 3) if _neighbours(shape, n_side, g))]


def _neighbours(
    shape: tuple[int, ...], n_side: int, geometry: int
) -> tuple[int, int] | None:
    """Returns how far a row's neighbours are: in its line, and in the line before."""
    if len(shape) > 2:
        return shape[-2], shape[-3] * shape[-2]
    if geometry == 0 or len(shape) < 2:
        return 1, 0
    # The rows of a dense layer's kernel may be the pixels of an image.
    n_channels = {1: 1, 2: 3, 3: n_side}[geometry]
    if n_channels == 0 or shape[0] % n_channels:
        return None
    side = isqrt(shape[0] // n_channels)
    if side < 2 or side * side * n_channels != shape[0]:
        return None
    return n_channels, side * n_channels


def _matrix(coder: ContextCoder, shape: tuple[int, ...], geometry: int) -> Matrix:
    n_columns = shape[-1] if len(shape) > 1 else 1
    if len(shape) == 2:
        geometry = coder.number(geometry, GEOMETRY)
    neighbours = _neighbours(shape, coder.side.size, geometry) if geometry < 4 else None
    if neighbours is None:
        raise CorruptFileError(
            f"The geometry {geometry} does not fit {shape}.", Rule.GEOMETRY
        )
    return Matrix(prod(shape) // n_columns, n_columns, *neighbours)
