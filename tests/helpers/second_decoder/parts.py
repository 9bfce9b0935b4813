"""Parts: named bytes at the end of the file."""

import re
import struct
import zlib

KNOWN = {"assets"}


def listed(listing, size):
    """Name, size and checksum of each, to the end of the listing."""
    found = []
    while listing.at < size:
        name, need, n_bytes = listing.string(), listing.byte(), listing.varint()
        assert re.fullmatch("[a-z0-9-]{1,32}", name)
        assert need == 0 or (need == 1 and name in KNOWN)
        assert n_bytes
        found.append((name, n_bytes, *struct.unpack("<I", listing.take(4))))
    assert len({name for name, _, _ in found}) == len(found)
    return found


def read(source, listed):
    """The bytes of each part by name."""
    parts = {name: source.take(size) for name, size, _ in listed}
    for name, _, checksum in listed:
        assert zlib.crc32(parts[name]) == checksum
    return parts
