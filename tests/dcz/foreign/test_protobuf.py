from contextlib import suppress

import numpy as np
import pytest
from helpers.caffe_twin import field, varint
from hypothesis import given
from hypothesis import strategies as st

from deepcompress.dcz.foreign.protobuf import Message
from deepcompress.errors import CorruptFileError


def read_all(message):
    """Calls everything that reads through a message."""
    with suppress(CorruptFileError):
        list(message)
    for number in range(1, 4):
        for read in (message.text, message.integers):
            with suppress(CorruptFileError):
                read(number)
        for dtype in ("<f4", "<f8"):
            with suppress(CorruptFileError):
                message.reals(number, dtype)
        with suppress(CorruptFileError):
            list(message.messages(number))


INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(INT64), st.integers(1, (1 << 29) - 1))
def test_integers_come_back_packed_or_not(values, number):
    single = b"".join(field(number, value) for value in values)
    packed = field(number, b"".join(map(varint, values)))
    assert Message(single).integers(number) == values
    assert Message(packed + single).integers(number) == values * 2


@pytest.mark.parametrize(("dtype", "wire_type"), [("<f4", 5), ("<f8", 1)])
def test_reals_come_back_packed_or_not(dtype, wire_type, rng):
    values = rng.standard_normal(7).astype(dtype)
    key = varint(3 << 3 | wire_type)
    single = b"".join(key + value.tobytes() for value in values)
    packed = field(3, values.tobytes())
    for data, times in [(packed, 1), (single, 1), (single + packed + single, 3)]:
        got = Message(data + field(4, b"else")).reals(3, dtype)
        assert got.tobytes() == np.tile(values, times).tobytes()
    assert Message(b"").reals(3, dtype).size == 0


def test_packed_reals_are_not_copied(rng):
    data = field(3, rng.standard_normal(9).tobytes())
    got = Message(data).reals(3, "<f8")
    assert np.shares_memory(got, np.frombuffer(data, np.uint8))


def test_other_fields_are_passed_over():
    data = field(1, 5) + varint(2 << 3 | 1) + bytes(8) + varint(3 << 3 | 5) + bytes(4)
    message = Message(
        data + field(9, "name") + field(9, "new name") + field(8, 1 << 63)
    )
    assert message.text(9) == "new name"
    assert message.text(7) == ""
    assert message.integers(8) == [-(1 << 63)]
    assert [number for number, _, _ in message] == [1, 2, 3, 9, 9, 8]


def test_messages_come_in_order():
    message = Message(field(5, field(1, 1)) + field(4, b"") + field(5, field(1, 2)))
    found = [(number, each.integers(1)) for number, each in message.messages(5, 4)]
    assert found == [(5, [1]), (4, []), (5, [2])]


def test_an_integer_need_not_be_in_its_shortest_form():
    assert Message(b"\x88\x80\x00\x96\x81\x80\x00").integers(1) == [150]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a", "ends early"),
        (b"\x0a\x05abcd", "5 bytes expected, 4 left"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abcd", "ends early"),
        (b"\x08\xff", "ends early"),
        (b"\x08" + b"\xff" * 10, "more than 64 bits"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\x0d\1\2\3", "ends early"),
        (b"\x09\1\2\3\4\5\6\7", "ends early"),
        (b"\x00\x01", "number 0"),
        (b"\x80\x80\x80\x80\x10\x01", "number 536870912"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0e", "wire type 6"),
    ],
)
def test_what_is_no_message_is_refused(data, message):
    with pytest.raises(CorruptFileError, match=message):
        list(Message(data))
    with pytest.raises(CorruptFileError, match=message):
        Message(data).integers(2)


@pytest.mark.parametrize("read", [Message.text, lambda m, n: list(m.messages(n))])
def test_a_field_of_another_type_is_refused(read):
    with pytest.raises(CorruptFileError, match="Field 1 has the wire type 0, not 2"):
        read(Message(field(1, 7)), 1)


def test_numbers_of_another_type_are_refused():
    with pytest.raises(CorruptFileError, match="does not hold float32s"):
        Message(field(1, 7)).reals(1, "<f4")
    with pytest.raises(CorruptFileError, match="does not hold float64s"):
        Message(field(1, bytes(12))).reals(1, "<f8")
    with pytest.raises(CorruptFileError, match="Field 1 has the wire type 5, not 2"):
        Message(b"\x0d1234").integers(1)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data):
    read_all(Message(data))


@given(st.binary(max_size=20), st.data())
def test_a_changed_message_is_read_or_refused(payload, data):
    inner = field(1, "name") + field(2, payload) + field(3, 1 << 40)
    message = bytearray(field(1, inner) + field(2, inner))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] = data.draw(st.integers(0, 255))
    read_all(Message(message))
