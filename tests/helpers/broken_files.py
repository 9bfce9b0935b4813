"""Files that break one rule of docs/format.md each, under checksums that are right.

python tests/helpers/broken_files.py FOLDER

`FILES` has for each rule what is wrong with some files, and their bytes. The command
writes them as RULE-NUMBER.dcz for readers in other languages.
"""

import io
import lzma
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from deepcompress.dcz import container, version2
from deepcompress.dcz.coding.bytestream import string, varint
from deepcompress.dcz.coding.context import (
    GEOMETRY,
    LISTING,
    METHOD,
    N_CODES,
    RARITY,
    SHIFT,
    SIZE,
    Matrix,
)
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.directory import (
    DICTIONARY,
    encode_entry,
    pack_architecture,
)
from deepcompress.dcz.parts import Part
from helpers.arrays import dumps
from helpers.forging import (
    array_1,
    array_2,
    assets_listing,
    bits,
    coded_1_in_2,
    entry,
    layer,
    listing_2,
    part,
    section_2,
    section_of,
    symbols,
    version_1,
    version_2,
    without_arrays,
)

ARRAYS = {"a/kernel": np.arange(5.0), "b/kernel": np.arange(7.0)}


def flipped(data, at):
    damaged = bytearray(data)
    damaged[at] ^= 1
    return bytes(damaged)


def two_sections():
    """Version 2 with a section behind the header."""
    body = io.BytesIO()
    packed = pack_architecture(None)
    written = version2.write(ARRAYS, packed, [], body, max_elements=6)
    return container.header(2, written.header) + body.getvalue()


def deflated(plain):
    deflate = zlib.compressobj(wbits=-15, zdict=DICTIONARY)
    return deflate.compress(plain) + deflate.flush()


def assets(plain, plain_size=None, behind=b""):
    """A file with any bytes as its assets."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    packed = lzma.compress(plain, lzma.FORMAT_RAW, filters=filters) + behind
    plain_size = len(plain) if plain_size is None else plain_size
    return with_part(varint(plain_size) + packed)


def with_part(data):
    return dumps({}, parts=[Part("assets", data)])


def head(code):
    """A file of version 2 whose head does not even begin with a listing."""
    return container.header(2, [section_of(code, version2.LISTINGS), b""])


def values_2(values):
    """Codes a matrix without zeros, and its values."""

    def code(coder):
        codes = np.ones(len(values), np.uint16)
        coder.codes(codes, Matrix(len(values), 1, 1, 0), 1, 1, 0)
        coder.number(0, SHIFT)
        coder.patterns(np.array(values, np.uint64), 8, 8)

    return code


def background_2(pattern, method):
    def code(coder):
        coder.patterns(np.array([pattern], np.uint64), 8, 1)
        coder.number(method, METHOD)

    return code


def codebook_2(patterns):
    return lambda coder: coder.codebook(np.array(patterns, np.uint64), 8, 8)


def listed_2(*lengths):
    """Version 2 of float32 arrays, each given by the numbers of its axes."""
    entries = [
        encode_entry(str(i), np.dtype("float32"), numbers)
        for i, numbers in enumerate(lengths)
    ]
    return version_2(b"\0" + version2.list_section([("a", entries)], None))


def with_table(table, n_codes=3, n=4):
    """An array of codes under any code table, and one byte that may be their stream."""
    codebook = bytes(range(1, n_codes + 1))
    return array_1(
        bytes([2, n_codes]) + codebook + table + b"\1\0", "uint8", (max(n, n_codes),)
    )


def gaps(stored, gap_symbols, values, *, width=2, shape=(20,)):
    """An array of raw values behind gaps."""
    n_escapes = len(gap_symbols) - stored
    encoding = bytes([width << 4 | 1]) + varint(stored) + varint(n_escapes)
    return array_1(encoding + symbols(gap_symbols, 1 << width) + values, shape=shape)


HUGE = varint(1 << 40) + varint(1 << 20)
RAW = bytes(3)  # of three elements
TWO_CODES = b"\x02\x02\x05\x06" + symbols([0, 1, 1], 2)
LEFT_OUT = b"\x11\x00"  # all zeros
LISTED = layer(b"\0" + RAW, entry())

FILES = {
    Rule.MAGIC: {
        "an empty file": b"",
        "a file of another program": b"PK\3\4 a zip file",
        "a magic that is cut off": container.MAGIC[:3],
        "a byte of the magic that is changed": b"\x89DCz" + dumps({})[4:],
    },
    Rule.VERSION: {
        "version 0": container.MAGIC + b"\0" + dumps({})[5:],
        "version 3": container.MAGIC + b"\3" + dumps({})[5:],
    },
    Rule.HEADER_INSIDE: {
        "a file that ends with the magic": container.MAGIC,
        "one without sizes": container.MAGIC + b"\1",
        "one that ends in the directory": container.MAGIC + b"\1\x20\0\0",
        "a directory of 2^62 bytes": container.MAGIC + b"\1" + varint(1 << 62),
        "one that ends in the checksum": dumps({})[:-1],
        "a head that is cut off": dumps({}, coder="context")[:-5],
    },
    Rule.CHECKSUM_OF_DIRECTORY: {
        "a changed bit of the directory": flipped(dumps(ARRAYS), 9),
        "a changed bit of the checksum": flipped(dumps({}), -1),
        "a changed bit of the head": flipped(dumps(ARRAYS, coder="context"), 20),
        "a changed bit of the architecture": flipped(
            dumps({}, architecture="{}", coder="context"), -5
        ),
    },
    Rule.SIZE_OF_FILE: {
        "a byte too many": dumps(ARRAYS) + b"\0",
        "a byte missing": dumps(ARRAYS)[:-1],
        "a byte too many in version 2": dumps(ARRAYS, coder="context") + b"\0",
        "a part that is not there": without_arrays(parts=part()),
    },
    Rule.MEMORY: {
        "a shape of 2^60": version_1(
            b"\0\1" + layer(LEFT_OUT, bytes([1, 2 << 3 | 2]) + HUGE), LEFT_OUT
        ),
        "an axis of 2^62 beside one of 0": version_1(
            b"\0\1" + layer(b"\0", bytes([1, 2 << 3 | 2]) + b"\0" + varint(1 << 62)),
            b"\0",
        ),
        "a shape of 2^60 in version 2": version_2(listing_2(shape=(1 << 40, 1 << 20))),
        "an architecture of 2^62 bytes": without_arrays(deflated(b"{}"), 1 << 62),
        "assets of 2^50 bytes": with_part(varint(1 << 50) + b"1"),
    },
    Rule.CHECKSUM_OF_SECTION: {
        "a changed bit": flipped(dumps(ARRAYS), -1),
        "a changed bit in version 2": flipped(two_sections(), -1),
    },
    Rule.CHECKSUM_OF_ARCHITECTURE: {
        "a changed bit": flipped(dumps(ARRAYS, architecture="{}"), -1)
    },
    Rule.CHECKSUM_OF_PART: {
        "a changed bit": flipped(dumps(ARRAYS, parts=[Part("x", b"1")]), -1),
        "a changed bit in version 2": flipped(
            dumps(ARRAYS, parts=[Part("x", b"1")], coder="context"), -1
        ),
    },
    Rule.VARINT: {
        "a zero in two bytes": version_1(b"\0\x80\0"),
        "2^63": version_1(b"\0" + b"\x80" * 9 + b"\1"),
        "a size of the directory in two bytes": container.MAGIC + b"\1\x82\0\0\0",
        "a number of an encoding": array_1(b"\x11\x80\0"),
    },
    Rule.UTF_8: {
        "a name of a layer": version_1(
            b"\0\1" + layer(b"\0" + RAW, entry(), name=b"\xff")
        ),
        "a name in version 2": version_2(b"\0\1\1\xff\0"),
    },
    Rule.COMMON_NAME: {
        "11": version_1(b"\0\1" + layer(b"\0" + RAW, b"\x0b\x11\3"), b"\0" + RAW)
    },
    Rule.DTYPE: {
        "17": version_1(
            b"\0\1" + layer(b"\0" + RAW, bytes([1, 17 << 3 | 1, 3])), b"\0" + RAW
        )
    },
    Rule.RANK: {
        "65 axes": version_1(
            b"\0\1" + layer(b"\0\0", bytes([1, 2 << 3 | 7, 65]) + bytes([1]) * 65),
            b"\0\0",
        ),
        "6 axes as one would tell of 7": version_1(
            b"\0\1" + layer(b"\0\0", bytes([1, 2 << 3 | 7, 6]) + bytes([1]) * 6),
            b"\0\0",
        ),
    },
    Rule.NAME_ONCE: {
        "two of a layer": version_1(
            b"\0\1" + layer(bytes(8), entry(), entry()), bytes(8)
        ),
        "two of two layers": version_1(b"\0\2" + LISTED * 2, bytes(8)),
        "a common name and its letters": version_1(
            b"\0\1" + layer(bytes(8), entry(), b"\0\6kernel\x11\3"), bytes(8)
        ),
    },
    Rule.NAMES_SIZE: {
        "a long name of many arrays": version_1(
            b"\0\1"
            + layer(
                bytes(2 * 257),
                *(
                    b"\0" + string(chr(0x100 + i)) + bytes([2 << 3 | 1, 1])
                    for i in range(257)
                ),
                name=bytes(65536),
            ),
            bytes(2 * 257),
        )
    },
    Rule.DIRECTORY_END: {
        "an empty directory": version_1(b""),
        "a layer that is cut off": version_1((b"\0\1" + LISTED)[:-1], b"\0" + RAW),
        "a part that is cut off": without_arrays(parts=part()[:-1]),
        "a byte behind the sections": version_1(b"\0\1" + LISTED + b"\0", b"\0" + RAW),
        "a listing that is cut off": version_2(listing_2()[:-1]),
    },
    Rule.ARCHITECTURE: {
        "no deflate": without_arrays(b"\xff\xff", 3),
        "one more than its size": without_arrays(deflated(b"{}"), 1),
        "one less than its size": without_arrays(deflated(b"{}"), 3),
        "a byte behind it": without_arrays(deflated(b"{}") + b"\0", 2),
        "an end that is missing": without_arrays(deflated(b"{}" * 99)[:-1], 198),
        "no UTF-8": without_arrays(deflated(b"\xff"), 1),
        "ten million bytes as two": without_arrays(deflated(bytes(10**7)), 2),
    },
    Rule.PART_NAME: {
        "none": without_arrays(parts=part(b"")),
        "a capital letter": without_arrays(parts=part(b"X")),
        "33 letters": without_arrays(parts=part(b"x" * 33)),
    },
    Rule.PART_ONCE: {
        "two of a name": without_arrays(parts=part() * 2, body=b"11"),
    },
    Rule.PART_NEED: {"2": without_arrays(parts=part(need=2), body=b"1")},
    Rule.PART_KNOWN: {
        "an unknown one that is needed": without_arrays(parts=part(need=1), body=b"1"),
        "the same in version 2": version_2(b"\0\0" + part(need=1), more=b"1"),
    },
    Rule.PART_SIZE: {"0": without_arrays(parts=part(data=b""))},
    Rule.ASSETS_PACKED: {
        "a plain size of 0": assets(b"", 0),
        "no LZMA2": with_part(b"\x09\xff\xff"),
        "nothing": with_part(b"\x09"),
        "a byte behind it": assets(assets_listing("a"), behind=b"\0"),
        "one more than its size": assets(assets_listing("a"), 3),
        "one less than its size": assets(assets_listing("a"), 5),
        "ten million bytes as 100": assets(bytes(10**7), 100),
    },
    Rule.ASSETS_LISTED: {
        "none": assets(b"\0"),
        "a byte missing": assets(assets_listing("a", sizes=[5], content=b"1234")),
        "a byte too many": assets(assets_listing("a", sizes=[3], content=b"1234")),
        "2^62 of them": assets(varint(1 << 62)),
    },
    Rule.ASSET_NAME: {
        "the folder above": assets(assets_listing("../a")),
        "the root": assets(assets_listing("/a")),
        "a byte 0": assets(assets_listing("a\0")),
    },
    Rule.ASSET_ONCE: {"two of a name": assets(assets_listing("a", "a"))},
    Rule.SECTION_END: {
        "a byte too many": array_1(b"\0" + RAW + b"\0"),
        "a byte missing": array_1(b"\0" + RAW[1:]),
        "nothing at all": array_1(b""),
        "streams that pass the end": array_1(TWO_CODES[:-2] + b"\x09\0"),
        "a byte too many in version 2": section_2(
            section_of(lambda coder: coder.number(2, METHOD)) + bytes(5)
        ),
        "values of version 2 that are missing": section_2(
            section_of(lambda coder: coder.number(1, METHOD)), "float64", (99,)
        ),
    },
    Rule.FLAGS: {
        "another byte, and nothing in it": array_1(b"\x08\0" + RAW),
        "an unknown flag": array_1(b"\x08\x08" + RAW),
        "gaps of width 0": array_1(b"\1\0"),
        "a width without gaps": array_1(b"\x10" + RAW),
        "reversed without gaps": array_1(b"\x04" + RAW),
        "a background without gaps": array_1(b"\x08\x01\1" + RAW),
        "planes and a codebook": array_1(b"\x0a\x02\1\1" + RAW),
        "something of an array of nothing": array_1(b"\x11\0", shape=(0,)),
        "gaps of complex128": array_1(b"\x11\0", "complex128"),
        "the same in version 2": coded_1_in_2(b"\x08\x08" + RAW[1:]),
    },
    Rule.BACKGROUND: {
        "0": array_1(b"\x19\x01\0\0"),
        "0 in version 2": array_2((4, METHOD), then=background_2(0, 2)),
    },
    Rule.NUMBER_OF_GAPS: {
        "four elements of three": array_1(b"\x11\4\0" + symbols([0, 1], 2)),
        "three elements and an escape": array_1(b"\x11\3\1" + symbols([0, 1], 2)),
        "2^62 escapes": array_1(b"\x11\1" + varint(1 << 62)),
    },
    Rule.GAPS: {
        "an element behind the array": gaps(2, [2, 2], b"11", shape=(5,)),
        "an escape out of the array": gaps(1, [3, 3, 1], b"1", shape=(6,)),
        "one element too few": gaps(2, [3, 1], b"11"),
        "one element too many": gaps(1, [1, 1], b"1"),
        "an escape at the end": gaps(2, [1, 1, 3], b"11"),
    },
    Rule.CODEBOOK_SIZE: {
        "0": array_1(b"\x02\0"),
        "four values of three elements": array_1(b"\x02\4\1\2\3\4"),
        "one of an array of zeros": array_1(b"\x13\0\1\1"),
        "65,537": array_1(b"\x02" + varint(65537), "uint32", (70000,)),
        "four of three in version 2": array_2((0, METHOD), (3, N_CODES)),
        "2^60 in version 2": array_2((0, METHOD), (1 << 60, N_CODES)),
    },
    Rule.CODEBOOK_ORDER: {
        "descending": array_1(TWO_CODES.replace(b"\5\6", b"\6\5")),
        "one value twice": array_1(TWO_CODES.replace(b"\5\6", b"\5\5")),
        "no room for three in version 2": section_2(b"\xa8\0\0\0"),
    },
    Rule.NO_ZERO_STORED: {
        "a raw value": gaps(2, [1, 1], b"1\0"),
        "the codebook": array_1(
            b"\x13\2\0" + symbols([0, 1], 2) + b"\2\0\1" + symbols([0, 1], 2)
        ),
        "planes": array_1(b"\x19\x02\2\0" + symbols([0, 1], 2) + b"\0\1\0"),
        "the values of version 2": array_2(
            (1, METHOD), (0, RARITY), then=values_2([5, 0, 5])
        ),
        "the codebook of version 2": array_2(
            (0, METHOD), (1, N_CODES), (0, SHIFT), then=codebook_2([0, 1])
        ),
    },
    Rule.PLANES: {
        "a second plane of bytes": array_1(b"\x08\x02\2" + RAW),
        "planes of nothing": array_1(b"\x19\x02\0"),
    },
    Rule.SIGNS: {"a fourth of three": array_1(b"\x08\x04" + RAW + b"\0\x08")},
    Rule.CODE_TABLE: {
        "nothing": array_1(b"\x02\3\1\2\3"),
        "a long word for a near length": with_table(bits("1111 10000 0 0")),
        "a run behind a run": with_table(bits("1110 1 1110 1 110"), 4),
        "a run past the alphabet": with_table(bits("0 1110 011"), 3),
        "length 0": with_table(bits("110 110 110")),
        "length 21": with_table(bits("1111 11001 10 0")),
        "a bit behind it": with_table(bits("110 10 0 1")),
    },
    Rule.CODE_COMPLETE: {
        "no symbol at all": with_table(bits("1110 0110 0000")[:1], 3),
        "three of length 2": with_table(bits("0 0 0")),
        "three of length 1": with_table(bits("110 0 0")),
        "one of length 2": with_table(bits("0 1110 01 0")),
    },
    Rule.STREAMS: {
        "a bit behind it": array_1(TWO_CODES[:-1] + b"\x0e"),
        "a byte too many": array_1(TWO_CODES[:-2] + b"\2" + TWO_CODES[-1:] + b"\0"),
        "a byte missing": array_1(TWO_CODES[:-2] + b"\0"),
    },
    Rule.LISTING_SIZE: {"2^40": head(lambda coder: coder.number(1 << 40, LISTING))},
    Rule.LENGTH_BEFORE: {
        "that of nothing": listed_2([0]),
        "that of an array without axes": listed_2([5], [], [0]),
    },
    Rule.SECTION_START: {
        "that of the head": container.header(2, [b"\xff" * 9, b""]),
        "that of another": section_2(b"\xff" * 4),
    },
    Rule.NUMBER_BOUND: {
        "a place in a codebook": section_2(
            bytes.fromhex("affb800006e30c9897ba"), "uint32"
        )
    },
    Rule.METHOD: {
        "5": array_2((5, METHOD)),
        "a background behind one": array_2((4, METHOD), then=background_2(1, 4)),
        "version 1 behind one": array_2((4, METHOD), then=background_2(1, 3)),
        "codes of complex128": array_2((0, METHOD), dtype="complex128"),
    },
    Rule.ENCODING_SIZE: {
        "two bytes more than the array": array_2((3, METHOD), (5, SIZE)),
        "2^60": array_2((3, METHOD), (1 << 60, SIZE)),
        "a byte missing": coded_1_in_2(b"\0" + RAW, size=3),
        "a byte too many": coded_1_in_2(LEFT_OUT + b"\0"),
        "bits behind it": coded_1_in_2(LEFT_OUT, behind=1),
    },
    Rule.GEOMETRY: {
        "4": array_2((0, METHOD), (4, GEOMETRY), shape=(9, 2)),
        "an image of eight pixels": array_2((0, METHOD), (1, GEOMETRY), shape=(8, 2)),
        "channels of no layer": array_2((0, METHOD), (3, GEOMETRY), shape=(9, 2)),
    },
    Rule.RARITY: {"17": array_2((1, METHOD), (17, RARITY))},
    Rule.SHIFT: {
        "8 of 8 bits": array_2((0, METHOD), (0, N_CODES), (8, SHIFT)),
    },
}


def main(folder):
    """Writes all files into a folder."""
    for rule, files in FILES.items():
        for number, data in enumerate(files.values()):
            Path(folder, f"{rule}-{number}.dcz").write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
