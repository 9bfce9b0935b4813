"""What a `.dcz` file holds and where: what the versions of the format share of it."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from deepcompress.dcz.coding.bytestream import ByteReader, string, varint
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.tensor import TensorStats
from deepcompress.errors import CorruptFileError

# The index in these lists is the code in the file; they only ever grow.
DTYPES = (
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 "
    "complex64 complex128 bfloat16 float8_e4m3fn float8_e5m2"
).split()
COMMON_NAMES = (
    "kernel bias gamma beta moving_mean moving_variance embeddings recurrent_kernel "
    "depthwise_kernel pointwise_kernel"
).split()
# What Keras' JSON looks like, so that the architecture of a small model is stored in
# some hundred bytes. Part of the format: it never changes.
DICTIONARY = Path(__file__).with_name("architecture.dictionary").read_bytes()

# A tensor of so many bytes is coded by itself, so that it is the only one in memory.
LARGE = 1 << 24
_EXPLICIT_RANK = 7
_MAX_RANK = 64  # NumPy's own limit
# Each array repeats the name of its layer, which a file need say only once.
_MAX_NAMES = 1 << 24


class File(NamedTuple):
    """A file whose sections are written, but for what stands in front of them.

    Attributes:
        header: The pieces of its header.
        stats: The figures of every array by its name.
    """

    header: list[bytes]
    stats: dict[str, TensorStats]


class Piece(NamedTuple):
    """A piece of the header of a file that is read.

    Attributes:
        offset: Where it begins in the file.
        data: Its bytes.
    """

    offset: int
    data: bytes


class PackedArchitecture(NamedTuple):
    """An architecture as files hold it.

    Attributes:
        data: Its deflated bytes; none where there is no architecture.
        plain_size: Bytes of its text.
    """

    data: bytes = b""
    plain_size: int = 0


@dataclass(frozen=True)
class ArrayEntry:
    """One array as the directory names it."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    section: int

    @property
    def n_bytes(self) -> int:
        """Bytes in memory."""
        # An axis of length 0 must not hide absurd lengths of the others.
        return prod(max(length, 1) for length in self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Section:
    """Bytes that share a checksum: some arrays, the architecture, or a part."""

    offset: int
    size: int
    checksum: int


@dataclass
class Directory:
    """What a file holds.

    Attributes:
        version: Of the format.
        end: Bytes that the file must have: those of the header, and of all sections.
        entries: Every array by its name.
        sections: Where the arrays are.
        architecture: Where the packed architecture is, or `None`.
        plain_size: Bytes of the architecture once unpacked.
        parts: Where each part is, by its name.
    """

    version: int
    end: int
    entries: dict[str, ArrayEntry] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    architecture: Section | None = None
    plain_size: int = 0
    parts: dict[str, Section] = field(default_factory=dict)
    _by_section: dict[int, list[ArrayEntry]] = field(default_factory=dict)
    _names_size: int = 0

    def in_section(self, index: int) -> list[ArrayEntry]:
        """Returns the arrays of a section, in their order."""
        return self._by_section.get(index, [])

    def section_at_end(self, size: int, checksum: int) -> Section:
        """Returns a section behind all that the file has so far."""
        section = Section(self.end, size, checksum)
        self.end += size
        return section

    def add_array(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        """Adds an array to the last section.

        Raises:
            CorruptFileError: There is one of this name, or too much of names.
        """
        self._names_size += len(name.encode())
        if self._names_size > _MAX_NAMES:
            raise CorruptFileError(
                f"names of more than {_MAX_NAMES:,} bytes are too long.",
                Rule.NAMES_SIZE,
            )
        if name in self.entries:
            raise CorruptFileError(f"{name!r} occurs twice.", Rule.NAME_ONCE)
        section = len(self.sections) - 1
        entry = self.entries[name] = ArrayEntry(name, dtype, shape, section)
        self._by_section.setdefault(section, []).append(entry)


class Layer(NamedTuple):
    """Names that share everything before the last slash, and follow each other."""

    name: str
    leaves: list[str]
    names: list[str]


def by_layer(names: Iterable[str]) -> list[Layer]:
    """Returns the names of arrays as those of layers.

    Raises:
        TypeError: A name is no text.
        ValueError: A name is empty, or begins or ends with a slash, or all together are
            too long.

    Example:

    >>> by_layer(["ip1/kernel", "ip1/bias"])
    [Layer(name='ip1', leaves=['kernel', 'bias'], names=['ip1/kernel', 'ip1/bias'])]
    """
    layers: list[Layer] = []
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"The name of an array must be a text. Received: {name!r}")
        layer, _, leaf = name.rpartition("/")
        if not leaf or name.startswith("/"):
            raise ValueError(
                "The name of an array must not be empty, nor begin or end with a "
                f"slash. Received: {name!r}"
            )
        if not layers or layers[-1].name != layer:
            layers.append(Layer(layer, [], []))
        layers[-1].leaves.append(leaf)
        layers[-1].names.append(name)
    if sum(len(name.encode()) for layer in layers for name in layer.names) > _MAX_NAMES:
        raise ValueError(f"All names together may have {_MAX_NAMES:,} bytes.")
    return layers


def little_endian(name: str, array: np.ndarray) -> np.ndarray:
    """Returns an array as files hold it.

    Raises:
        TypeError: It has a dtype that cannot be stored.
    """
    array = np.asarray(array)
    if array.dtype.name not in DTYPES:
        raise TypeError(
            f"{name!r} has dtype {array.dtype}, which a .dcz file cannot hold. "
            f"Supported: {', '.join(DTYPES)}"
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def seal(data: bytes) -> bytes:
    """Returns how the size and the checksum of a section are listed."""
    return varint(len(data)) + zlib.crc32(data).to_bytes(4, "little")


class SectionWriter:
    """Writes sections one after the other, and sums up each.

    Args:
        file: What is written to.

    Attributes:
        size: Bytes of the section that is being written.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = self._checksum = 0

    def write(self, data: bytes | memoryview) -> None:
        """Writes a part of a section."""
        self._file.write(data)
        self.size += len(data)
        self._checksum = zlib.crc32(data, self._checksum)

    def end(self) -> bytes:
        """Ends a section, and returns how its size and its checksum are listed."""
        listed = varint(self.size) + self._checksum.to_bytes(4, "little")
        self.size = self._checksum = 0
        return listed


def encode_entry(leaf: str, dtype: np.dtype, lengths: Sequence[int]) -> bytes:
    """Returns how an array is listed.

    Args:
        leaf: Its name in its layer.
        dtype: Its dtype.
        lengths: A number for each of its axes, which tells the length.
    """
    if leaf in COMMON_NAMES:
        name = varint(1 + COMMON_NAMES.index(leaf))
    else:
        name = varint(0) + string(leaf)
    rank = len(lengths)
    kind = DTYPES.index(dtype.name) << 3 | min(rank, _EXPLICIT_RANK)
    explicit = varint(rank) if rank >= _EXPLICIT_RANK else b""
    return name + bytes([kind]) + explicit + b"".join(map(varint, lengths))


def read_entry(reader: ByteReader, layer: str) -> tuple[str, np.dtype, list[int]]:
    """Returns the name of the array listed next, its dtype, and its numbers."""
    common = reader.varint()
    if common > len(COMMON_NAMES):
        raise CorruptFileError(
            f"the common name {common} is not known.", Rule.COMMON_NAME
        )
    leaf = COMMON_NAMES[common - 1] if common else reader.string()
    kind = reader.byte()
    rank = kind & 7
    if rank == _EXPLICIT_RANK:
        rank = reader.varint()
        if not _EXPLICIT_RANK <= rank <= _MAX_RANK:
            raise CorruptFileError(
                f"an array cannot have {rank} axes, told so.", Rule.RANK
            )
    lengths = [reader.varint() for _ in range(rank)]
    return f"{layer}/{leaf}" if layer else leaf, dtype_of(kind >> 3), lengths


def dtype_of(code: int) -> np.dtype:
    """Returns the dtype of a code in the file, little-endian."""
    if code >= len(DTYPES):
        raise CorruptFileError(f"the dtype code {code} is not known.", Rule.DTYPE)
    name = DTYPES[code]
    try:
        return np.dtype(name).newbyteorder("<")
    except TypeError:  # not one of NumPy's own
        try:
            import ml_dtypes  # noqa: PLC0415  (only the few files with such a dtype)
        except ImportError:
            raise ImportError(
                f"The file holds {name} weights. Install ml_dtypes to read them: "
                "pip install ml_dtypes"
            ) from None
        dtype: np.dtype = np.dtype(getattr(ml_dtypes, name))
        return dtype


def pack_architecture(architecture: str | None) -> PackedArchitecture:
    """Returns an architecture packed."""
    if architecture is None:
        return PackedArchitecture()
    plain = architecture.encode()
    deflate = zlib.compressobj(9, wbits=-15, zdict=DICTIONARY)
    return PackedArchitecture(deflate.compress(plain) + deflate.flush(), len(plain))


def unpack_architecture(packed: PackedArchitecture) -> str:
    """Returns the architecture.

    Raises:
        CorruptFileError: It has another size, or is no text.
    """
    inflate = zlib.decompressobj(wbits=-15, zdict=DICTIONARY)
    try:
        plain = inflate.decompress(packed.data, max(packed.plain_size, 1))
        if len(plain) != packed.plain_size or not inflate.eof or inflate.unused_data:
            raise ValueError("its size is not the one declared")
        return plain.decode()
    except (zlib.error, ValueError) as error:
        raise CorruptFileError(
            f"the architecture cannot be read: {error}", Rule.ARCHITECTURE
        ) from None
