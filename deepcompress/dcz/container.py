"""The `.dcz` file: named arrays in checksummed sections, read one by one.

`docs/format.md` says how every byte is laid out. Nothing here knows Keras.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from deepcompress._threads import each_when_ready
from deepcompress.dcz.assets import plain_size, unpack_assets
from deepcompress.dcz.coding.bytestream import Located
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.tensor import CodedTensor, TensorStats
from deepcompress.dcz.coding.weights import Weights
from deepcompress.dcz.directory import (
    LARGE,
    PackedArchitecture,
    Section,
    unpack_architecture,
)
from deepcompress.dcz.parts import ASSETS, Parts
from deepcompress.dcz.versions import (
    CODERS,
    MAGIC,
    VERSIONS,
    header,
    read_directory,
    write,
)
from deepcompress.errors import CorruptFileError

# Files are opened here, and written there: whoever does both needs one name.
__all__ = [
    "CODERS",
    "MAGIC",
    "MAX_BYTES",
    "VERSIONS",
    "Container",
    "header",
    "read",
    "read_directory",
    "write",
]

# Arrays of more than this together are not decoded unless the caller raises the
# bound: a file of a few bytes can declare any size.
MAX_BYTES = 1 << 34

_Source = str | os.PathLike[str] | bytes | bytearray | memoryview


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
            with self._errors():
                self.size = self._file.seek(0, os.SEEK_END)
                self._directory = read_directory(self._file, self.size)
                self._check_memory()
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> np.ndarray:
        section = self._directory.entries[name].section
        tensor = self._read_section(section)[name]
        with self._errors(self._directory.sections[section]):
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

    def weights(self, name: str) -> Weights:
        """Returns an array as it is held compressed: positions, codes and codebook.

        What is returned is made without the dense array, and `to_array` of it is that
        array, bit for bit.
        """
        section = self._directory.entries[name].section
        tensor = self._read_section(section)[name]
        with self._errors(self._directory.sections[section]):
            return tensor.weights()

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
    def version(self) -> int:
        """The version of the format that the file is of: 1 or 2."""
        return self._directory.version

    @property
    def architecture(self) -> str | None:
        """The model's architecture as JSON, `None` where the file has none."""
        section = self._directory.architecture
        if section is None:
            return None
        data = self._take(section, Rule.CHECKSUM_OF_ARCHITECTURE)
        with self._errors(section):
            packed = PackedArchitecture(data, self._directory.plain_size)
            return unpack_architecture(packed)

    @cached_property
    def assets(self) -> Mapping[str, bytes]:
        """What layers keep besides weights, by name; read when it is asked for.

        Mostly files of Keras' own, such as `"words/vocabulary.txt"`.
        """
        if ASSETS not in self.parts:
            return {}
        data = self.parts[ASSETS]
        with self._errors(self._directory.parts[ASSETS]):
            self._check_memory(plain_size(data))
            return unpack_assets(data)

    @property
    def parts(self) -> Mapping[str, bytes]:
        """What the file holds besides, by name, known or not; read when asked for.

        To write a file anew without a loss, hand them on to `deepcompress.write`.
        """
        take = partial(self._take, rule=Rule.CHECKSUM_OF_PART)
        return Parts(self._directory.parts, take)

    def part_size(self, name: str) -> int:
        """Returns the bytes that a part takes in the file, without reading it."""
        return self._directory.parts[name].size

    def verify(self) -> None:
        """Reads and decodes all of the file, and keeps nothing of it.

        Raises:
            CorruptFileError: A rule of the format is broken, or a checksum wrong:
                `rule` says which, and `offset` where.

        Example:

        >>> file = BytesIO()
        >>> _ = write(file, {"dense/kernel": np.ones((3, 2), "float32")})
        >>> try:
        ...     Container(file.getvalue()[:-1] + b"!").verify()
        ... except CorruptFileError as error:
        ...     print(error.rule, error.offset)
        checksum-of-section 28
        """
        for index in range(len(self._directory.sections)):
            self._decode_section(index)
        _ = self.architecture
        for name in self.parts:
            _ = self.parts[name]
        _ = self.assets

    def _check_memory(self, more: int = 0) -> None:
        total = sum(entry.n_bytes for entry in self._directory.entries.values())
        total += (
            sum(map(self.part_size, self.parts)) + self._directory.plain_size + more
        )
        if total > self._max_bytes:
            raise CorruptFileError(
                f"what it holds would take {total:,} bytes of memory, more than the "
                f"{self._max_bytes:,} allowed. If you trust the file, raise "
                "`max_bytes`.",
                Rule.MEMORY,
            )

    def _take(self, section: Section, rule: Rule) -> bytes:
        with self._lock:
            self._file.seek(section.offset)
            data = self._file.read(section.size)
        with self._errors(section):
            if zlib.crc32(data) != section.checksum:
                raise CorruptFileError(
                    f"the checksum of {section.size} bytes does not match.", rule
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
        section = self._directory.sections[index]
        data = self._take(section, Rule.CHECKSUM_OF_SECTION)
        version = VERSIONS[self._directory.version]
        with self._errors(section):
            return version.read_section(self._directory, index, data)

    def _decode_section(self, index: int) -> dict[str, np.ndarray]:
        # What takes most of the memory is there once, whatever the processors are.
        section = self._directory.sections[index]
        with self._large if section.size >= LARGE else nullcontext():
            tensors = self._parse_section(index)
            with self._errors(section):
                return {name: tensors.pop(name).to_array() for name in list(tensors)}

    @contextmanager
    def _errors(self, section: Section | None = None) -> Iterator[None]:
        """Says of errors in which file, and where or at least in which section."""
        try:
            with Located(section.offset if section else None):
                yield
        except CorruptFileError as error:
            place = "" if error.offset is None else f", byte {error.offset}"
            raise CorruptFileError(
                f"{self._label}{place}: {error}", error.rule, error.offset
            ) from None
