"""Where the datasets of an HDF5 file stand."""

import io
from dataclasses import replace
from typing import Any

from deepcompress.dcz.directory import DTYPES
from deepcompress.dcz.foreign.deflated import deflated
from deepcompress.dcz.foreign.spans import Span

_MAGIC = b"\x89HDF\r\n\x1a\n"
_SHUFFLE, _DEFLATE = 2, 1  # the numbers of filters
_SMALLEST_CHUNK = 1 << 10  # smaller ones stay in the rest


class Window(io.RawIOBase):
    """Bytes as an open file, which is not copied.

    Args:
        view: The bytes.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def readable(self) -> bool:
        """Whether it can be read: it can."""
        return True

    def seekable(self) -> bool:
        """Whether places can be looked for: they can."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(
            whence, len(self._view)
        )
        self._position = max(begin + offset, 0)
        return self._position

    def tell(self) -> int:
        """Returns the place."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Reads what comes next."""
        data = self._view[self._position : self._position + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def is_such(view: memoryview) -> bool:
    """Whether a file begins like one of these."""
    return bytes(view[:8]) == _MAGIC


def parse(view: memoryview) -> list[Span]:
    """Returns where the datasets of a file stand."""
    import h5py  # noqa: PLC0415  (slow to import)

    spans: list[Span] = []

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or item.dtype.name not in DTYPES:
            return
        dtype, is_swapped = item.dtype.name, item.dtype.byteorder == ">"
        if item.chunks is None:
            offset = None if item.external else item.id.get_offset()
            if offset is not None:
                size = item.id.get_storage_size()
                spans.append(Span(offset, size, name, dtype, item.shape, is_swapped))
            return
        filters = _filters(item)
        for index in range(item.id.get_num_chunks()):
            chunk = item.id.get_chunk_info(index)
            if chunk.size < _SMALLEST_CHUNK or chunk.byte_offset is None:
                continue
            span = Span(chunk.byte_offset, chunk.size, f"{name}/{index}", dtype)
            span.shape, span.is_swapped = item.chunks, is_swapped
            if filters:
                data = view[span.offset : span.end]
                span.dtype = span.dtype if filters == [_DEFLATE] else "uint8"
                if chunk.filter_mask or filters[-1] != _DEFLATE:
                    span.dtype = ""
                elif (found := deflated(data, is_raw=False)) is None:
                    continue
                else:
                    plain, span.stream = found
                    inner = replace(span, offset=0, size=len(plain), stream=None)
                    span.stream.spans.append(inner)
            spans.append(span)

    with h5py.File(io.BufferedReader(Window(view)), "r") as file:
        file.visititems(visit)
    return spans


def _filters(dataset: Any) -> list[int]:
    made = dataset.id.get_create_plist()
    return [made.get_filter(index)[0] for index in range(made.get_nfilters())]
