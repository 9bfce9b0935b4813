"""Where the tensors of an `.onnx` file stand, also those in files beside it.

Protobuf's own readers copy every tensor, take files of less than 2 GB, and tell values
and not places.

References:
    ONNX, `onnx.proto`.
"""

from collections.abc import Iterator

from deepcompress.dcz.assets import check_name
from deepcompress.dcz.foreign.protobuf import Message
from deepcompress.dcz.foreign.spans import Span
from deepcompress.errors import CorruptFileError

_TYPES = (
    ". float32 uint8 int8 uint16 int16 int32 int64 . bool float16 float64 uint32 "
    "uint64 complex64 complex128 bfloat16 float8_e4m3fn . float8_e5m2"
).split()
_SIZED = 2
_DEEPEST = 64
# Which fields lead from a message to tensors, and the kind of message that they are.
_TREE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
}
_IR_VERSION, _GRAPH = 1, 7  # of a model
_DIMS, _TYPE, _NAME, _EXTERNAL = 1, 2, 8, 13  # of a tensor
# Fields of a tensor that hold values as a file has them; `None`: of the tensor's type.
_VALUES = {4: "float32", 9: None, 10: "float64"}
_NODE_NAME, _NODE_OUTPUT = 3, 2


def is_such(view: memoryview) -> bool:
    """Whether a file is a message with the fields of a model."""
    numbers = set()
    try:
        for number, wire_type, _ in Message(view):
            numbers.add((number, wire_type))
            if number > 25:
                return False
    except CorruptFileError:
        return False
    return (_IR_VERSION, 0) in numbers and (_GRAPH, _SIZED) in numbers


def parse(view: memoryview) -> list[Span]:
    """Returns where the tensors of a file stand, in it or in files beside it.

    Names of files that would lead out of the folder are left out.

    Raises:
        CorruptFileError: The file is no such message.
    """
    return list(_spans(view, "model", 0, 0))


def _spans(view: memoryview, kind: str, offset: int, depth: int) -> Iterator[Span]:
    """Yields where the values of all tensors below a message stand."""
    if depth > _DEEPEST:
        raise CorruptFileError("Graphs lie in graphs too deep.")
    message = Message(view, offset)
    if kind == "tensor":
        yield from _places(message)
        return
    inner = _TREE[kind]
    for number, wire_type, value, end in message.placed():
        if number in inner and wire_type == _SIZED and isinstance(value, memoryview):
            for span in _spans(value, inner[number], end - len(value), depth + 1):
                if kind == "node" and not span.name:
                    span.name = message.text(_NODE_NAME) or message.text(_NODE_OUTPUT)
                yield span


def _places(tensor: Message) -> Iterator[Span]:
    """Yields where the values of a tensor stand."""
    found: list[tuple[int, int, int]] = []
    entries: dict[str, str] = {}
    kind, name = 0, ""
    shape: tuple[int, ...] = ()
    for number, wire_type, value, end in tensor.placed():
        if isinstance(value, int):
            kind = value if number == _TYPE else kind
            shape = (*shape, value) if number == _DIMS else shape
        elif wire_type == _SIZED and number in _VALUES:
            found.append((number, len(value), end))
        elif wire_type == _SIZED and number == _NAME:
            name = str(value, "utf-8", "replace")
        elif wire_type == _SIZED and number == _EXTERNAL:
            entry = Message(value)
            entries[entry.text(1)] = entry.text(2)
        elif wire_type == _SIZED and number == _DIMS:
            shape = tuple(tensor.integers(_DIMS))
    dtype = _TYPES[kind] if kind < len(_TYPES) else "."
    dtype = "uint8" if dtype == "." else dtype
    for field, size, end in found:
        yield Span(end - size, size, name, _VALUES[field] or dtype, shape)
    if entries:
        try:
            check_name(entries.get("location", ""))
            offset, size = int(entries.get("offset", 0)), int(entries.get("length", 0))
        except ValueError:
            return
        yield Span(offset, size, name, dtype, shape, file=entries["location"])
