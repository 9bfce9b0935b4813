"""Version 1 of the file: each layer a section, its arrays Huffman-coded.

The directory lists everything byte by byte.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from deepcompress._threads import each_in_order
from deepcompress.dcz.coding.bytestream import (
    ByteReader,
    ByteWriter,
    Located,
    string,
    varint,
)
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.tensor import CodedTensor, TensorStats
from deepcompress.dcz.directory import (
    LARGE,
    Directory,
    File,
    Layer,
    PackedArchitecture,
    Piece,
    SectionWriter,
    by_layer,
    encode_entry,
    little_endian,
    read_entry,
    seal,
)
from deepcompress.dcz.parts import Part, list_parts, read_parts

TENSOR: type[CodedTensor] = HuffmanTensor
N_PIECES = 1  # of the header: the directory


# Arrays of a layer share a section up to so many bytes, and with more that are small.
_FULL = 1 << 24
_SMALL = 1 << 16


class _Encoded(NamedTuple):
    """An array as it is written.

    Attributes:
        entry: How it is listed.
        pieces: Its bytes.
        n_bytes: How many it has in memory.
        stats: Its figures.
    """

    entry: bytes
    pieces: list[bytes | memoryview]
    n_bytes: int
    stats: TensorStats


def write(
    arrays: Mapping[str, np.ndarray],
    architecture: PackedArchitecture,
    parts: Sequence[Part],
    body: BinaryIO,
) -> File:
    """Writes the sections of a file, and returns what stands in front of them.

    Args:
        arrays: Arrays by their names.
        architecture: The model's architecture.
        parts: The parts that end the file.
        body: What the sections are written to.
    """
    layers = by_layer(arrays)
    encoded = _each_encoded(arrays, layers)
    writer = SectionWriter(body)
    listing: list[bytes] = []
    stats: dict[str, TensorStats] = {}
    n_sections = 0
    for layer in layers:
        entries: list[bytes] = []
        n_bytes = 0
        for name in layer.names:
            entry, pieces, more, stats[name] = next(encoded)
            if entries and more >= _SMALL and n_bytes + more > _FULL:
                listing += _listed(layer, entries, writer.end())
                entries, n_bytes, n_sections = [], 0, n_sections + 1
            for piece in pieces:
                writer.write(piece)
            del pieces  # before the next array is read
            entries.append(entry)
            n_bytes += more
        listing += _listed(layer, entries, writer.end())
        n_sections += 1
    packed, plain_size = architecture
    begin = seal(packed) + varint(plain_size) if packed else varint(0)
    body.writelines([packed, *(part.data for part in parts)])
    header = [begin, varint(n_sections), *listing, list_parts(parts)]
    return File([b"".join(header)], stats)


def _listed(layer: Layer, entries: Sequence[bytes], sealed: bytes) -> list[bytes]:
    return [string(layer.name), varint(len(entries)), sealed, *entries]


def _each_encoded(
    arrays: Mapping[str, np.ndarray], layers: Sequence[Layer]
) -> Iterator[_Encoded]:
    """Yields every array as it is written, in order."""

    def encode(member: tuple[str, np.ndarray]) -> _Encoded:
        leaf, array = member
        writer = ByteWriter()
        stats = HuffmanTensor.encode(array, writer).stats()
        entry = encode_entry(leaf, array.dtype, array.shape)
        return _Encoded(entry, writer.pieces, array.nbytes, stats)

    members = (
        (leaf, little_endian(name, arrays[name]))
        for layer in layers
        for leaf, name in zip(layer.leaves, layer.names, strict=True)
    )
    return each_in_order(encode, members, lambda member: member[1].nbytes >= LARGE)


def read_listing(pieces: Sequence[Piece], directory: Directory) -> None:
    """Fills in what the pieces of a header list.

    Raises:
        CorruptFileError: They are no such listing.
    """
    (piece,) = pieces
    reader = ByteReader(piece.data, Rule.DIRECTORY_END, piece.offset)
    packed_size = reader.varint()
    checksum = reader.uint32() if packed_size else 0
    directory.plain_size = reader.varint() if packed_size else 0
    for _ in range(reader.varint()):
        layer, n_arrays = reader.string(), reader.varint()
        section = directory.section_at_end(reader.varint(), reader.uint32())
        directory.sections.append(section)
        for _ in range(n_arrays):
            with Located(reader.offset):
                name, dtype, lengths = read_entry(reader, layer)
                directory.add_array(name, dtype, tuple(lengths))
    if packed_size:
        directory.architecture = directory.section_at_end(packed_size, checksum)
    read_parts(reader, directory)


def read_section(
    directory: Directory, index: int, data: bytes
) -> dict[str, CodedTensor]:
    """Returns the arrays of a section, by their names, as they are coded.

    Raises:
        CorruptFileError: The bytes are not those of such arrays.
    """
    reader = ByteReader(data, begin=directory.sections[index].offset)
    tensors: dict[str, CodedTensor] = {}
    for entry in directory.in_section(index):
        with Located(reader.offset):
            tensor = HuffmanTensor.decode(reader, entry.dtype, entry.shape)
        tensors[entry.name] = tensor
    reader.end()
    return tensors
