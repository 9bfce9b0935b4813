"""How operations of `keras.ops` that move elements become those of a program."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepcompress.saving.lowering.builder import (
    AS_BATCH,
    BATCH,
    CannotRunError,
    Rule,
    Value,
)

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer

FITTING = -1  # in a shape: as long as is needed


def _shape_like(tracer: "Tracer", shape: Any, x: Value, kind: str) -> int:
    """Makes a shape, some axes of which may be as long as those of another value."""
    known = [FITTING if n is None else int(n) for n in shape]
    if any(n and n % BATCH == 0 for n in known):
        whole = [AS_BATCH if n == BATCH else n for n in known]
        whole = [FITTING if n > 0 and n % BATCH == 0 else n for n in whole]
        if whole.count(FITTING) > 1 or (kind == "broadcast" and FITTING in whole):
            raise CannotRunError(f"it makes the shape {tuple(shape)} of a batch")
        return tracer.builder.add(kind, x.number, 0, shape=tuple(whole))
    if known.count(FITTING) > 1:
        known = [
            -2 - axis if n == FITTING and axis < len(x.shape) else n
            for axis, n in enumerate(known)
        ]
    return tracer.builder.add(kind, x.number, shape=tuple(known))


def _for_batch(tracer: "Tracer", x: Value, axis: int) -> int:
    """Repeats an axis of one for each example of a batch."""
    shape = list(x.shape)
    if shape[axis] != 1 or None in shape:
        raise CannotRunError("it repeats what is not one for each example of a batch")
    shape[axis] = BATCH
    return _shape_like(tracer, shape, x, "broadcast")


def _reshape(tracer: "Tracer", operation: Any, x: Value) -> int:
    shape = operation.newshape
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return _shape_like(tracer, shape, x, "reshape")


def _broadcast_to(tracer: "Tracer", operation: Any, x: Value) -> int:
    return _shape_like(tracer, operation.shape, x, "broadcast")


def _transpose(tracer: "Tracer", operation: Any, x: Value) -> int:
    axes = tuple(operation.axes or ())
    return tracer.builder.add("transpose", x.number, axes=axes)


def _swapaxes(tracer: "Tracer", operation: Any, x: Value) -> int:
    axes = list(range(len(x.shape)))
    one, other = operation.axis1, operation.axis2
    axes[one], axes[other] = axes[other], axes[one]
    return tracer.builder.add("transpose", x.number, axes=tuple(axes))


def _moveaxis(tracer: "Tracer", operation: Any, x: Value) -> int:
    given = np.moveaxis(
        np.empty(tuple(range(2, 2 + len(x.shape))), bool),
        operation.source,
        operation.destination,
    )
    axes = tuple(n - 2 for n in given.shape)
    return tracer.builder.add("transpose", x.number, axes=axes)


def _ravel(tracer: "Tracer", _operation: Any, x: Value) -> int:
    return tracer.builder.add("reshape", x.number, shape=(FITTING,))


def _concatenate(tracer: "Tracer", operation: Any, xs: Any) -> int:
    return _joined(tracer, xs, "concatenate", operation.axis)


def _stack(tracer: "Tracer", operation: Any, xs: Any) -> int:
    return _joined(tracer, xs, "stack", operation.axis)


def _joined(tracer: "Tracer", xs: Any, kind: str, axis: int) -> int:
    like = next((x for x in xs if isinstance(x, Value)), None)
    numbers = [tracer.builder.number(x, like) for x in xs]
    return tracer.builder.add(kind, *numbers, axis=axis)


def _split(tracer: "Tracer", operation: Any, x: Value) -> list[int]:
    at, axis = operation.indices_or_sections, operation.axis
    if isinstance(at, int):
        return tracer.builder.add_many(at, "split", x.number, axis=axis)
    places = tuple(int(n) for n in at)
    return tracer.builder.add_many(
        len(places) + 1, "split", x.number, at=places, axis=axis
    )


def _unstack(tracer: "Tracer", operation: Any, x: Value) -> list[int]:
    b, axis = tracer.builder, operation.axis
    n = operation.num or x.shape[axis]
    if n is None:
        raise CannotRunError("it takes an axis of any length apart")
    parts = b.add_many(int(n), "split", x.number, axis=axis)
    return [b.add("squeeze", part, axes=(axis,)) for part in parts]


def _get_item(tracer: "Tracer", _operation: Any, x: Value, key: Any) -> int:
    index = key if isinstance(key, tuple) else (key,)
    taken = [each for each in index if isinstance(each, Value)]
    if taken or any(isinstance(each, list | np.ndarray) for each in index):
        if len(index) != 1:
            raise CannotRunError("it takes elements by an array and by other indices")
        return tracer.builder.add("take", x.number, tracer.builder.number(key), axis=0)
    return tracer.builder.index(x.number, *index)


def _slice(tracer: "Tracer", operation: Any, x: Value, start: Any) -> int:
    if any(isinstance(each, Value) for each in keras.tree.flatten(start)):
        raise CannotRunError("it cuts where a value says")
    index = tuple(
        slice(int(s), None if n == -1 else int(s) + int(n))
        for s, n in zip(start, operation.shape, strict=True)
    )
    return tracer.builder.index(x.number, *index)


def _expand_dims(tracer: "Tracer", operation: Any, x: Value) -> int:
    axis = operation.axis
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return tracer.builder.add("expand_dims", x.number, axes=axes)


def _squeeze(tracer: "Tracer", operation: Any, x: Value) -> int:
    axis = operation.axis
    axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return tracer.builder.add("squeeze", x.number, axes=axes)


def _pad(
    tracer: "Tracer", operation: Any, x: Value, constant_values: Any = None
) -> int:
    pairs = operation.pad_width
    if isinstance(pairs, int):
        pairs = ((pairs, pairs),)
    pairs = [(p, p) if isinstance(p, int) else tuple(p) for p in pairs]
    pairs = pairs * len(x.shape) if len(pairs) == 1 else pairs
    return tracer.builder.add(
        "pad",
        x.number,
        widths=tuple(int(n) for pair in pairs for n in pair),
        function=operation.mode,
        value=float(constant_values or 0),
    )


def _repeat(tracer: "Tracer", operation: Any, x: Value) -> int:
    if not isinstance(operation.repeats, int) or operation.axis is None:
        raise CannotRunError("it repeats elements unlike numbers of times")
    if operation.repeats == BATCH:
        return _for_batch(tracer, x, operation.axis)
    return tracer.builder.add(
        "repeat", x.number, times=operation.repeats, axis=operation.axis
    )


def _tile(tracer: "Tracer", operation: Any, x: Value) -> int:
    times = operation.repeats
    times = (times,) if isinstance(times, int) else tuple(int(n) for n in times)
    if BATCH in times:
        if len(times) != len(x.shape) or set(times) != {1, BATCH}:
            raise CannotRunError(f"it repeats an array {times} times")
        return _for_batch(tracer, x, times.index(BATCH))
    return tracer.builder.add("tile", x.number, times=times)


def _flip(tracer: "Tracer", operation: Any, x: Value) -> int:
    axis = operation.axis
    axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return tracer.builder.add("flip", x.number, axes=axes)


def _take(tracer: "Tracer", operation: Any, x: Any, indices: Any) -> int:
    b, axis = tracer.builder, operation.axis
    table = getattr(x, "shape", ())
    if isinstance(x, keras.Variable) and axis == 0 and len(table) == 2:
        return b.add("embedding", b.number(indices), weights=(x,))
    if axis is None:
        raise CannotRunError("it takes elements of an array as if it had one axis")
    return b.add("take", b.number(x), b.number(indices), axis=axis)


def _one_hot(tracer: "Tracer", operation: Any, x: Value) -> int:
    return tracer.builder.add(
        "one_hot", x.number, depth=operation.num_classes, axis=operation.axis
    )


OPERATIONS: dict[str, Rule] = {
    "Reshape": _reshape,
    "BroadcastTo": _broadcast_to,
    "Transpose": _transpose,
    "Swapaxes": _swapaxes,
    "Moveaxis": _moveaxis,
    "Ravel": _ravel,
    "Concatenate": _concatenate,
    "Stack": _stack,
    "Split": _split,
    "Unstack": _unstack,
    "GetItem": _get_item,
    "Slice": _slice,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Pad": _pad,
    "Repeat": _repeat,
    "Tile": _tile,
    "Flip": _flip,
    "Take": _take,
    "OneHot": _one_hot,
}
