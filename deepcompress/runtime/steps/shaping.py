"""Steps that move elements, or make new ones out of shapes."""

from math import prod
from typing import Any

import numpy as np

from deepcompress.runtime.arrays import Arrays
from deepcompress.runtime.program import Operation
from deepcompress.runtime.steps import windows
from deepcompress.runtime.steps.room import contradiction, in_float32, room_for
from deepcompress.runtime.steps.step import Builder, Link, Step

# In the shape of a program: an axis as long as is needed, and behind it -2 - k, one
# that is as long as axis k of the value.
_FITTING = -1
# In the index of a slice.
_ALL, _ONE, _SLICE, _NEW, _REST = range(5)


def _plain(function: Any) -> Builder:
    """Returns a builder for a function of the operation and its values."""

    def build(operation: Operation, _weights: Arrays) -> Step:
        return Step(lambda *values: function(operation, *values))

    return build


def _shape_of(shape: tuple[int, ...], like: np.ndarray) -> tuple[int, ...]:
    found = tuple(n if n >= _FITTING else like.shape[-2 - n] for n in shape)
    room_for(tuple(max(n, 1) for n in found))
    return found


def _flatten(_operation: Operation, _weights: Arrays) -> Step:
    return Step(lambda x: x.reshape(len(x), prod(x.shape[1:])), link=Link("flatten"))


def _reshape(operation: Operation, x: np.ndarray, *like: np.ndarray) -> np.ndarray:
    return x.reshape(_shape_of(operation["shape"], *(like or (x,))))


def _broadcast(operation: Operation, x: np.ndarray, *like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(x, _shape_of(operation["shape"], *(like or (x,))))


def _transpose(operation: Operation, x: np.ndarray) -> np.ndarray:
    return x.transpose(operation["axes"] or None)


def _concatenate(operation: Operation, *values: np.ndarray) -> np.ndarray:
    return np.concatenate(values, axis=operation["axis"])


def _stack(operation: Operation, *values: np.ndarray) -> np.ndarray:
    return np.stack(values, axis=operation["axis"])


def _split(operation: Operation, x: np.ndarray) -> Any:
    at = list(operation["at"])
    parts = np.split(x, at or operation.n_outputs, axis=operation["axis"])
    return tuple(parts) if operation.n_outputs > 1 else parts[0]


def _index_of(numbers: tuple[int, ...]) -> tuple[Any, ...]:
    """Returns the index that numbers stand for.

    Raises:
        CorruptFileError: They stand for none.
    """
    rest, index = list(numbers[::-1]), list[Any]()
    try:
        while rest:
            kind = rest.pop()
            if kind == _ONE:
                index.append(rest.pop())
            elif kind == _SLICE:
                given = rest.pop()
                ends = [rest.pop() if given >> i & 1 else None for i in range(3)]
                index.append(slice(*ends))
            elif kind in (_ALL, _NEW, _REST):
                index.append([slice(None), None, None, None, ...][kind])
            else:
                raise contradiction(f"an index of the kind {kind}")
    except IndexError:
        raise contradiction("an index that ends early") from None
    return tuple(index)


def numbers_of(index: tuple[Any, ...]) -> tuple[int, ...]:
    """Returns what a program holds of an index of numbers, slices, `None` and `...`.

    Raises:
        TypeError: Something else is in it.
    """
    numbers: list[int] = []
    for each in index:
        if each is None:
            numbers.append(_NEW)
        elif each is Ellipsis:
            numbers.append(_REST)
        elif isinstance(each, slice):
            ends = [each.start, each.stop, each.step]
            if ends == [None] * 3:
                numbers.append(_ALL)
                continue
            given = sum(1 << i for i, end in enumerate(ends) if end is not None)
            numbers += [_SLICE, given, *(int(end) for end in ends if end is not None)]
        elif isinstance(each, int | np.integer):
            numbers += [_ONE, int(each)]
        else:
            raise TypeError(f"an index with {each!r}")
    return tuple(numbers)


def _slice(operation: Operation, _weights: Arrays) -> Step:
    index = _index_of(operation["index"])
    return Step(lambda x: x[index])


def _expand_dims(operation: Operation, x: np.ndarray) -> np.ndarray:
    return np.expand_dims(x, operation["axes"])


def _squeeze(operation: Operation, x: np.ndarray) -> np.ndarray:
    return np.squeeze(x, operation["axes"] or None)


def _pairs(operation: Operation, x: np.ndarray) -> list[tuple[int, int]]:
    numbers = operation["widths"]
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if len(pairs) != x.ndim or min(numbers, default=0) < 0:
        raise ValueError(f"{numbers} are no widths for an array of shape {x.shape}")
    return pairs


def _pad(operation: Operation, x: np.ndarray) -> np.ndarray:
    pairs = _pairs(operation, x)
    room_for(tuple(n + sum(pair) for n, pair in zip(x.shape, pairs, strict=True)))
    mode = operation["function"]
    if mode == "constant":
        return np.pad(x, pairs, constant_values=x.dtype.type(operation["value"]))
    return np.pad(x, pairs, mode=mode)


def _crop(operation: Operation, x: np.ndarray) -> np.ndarray:
    pairs = _pairs(operation, x)
    index = [slice(a, n - b) for n, (a, b) in zip(x.shape, pairs, strict=True)]
    return x[tuple(index)]


def _repeat(operation: Operation, x: np.ndarray) -> np.ndarray:
    times = operation["times"]
    room_for((*x.shape, max(times, 0)))
    return np.repeat(x, times, axis=operation["axis"])


def _tile(operation: Operation, x: np.ndarray) -> np.ndarray:
    room_for((*x.shape, *(max(n, 0) for n in operation["times"])))
    return np.tile(x, operation["times"])


def _flip(operation: Operation, x: np.ndarray) -> np.ndarray:
    return np.flip(x, operation["axes"] or None)


def _take(operation: Operation, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    axis = operation["axis"]
    room_for((*x.shape[:axis], *indices.shape, *x.shape[axis:][1:]))
    return np.take(x, indices.astype(np.int64), axis=axis)


def _one_hot(operation: Operation, x: np.ndarray) -> np.ndarray:
    depth = operation["depth"]
    room_for((*x.shape, max(depth, 0)))
    hot = (x.astype(np.int64)[..., None] == np.arange(depth)).astype(np.float32)
    return np.moveaxis(hot, -1, operation["axis"])


def _cast(operation: Operation, _weights: Arrays) -> Step:
    name = operation["dtype"]
    if name in ("float16", "bfloat16", "float64"):
        name = "float32"
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf":
        raise contradiction(f"a cast to {name!r}")
    return Step(lambda x: x.astype(dtype))


def _where(_operation: Operation, *values: np.ndarray) -> np.ndarray:
    room_for(np.broadcast_shapes(*(value.shape for value in values)))
    return np.where(*values)


def _merge_axes(operation: Operation, x: np.ndarray) -> np.ndarray:
    n = operation["n"]
    return x.reshape(prod(x.shape[:n]), *x.shape[n:])


def _split_axis(operation: Operation, x: np.ndarray, like: np.ndarray) -> np.ndarray:
    return x.reshape(*like.shape[: operation["n"]], *x.shape[1:])


def _cumsum(operation: Operation, x: np.ndarray) -> np.ndarray:
    return np.cumsum(x, axis=operation["axis"], dtype=x.dtype)


def _top_k(operation: Operation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-x, axis=-1, kind="stable")[..., : operation["k"]]
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


def _filled_like(operation: Operation, x: np.ndarray) -> np.ndarray:
    return np.full_like(x, operation["value"])


def _range_like(operation: Operation, x: np.ndarray) -> np.ndarray:
    return np.arange(x.shape[operation["axis"]], dtype=np.int32)


def _causal_mask_like(operation: Operation, x: np.ndarray) -> np.ndarray:
    n = x.shape[operation["axis"]]
    room_for((n, n), 1)
    return np.tril(np.ones((1, n, n), bool))


def _pool(operation: Operation, _weights: Arrays) -> Step:
    window = windows.pool(operation)
    is_mean = operation["function"] != "max"

    def run(x: np.ndarray) -> np.ndarray:
        if x.ndim != window.rank + 2:
            raise ValueError(
                f"Pooling over {window.rank} axes takes arrays of {window.rank + 2}. "
                f"Received an array of shape {x.shape}"
            )
        return windows.pooled(in_float32(x), window, is_mean=is_mean)

    return Step(run, link=None if is_mean else Link("pool", window=window))


def _patches(operation: Operation, _weights: Arrays) -> Step:
    window = windows.window_of(operation, operation["size"])

    def run(x: np.ndarray) -> np.ndarray:
        sizes = window.output_sizes(x.shape[1:-1])
        room_for((len(x), *sizes, prod(window.size), x.shape[-1]))
        return windows.patches(in_float32(x), window).reshape(len(x), *sizes, -1)

    return Step(run)


def _resize(operation: Operation, x: np.ndarray) -> np.ndarray:
    """Returns images of another size, `(batch, height, width, channels)`."""
    size = operation["size"]
    if x.ndim != 4 or len(size) != 2 or min(size) < 1:
        raise ValueError(f"Images of shape {x.shape} cannot get the size {size}")
    room_for((len(x), *size, x.shape[-1]))
    x = in_float32(x)
    for axis, n in zip((1, 2), size, strict=True):
        x = _resized(x, axis, n, operation["function"] == "nearest")
    return x


def _resized(x: np.ndarray, axis: int, n: int, is_nearest: bool) -> np.ndarray:
    length = x.shape[axis]
    at = (np.arange(n, dtype=np.float32) + np.float32(0.5)) * np.float32(length / n)
    if is_nearest:
        made: np.ndarray = np.take(
            x, np.minimum(at.astype(np.int64), length - 1), axis=axis
        )
        return made
    at = np.clip(at - np.float32(0.5), 0, length - 1)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    shape = [1] * x.ndim
    shape[axis] = n
    part = (at - low).astype(np.float32).reshape(shape)
    one, other = np.take(x, low, axis=axis), np.take(x, high, axis=axis)
    result: np.ndarray = one + (other - one) * part
    return result


BUILDERS: dict[str, Builder] = {
    "slice": _slice,
    "cast": _cast,
    "pool": _pool,
    "patches": _patches,
    "flatten": _flatten,
    **{
        name: _plain(function)
        for name, function in {
            "reshape": _reshape,
            "broadcast": _broadcast,
            "transpose": _transpose,
            "concatenate": _concatenate,
            "stack": _stack,
            "split": _split,
            "expand_dims": _expand_dims,
            "squeeze": _squeeze,
            "pad": _pad,
            "crop": _crop,
            "repeat": _repeat,
            "tile": _tile,
            "flip": _flip,
            "take": _take,
            "one_hot": _one_hot,
            "where": _where,
            "merge_axes": _merge_axes,
            "split_axis": _split_axis,
            "cumsum": _cumsum,
            "top_k": _top_k,
            "filled_like": _filled_like,
            "range_like": _range_like,
            "causal_mask_like": _causal_mask_like,
            "resize": _resize,
        }.items()
    },
}
