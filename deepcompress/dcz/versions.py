"""Whole files, of whatever version: written, and read up to where arrays begin."""

import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import BinaryIO, Protocol, cast

import numpy as np

from deepcompress._checks import one_of
from deepcompress._files import atomic_writer
from deepcompress.dcz import version1, version2
from deepcompress.dcz.coding.bytestream import ByteReader, varint
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.tensor import CodedTensor, TensorStats
from deepcompress.dcz.directory import (
    Directory,
    File,
    PackedArchitecture,
    Piece,
    pack_architecture,
)
from deepcompress.dcz.parts import Part
from deepcompress.errors import CorruptFileError


class Version(Protocol):
    """What the module of a version of the format offers.

    Attributes:
        TENSOR: The coder of its arrays.
        N_PIECES: Pieces of its header.
    """

    TENSOR: type[CodedTensor]
    N_PIECES: int

    def write(
        self,
        arrays: Mapping[str, np.ndarray],
        architecture: PackedArchitecture,
        parts: Sequence[Part],
        body: BinaryIO,
        /,
    ) -> File:
        """Writes the sections of a file, and returns what stands in front of them."""
        ...

    def read_listing(self, pieces: Sequence[Piece], directory: Directory, /) -> None:
        """Fills in what the pieces of a header list."""
        ...

    def read_section(
        self, directory: Directory, index: int, data: bytes, /
    ) -> dict[str, CodedTensor]:
        """Returns the arrays of a section, by their names, as they are coded."""
        ...


# Whatever depends on the version, or on the coder, is found here.
VERSIONS: dict[int, Version] = {1: version1, 2: version2}
# The version that is written with each coder.
CODERS = {version.TENSOR.coder: number for number, version in VERSIONS.items()}

MAGIC = b"\x89DCZ"
_MOST_SPOOLED = 1 << 22  # bytes of sections that wait in memory
_COPIED = 1 << 20  # bytes at a time
_LONGEST_SIZE = 9  # bytes of the size of a piece of the header
_OTHERS = {
    b"PK\x03\x04": " If it is a .keras file, use keras.models.load_model.",
    b"\x89HDF": " If it is a .weights.h5 file, use model.load_weights.",
}


def write(
    file: str | os.PathLike[str] | BinaryIO,
    arrays: Mapping[str, np.ndarray],
    *,
    architecture: str | None = None,
    coder: str = "huffman",
    parts: Sequence[Part] = (),
) -> tuple[dict[str, TensorStats], int]:
    """Writes a file, and returns the figures that a report is made of.

    `deepcompress.write` is this with the report; it documents the arguments. Here,
    assets are a part like others.

    Returns:
        The figures of every array by its name, and the size of the file in bytes.

    Example:

    >>> import io, numpy as np
    >>> file = io.BytesIO()
    >>> stats, size = write(file, {"dense/kernel": np.zeros((300, 100), "float32")})
    >>> size == len(file.getvalue())
    True
    """
    import shutil  # noqa: PLC0415  (slow to import, and reading needs neither)
    from tempfile import SpooledTemporaryFile  # noqa: PLC0415

    version = CODERS[one_of("coder", coder, CODERS)]
    packed = pack_architecture(architecture)
    with ExitStack() as stack:
        if isinstance(file, str | os.PathLike):
            file = stack.enter_context(atomic_writer(file))
        # What stands in front of the sections is known once they are written: they go
        # beside the file, so that no more than one has to be in memory.
        spool = SpooledTemporaryFile(  # noqa: SIM115  (the stack closes it)
            _MOST_SPOOLED, dir=_folder_of(file)
        )
        body = cast(BinaryIO, stack.enter_context(spool))
        written = VERSIONS[version].write(arrays, packed, parts, body)
        begin = header(version, written.header)
        size = len(begin) + body.tell()
        body.seek(0)
        file.write(begin)
        shutil.copyfileobj(body, file, _COPIED)
    return written.stats, size


def _folder_of(file: BinaryIO) -> str | None:
    """Returns the folder that a file is in, `None` where it is in none."""
    name = getattr(file, "name", None)
    return os.path.dirname(os.path.abspath(name)) if isinstance(name, str) else None


def header(version: int, pieces: Sequence[bytes]) -> bytes:
    """Returns the first bytes of a file, up to the checksum of them all."""
    sizes = [varint(len(piece)) for piece in pieces]
    start = b"".join([MAGIC, bytes([version]), *sizes, *pieces])
    return start + zlib.crc32(start).to_bytes(4, "little")


def read_directory(file: BinaryIO, size: int) -> Directory:
    """Reads what stands in front of a file of so many bytes.

    Raises:
        CorruptFileError: The file is damaged, or no `.dcz` file.
    """
    file.seek(0)
    start = file.read(len(MAGIC) + 1)
    if not start:
        raise CorruptFileError("the file is empty.", Rule.MAGIC, 0)
    if not start.startswith(MAGIC):
        hints = [text for magic, text in _OTHERS.items() if start.startswith(magic)]
        text = f"this is not a .dcz file (its first bytes differ).{''.join(hints)}"
        raise CorruptFileError(text, Rule.MAGIC, 0)
    number = ByteReader(start[len(MAGIC) :], Rule.HEADER_INSIDE, len(MAGIC)).byte()
    if number not in VERSIONS:
        raise CorruptFileError(
            f"version {number} of the format is not known. The file is damaged, "
            "or needs a newer deepcompress.",
            Rule.VERSION,
            len(MAGIC),
        )
    version = VERSIONS[number]
    sizes_at = file.read(_LONGEST_SIZE * version.N_PIECES)
    reader = ByteReader(sizes_at, Rule.HEADER_INSIDE, len(start))
    sizes = [reader.varint() for _ in range(version.N_PIECES)]
    begin = len(start) + reader.position
    end = begin + sum(sizes)
    if end + 4 > size:
        raise CorruptFileError(
            "the file ends early, inside its directory.", Rule.HEADER_INSIDE, size
        )
    file.seek(0)
    content = file.read(end)
    if zlib.crc32(content).to_bytes(4, "little") != file.read(4):
        raise CorruptFileError(
            "the checksum of the directory does not match.",
            Rule.CHECKSUM_OF_DIRECTORY,
            end,
        )
    pieces, offset = [], begin
    for length in sizes:
        pieces.append(Piece(offset, content[offset : offset + length]))
        offset += length
    directory = Directory(number, end=end + 4)
    version.read_listing(pieces, directory)
    if directory.end != size:
        is_cut = "is cut off" if size < directory.end else "goes on"
        raise CorruptFileError(
            f"it {is_cut}: it has {size} bytes, its directory says {directory.end}.",
            Rule.SIZE_OF_FILE,
            min(size, directory.end),
        )
    return directory
