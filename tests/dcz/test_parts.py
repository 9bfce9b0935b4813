"""Parts of a file: those that readers know, those that they do not, and lying ones."""

import io
from contextlib import suppress

import numpy as np
import pytest
from helpers import second_decoder
from helpers.arrays import dumps, with_flipped_bit
from hypothesis import given
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress.dcz import container, directory, version2
from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.directory import Directory, seal
from deepcompress.dcz.parts import Part, list_parts, read_parts
from deepcompress.errors import CorruptFileError

ARRAYS = {"a/kernel": np.arange(5.0), "a/bias": np.zeros(100)}
UNKNOWN = {"x-notes": b"by hand", "2": bytes(1000)}

coders = pytest.mark.parametrize("coder", container.CODERS)


def written(parts, coder, assets=None):
    file = io.BytesIO()
    dc.write(file, ARRAYS, coder=coder, parts=parts, assets=assets)
    return file.getvalue()


@coders
def test_parts_that_are_not_known_are_kept(coder):
    data = written(UNKNOWN, coder, {"a": b"asset"})
    with dc.read(data) as weights:
        assert list(weights.parts) == ["assets", *UNKNOWN]
        assert {name: weights.parts[name] for name in UNKNOWN} == UNKNOWN
        assert weights.assets == {"a": b"asset"}
        assert weights.part_size("2") == 1000
        np.testing.assert_equal(dict(weights), ARRAYS)
        assert written(weights.parts, coder) == data


@coders
def test_the_second_decoder_reads_the_same_parts(coder):
    data = written(UNKNOWN, coder)
    tables = directory.DICTIONARY, version2.LISTINGS
    _, arrays, assets, parts = second_decoder.read_all(data, *tables)
    assert arrays["a/kernel"][2] == ARRAYS["a/kernel"].tobytes()
    assert (assets, parts) == ({}, UNKNOWN)
    with pytest.raises(AssertionError):
        second_decoder.read_all(
            dumps(ARRAYS, coder=coder, parts=[Part("program", b"1", is_needed=True)]),
            *tables,
        )


@coders
@pytest.mark.parametrize("none", [None, {}])
def test_a_file_without_parts_is_what_it_was(coder, none):
    data = dumps(ARRAYS, coder=coder)
    assert written(none, coder) == data
    assert dict(dc.read(data).parts) == {}


@coders
def test_a_part_that_is_needed_must_be_known(coder):
    data = dumps(ARRAYS, coder=coder, parts=[Part("program", b"1", is_needed=True)])
    with pytest.raises(CorruptFileError, match=r"'program'.*newer deepcompress"):
        dc.read(data)
    packed = dc.read(written(None, coder, {"a": b"asset"})).parts["assets"]
    known = dumps(ARRAYS, coder=coder, parts=[Part("assets", packed, is_needed=True)])
    assert dc.read(known).assets == {"a": b"asset"}


@coders
def test_a_damaged_part_leaves_the_rest(coder):
    data = bytearray(written(UNKNOWN, coder))
    data[-1] ^= 1
    with dc.read(bytes(data)) as weights:
        np.testing.assert_equal(dict(weights), ARRAYS)
        assert weights.parts["x-notes"] == b"by hand"
        with pytest.raises(CorruptFileError, match="checksum"):
            _ = weights.parts["2"]


@coders
def test_every_flipped_bit_of_a_part_is_an_error(coder):
    intact = written({"x": b"abc"}, coder)
    for bit in range(8 * len(intact)):
        damaged = with_flipped_bit(intact, bit)
        with pytest.raises(CorruptFileError), dc.read(damaged) as weights:
            _ = dict(weights), dict(weights.parts)


def test_parts_count_as_memory():
    data = written({"x": bytes(10**5)}, "huffman")
    with pytest.raises(CorruptFileError, match="100,840 bytes"):
        dc.read(data, max_bytes=10**5)


def entry(name=b"x", need=0, data=b"1"):
    return bytes([len(name)]) + name + bytes([need]) + seal(data)


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (entry(b""), "no name"),
        (entry(b"X"), "no name"),
        (entry("ß".encode()), "no name"),
        (entry(b"a" * 33), "no name"),
        (entry(b"a\n"), "no name"),
        (entry() * 2, "occurs twice"),
        (entry(need=2), "in the way 2"),
        (entry(need=1), "not known"),
        (entry(data=b""), "0 bytes"),
        (entry()[:-1], "ends early"),
        (entry() + b"\0", "ends early"),
    ],
)
def test_parts_that_cannot_be_are_refused(listing, message):
    with pytest.raises(CorruptFileError, match=message):
        read_parts(ByteReader(listing), Directory(version=1, end=0))


@given(st.binary(max_size=60))
def test_any_listing_of_parts_is_read_or_refused(listing):
    with suppress(CorruptFileError):
        read_parts(ByteReader(listing), Directory(version=1, end=0))


def test_what_is_listed_is_read():
    found = Directory(version=1, end=7)
    parts = [Part("a", b"123"), Part("assets", b"45", is_needed=True)]
    read_parts(ByteReader(list_parts(parts)), found)
    assert [(n, s.offset, s.size) for n, s in found.parts.items()] == [
        ("a", 7, 3),
        ("assets", 10, 2),
    ]


@pytest.mark.parametrize("parts", [["a"], {"a": "text"}, {3: b""}])
def test_what_is_no_mapping_to_bytes_is_refused(parts):
    with pytest.raises(TypeError, match="from names to bytes"):
        dc.write(io.BytesIO(), ARRAYS, parts=parts)


@pytest.mark.parametrize(
    ("parts", "message"),
    [({"a b": b"1"}, "a-z"), ({"": b"1"}, "a-z"), ({"a": b""}, "not be empty")],
)
def test_parts_that_cannot_be_are_not_written(parts, message):
    with pytest.raises(ValueError, match=message):
        dc.write(io.BytesIO(), ARRAYS, parts=parts)


def test_assets_are_given_once():
    with pytest.raises(ValueError, match="besides"):
        dc.write(io.BytesIO(), ARRAYS, parts={"assets": b"1"}, assets={"a": b"1"})
