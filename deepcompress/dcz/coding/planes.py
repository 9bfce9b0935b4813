"""Values that are not shared as planes of bytes: each byte among its like.

The exponents of a layer's weights are few and repeat, whatever their digits are; most
numbers are small. A plane holds one byte of every value; it is Huffman-coded, or raw
where that gains little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deepcompress import _native
from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.coding.huffman import HuffmanCode, count_symbols, least_bytes
from deepcompress.dcz.coding.rules import Rule
from deepcompress.errors import CorruptFileError

_N_BYTES = 256
# A plane is coded where that saves more than this part of it: raw ones are read faster.
_CODED_GAIN = 64


@dataclass
class BytePlanes:
    """Values as planes of bytes.

    Attributes:
        planes: uint8 array of shape `(n_planes, n_words)`: the lowest bytes first.
        codes: The code of each plane, or `None` where it is raw.

    Example:

    >>> import numpy as np
    >>> values = np.arange(500, 1500, dtype="<f4")
    >>> planes = BytePlanes.of(values.view("<u4"), values.dtype)
    >>> planes.planes.shape, values.nbytes > 2 * planes.size
    ((4, 1000), True)
    """

    planes: np.ndarray
    codes: Sequence[HuffmanCode | None]

    @classmethod
    def of(cls, values: np.ndarray, dtype: np.dtype) -> "BytePlanes":
        """Returns values as planes.

        Args:
            values: Bit patterns of shape `(n,)`, C-contiguous.
            dtype: What they are patterns of, little-endian.
        """
        words = values.view(_word_dtype(dtype))
        planes = np.empty((words.itemsize, words.size), np.uint8)
        _native.planes_split(words, *_turn(dtype), planes)
        return cls(planes, [_code_of(plane) for plane in planes])

    @property
    def size(self) -> int:
        """The bytes that `encode` makes; exact up to a byte for each stream."""
        return 1 + sum(
            plane.size if code is None else code.encoded_size(counts)
            for plane, code, counts in self._counted
        )

    @property
    def n_bits(self) -> int:
        """The bits of all planes, without code tables."""
        return sum(
            8 * plane.size if code is None else code.n_bits(counts)
            for plane, code, counts in self._counted
        )

    @property
    def table_bytes(self) -> int:
        """The bytes of the code tables."""
        return sum(len(code.table) for code in self.codes if code is not None)

    @cached_property
    def _counted(self) -> list[tuple[np.ndarray, HuffmanCode | None, np.ndarray]]:
        """Each plane, its code, and how often each byte occurs if it has one."""
        return [
            (plane, code, plane[:0] if code is None else _counts(plane))
            for plane, code in zip(self.planes, self.codes, strict=True)
        ]

    def encode(self) -> list[bytes | memoryview]:
        """Returns, in pieces, which planes are coded, and the planes."""
        are_coded = sum(1 << i for i, code in enumerate(self.codes) if code is not None)
        planes = (
            plane.data if code is None else code.encode(plane)
            for plane, code in zip(self.planes, self.codes, strict=True)
        )
        return [bytes([are_coded]), *planes]

    @classmethod
    def read(cls, reader: ByteReader, dtype: np.dtype, n: int) -> "BytePlanes":
        """Returns the planes of `n` values that come next.

        Raises:
            CorruptFileError: What comes next are no such planes.
        """
        word = _word_dtype(dtype)
        n_words = n * dtype.itemsize // word.itemsize
        begin, are_coded = reader.offset, reader.byte()
        if are_coded >= 1 << word.itemsize:
            raise CorruptFileError(
                f"The planes {are_coded:#04x} cannot be coded.", Rule.PLANES, begin
            )
        planes = np.empty((word.itemsize, n_words), np.uint8)
        codes: list[HuffmanCode | None] = []
        for i, plane in enumerate(planes):
            code = HuffmanCode.read(reader, _N_BYTES) if are_coded >> i & 1 else None
            if code is None:
                plane[:] = np.frombuffer(reader.take(n_words), np.uint8)
            else:
                code.decode(reader, n_words, plane)
            codes.append(code)
        return cls(planes, codes)

    def to_values(self, dtype: np.dtype, items: np.dtype) -> np.ndarray:
        """Returns the values.

        Args:
            dtype: What they are patterns of, little-endian.
            items: The dtype of such patterns.
        """
        words = np.empty(self.planes.shape[1], _word_dtype(dtype))
        _native.planes_join(self.planes, *_turn(dtype), words)
        return words.view(items)


def _code_of(plane: np.ndarray) -> HuffmanCode | None:
    """Returns the code of a plane, `None` where it is not worth it."""
    counts = _counts(plane)
    if least_bytes(counts) + plane.size // _CODED_GAIN >= plane.size:
        return None
    code = HuffmanCode.from_counts(counts)
    size = code.encoded_size(counts)
    return code if size + plane.size // _CODED_GAIN < plane.size else None


def _counts(plane: np.ndarray) -> np.ndarray:
    return count_symbols(plane, _N_BYTES)


def _word_dtype(dtype: np.dtype) -> np.dtype:
    """Returns what is parted into planes: an element, or half of a complex one."""
    return np.dtype(f"<u{dtype.itemsize // (2 if dtype.kind == 'c' else 1)}")


def _turn(dtype: np.dtype) -> tuple[int, int]:
    """Returns by how many bits words are turned, and 1 where they are folded too."""
    if dtype.kind in "biu":
        return (1, 1) if dtype.kind == "i" else (0, 0)
    # What leaves the highest byte of a float64 are the sign and the three bits of its
    # exponent that are the same for all usual numbers.
    return (4 if _word_dtype(dtype).itemsize == 8 else 1), 0
