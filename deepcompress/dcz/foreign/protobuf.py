"""Reading protobuf messages that are not trusted, without their compiler.

References:
    Protocol Buffers documentation, "Encoding".
"""

from collections.abc import Iterator

import numpy as np

from deepcompress.errors import CorruptFileError

_VARINT, _SIZED = 0, 2
_SIZES = {1: 8, 5: 4}  # of the other wire types
_LONGEST_VARINT = 10  # bytes, of which the last holds one bit


class Message:
    """The fields of one message. It is a view: nothing is copied or kept.

    Every method reads through the message anew, so that one of many small fields
    takes no memory.

    Args:
        data: The bytes of the message.
        offset: Where they begin in a file. Defaults to 0.

    Raises:
        CorruptFileError: By every method, where the bytes are no message, or a field
            is not of the type asked for.

    Example:

    >>> message = Message(bytes([0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69]))
    >>> message.integers(1), message.text(2)
    ([150], 'hi')
    """

    def __init__(self, data: bytes | memoryview, offset: int = 0) -> None:
        self._data = memoryview(data).cast("B")
        self._offset = offset

    def __iter__(self) -> Iterator[tuple[int, int, int | memoryview]]:
        """Yields the number, the wire type and the value of every field."""
        for number, wire_type, value, _ in self.placed():
            yield number, wire_type, value

    def placed(self) -> Iterator[tuple[int, int, int | memoryview, int]]:
        """Yields the same, and where in the file each field ends."""
        data, place = self._data, 0
        while place < len(data):
            key, place = _varint(data, place)
            number, wire_type = key >> 3, key & 7
            if not 0 < number < 1 << 29:
                raise CorruptFileError(f"A field cannot have the number {number}.")
            value: int | memoryview
            if wire_type == _VARINT:
                value, place = _varint(data, place)
            else:
                size = _SIZES.get(wire_type, -1)
                if wire_type == _SIZED:
                    size, place = _varint(data, place)
                elif size < 0:
                    raise CorruptFileError(f"The wire type {wire_type} is not known.")
                if size > len(data) - place:
                    raise CorruptFileError(
                        f"The data ends early: {size} bytes expected, "
                        f"{len(data) - place} left."
                    )
                value = data[place : place + size]
                place += size
            yield number, wire_type, value, self._offset + place

    def messages(self, *numbers: int) -> Iterator[tuple[int, "Message"]]:
        """Yields the messages in some fields, in order, with the field of each."""
        for number, wire_type, value, end in self.placed():
            if number in numbers:
                data = _sized(number, wire_type, value)
                yield number, Message(data, end - len(data))

    def text(self, number: int) -> str:
        """Returns the last text of a field, empty if there is none."""
        text = ""
        for each, wire_type, value in self:
            if each == number:
                # A name is only looked at, so that any bytes will do.
                text = str(_sized(number, wire_type, value), "utf-8", "replace")
        return text

    def integers(self, number: int) -> list[int]:
        """Returns the integers of a field, packed or not, as signed 64-bit ones."""
        found = []
        for each, wire_type, value in self:
            if each != number:
                continue
            if isinstance(value, int):
                found.append(value)
                continue
            packed, place = _sized(number, wire_type, value), 0
            while place < len(packed):
                integer, place = _varint(packed, place)
                found.append(integer)
        return [value - (value >> 63 << 64) for value in found]

    def reals(self, number: int, dtype: str) -> np.ndarray:
        """Returns the numbers of a field, packed or not.

        Args:
            number: The field.
            dtype: `"<f4"` or `"<f8"`.
        """
        item = np.dtype(dtype)
        whole: list[memoryview] = []
        single = bytearray()
        for each, wire_type, value in self:
            if each != number:
                continue
            if isinstance(value, int) or len(value) % item.itemsize:
                raise CorruptFileError(f"Field {number} does not hold {item.name}s.")
            if wire_type != _SIZED:
                single += value
            elif value:
                if single:
                    whole.append(memoryview(bytes(single)))
                    single = bytearray()
                whole.append(value)
        if single or not whole:
            whole.append(memoryview(bytes(single)))
        return np.frombuffer(whole[0] if len(whole) == 1 else b"".join(whole), item)


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Returns the varint at a place, which need not be the shortest, and its end."""
    if place < len(data) and (value := data[place]) < 0x80:
        return value, place + 1
    value = 0
    for index, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if value >> 64:
                break
            return value, place + index + 1
    if len(data) - place < _LONGEST_VARINT:
        raise CorruptFileError("The data ends early.")
    raise CorruptFileError("An integer has more than 64 bits.")


def _sized(number: int, wire_type: int, value: int | memoryview) -> memoryview:
    if wire_type != _SIZED or isinstance(value, int):
        raise CorruptFileError(f"Field {number} has the wire type {wire_type}, not 2.")
    return value
