"""Version 1: the directory, Huffman codes, gaps."""

import struct
import zlib
from math import prod

from helpers.second_decoder import parts
from helpers.second_decoder.basics import (
    COMPLEX,
    DTYPES,
    FIRST_FLOAT,
    NAMES,
    SIGNED,
    SIZES,
    Bits,
    Bytes,
)


def code_table(source, n_symbols):
    if n_symbols == 1:
        return [1]
    bits = Bits(source.data, source.at)
    lengths = []
    last = (n_symbols - 1).bit_length()
    while len(lengths) < n_symbols:
        ones = 0
        while ones < 4 and bits.bit():
            ones += 1
        if ones == 3:
            zeros = 0
            while not bits.bit():
                zeros += 1
            lengths += [0] * ((1 << zeros) + bits.number(zeros))
            continue
        last = {0: last, 1: last + 1, 2: last - 1}.get(ones) or bits.number(5) + 1
        lengths.append(last)
    source.at = (bits.at + 7) // 8
    return lengths


def symbols(source, n_symbols, n):
    lengths = code_table(source, n_symbols)
    used = [symbol for symbol, length in enumerate(lengths) if length]
    if len(used) == 1:
        return used * n
    codes = {}
    code = previous = 0
    for length, symbol in sorted((lengths[s], s) for s in used):
        code <<= length - previous
        codes[length, code] = symbol
        code += 1
        previous = length
    n_streams = 1 if n < 1 << 16 else 4 * -(-n // (1 << 22))
    sizes = [source.varint() for _ in range(n_streams)]
    decoded = []
    for index, size in enumerate(sizes):
        bits = Bits(source.take(size))
        for _ in range(n // n_streams + (index < n % n_streams)):
            length = code = 0
            while (length, code) not in codes:
                code = code << 1 | bits.bit()
                length += 1
            decoded.append(codes[length, code])
    return decoded


def tensor(source, dtype, shape):
    itemsize = SIZES[dtype]
    flags = source.byte()
    more = source.byte() if flags & 8 else 0
    has_gaps, has_codebook, is_reversed = flags & 1, flags & 2, flags & 4
    has_background, has_planes, has_signs = more & 1, more & 2, more & 4
    width = flags >> 4
    background = source.take(itemsize) if has_background else bytes(itemsize)
    n = stored = prod(shape)
    positions = list(range(n))
    if has_gaps:
        stored = source.varint()
        positions = []
        if stored:
            at = 0
            escape = (1 << width) - 1
            for gap in symbols(source, 1 << width, stored + source.varint()):
                at += gap
                if gap < escape:
                    positions.append(at)
                    at += 1
    if has_codebook:
        n_values = source.varint()
        codebook = [source.take(itemsize) for _ in range(n_values)]
        values = [codebook[code] for code in symbols(source, n_values, stored)]
    elif has_planes:
        values = planes(source, dtype, stored)
    else:
        values = [source.take(itemsize) for _ in range(stored)]
    scan = [bytes(itemsize)] * n
    for position, value in zip(positions, values, strict=True):
        scan[position] = value
    if is_reversed:
        scan = transposed(scan, shape)
    if has_background:
        scan = [plus(element, background) for element in scan]
    if has_signs:
        octets = planes(source, 2, -(-n // 8))
        bits = Bits(b"".join(octets))
        scan = [turned(element, bits.bit()) for element in scan]
        assert not any(bits.bit() for _ in range(-n % 8))
    return b"".join(scan)


def planes(source, dtype, n):
    """Elements of which each byte lies among its like."""
    n_words, size = (
        (2 * n, SIZES[dtype] // 2) if dtype in COMPLEX else (n, SIZES[dtype])
    )
    are_coded = source.byte()
    assert are_coded < 1 << size
    parts = [
        symbols(source, 256, n_words) if are_coded >> i & 1 else source.take(n_words)
        for i in range(size)
    ]
    words = [int.from_bytes(octets, "little") for octets in zip(*parts, strict=True)]
    if dtype in SIGNED:
        words = [word ^ 256**size - 2 if word & 1 else word for word in words]
    if dtype in SIGNED or dtype >= FIRST_FLOAT:
        turn = 4 if dtype >= FIRST_FLOAT and size == 8 else 1
        words = [word >> turn | word % 2**turn << 8 * size - turn for word in words]
    whole = b"".join(word.to_bytes(size, "little") for word in words)
    return [whole[i : i + SIZES[dtype]] for i in range(0, len(whole), SIZES[dtype])]


def plus(element, background):
    both = (int.from_bytes(each, "little") for each in (element, background))
    return (sum(both) % 256 ** len(element)).to_bytes(len(element), "little")


def turned(element, bit):
    return element[:-1] + bytes([element[-1] ^ bit << 7])


def transposed(scan, shape):
    """Elements in the order of the reversed axes, put back into the order of rows."""
    strides = [prod(shape[:axis]) for axis in range(len(shape))]
    order = []
    for flat in range(len(scan)):
        rest, at = flat, 0
        for axis in reversed(range(len(shape))):
            rest, index = divmod(rest, shape[axis])
            at += index * strides[axis]
        order.append(scan[at])
    return order


def read(data, dictionary):
    source = Bytes(data)
    source.take(5)
    size = source.varint()
    end = source.at + size
    (checksum,) = struct.unpack("<I", data[end : end + 4])
    assert checksum == zlib.crc32(data[:end])

    architecture_size = source.varint()
    if architecture_size:
        (architecture_checksum,) = struct.unpack("<I", source.take(4))
        plain_size = source.varint()
    sections = []
    for _ in range(source.varint()):
        layer, n_arrays, size = source.string(), source.varint(), source.varint()
        (checksum,) = struct.unpack("<I", source.take(4))
        entries = []
        for _ in range(n_arrays):
            known = source.varint()
            leaf = NAMES[known - 1] if known else source.string()
            kind = source.byte()
            rank = kind % 8
            if rank == 7:
                rank = source.varint()
            shape = tuple(source.varint() for _ in range(rank))
            entries.append((f"{layer}/{leaf}" if layer else leaf, kind // 8, shape))
        sections.append((size, checksum, entries))
    listed = parts.listed(source, end)
    assert source.at == end

    source.at = end + 4
    arrays = {}
    for size, checksum, entries in sections:
        section = Bytes(source.take(size))
        assert zlib.crc32(section.data) == checksum
        for name, dtype, shape in entries:
            content = tensor(section, dtype, shape)
            arrays[name] = DTYPES[dtype], shape, content
        assert section.at == size
    architecture = None
    if architecture_size:
        packed = source.take(architecture_size)
        assert zlib.crc32(packed) == architecture_checksum
        inflate = zlib.decompressobj(wbits=-15, zdict=dictionary)
        architecture = inflate.decompress(packed)
        assert len(architecture) == plain_size
    kept = parts.read(source, listed)
    assert source.at == len(data)
    return architecture, arrays, kept
