"""Version 2 of the file: small layers share a section, and everything is predicted.

The listing leaves out what follows from the array before, and is context-coded in front
of the arrays of the first section, which is a part of the header.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deepcompress._threads import map_in_threads
from deepcompress.dcz.coding.bytestream import ByteReader, string, varint
from deepcompress.dcz.coding.context import LISTING, ContextCoder
from deepcompress.dcz.coding.context_tensor import ContextTensor
from deepcompress.dcz.coding.tensor import CodedTensor, TensorStats
from deepcompress.dcz.directory import (
    Directory,
    File,
    Layer,
    PackedArchitecture,
    Piece,
    Section,
    by_layer,
    encode_entry,
    little_endian,
    read_entry,
    seal,
)
from deepcompress.dcz.parts import Part, list_parts, read_parts
from deepcompress.errors import CorruptFileError

TENSOR: type[CodedTensor] = ContextTensor
N_PIECES = 2  # of the header: the head, and the architecture

# What listings look like, so that one of usual names takes a few bytes. Part of this
# version: it never changes.
LISTINGS = Path(__file__).with_name("listing.dictionary").read_bytes()

_MAX_LISTING = 1 << 24


def write(
    arrays: Mapping[str, np.ndarray],
    architecture: PackedArchitecture,
    parts: Sequence[Part] = (),
    *,
    max_elements: int = 1 << 22,
    max_nonzeros: int = 1 << 17,
) -> File:
    """Returns the file of some arrays.

    Layers that follow each other share a section, which is decoded as a whole, up to so
    many elements and so many of them not zero.

    Args:
        arrays: Arrays by their names.
        architecture: The model's architecture.
        parts: The parts that end the file.
        max_elements: The most elements of layers that share a section.
        max_nonzeros: The most of them that are not zero.
    """
    layers = by_layer(arrays)
    values = {
        name: little_endian(name, arrays[name])
        for layer in layers
        for name in layer.names
    }
    groups = _groups(layers, values, max_elements, max_nonzeros)
    listed: list[list[tuple[str, list[bytes]]]] = []
    before: tuple[int, ...] = ()
    for group in groups:
        listed.append([])
        for layer in group:
            entries = []
            for leaf, name in zip(layer.leaves, layer.names, strict=True):
                dtype, shape = values[name].dtype, values[name].shape
                entries.append(encode_entry(leaf, dtype, lengths_of(shape, before)))
                before = shape
            listed[-1].append((layer.name, entries))

    def encode(
        group: list[Layer], coder: ContextCoder
    ) -> tuple[bytes, dict[str, TensorStats]]:
        stats = {
            name: ContextTensor.encode(values[name], coder).stats()
            for layer in group
            for name in layer.names
        }
        return coder.end(), stats

    others = map_in_threads(lambda group: encode(group, ContextCoder()), groups[1:])
    packed, plain_size = architecture
    listing = (varint(plain_size) if packed else b"") + varint(len(others))
    listing += list_section(listed[0], None)
    for layers_of_section, (section, _) in zip(listed[1:], others, strict=True):
        listing += list_section(layers_of_section, section)
    head, stats = encode(groups[0], begin_head(listing + list_parts(parts)))
    for _, its_stats in others:
        stats |= its_stats
    body = [*(section for section, _ in others), *(part.data for part in parts)]
    return File([head, packed], body, stats)


def read_listing(pieces: Sequence[Piece], directory: Directory) -> None:
    """Fills in what the pieces of a header list.

    Raises:
        CorruptFileError: They are no such listing.
    """
    head, packed = pieces
    reader = ByteReader(_read_head(ContextCoder(head.data, LISTINGS)))
    directory.sections.append(_section_of(head))
    if packed.data:
        directory.architecture = _section_of(packed)
        directory.plain_size = reader.varint()
    before: tuple[int, ...] = ()
    for index in range(reader.varint() + 1):
        if index:
            section = directory.section_at_end(reader.varint(), reader.uint32())
            directory.sections.append(section)
        for _ in range(reader.varint()):
            layer, n_arrays = reader.string(), reader.varint()
            for _ in range(n_arrays):
                name, dtype, lengths = read_entry(reader, layer)
                before = shape_of(lengths, before)
                directory.add_array(name, dtype, before)
    read_parts(reader, directory)


def read_section(
    directory: Directory, index: int, data: bytes
) -> dict[str, CodedTensor]:
    """Returns the arrays of a section, by their names, as they are coded.

    Raises:
        CorruptFileError: The bytes are not those of such arrays.
    """
    coder = ContextCoder(data, b"" if index else LISTINGS)
    if index == 0:
        _read_head(coder)
    tensors: dict[str, CodedTensor] = {
        entry.name: ContextTensor.decode(coder, entry.dtype, entry.shape)
        for entry in directory.in_section(index)
    }
    coder.end()
    return tensors


def lengths_of(shape: Sequence[int], before: Sequence[int]) -> list[int]:
    """Returns the numbers that stand for a shape.

    Args:
        shape: The shape of an array.
        before: That of the array listed before, `()` for the first.

    Example:

    >>> lengths_of((500,), before=(800, 500))
    [0]
    """
    last = before[-1] if before else None
    return [0 if length == last else length + 1 for length in shape]


def shape_of(lengths: Sequence[int], before: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape that some numbers stand for.

    Args:
        lengths: The numbers of an array.
        before: The shape of the array listed before, `()` for the first.

    Raises:
        CorruptFileError: They refer to an axis that is not there.

    Example:

    >>> shape_of([0], before=(800, 500))
    (500,)
    """
    if 0 in lengths and not before:
        raise CorruptFileError("an axis is as long as one that is not there.")
    return tuple(length - 1 if length else before[-1] for length in lengths)


def list_section(
    layers: Sequence[tuple[str, Sequence[bytes]]], section: bytes | None
) -> bytes:
    """Returns how a section is listed; `None`: the one in the header."""
    listing = [] if section is None else [seal(section)]
    listing.append(varint(len(layers)))
    for layer, entries in layers:
        listing += [string(layer), varint(len(entries)), *entries]
    return b"".join(listing)


def begin_head(listing: bytes) -> ContextCoder:
    """Returns a coder that has written a listing, to go on with arrays."""
    coder = ContextCoder(text=LISTINGS)
    coder.number(len(listing), LISTING)
    coder.text(listing)
    return coder


def _read_head(coder: ContextCoder) -> bytes:
    """Returns the listing that a head begins with."""
    size = coder.number(0, LISTING)
    if size > _MAX_LISTING:
        raise CorruptFileError(f"a directory of {size:,} bytes is too large.")
    return coder.text(bytes(size))


def _section_of(piece: Piece) -> Section:
    return Section(piece.offset, len(piece.data), zlib.crc32(piece.data))


def _groups(
    layers: list[Layer],
    values: Mapping[str, np.ndarray],
    max_elements: int,
    max_nonzeros: int,
) -> list[list[Layer]]:
    """Returns the layers of each section; the first, in the header, may have none."""
    groups: list[list[Layer]] = [[]]
    n_elements = n_nonzeros = 0
    for layer in layers:
        more_elements = sum(values[name].size for name in layer.names)
        more_nonzeros = sum(int(np.count_nonzero(values[name])) for name in layer.names)
        n_elements += more_elements
        n_nonzeros += more_nonzeros
        if n_elements > max_elements or n_nonzeros > max_nonzeros:
            groups.append([])
            n_elements, n_nonzeros = more_elements, more_nonzeros
        groups[-1].append(layer)
    return groups
