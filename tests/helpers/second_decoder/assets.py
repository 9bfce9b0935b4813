"""Assets: what layers keep besides weights."""

import lzma
import struct
import zlib

from helpers.second_decoder.basics import Bytes


def listed(listing, size):
    """Size, checksum and plain size, if the listing goes on."""
    if listing.at == size:
        return None
    n_bytes = listing.varint()
    assert n_bytes
    (checksum,) = struct.unpack("<I", listing.take(4))
    return n_bytes, checksum, listing.varint()


def read(source, listed):
    """The bytes of each asset by name."""
    if listed is None:
        return {}
    size, checksum, plain_size = listed
    packed = source.take(size)
    assert zlib.crc32(packed) == checksum
    window = min(max(plain_size, 2**12), 2**26)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": window}]
    plain = Bytes(lzma.decompress(packed, lzma.FORMAT_RAW, filters=filters))
    assert len(plain.data) == plain_size
    sizes = [(plain.string(), plain.varint()) for _ in range(plain.varint())]
    assets = {name: plain.take(n) for name, n in sizes}
    assert plain.at == plain_size
    assert len(assets) == len(sizes) > 0
    return assets
