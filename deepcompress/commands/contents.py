"""What a file is, by what is in it: suffixes are promises, and many are not kept."""

import zipfile
from pathlib import Path

from deepcompress.dcz.container import MAGIC

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LONGEST_BLOCK = 1 << 20  # of the user, in front of HDF5
_PICKLE = (
    "is a pickle, which may run any code and is not opened; --exact packs it as it is."
)
# What stands where a model was meant to be, by its first bytes.
_STRAYS = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a pointer of Git LFS, not the file itself. Run `git lfs pull`.",
    ),
    (b"<!doctype html", "is a web page, not the file. Look at what was downloaded."),
    (b"<html", "is a web page, not the file. Look at what was downloaded."),
    (b"\x80\x02", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
)


def contents(path: str) -> str:
    """Returns what a file is: `"dcz"`, `"hdf5"`, `"keras"`, `"archive"`, `"unknown"`.

    Args:
        path: The file.

    Raises:
        OSError: There is no such file, it is a folder, or it cannot be read.
        ValueError: It is something that is often found in the place of a model.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "net.h5")
    ...     _ = path.write_text("<!DOCTYPE html>")
    ...     try:
    ...         contents(str(path))
    ...     except ValueError as error:
    ...         print(str(error).replace(folder, "..."))
    '.../net.h5' is a web page, not the file. Look at what was downloaded.
    """
    _check_is_file(path)
    with Path(path).open("rb") as file:
        first = file.read(512)
        place = 512
        is_hdf5 = first.startswith(_HDF5)
        while not is_hdf5 and place <= _LONGEST_BLOCK and file.seek(place) == place:
            is_hdf5 = file.read(len(_HDF5)) == _HDF5
            place *= 2
    if not first:
        raise ValueError(f"{path!r} is empty.")
    if first.startswith(MAGIC):
        return "dcz"
    if is_hdf5:
        return "hdf5"
    if first.startswith(b"PK"):
        return _archive(path)
    begin = first.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for sign, what in _STRAYS:
        if begin.startswith(sign):
            raise ValueError(f"{path!r} {what}")
    return "unknown"


def _check_is_file(path: str) -> None:
    target = Path(path)
    if target.is_dir():
        what = "a folder"
        if (target / "saved_model.pb").exists():
            what = "a SavedModel of TensorFlow, which Keras 3 cannot turn into a model"
        raise IsADirectoryError(
            f"{path!r} is {what}. Save the model to one file with "
            "`model.save('model.keras')`."
        )
    if not target.exists():
        raise FileNotFoundError(f"There is no file {path!r}.")
    if not target.is_file():
        raise OSError(f"{path!r} is not a regular file.")


def _archive(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{path!r} is a damaged archive, perhaps cut off: {error}"
        ) from None
    if "config.json" in names:
        return "keras"
    return "archive"
