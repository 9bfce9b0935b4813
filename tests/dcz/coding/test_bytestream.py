import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcompress.dcz.coding.bytestream import (
    ByteReader,
    ByteWriter,
    Located,
    string,
    varint,
)
from deepcompress.dcz.coding.rules import Rule
from deepcompress.errors import CorruptFileError


@given(st.integers(0, 2**63 - 1))
def test_a_varint_comes_back(value):
    reader = ByteReader(varint(value))
    assert reader.varint() == value
    reader.end()


def test_varints_take_seven_bits_a_byte():
    assert varint(0) == b"\x00"
    assert varint(127) == b"\x7f"
    assert varint(128) == b"\x80\x01"
    assert varint(300) == b"\xac\x02"


@pytest.mark.parametrize("value", [-1, 2**63])
def test_a_varint_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=r"0 to 2\*\*63 - 1"):
        varint(value)


@given(st.text())
def test_a_string_comes_back(text):
    assert ByteReader(string(text)).string() == text


def test_what_is_written_piece_by_piece_is_one():
    writer = ByteWriter()
    for piece in (b"ab", b"", b"c"):
        writer.write(piece)
    assert writer.end() == b"abc"


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"", ByteReader.byte),
        (b"\x01\x02\x03", ByteReader.uint32),
        (b"\x80", ByteReader.varint),
        (b"\x80\x00", ByteReader.varint),  # not the shortest form
        (b"\xff" * 9, ByteReader.varint),
        (b"\x05abc", ByteReader.string),
        (b"\x02\xff\xff", ByteReader.string),
        (b"x", ByteReader.end),
    ],
)
def test_damaged_bytes_are_an_error(data, read):
    with pytest.raises(CorruptFileError):
        read(ByteReader(data))


@pytest.mark.parametrize(
    ("data", "read", "rule", "offset"),
    [
        (b"\0\x80\0", ByteReader.varint, "varint", 101),
        (b"\0\1\xff", ByteReader.string, "utf-8", 101),
        (b"\0\3ab", ByteReader.string, "rank", 102),
        (b"\0\1\2", ByteReader.uint32, "rank", 101),
        (b"\0\1\2", ByteReader.end, "rank", 101),
    ],
)
def test_an_error_says_the_rule_and_the_byte(data, read, rule, offset):
    reader = ByteReader(data, Rule.RANK, begin=100)
    reader.byte()
    with pytest.raises(CorruptFileError) as caught:
        read(reader)
    assert (caught.value.rule, caught.value.offset) == (rule, offset)
    reader = ByteReader(data[1:])
    with pytest.raises(CorruptFileError) as caught:
        read(reader)
    assert caught.value.offset is None


def test_the_innermost_place_counts():
    with (
        pytest.raises(CorruptFileError) as caught,
        Located(1),
        Located(2),
        Located(None),
    ):
        raise CorruptFileError("words")
    assert caught.value.offset == 2
    with pytest.raises(ZeroDivisionError), Located(1):
        raise ZeroDivisionError
