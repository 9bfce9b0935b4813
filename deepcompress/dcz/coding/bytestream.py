"""Reading and writing the small integers and strings of a file."""

from deepcompress.dcz.coding.rules import Rule
from deepcompress.errors import CorruptFileError

_LONGEST_VARINT = 9  # bytes: 63 bits, so that every value fits in int64


def varint(value: int) -> bytes:
    """Returns an unsigned integer as LEB128: 7 bits a byte, the lowest first."""
    if not 0 <= value < 1 << 63:
        raise ValueError(f"A varint holds 0 to 2**63 - 1. Received: {value}")
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def string(text: str) -> bytes:
    """Returns the UTF-8 form of a text behind its length in bytes."""
    encoded = text.encode()
    return varint(len(encoded)) + encoded


class Located:
    """Gives errors of a `with` block that do not know their place in the file this one.

    Args:
        offset: A byte of the file, or `None` where it is not known either.
    """

    def __init__(self, offset: int | None) -> None:
        self._offset = offset

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, CorruptFileError) and error.offset is None:
            error.offset = self._offset


class ByteWriter:
    """Collects bytes, piece by piece.

    Attributes:
        pieces: All of them, in order.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []

    def write(self, data: bytes | memoryview) -> None:
        """Adds bytes, which must not change any more."""
        self.pieces.append(data)

    def end(self) -> bytes:
        """Returns all bytes."""
        return b"".join(self.pieces)


class ByteReader:
    """Reads from bytes that are not trusted.

    Args:
        data: The bytes, any object with the buffer protocol.
        rule: What is broken where they end too early or too late. Defaults to the rule
            of sections.
        begin: Where they begin in the file. Defaults to `None`: that is not known.

    Raises:
        CorruptFileError: By every method that would read past the end.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        rule: str = Rule.SECTION_END,
        begin: int | None = None,
    ) -> None:
        self._data = memoryview(data).cast("B")
        self._rule = rule
        self._begin = begin
        self.position = 0

    @property
    def offset(self) -> int | None:
        """The next byte's place in the file, `None` where it is not known."""
        return None if self._begin is None else self._begin + self.position

    @property
    def rest(self) -> memoryview:
        """What has not been read yet."""
        return self._data[self.position :]

    def take(self, size: int) -> memoryview:
        """Returns the next `size` bytes."""
        if size > len(self._data) - self.position:
            raise CorruptFileError(
                f"The data ends early: {size} bytes expected, "
                f"{len(self._data) - self.position} left.",
                self._rule,
                self.offset,
            )
        self.position += size
        return self._data[self.position - size : self.position]

    def byte(self) -> int:
        """Returns the next byte."""
        return self.take(1)[0]

    def uint32(self) -> int:
        """Returns the next four bytes as an integer."""
        return int.from_bytes(self.take(4), "little")

    def varint(self) -> int:
        """Returns the next LEB128 integer, written in its shortest form."""
        value, begin = 0, self.offset
        for index in range(_LONGEST_VARINT):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if byte == 0 and index:
                    break
                return value
        raise CorruptFileError(
            "An integer is not in its shortest form.", Rule.VARINT, begin
        )

    def string(self) -> str:
        """Returns the next text."""
        begin = self.offset
        try:
            return str(self.take(self.varint()), "utf-8")
        except UnicodeDecodeError:
            raise CorruptFileError(
                "A name is not valid UTF-8.", Rule.UTF_8, begin
            ) from None

    def end(self) -> None:
        """Raises `CorruptFileError` where something has not been read."""
        if self.rest:
            raise CorruptFileError(
                f"{len(self.rest)} bytes too many.", self._rule, self.offset
            )
