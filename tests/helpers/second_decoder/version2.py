"""Version 2: the listing, the arrays and their codebooks."""

import struct
import zlib
from math import isqrt, prod

from helpers.second_decoder import matrix, parts
from helpers.second_decoder.basics import DTYPES, NAMES, SIZES, Bytes
from helpers.second_decoder.coder import Coder
from helpers.second_decoder.version1 import tensor


def array(coder, dtype, shape):
    """The bytes of an array."""
    itemsize = SIZES[dtype]
    size = prod(shape)
    if size == 0:
        return b""
    method = coder.number(0)
    background = 0
    if method == 4:
        background = coder.pattern(8 * itemsize, 1)
        assert background
        method = coder.number(0)
        assert method < 3
    if method == 2:
        return size * background.to_bytes(itemsize, "little")
    if method == 3:
        n = coder.number(5)
        words = [coder.pattern(32, 1) for _ in range(-(-n // 4))]
        content = Bytes(b"".join(word.to_bytes(4, "little") for word in words)[:n])
        decoded = tensor(content, dtype, shape)
        assert content.at == n
        return decoded
    width = shape[-1] if len(shape) > 1 else 1
    step, stride = neighbours(coder, shape)
    n_codes = n_low = 1
    if method == 0:
        n_codes = coder.number(3) + 1
        shift = coder.number(2)
        n_bits = 8 * itemsize - shift
        n_top = min({9: 6, 10: 9, 11: 12, 14: 9}.get(dtype, 8), n_bits)
        codebook, n_low = coder.codebook(n_codes, n_bits, n_top)
    rarity = coder.number(1)
    codes = matrix.codes(
        coder, size // width, width, step, stride, n_codes, n_low, rarity
    )
    if method == 0:
        patterns = [codebook[code - 1] << shift if code else 0 for code in codes]
    else:
        shift = coder.number(2)
        n_bits = 8 * itemsize - shift
        n_top = min({9: 6, 10: 9, 11: 12, 14: 9}.get(dtype, 8), n_bits)
        patterns = [
            coder.pattern(n_bits, n_top) << shift if code else 0 for code in codes
        ]
    patterns = [(pattern + background) % 256**itemsize for pattern in patterns]
    return b"".join(pattern.to_bytes(itemsize, "little") for pattern in patterns)


def neighbours(coder, shape):
    if len(shape) < 2:
        return 1, 0
    if len(shape) > 2:
        return shape[-2], shape[-3] * shape[-2]
    geometry = coder.number(4)
    if geometry == 0:
        return 1, 0
    channels = (1, 3, len(coder.side))[geometry - 1]
    edge = isqrt(shape[0] // channels)
    assert edge > 1
    assert edge * edge * channels == shape[0]
    return channels, edge * channels


def read(data, dictionary, listings):
    source = Bytes(data)
    source.take(5)
    head_size, packed_size = source.varint(), source.varint()
    head = Coder(source.take(head_size), listings)
    packed = source.take(packed_size)
    (checksum,) = struct.unpack("<I", data[source.at : source.at + 4])
    assert checksum == zlib.crc32(data[: source.at])
    source.take(4)

    size = head.number(6)
    listing = Bytes(bytes(head.text_byte() for _ in range(size)))
    plain_size = listing.varint() if packed_size else 0
    sections = []
    shape = ()
    for index in range(listing.varint() + 1):
        coder = head
        if index:
            section = source.take(listing.varint())
            (checksum,) = struct.unpack("<I", listing.take(4))
            assert checksum == zlib.crc32(section)
            coder = Coder(section)
        entries = []
        for _ in range(listing.varint()):
            layer = listing.string()
            for _ in range(listing.varint()):
                known = listing.varint()
                leaf = NAMES[known - 1] if known else listing.string()
                kind = listing.byte()
                rank = kind % 8
                if rank == 7:
                    rank = listing.varint()
                lengths = [listing.varint() for _ in range(rank)]
                shape = tuple(n - 1 if n else shape[-1] for n in lengths)
                entries.append((f"{layer}/{leaf}" if layer else leaf, kind // 8, shape))
        sections.append((coder, entries))
    kept = parts.read(source, parts.listed(listing, size))
    assert listing.at == size
    assert source.at == len(data)

    arrays = {}
    for coder, entries in sections:
        for name, dtype, shape in entries:
            arrays[name] = DTYPES[dtype], shape, array(coder, dtype, shape)
        assert coder.at >= len(coder.data)
    architecture = None
    if packed_size:
        inflate = zlib.decompressobj(wbits=-15, zdict=dictionary)
        architecture = inflate.decompress(packed)
        assert len(architecture) == plain_size
    return architecture, arrays, kept
