"""The parts of a `.dcz` file, from named arrays: one function for each coder."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from deepcompress._threads import map_in_threads
from deepcompress.dcz.coding.bytestream import varint
from deepcompress.dcz.coding.context import LISTING, ContextCoder
from deepcompress.dcz.coding.context_tensor import ContextTensor
from deepcompress.dcz.coding.huffman_tensor import CodedTensor, TensorStats
from deepcompress.dcz.directory import (
    CONTEXT,
    DTYPES,
    HUFFMAN,
    LISTINGS,
    architecture_listing,
    encode_entry,
    header,
    layer_listing,
    pack_architecture,
    section_listing,
)

# Layers that follow each other share a context-coded section, which is decoded as a
# whole, up to so many elements and so many of them not zero.
_MAX_ELEMENTS = 1 << 22
_MAX_NONZEROS = 1 << 17


class File(NamedTuple):
    """A file to be written.

    Attributes:
        parts: Its bytes.
        stats: The figures of every array by its name.
    """

    parts: list[bytes]
    stats: dict[str, TensorStats]


class _Layer(NamedTuple):
    """Names that share everything before the last slash, and follow each other."""

    name: str
    leaves: list[str]
    names: list[str]


def huffman_file(arrays: Mapping[str, np.ndarray], architecture: str | None) -> File:
    """Returns a file of version 1: each layer a section, its arrays Huffman-coded."""

    def encode(leaf: str, name: str) -> tuple[bytes, bytes, TensorStats]:
        array = _little_endian(name, arrays[name])
        tensor = CodedTensor.from_array(array)
        data = tensor.to_bytes()
        return encode_entry(leaf, array, None), data, tensor.stats(len(data))

    layers = _by_layer(arrays)
    members = [
        member
        for layer in layers
        for member in zip(layer.leaves, layer.names, strict=True)
    ]
    encoded = iter(map_in_threads(lambda member: encode(*member), members))
    stats: dict[str, TensorStats] = {}
    sections: list[bytes] = []
    listing: list[bytes] = []
    for layer in layers:
        entries, payload = [], []
        for name in layer.names:
            entry, data, stats[name] = next(encoded)
            entries.append(entry)
            payload.append(data)
        sections.append(b"".join(payload))
        listing.append(layer_listing(layer.name, entries, sections[-1]))
    packed, plain_size = pack_architecture(architecture)
    content = architecture_listing(packed, plain_size) + varint(len(layers))
    content += b"".join(listing)
    return File([header(HUFFMAN, [content]), *sections, packed], stats)


def context_file(arrays: Mapping[str, np.ndarray], architecture: str | None) -> File:
    """Returns a file of version 2: small layers share a section, context-coded."""
    layers = _by_layer(arrays)
    values = {
        name: _little_endian(name, arrays[name])
        for layer in layers
        for name in layer.names
    }
    listed: list[list[tuple[str, list[bytes]]]] = []
    before: tuple[int, ...] = ()
    groups = _groups(layers, values)
    for group in groups:
        listed.append([])
        for layer in group:
            entries = []
            for leaf, name in zip(layer.leaves, layer.names, strict=True):
                entries.append(encode_entry(leaf, values[name], before))
                before = values[name].shape
            listed[-1].append((layer.name, entries))

    def encode(
        group: list[_Layer], coder: ContextCoder
    ) -> tuple[bytes, dict[str, TensorStats]]:
        stats = {}
        for layer in group:
            for name in layer.names:
                begin = coder.n_bits
                tensor, coder = ContextTensor.write(coder, values[name])
                stats[name] = tensor.stats(coder.n_bits // 8 - begin // 8)
        return coder.end(), stats

    others = map_in_threads(lambda group: encode(group, ContextCoder()), groups[1:])
    packed, plain_size = pack_architecture(architecture)
    listing = (varint(plain_size) if packed else b"") + varint(len(others))
    listing += section_listing(listed[0], None)
    for layers_of_section, (section, _) in zip(listed[1:], others, strict=True):
        listing += section_listing(layers_of_section, section)
    coder = ContextCoder(text=LISTINGS)
    coder.number(len(listing), LISTING)
    coder.text(listing)
    head, stats = encode(groups[0], coder)
    for _, its_stats in others:
        stats |= its_stats
    sections = [section for section, _ in others]
    return File([header(CONTEXT, [head, packed]), *sections], stats)


CODERS: dict[str, Callable[[Mapping[str, np.ndarray], str | None], File]] = {
    "huffman": huffman_file,
    "context": context_file,
}


def _groups(
    layers: list[_Layer], values: Mapping[str, np.ndarray]
) -> list[list[_Layer]]:
    """Returns the layers of each section; the first, in the header, may have none."""
    groups: list[list[_Layer]] = [[]]
    n_elements = n_nonzeros = 0
    for layer in layers:
        more_elements = sum(values[name].size for name in layer.names)
        more_nonzeros = sum(int(np.count_nonzero(values[name])) for name in layer.names)
        n_elements += more_elements
        n_nonzeros += more_nonzeros
        if n_elements > _MAX_ELEMENTS or n_nonzeros > _MAX_NONZEROS:
            groups.append([])
            n_elements, n_nonzeros = more_elements, more_nonzeros
        groups[-1].append(layer)
    return groups


def _by_layer(arrays: Mapping[str, np.ndarray]) -> list[_Layer]:
    layers: list[_Layer] = []
    for name in arrays:
        layer, _, leaf = name.rpartition("/")
        if not leaf or name.startswith("/"):
            raise ValueError(
                "The name of an array must not be empty, nor begin or end with a "
                f"slash. Received: {name!r}"
            )
        if not layers or layers[-1].name != layer:
            layers.append(_Layer(layer, [], []))
        layers[-1].leaves.append(leaf)
        layers[-1].names.append(name)
    return layers


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.name not in DTYPES:
        raise TypeError(
            f"{name!r} has dtype {array.dtype}, which a .dcz file cannot hold. "
            f"Supported: {', '.join(DTYPES)}"
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
