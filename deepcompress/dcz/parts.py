"""The door of the format: named bytes at the end of a file, for what is yet to come.

A reader passes over a part that it does not know, unless the file says that it is
needed. What parts mean is the business of their users, such as `assets`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from deepcompress.dcz.coding.bytestream import ByteReader, Located, string
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.directory import Directory, Section, seal
from deepcompress.errors import CorruptFileError

ASSETS = "assets"
# A file that needs another part is refused.
KNOWN = frozenset({ASSETS})

_NAME = re.compile("[a-z0-9-]{1,32}")


class Part(NamedTuple):
    """A part to be written.

    Attributes:
        name: Its name.
        data: Its bytes.
        is_needed: Whether a reader that does not know the name must refuse the file.
    """

    name: str
    data: bytes
    is_needed: bool = False


class Parts(Mapping[str, bytes]):
    """The parts of a file that is read, checked when they are asked for.

    Args:
        sections: Where each is, by its name.
        take: Returns the bytes of a section, once their checksum is right.
    """

    def __init__(
        self, sections: Mapping[str, Section], take: Callable[[Section], bytes]
    ) -> None:
        self._sections = sections
        self._take = take

    def __getitem__(self, name: str) -> bytes:
        return self._take(self._sections[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)


def as_parts(parts: Mapping[str, bytes] | None) -> list[Part]:
    """Returns bytes by their names as parts that no reader needs.

    Raises:
        TypeError: It is no mapping from names to bytes.
        ValueError: A name is none of a part, or there are no bytes.

    Example:

    >>> as_parts({"notes": b"by hand"})
    [Part(name='notes', data=b'by hand', is_needed=False)]
    """
    if parts is None:
        return []
    if not isinstance(parts, Mapping):
        raise TypeError(
            f"`parts` must be a mapping from names to bytes. Received: {parts!r}"
        )
    for name, data in parts.items():
        if not isinstance(name, str) or not isinstance(data, bytes):
            raise TypeError(
                "`parts` must be a mapping from names to bytes. Received: "
                f"{name!r} with {type(data).__name__}"
            )
        if not _NAME.fullmatch(name):
            raise ValueError(
                "The name of a part must be 1 to 32 of a-z, 0-9 and '-'. "
                f"Received: {name[:80]!r}"
            )
        if not data:
            raise ValueError(f"The part {name!r} must not be empty.")
    return [Part(name, data) for name, data in parts.items()]


def list_parts(parts: Iterable[Part]) -> bytes:
    """Returns how a listing tells of parts: nothing, where there are none."""
    return b"".join(
        string(part.name) + bytes([part.is_needed]) + seal(part.data) for part in parts
    )


def read_parts(reader: ByteReader, directory: Directory) -> None:
    """Fills in what a listing tells of parts, which is its end.

    Raises:
        CorruptFileError: It tells of parts that cannot be, or of one that is needed
            and not known.
    """
    while reader.rest:
        with Located(reader.offset):
            _read_part(reader, directory)


def _read_part(reader: ByteReader, directory: Directory) -> None:
    name, need = reader.string(), reader.byte()
    if not _NAME.fullmatch(name):
        raise CorruptFileError(f"{name[:80]!r} is no name of a part.", Rule.PART_NAME)
    if name in directory.parts:
        raise CorruptFileError(f"the part {name!r} occurs twice.", Rule.PART_ONCE)
    if need > 1:
        raise CorruptFileError(
            f"the part {name!r} is needed in the way {need}.", Rule.PART_NEED
        )
    if need and name not in KNOWN:
        raise CorruptFileError(
            f"the part {name!r}, which is needed, is not known. "
            "The file needs a newer deepcompress.",
            Rule.PART_KNOWN,
        )
    size, checksum = reader.varint(), reader.uint32()
    if not size:
        raise CorruptFileError(
            f"the part {name!r} cannot have 0 bytes.", Rule.PART_SIZE
        )
    directory.parts[name] = directory.section_at_end(size, checksum)
