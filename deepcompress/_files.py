"""Writing files so that the old one survives whatever goes wrong."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MAX_MEMBER_BYTES = (1 << 16) - 1


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a file that takes its name only once it is complete and on the disk.

    The bytes go to a temporary file beside the target, which replaces the target
    when the `with` block ends. After an error, a full disk or a kill, the target is
    what it was.

    Args:
        path: The target.

    Raises:
        FileNotFoundError: The target's folder does not exist.
        OSError: The bytes could not be written.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder, "weights.bin")
    ...     with atomic_writer(target) as file:
    ...         _ = file.write(b"new")
    ...     target.read_bytes()
    b'new'
    """
    # A link keeps pointing at its file, as it would under a plain open().
    target = Path(os.path.realpath(path))
    given = os.fspath(path)
    if target.is_dir() or given.endswith(("/", os.sep)):
        raise IsADirectoryError(f"{given!r} is a folder; name a file.")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder of {given!r} does not exist; create it first."
        )
    if target.exists() and not target.is_file():
        raise OSError(f"{given!r} is not a regular file, so it cannot be replaced.")
    import secrets  # noqa: PLC0415  (slow to import)

    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and (
            error.errno in _NO_ROOM or error.filename == str(temporary)
        ):
            error.filename = given
        raise
    _sync_folder(target.parent)


def check_room(path: str | os.PathLike[str], size: int) -> None:
    """Raises an error where there is no room for a file.

    For whoever writes with a library that does not bear a full disk.

    Args:
        path: The file that is to be written, in a folder that is there.
        size: Its bytes.

    Raises:
        OSError: There is no room, or no permission.
    """
    import tempfile  # noqa: PLC0415  (slow to import)

    try:
        with tempfile.TemporaryFile(dir=Path(path).parent) as file:
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        error.filename = os.fspath(path)
        raise


def write_npz(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> None:
    """Writes arrays as an `.npz` file, atomically, and one after the other.

    `numpy.savez` takes the names as its keyword arguments, and some of them as its own:
    `file` always, `allow_pickle` or not, as the version of NumPy has it.

    Args:
        path: The target.
        arrays: The arrays by their names; each is asked for once.

    Raises:
        ValueError: A name cannot be that of an array in such a file.
        OSError: The bytes could not be written.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder, "weights.npz")
    ...     write_npz(target, {"file": np.eye(2)})
    ...     with np.load(target) as archive:
    ...         archive.files
    ['file']
    """
    from zipfile import ZipFile  # noqa: PLC0415  (slow to import)

    for name in arrays:
        _check_member(name, arrays)
    with atomic_writer(path) as file, ZipFile(file, "w") as archive:
        for name in arrays:
            # The size of a member is not known before it is written.
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(
                    member, np.asarray(arrays[name]), allow_pickle=False
                )


def _check_member(name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    if "\0" in name or len(f"{name}.npy".encode()) > _MAX_MEMBER_BYTES:
        raise ValueError(f"An .npz file cannot hold an array named {name[:80]!r}.")
    if f"{name}.npy" in arrays:
        raise ValueError(
            f"An .npz file cannot tell an array named {name!r} from one named "
            f"{name + '.npy'!r}."
        )


def _sync_folder(folder: Path) -> None:
    """Makes the new name durable, where folders can be synchronised at all."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
