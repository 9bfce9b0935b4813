"""The `.dcz` file: named arrays in checksummed sections, read one by one.

`docs/format.md` says how every byte is laid out. Nothing here knows Keras.
"""

import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cached_property
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

import numpy as np

from deepcompress._checks import one_of
from deepcompress._files import atomic_writer
from deepcompress._threads import each_when_ready
from deepcompress.dcz import version1, version2
from deepcompress.dcz.assets import plain_size, unpack_assets
from deepcompress.dcz.coding.bytestream import ByteReader, varint
from deepcompress.dcz.coding.tensor import CodedTensor, TensorStats
from deepcompress.dcz.directory import (
    LARGE,
    Directory,
    File,
    PackedArchitecture,
    Piece,
    Section,
    pack_architecture,
    unpack_architecture,
)
from deepcompress.dcz.parts import ASSETS, Part, Parts
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
# Arrays of more than this together are not decoded unless the caller raises the
# bound: a file of a few bytes can declare any size.
MAX_BYTES = 1 << 34

_Source = str | os.PathLike[str] | bytes | bytearray | memoryview

_MOST_SPOOLED = 1 << 26  # bytes of sections that wait in memory
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
        raise CorruptFileError("the file is empty.")
    if not start.startswith(MAGIC):
        hint = next(
            (text for magic, text in _OTHERS.items() if start.startswith(magic)), ""
        )
        raise CorruptFileError(
            f"this is not a .dcz file (its first bytes differ).{hint}"
        )
    reader = ByteReader(start)
    reader.take(len(MAGIC))
    if (number := reader.byte()) not in VERSIONS:
        raise CorruptFileError(
            f"version {number} of the format is not known. The file is damaged, "
            "or needs a newer deepcompress."
        )
    version = VERSIONS[number]
    reader = ByteReader(file.read(_LONGEST_SIZE * version.N_PIECES))
    sizes = [reader.varint() for _ in range(version.N_PIECES)]
    begin = len(start) + reader.position
    end = begin + sum(sizes)
    if end + 4 > size:
        raise CorruptFileError("the file ends early, inside its directory.")
    file.seek(0)
    content = file.read(end)
    if zlib.crc32(content).to_bytes(4, "little") != file.read(4):
        raise CorruptFileError("the checksum of the directory does not match.")
    pieces, offset = [], begin
    for length in sizes:
        pieces.append(Piece(offset, content[offset : offset + length]))
        offset += length
    directory = Directory(number, end=end + 4)
    version.read_listing(pieces, directory)
    if directory.end != size:
        raise CorruptFileError(
            f"the file has {size} bytes, its directory says {directory.end}."
        )
    return directory


def read(file: _Source, *, max_bytes: int = MAX_BYTES) -> "Container":
    """Opens a `.dcz` file as a mapping from names to arrays.

    Only the directory is read at once; an array is read, checked and decoded when
    it is asked for. Neither TensorFlow nor Keras is needed.

    Args:
        file: A path, or the bytes of a file: `bytes`, `bytearray` or `memoryview`.
        max_bytes: The most bytes that all arrays together may take in memory.
            Guards against files that declare absurd sizes. Defaults to 16 GiB.

    Returns:
        A `Mapping[str, np.ndarray]`, which can be used in a `with` statement.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: The file is damaged, or no `.dcz` file.

    Example:

    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.dcz")
    ...     _ = write(path, {"dense/kernel": np.eye(3, dtype="float32")})
    ...     with read(path) as weights:
    ...         print(list(weights), weights["dense/kernel"].sum())
    ['dense/kernel'] 3.0
    """
    return Container(file, max_bytes=max_bytes)


class Container(Mapping[str, np.ndarray]):
    """An open `.dcz` file: a lazy mapping from names to arrays.

    Args:
        file: A path, or the bytes of a file: `bytes`, `bytearray` or `memoryview`.
        max_bytes: The most bytes that all arrays together may take in memory.
            Defaults to 16 GiB.

    Attributes:
        size: Bytes of the file.

    Raises:
        CorruptFileError: The file is damaged, or no `.dcz` file. By every access
            to an array too, whose own bytes are checked then.

    Example:

    >>> import io, numpy as np
    >>> file = io.BytesIO()
    >>> _ = write(file, {"dense/kernel": np.zeros((3, 2), "float32")})
    >>> weights = Container(file.getvalue())
    >>> weights.shape("dense/kernel"), weights.dtype("dense/kernel").name
    ((3, 2), 'float32')
    """

    def __init__(self, file: _Source, *, max_bytes: int = MAX_BYTES) -> None:
        self._file: BinaryIO
        if isinstance(file, bytes | bytearray | memoryview):
            self._label = "The data"
            self._file = BytesIO(bytes(file))
        else:
            self._label = f"{os.fspath(file)!r}"
            self._file = Path(file).open("rb")  # noqa: SIM115  (close() closes it)
        self._max_bytes = max_bytes
        self._lock, self._large = Lock(), Lock()
        self._last: tuple[int, dict[str, CodedTensor]] | None = None
        try:
            self.size = self._file.seek(0, os.SEEK_END)
            self._directory = read_directory(self._file, self.size)
            self._check_memory()
        except CorruptFileError as error:
            self.close()
            raise CorruptFileError(f"{self._label}: {error}") from None
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> np.ndarray:
        section = self._directory.entries[name].section
        tensor = self._read_section(section)[name]
        with self._errors_in(section):
            return tensor.to_array()

    def __iter__(self) -> Iterator[str]:
        return iter(self._directory.entries)

    def __len__(self) -> int:
        return len(self._directory.entries)

    def __repr__(self) -> str:
        return f"<Container {self._label}: {len(self)} arrays, {self.size:,} bytes>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()

    def close(self) -> None:
        """Closes the file. What has been read stays."""
        self._file.close()

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of an array without decoding it."""
        return self._directory.entries[name].shape

    def dtype(self, name: str) -> np.dtype:
        """Returns the dtype of an array without decoding it."""
        return self._directory.entries[name].dtype

    def stats(self) -> dict[str, TensorStats]:
        """Returns the figures of every array by its name."""
        return {
            name: tensor.stats()
            for index in range(len(self._directory.sections))
            for name, tensor in self._read_section(index).items()
        }

    def decode(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields every array with its name, as soon as it is decoded.

        Layers are decoded on every processor, the largest first, so that the order is
        not that of the file. An array that has been yielded is the caller's alone, and
        no more layers than processors are decoded ahead.
        """
        largest_first = sorted(
            range(len(self._directory.sections)),
            key=lambda index: -self._directory.sections[index].size,
        )
        for arrays in each_when_ready(self._decode_section, largest_first):
            for name in list(arrays):
                yield name, arrays.pop(name)

    def to_dict(self) -> dict[str, np.ndarray]:
        """Returns every array by its name, decoded on every processor."""
        arrays = dict(self.decode())
        return {name: arrays[name] for name in self}

    @property
    def architecture(self) -> str | None:
        """The model's architecture as JSON, `None` where the file has none."""
        section = self._directory.architecture
        if section is None:
            return None
        try:
            packed = PackedArchitecture(self._take(section), self._directory.plain_size)
            return unpack_architecture(packed)
        except CorruptFileError as error:
            raise CorruptFileError(f"{self._label}: {error}") from None

    @cached_property
    def assets(self) -> Mapping[str, bytes]:
        """What layers keep besides weights, by name; read when it is asked for.

        Mostly files of Keras' own, such as `"words/vocabulary.txt"`.
        """
        if ASSETS not in self.parts:
            return {}
        data = self.parts[ASSETS]
        try:
            self._check_memory(plain_size(data))
            return unpack_assets(data)
        except CorruptFileError as error:
            raise CorruptFileError(f"{self._label}: {error}") from None

    @property
    def parts(self) -> Parts:
        """What the file holds besides, by name: also what this reader has no use for.

        Each is read, and its checksum verified, when it is asked for. To write a file
        anew without a loss, hand them on to `deepcompress.write`.
        """
        return Parts(self._directory.parts, self._take)

    def _check_memory(self, more: int = 0) -> None:
        total = sum(entry.n_bytes for entry in self._directory.entries.values())
        total += sum(self.parts.sizes().values()) + self._directory.plain_size + more
        if total > self._max_bytes:
            raise CorruptFileError(
                f"what it holds would take {total:,} bytes of memory, more than the "
                f"{self._max_bytes:,} allowed. If you trust the file, raise "
                "`max_bytes`."
            )

    def _take(self, section: Section) -> bytes:
        with self._lock:
            self._file.seek(section.offset)
            data = self._file.read(section.size)
        if zlib.crc32(data) != section.checksum:
            raise CorruptFileError(
                f"{self._label}: the checksum of bytes {section.offset} to "
                f"{section.offset + section.size} does not match."
            )
        return data

    def _read_section(self, index: int) -> dict[str, CodedTensor]:
        # A layer's arrays are mostly asked for one after the other.
        last = self._last
        if last is None or last[0] != index:
            self._last = None  # before more memory is taken
            last = index, self._parse_section(index)
            if len(last[1]) > 1:
                self._last = last
        return last[1]

    def _parse_section(self, index: int) -> dict[str, CodedTensor]:
        data = self._take(self._directory.sections[index])
        version = VERSIONS[self._directory.version]
        with self._errors_in(index):
            return version.read_section(self._directory, index, data)

    def _decode_section(self, index: int) -> dict[str, np.ndarray]:
        # What takes most of the memory is there once, whatever the processors are.
        is_large = self._directory.sections[index].size >= LARGE
        with self._large if is_large else nullcontext():
            tensors = self._parse_section(index)
            with self._errors_in(index):
                return {name: tensors.pop(name).to_array() for name in list(tensors)}

    @contextmanager
    def _errors_in(self, index: int) -> Iterator[None]:
        try:
            yield
        except CorruptFileError as error:
            section = self._directory.sections[index]
            raise CorruptFileError(
                f"{self._label}, section at byte {section.offset}: {error}"
            ) from None
