"""Files that no writer makes, under checksums that are right."""

import numpy as np

from deepcompress.dcz import container, version2
from deepcompress.dcz.coding.bytestream import string, varint
from deepcompress.dcz.coding.context import METHOD, ContextCoder
from deepcompress.dcz.coding.huffman import CodedSymbols, HuffmanCode
from deepcompress.dcz.directory import encode_entry, seal


def entry(dtype="uint8", shape=(3,), leaf="kernel"):
    """How the directory of version 1 lists an array."""
    return encode_entry(leaf, np.dtype(dtype), shape)


def version_1(listing, body=b""):
    """A file of version 1 with any directory, and what stands behind its header."""
    return container.header(1, [listing]) + body


def layer(section, *entries, name=b"a"):
    """How the directory of version 1 lists a section."""
    listed = varint(len(name)) + name + varint(len(entries))
    return listed + seal(section) + b"".join(entries)


def array_1(encoding, dtype="uint8", shape=(3,)):
    """A file of version 1 of one array in any encoding."""
    listing = b"\0\1" + layer(encoding, entry(dtype, shape))
    return version_1(listing, encoding)


def without_arrays(packed=b"", plain_size=0, parts=b"", body=b""):
    """A file of version 1 with any architecture, and any listing of parts."""
    listing = seal(packed) + varint(plain_size) if packed else b"\0"
    return version_1(listing + b"\0" + parts, packed + body)


def version_2(listing, code=lambda coder: None, more=b""):
    """A file of version 2 with any listing, and any arrays behind it."""
    coder = version2.begin_head(listing)
    code(coder)
    return container.header(2, [coder.end(), b""]) + more


def listing_2(dtype="uint8", shape=(3,)):
    """A listing of version 2 of one array."""
    numbers = [length + 1 for length in shape]
    listed = encode_entry("kernel", np.dtype(dtype), numbers)
    return b"\0" + version2.list_section([("a", [listed])], None)


def array_2(*numbers, dtype="uint8", shape=(3,), then=lambda coder: None):
    """A file of version 2 of one array: numbers, each in a context, then more."""

    def code(coder):
        for number, context in numbers:
            coder.number(number, context)
        then(coder)

    return version_2(listing_2(dtype, shape), code)


def section_2(section, dtype="uint8", shape=(3,)):
    """A file of version 2 with one array, in a section of its own of any bytes."""
    numbers = [length + 1 for length in shape]
    listed = encode_entry("kernel", np.dtype(dtype), numbers)
    listing = b"\1" + version2.list_section([], None)
    listing += version2.list_section([("a", [listed])], seal(section))
    return version_2(listing, more=section)


def coded_1_in_2(encoding, dtype="uint8", shape=(3,), *, size=None, behind=0):
    """A file of version 2 with an encoding as in version 1, of a size that may lie."""
    size = len(encoding) if size is None else size

    def code(coder):
        coder.number(3, METHOD)
        coder.number(size, 5)
        padded = encoding[:size] + bytes([behind]) * (-size % 4)
        words = np.frombuffer(padded, "<u4").astype(np.uint64)
        coder.patterns(words, 32, 1)

    return version_2(listing_2(dtype, shape), code)


def symbols(values, n_symbols):
    """Symbols of an alphabet as they are coded."""
    values = np.array(values, np.uint8 if n_symbols <= 256 else np.uint16)
    code = HuffmanCode.from_counts(np.bincount(values, minlength=n_symbols))
    return CodedSymbols(code, values).encode()


def bits(text):
    """Bytes of bits, the lowest of each byte first; spaces say nothing."""
    text = text.replace(" ", "")
    whole = text + "0" * (-len(text) % 8)
    return bytes(int(whole[i : i + 8][::-1], 2) for i in range(0, len(whole), 8))


def assets_listing(*names, sizes=None, content=b""):
    """What is packed as assets."""
    sizes = sizes or [0] * len(names)
    entries = [string(n) + varint(size) for n, size in zip(names, sizes, strict=True)]
    return varint(len(names)) + b"".join(entries) + content


def part(name=b"x", need=0, data=b"1"):
    """How a part is listed."""
    return varint(len(name)) + name + bytes([need]) + seal(data)


def section_of(code, text=b""):
    """The bytes that a coder of version 2 makes."""
    coder = ContextCoder(text=text)
    code(coder)
    return coder.end()
