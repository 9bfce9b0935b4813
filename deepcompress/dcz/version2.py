"""Version 2 of the file: small layers share a section, and everything is predicted.

The listing leaves out what follows from the array before, and is context-coded in front
of the arrays of the first section, which is a part of the header.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from deepcompress._threads import each_in_order
from deepcompress.dcz.coding.bytestream import ByteReader, Located, string, varint
from deepcompress.dcz.coding.context import LISTING, ContextCoder
from deepcompress.dcz.coding.context_tensor import ContextTensor
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.tensor import CodedTensor, TensorStats
from deepcompress.dcz.directory import (
    LARGE,
    Directory,
    File,
    Layer,
    PackedArchitecture,
    Piece,
    Section,
    SectionWriter,
    by_layer,
    encode_entry,
    little_endian,
    read_entry,
)
from deepcompress.dcz.parts import Part, list_parts, read_parts
from deepcompress.errors import CorruptFileError

TENSOR: type[CodedTensor] = ContextTensor
N_PIECES = 2  # of the header: the head, and the architecture

# What listings look like, so that one of usual names takes a few bytes. Part of this
# version: it never changes.
LISTINGS = Path(__file__).with_name("listing.dictionary").read_bytes()

_MAX_LISTING = 1 << 24


# Small arrays share the section of their layer, whatever else is in it.
_SMALL = 1 << 12


class _Member(NamedTuple):
    """An array of a section.

    Attributes:
        layer: The layer that it is of.
        leaf: Its name in the layer.
        name: Its name.
        values: The array.
    """

    layer: Layer
    leaf: str
    name: str
    values: np.ndarray


class _Listed(NamedTuple):
    """An array as the listing tells of it."""

    layer: Layer
    leaf: str
    dtype: np.dtype
    shape: tuple[int, ...]


def write(
    arrays: Mapping[str, np.ndarray],
    architecture: PackedArchitecture,
    parts: Sequence[Part],
    body: BinaryIO,
    *,
    max_elements: int = 1 << 22,
    max_nonzeros: int = 1 << 17,
) -> File:
    """Writes the sections of a file, and returns what stands in front of them.

    Arrays that follow each other share a section, which is decoded as a whole, up to so
    many elements and so many of them not zero.

    Args:
        arrays: Arrays by their names.
        architecture: The model's architecture.
        parts: The parts that end the file.
        body: What the sections are written to.
        max_elements: The most elements of arrays that share a section.
        max_nonzeros: The most of them that are not zero.
    """
    members = (
        _Member(layer, leaf, name, little_endian(name, arrays[name]))
        for layer in by_layer(arrays)
        for leaf, name in zip(layer.leaves, layer.names, strict=True)
    )
    groups = _groups(members, max_elements, max_nonzeros)
    # The listing stands in front of the first section, which hence comes last.
    first = next(groups)
    listing_of_first, before = _list_group(_to_be_listed(first), None, ())
    listing: list[bytes] = []
    others: dict[str, TensorStats] = {}
    writer = SectionWriter(body)
    for group, section, its_stats in each_in_order(_encode, groups, _is_large):
        writer.write(section)
        listed, before = _list_group(group, writer.end(), before)
        listing.append(listed)
        others |= its_stats
    packed, plain_size = architecture
    begin = (varint(plain_size) if packed else b"") + varint(len(listing))
    whole = b"".join([begin, listing_of_first, *listing, list_parts(parts)])
    coder = begin_head(whole)
    stats = {m.name: ContextTensor.encode(m.values, coder).stats() for m in first}
    body.writelines(part.data for part in parts)
    return File([coder.end(), packed], stats | others)


def read_listing(pieces: Sequence[Piece], directory: Directory) -> None:
    """Fills in what the pieces of a header list.

    Raises:
        CorruptFileError: They are no such listing.
    """
    head, packed = pieces
    directory.sections.append(_section_of(head))
    # What is coded has no bytes of its own in the file.
    with Located(head.offset):
        listing = _read_head(ContextCoder(head.data, LISTINGS))
        reader = ByteReader(listing, Rule.DIRECTORY_END)
        if packed.data:
            directory.architecture = _section_of(packed)
            directory.plain_size = reader.varint()
        _read_entries(reader, directory)
        read_parts(reader, directory)


def _read_entries(reader: ByteReader, directory: Directory) -> None:
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


def read_section(
    directory: Directory, index: int, data: bytes
) -> dict[str, CodedTensor]:
    """Returns the arrays of a section, by their names, as they are coded.

    Raises:
        CorruptFileError: The bytes are not those of such arrays.
    """
    begin = directory.sections[index].offset
    coder = ContextCoder(data, b"" if index else LISTINGS)
    if index == 0:
        _read_head(coder)
    tensors: dict[str, CodedTensor] = {}
    for entry in directory.in_section(index):
        with Located(begin + coder.n_bits // 8):
            tensor = ContextTensor.decode(coder, entry.dtype, entry.shape)
        tensors[entry.name] = tensor
    with Located(begin + coder.n_bits // 8):
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
        raise CorruptFileError(
            "an axis is as long as one that is not there.", Rule.LENGTH_BEFORE
        )
    return tuple(length - 1 if length else before[-1] for length in lengths)


def _to_be_listed(group: Iterable[_Member]) -> list[_Listed]:
    return [_Listed(m.layer, m.leaf, m.values.dtype, m.values.shape) for m in group]


def _list_group(
    group: Iterable[_Listed], sealed: bytes | None, before: tuple[int, ...]
) -> tuple[bytes, tuple[int, ...]]:
    """Returns how a section is listed, and the shape of its last array."""
    layers: list[tuple[str, list[bytes]]] = []
    of: Layer | None = None
    for layer, leaf, dtype, shape in group:
        if layer is not of:
            layers.append((layer.name, []))
            of = layer
        layers[-1][1].append(encode_entry(leaf, dtype, lengths_of(shape, before)))
        before = shape
    return list_section(layers, sealed), before


def list_section(
    layers: Sequence[tuple[str, Sequence[bytes]]], sealed: bytes | None
) -> bytes:
    """Returns how a section is listed.

    Args:
        layers: The names of its layers, each with the entries of its arrays.
        sealed: How its size and checksum are; `None`: it is the one in the header.
    """
    listing = [] if sealed is None else [sealed]
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
        raise CorruptFileError(
            f"a directory of {size:,} bytes is too large.", Rule.LISTING_SIZE
        )
    return coder.text(bytes(size))


def _section_of(piece: Piece) -> Section:
    return Section(piece.offset, len(piece.data), zlib.crc32(piece.data))


def _groups(
    members: Iterable[_Member], max_elements: int, max_nonzeros: int
) -> Iterator[list[_Member]]:
    """Yields the arrays of each section; the first, in the header, may have none."""
    group: list[_Member] = []
    n_elements = n_nonzeros = 0
    for member in members:
        more_elements = member.values.size
        more_nonzeros = int(np.count_nonzero(member.values))
        n_elements += more_elements
        n_nonzeros += more_nonzeros
        is_of_layer = bool(group) and group[-1].layer is member.layer
        is_small = more_elements < _SMALL and n_elements < 2 * max_elements
        is_full = n_elements > max_elements or n_nonzeros > max_nonzeros
        if is_full and not (is_of_layer and is_small):
            yield group
            group = []
            n_elements, n_nonzeros = more_elements, more_nonzeros
        group.append(member)
        del member  # which would keep it while the next is read
    yield group


def _is_large(group: Sequence[_Member]) -> bool:
    return sum(member.values.nbytes for member in group) >= LARGE


def _encode(
    group: Sequence[_Member],
) -> tuple[list[_Listed], bytes, dict[str, TensorStats]]:
    """Returns arrays as they are listed, their section, and their figures."""
    coder = ContextCoder()
    stats = {m.name: ContextTensor.encode(m.values, coder).stats() for m in group}
    return _to_be_listed(group), coder.end(), stats
