"""Where the tensors of a `.tflite` file stand.

A buffer is read by the offsets in it, each of them checked. The readers that `flatc`
makes check none, and tell values and not places.

References:
    FlatBuffers, "Internals"; TensorFlow Lite, `schema.fbs`.
"""

from collections.abc import Iterator
from struct import calcsize, unpack_from

from deepcompress.dcz.foreign.spans import Span
from deepcompress.errors import CorruptFileError

_MAGIC = b"TFL3"
_TYPES = (
    "float32 float16 int32 uint8 int64 . bool int16 complex64 int8 float64 complex128 "
    "uint64 . . uint32 uint16 . bfloat16"
).split()
# Fields of the tables, by their place in the schema.
_SUBGRAPHS, _BUFFERS = 2, 4  # of a model
_TENSORS = 0  # of a subgraph
_SHAPE, _TYPE, _BUFFER, _NAME = range(4)  # of a tensor
_DATA, _OFFSET, _SIZE = range(3)  # of a buffer


def is_such(view: memoryview) -> bool:
    """Whether a file begins like one of these."""
    return bytes(view[4:8]) == _MAGIC


def parse(view: memoryview) -> list[Span]:
    """Returns where the tensors of a file stand.

    Raises:
        CorruptFileError: An offset leads out of the file.
    """
    model = _Table(view, _follow(view, 0))
    places = [_place(buffer) for buffer in model.tables(_BUFFERS)]
    spans = []
    for subgraph in model.tables(_SUBGRAPHS):
        for tensor in subgraph.tables(_TENSORS):
            index = tensor.number(_BUFFER, 4)
            if index >= len(places) or not places[index][1]:
                continue
            number = tensor.number(_TYPE, 1)
            dtype = _TYPES[number] if number < len(_TYPES) else "."
            if dtype == ".":  # strings, and packed integers of four bits
                dtype = "uint8"
            spans.append(
                Span(*places[index], tensor.text(_NAME), dtype, tensor.shape(_SHAPE))
            )
    return spans


def _place(buffer: "_Table") -> tuple[int, int]:
    """Returns where the bytes of a buffer begin, and how many they are."""
    offset, size = buffer.number(_OFFSET, 8), buffer.number(_SIZE, 8)
    if offset > 1:  # behind all tables: what makes files of more than 2 GB possible
        return offset, size
    return buffer.vector(_DATA, 1)


class _Table:
    """One table of a buffer."""

    def __init__(self, view: memoryview, position: int) -> None:
        self._view = view
        self._position = position
        self._fields = position - _read("<i", view, position)
        self._size = _read("<H", view, self._fields)

    def _place(self, field: int) -> int:
        """Returns where a field is, 0 where it is not there."""
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return 0
        offset = _read("<H", self._view, self._fields + entry)
        return self._position + offset if offset else 0

    def number(self, field: int, size: int) -> int:
        """Returns an unsigned integer of so many bytes."""
        place = self._place(field)
        if not place:
            return 0
        return _read({1: "<B", 4: "<I", 8: "<Q"}[size], self._view, place)

    def vector(self, field: int, item: int) -> tuple[int, int]:
        """Returns where a vector's items begin, and how many bytes they have."""
        place = self._place(field)
        if not place:
            return 0, 0
        begin = _follow(self._view, place)
        size = item * _read("<I", self._view, begin)
        if begin + 4 + size > len(self._view):
            raise CorruptFileError("A vector leads out of the file.")
        return begin + 4, size

    def tables(self, field: int) -> Iterator["_Table"]:
        """Yields the tables in a vector."""
        begin, size = self.vector(field, 4)
        for place in range(begin, begin + size, 4):
            yield _Table(self._view, _follow(self._view, place))

    def text(self, field: int) -> str:
        """Returns a text."""
        begin, size = self.vector(field, 1)
        return str(self._view[begin : begin + size], "utf-8", "replace")

    def shape(self, field: int) -> tuple[int, ...]:
        """Returns a vector of integers of 32 bits."""
        begin, size = self.vector(field, 4)
        return unpack_from(f"<{size // 4}i", self._view, begin) if size < 256 else ()


def _read(form: str, view: memoryview, place: int) -> int:
    if not 0 <= place <= len(view) - calcsize(form):
        raise CorruptFileError("An offset leads out of the file.")
    return int(unpack_from(form, view, place)[0])


def _follow(view: memoryview, place: int) -> int:
    return place + _read("<I", view, place)
