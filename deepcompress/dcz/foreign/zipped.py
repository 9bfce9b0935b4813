"""Where the members of an archive stand: `.npz`, `.keras`, `.pt`, and any other `.zip`.

Nothing is unpickled. What a checkpoint of PyTorch holds are bytes, whose kind is
guessed.
"""

import io
import zipfile
from collections.abc import Callable
from struct import unpack_from

import numpy as np

from deepcompress.dcz.foreign.deflated import deflated
from deepcompress.dcz.foreign.hdf5 import Window
from deepcompress.dcz.foreign.spans import Span

_MAGIC = b"PK\x03\x04"
_NPY = b"\x93NUMPY"
_HEADER = 30  # bytes of a member's own header, without its name and the rest
_SMALLEST = 1 << 10  # smaller members stay deflated

Parse = Callable[[memoryview], list[Span]]


def is_such(view: memoryview) -> bool:
    """Whether a file begins like one of these."""
    return bytes(view[:4]) == _MAGIC


def kind_of(view: memoryview) -> str:
    """Returns what an archive is, by what is in it."""
    with zipfile.ZipFile(io.BufferedReader(Window(view))) as archive:
        names = archive.namelist()
    if "config.json" in names:
        return "keras"
    if any(name.endswith("data.pkl") for name in names):
        return "pt"
    return "npz" if all(name.endswith(".npy") for name in names) else "zip"


def parse(view: memoryview, parse_inner: Parse) -> list[Span]:
    """Returns where the tensors in the members of an archive stand.

    Args:
        view: The archive.
        parse_inner: Tells where tensors stand in a member.
    """
    spans = []
    with zipfile.ZipFile(io.BufferedReader(Window(view))) as archive:
        members = archive.infolist()
    for member in members:
        head = member.header_offset
        name_size, extra_size = unpack_from("<HH", view, head + 26)
        begin = head + _HEADER + name_size + extra_size
        data = view[begin : begin + member.compress_size]
        whole = Span(begin, len(data), member.filename)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            if max(member.compress_size, member.file_size) < _SMALLEST:
                continue
            if found := deflated(data, is_raw=True):
                plain, whole.stream = found
                inner = Span(0, len(plain), member.filename)
                whole.stream.spans = _inside(memoryview(plain), inner, parse_inner)
            spans.append(whole)
        elif member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
            spans += _inside(data, whole, parse_inner)
    return spans


def _inside(data: memoryview, whole: Span, parse_inner: Parse) -> list[Span]:
    """Returns where tensors stand in a member; the member itself, if nobody knows."""
    inner = parse_inner(data)
    for span in inner:
        span.offset += whole.offset
        span.name = span.name or whole.name.removesuffix(".npy")
    return inner or [whole]


def is_npy(view: memoryview) -> bool:
    """Whether a file is one array of NumPy."""
    return bytes(view[: len(_NPY)]) == _NPY


def parse_npy(view: memoryview) -> list[Span]:
    """Returns where the array in an `.npy` file stands, if it is of plain numbers."""
    file = io.BytesIO(bytes(view[: 1 << 16]))
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        return []
    if dtype.hasobject or dtype.names is not None or dtype.kind not in "biufc":
        return []
    begin = file.tell()
    shape = tuple(reversed(shape)) if is_fortran else shape
    span = Span(begin, len(view) - begin, "", dtype.name, shape)
    span.is_swapped = dtype.byteorder == ">"
    return [span]
