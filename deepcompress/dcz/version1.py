"""Version 1 of the file: each layer a section, its arrays Huffman-coded.

The directory lists everything byte by byte.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from deepcompress._threads import map_in_threads
from deepcompress.dcz.coding.bytestream import ByteReader, ByteWriter, string, varint
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.dcz.coding.tensor import CodedTensor, TensorStats
from deepcompress.dcz.directory import (
    Directory,
    File,
    PackedArchitecture,
    Piece,
    by_layer,
    encode_entry,
    little_endian,
    read_entry,
    seal,
)
from deepcompress.dcz.parts import Part, list_parts, read_parts

TENSOR: type[CodedTensor] = HuffmanTensor
N_PIECES = 1  # of the header: the directory


def write(
    arrays: Mapping[str, np.ndarray],
    architecture: PackedArchitecture,
    parts: Sequence[Part] = (),
) -> File:
    """Returns the file of some arrays.

    Args:
        arrays: Arrays by their names.
        architecture: The model's architecture.
        parts: The parts that end the file.
    """

    def encode(leaf: str, name: str) -> tuple[bytes, bytes, TensorStats]:
        array = little_endian(name, arrays[name])
        writer = ByteWriter()
        tensor = HuffmanTensor.encode(array, writer)
        entry = encode_entry(leaf, array.dtype, array.shape)
        return entry, writer.end(), tensor.stats()

    layers = by_layer(arrays)
    members = [
        member
        for layer in layers
        for member in zip(layer.leaves, layer.names, strict=True)
    ]
    encoded = iter(map_in_threads(lambda member: encode(*member), members))
    packed, plain_size = architecture
    listing = [seal(packed) + varint(plain_size) if packed else varint(0)]
    listing.append(varint(len(layers)))
    sections: list[bytes] = []
    stats: dict[str, TensorStats] = {}
    for layer in layers:
        entries, content = [], []
        for name in layer.names:
            entry, data, stats[name] = next(encoded)
            entries.append(entry)
            content.append(data)
        section = b"".join(content)
        sections.append(section)
        listing += [string(layer.name), varint(len(entries)), seal(section), *entries]
    listing.append(list_parts(parts))
    body = [*sections, packed, *(part.data for part in parts)]
    return File([b"".join(listing)], body, stats)


def read_listing(pieces: Sequence[Piece], directory: Directory) -> None:
    """Fills in what the pieces of a header list.

    Raises:
        CorruptFileError: They are no such listing.
    """
    reader = ByteReader(pieces[0].data)
    packed_size = reader.varint()
    checksum = reader.uint32() if packed_size else 0
    directory.plain_size = reader.varint() if packed_size else 0
    for _ in range(reader.varint()):
        layer, n_arrays = reader.string(), reader.varint()
        section = directory.section_at_end(reader.varint(), reader.uint32())
        directory.sections.append(section)
        for _ in range(n_arrays):
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
    reader = ByteReader(data)
    tensors: dict[str, CodedTensor] = {
        entry.name: HuffmanTensor.decode(reader, entry.dtype, entry.shape)
        for entry in directory.in_section(index)
    }
    reader.end()
    return tensors
