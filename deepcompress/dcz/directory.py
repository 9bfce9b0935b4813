"""What a `.dcz` file holds and where: the directory in front of it.

Version 1 lists everything byte by byte. Version 2, for context-coded files, leaves out
what follows from the array before and has its listing predicted like everything else.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from deepcompress.dcz.coding.bytestream import ByteReader, string, varint
from deepcompress.dcz.coding.context import LISTING, ContextCoder
from deepcompress.errors import CorruptFileError

MAGIC = b"\x89DCZ"
HUFFMAN, CONTEXT = 1, 2  # the versions
_N_SIZES = {HUFFMAN: 1, CONTEXT: 2}  # of parts of the header

# The place in these lists is the code in the file; they only ever grow.
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
# What listings look like, so that one of usual names takes a few bytes. Part of
# version 2: it never changes.
LISTINGS = Path(__file__).with_name("listing.dictionary").read_bytes()

_OTHERS = {
    b"PK\x03\x04": " If it is a .keras file, use keras.models.load_model.",
    b"\x89HDF": " If it is a .weights.h5 file, use model.load_weights.",
}
_EXPLICIT_RANK = 7
_MAX_RANK = 64  # NumPy's own limit
_MAX_LISTING = 1 << 24
_HEADER_START = len(MAGIC) + 1 + 9 + 9


@dataclass(frozen=True)
class Entry:
    """One tensor as the directory names it."""

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
    """Bytes that share a checksum: some tensors, or the architecture."""

    offset: int
    size: int
    checksum: int


@dataclass
class Directory:
    """What a file holds.

    Attributes:
        version: Of the format.
        entries: Every tensor by its name.
        sections: Where the tensors are. In version 2 the first one begins with the
            listing, and the header's checksum covers it.
        architecture: Where the packed architecture is, or `None`.
        plain_size: Bytes of the architecture once unpacked.
        end: Bytes that the file must have.
    """

    version: int
    entries: dict[str, Entry] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    architecture: Section | None = None
    plain_size: int = 0
    end: int = 0

    def in_section(self, index: int) -> list[Entry]:
        """Returns the tensors of a section, in their order."""
        return [entry for entry in self.entries.values() if entry.section == index]


def read_directory(file: BinaryIO, size: int) -> Directory:
    """Reads what stands in front of a file of so many bytes.

    Raises:
        CorruptFileError: The file is damaged, or no `.dcz` file.
    """
    file.seek(0)
    start = file.read(_HEADER_START)
    if not start:
        raise CorruptFileError("the file is empty.")
    if not start.startswith(MAGIC):
        hint = next(
            (text for magic, text in _OTHERS.items() if start.startswith(magic)), ""
        )
        raise CorruptFileError(
            f"this is not a .dcz file (its first bytes differ).{hint}"
        )
    reader = ByteReader(start)
    reader.take(len(MAGIC))
    if (version := reader.byte()) not in _N_SIZES:
        raise CorruptFileError(
            f"version {version} of the format is not known. The file is damaged, "
            "or needs a newer deepcompress."
        )
    sizes = [reader.varint() for _ in range(_N_SIZES[version])]
    end = reader.position + sum(sizes)
    if end + 4 > size:
        raise CorruptFileError("the file ends early, inside its directory.")
    file.seek(0)
    header = file.read(end)
    if zlib.crc32(header).to_bytes(4, "little") != file.read(4):
        raise CorruptFileError("the checksum of the directory does not match.")
    directory = Directory(version, end=end + 4)
    if version == HUFFMAN:
        _parse(directory, ByteReader(header[reader.position :]))
    else:
        _parse_head(directory, header, reader.position, *sizes)
    if directory.end != size:
        raise CorruptFileError(
            f"the file has {size} bytes, its directory says {directory.end}."
        )
    return directory


def header(version: int, parts: Sequence[bytes]) -> bytes:
    """Returns the first bytes of a file, up to the checksum of them all."""
    sizes = [varint(len(part)) for part in parts]
    start = b"".join([MAGIC, bytes([version]), *sizes, *parts])
    return start + zlib.crc32(start).to_bytes(4, "little")


def architecture_listing(packed: bytes, plain_size: int) -> bytes:
    """Returns how version 1 lists the architecture."""
    return _seal(packed) + varint(plain_size) if packed else varint(0)


def layer_listing(layer: str, entries: Sequence[bytes], section: bytes) -> bytes:
    """Returns how version 1 lists a section: a layer, and its tensors."""
    return b"".join([string(layer), varint(len(entries)), _seal(section), *entries])


def section_listing(
    layers: Sequence[tuple[str, Sequence[bytes]]], section: bytes | None
) -> bytes:
    """Returns how version 2 lists a section; `None`: the one in the header."""
    parts = [] if section is None else [_seal(section)]
    parts.append(varint(len(layers)))
    for layer, entries in layers:
        parts += [string(layer), varint(len(entries)), *entries]
    return b"".join(parts)


def _seal(data: bytes) -> bytes:
    return varint(len(data)) + zlib.crc32(data).to_bytes(4, "little")


def pack_architecture(architecture: str | None) -> tuple[bytes, int]:
    """Returns a packed architecture, and the bytes that it has unpacked."""
    if architecture is None:
        return b"", 0
    plain = architecture.encode()
    deflate = zlib.compressobj(9, wbits=-15, zdict=DICTIONARY)
    return deflate.compress(plain) + deflate.flush(), len(plain)


def unpack_architecture(packed: bytes, plain_size: int) -> str:
    """Returns the architecture.

    Raises:
        CorruptFileError: It has another size, or is no text.
    """
    inflate = zlib.decompressobj(wbits=-15, zdict=DICTIONARY)
    try:
        plain = inflate.decompress(packed, max(plain_size, 1))
        if len(plain) != plain_size or not inflate.eof or inflate.unused_data:
            raise CorruptFileError("its size is not the one declared")
        return plain.decode()
    except (zlib.error, ValueError) as error:
        raise CorruptFileError(f"the architecture cannot be read: {error}") from None


def encode_entry(leaf: str, array: np.ndarray, before: Sequence[int] | None) -> bytes:
    """Returns how a tensor is listed.

    Args:
        leaf: Its name in its layer.
        array: The tensor.
        before: In version 2 the shape of the tensor before, `()` for the first. `None`
            in version 1.
    """
    if leaf in COMMON_NAMES:
        name = varint(1 + COMMON_NAMES.index(leaf))
    else:
        name = varint(0) + string(leaf)
    rank = array.ndim
    kind = DTYPES.index(array.dtype.name) << 3 | min(rank, _EXPLICIT_RANK)
    explicit = varint(rank) if rank >= _EXPLICIT_RANK else b""
    lengths = list(array.shape)
    if before is not None:
        last = before[-1] if before else None
        lengths = [0 if length == last else length + 1 for length in lengths]
    return name + bytes([kind]) + explicit + b"".join(map(varint, lengths))


def _read_entry(
    reader: ByteReader, layer: str, section: int, before: Sequence[int] | None
) -> Entry:
    common = reader.varint()
    if common > len(COMMON_NAMES):
        raise CorruptFileError(f"the common name {common} is not known.")
    leaf = COMMON_NAMES[common - 1] if common else reader.string()
    kind = reader.byte()
    rank = kind & 7
    if rank == _EXPLICIT_RANK and (rank := reader.varint()) > _MAX_RANK:
        raise CorruptFileError(f"an array cannot have {rank} axes.")
    shape = [reader.varint() for _ in range(rank)]
    if before is not None:
        if 0 in shape and not before:
            raise CorruptFileError("an axis is as long as one that is not there.")
        shape = [length - 1 if length else before[-1] for length in shape]
    name = f"{layer}/{leaf}" if layer else leaf
    return Entry(name, dtype_of(kind >> 3), tuple(shape), section)


def dtype_of(code: int) -> np.dtype:
    """Returns the dtype of a code in the file, little-endian."""
    if code >= len(DTYPES):
        raise CorruptFileError(f"the dtype code {code} is not known.")
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


def _parse(directory: Directory, reader: ByteReader) -> None:
    """Reads the listing of version 1."""
    size = reader.varint()
    checksum = reader.uint32() if size else 0
    directory.plain_size = reader.varint() if size else 0
    for _ in range(reader.varint()):
        layer, n_tensors = reader.string(), reader.varint()
        _add_section(directory, reader)
        for _ in range(n_tensors):
            _add_entry(directory, reader, layer, None)
    reader.expect_end()
    if size:
        directory.architecture = Section(directory.end, size, checksum)
        directory.end += size


def _parse_head(
    directory: Directory, header: bytes, begin: int, head_size: int, packed_size: int
) -> None:
    """Reads the listing of version 2."""
    head = header[begin : begin + head_size]
    packed = header[begin + head_size :]
    reader = ByteReader(read_listing(ContextCoder(head, LISTINGS)))
    directory.sections.append(Section(begin, head_size, zlib.crc32(head)))
    if packed_size:
        directory.architecture = Section(
            begin + head_size, packed_size, zlib.crc32(packed)
        )
        directory.plain_size = reader.varint()
    before: tuple[int, ...] = ()
    for index in range(reader.varint() + 1):
        if index:
            _add_section(directory, reader)
        for _ in range(reader.varint()):
            layer, n_tensors = reader.string(), reader.varint()
            for _ in range(n_tensors):
                before = _add_entry(directory, reader, layer, before)
    reader.expect_end()


def read_listing(coder: ContextCoder) -> bytes:
    """Returns the listing that a header of version 2 begins with."""
    size = coder.number(0, LISTING)
    if size > _MAX_LISTING:
        raise CorruptFileError(f"a directory of {size:,} bytes is too large.")
    return coder.text(bytes(size))


def _add_section(directory: Directory, reader: ByteReader) -> None:
    section = Section(directory.end, reader.varint(), reader.uint32())
    directory.sections.append(section)
    directory.end += section.size


def _add_entry(
    directory: Directory, reader: ByteReader, layer: str, before: Sequence[int] | None
) -> tuple[int, ...]:
    """Reads a tensor of the last section; returns its shape."""
    entry = _read_entry(reader, layer, len(directory.sections) - 1, before)
    if entry.name in directory.entries:
        raise CorruptFileError(f"{entry.name!r} occurs twice.")
    directory.entries[entry.name] = entry
    return entry.shape
