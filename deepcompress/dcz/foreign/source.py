"""The files that are packed, as bytes at places."""

import mmap
import os
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Self

import numpy as np

CHUNK = 1 << 20  # bytes that are copied or summed up at a time


class Member(NamedTuple):
    """One of the files.

    Attributes:
        name: What it is called, seen from the folder of the first.
        path: Where it is.
        size: Its bytes.
        file: The open file.
        changed: When it was changed last.
    """

    name: str
    path: Path
    size: int
    file: FileIO
    changed: int


class Source:
    """One or more files that are open for reading.

    The first is the one that was asked for; a parser adds those that it refers to.

    Args:
        path: The first file.

    Raises:
        OSError: There is no such file, or it is no regular one.
        ValueError: It is empty.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.members: list[Member] = []
        self._lock = Lock()
        self.add(Path(path).name, Path(path))

    def add(self, name: str, path: Path) -> int:
        """Opens one more file, and returns its number."""
        if path.is_dir():
            raise IsADirectoryError(f"'{path}' is a folder.")
        if not path.exists():
            raise FileNotFoundError(f"There is no file '{path}'.")
        if not path.is_file():
            raise OSError(f"'{path}' is not a regular file.")
        file = path.open("rb", buffering=0)
        state = os.fstat(file.fileno())
        self.members.append(Member(name, path, state.st_size, file, state.st_mtime_ns))
        return len(self.members) - 1

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(member.size for member in self.members)

    def view(self, number: int) -> memoryview:
        """Returns a file as bytes that are read where they are looked at."""
        member = self.members[number]
        if not member.size:
            return memoryview(b"")
        return memoryview(mmap.mmap(member.file.fileno(), 0, access=mmap.ACCESS_READ))

    def read(self, number: int, offset: int, size: int) -> np.ndarray:
        """Returns bytes of a file, as an array of uint8 that is the caller's alone.

        Raises:
            ValueError: The file has become shorter.
        """
        file = self.members[number].file
        data = np.empty(size, np.uint8)
        n_read = 0
        with self._lock:  # arrays are asked for by several threads
            file.seek(offset)
            while more := file.readinto(data[n_read:].data):  # 2 GiB at most at a time
                n_read += more
        if n_read != size:
            raise ValueError(f"'{self.members[number].path}' was cut off meanwhile.")
        return data

    def check_unchanged(self) -> None:
        """Raises `ValueError` where a file was written to since it was opened."""
        for member in self.members:
            state = os.fstat(member.file.fileno())
            if (state.st_size, state.st_mtime_ns) != (member.size, member.changed):
                raise ValueError(f"'{member.path}' was changed while it was read.")

    def close(self) -> None:
        """Closes all files."""
        for member in self.members:
            member.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
