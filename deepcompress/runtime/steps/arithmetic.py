"""Steps of functions, products of values, attention and normalization."""

from math import sqrt

import numpy as np

from deepcompress.runtime.arrays import Arrays, given
from deepcompress.runtime.program import NO_WEIGHT, Operation
from deepcompress.runtime.steps import functions
from deepcompress.runtime.steps.room import contradiction, in_float32, room_for
from deepcompress.runtime.steps.step import Builder, Step, activation_of

_LARGE_NEGATIVE = np.float32(-0.7 * np.finfo(np.float32).max)
_LARGE = 1 << 24  # elements from which on a result is looked at before it is made


def _unary(operation: Operation, _weights: Arrays) -> Step:
    names = ("function", "alpha", "beta", "gamma", "axis")
    return Step(functions.unary(*(operation[name] for name in names)))


def _binary(operation: Operation, _weights: Arrays) -> Step:
    function = functions.BINARY[operation["function"]]

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if x.size * y.size > _LARGE:
            room_for(np.broadcast_shapes(x.shape, y.shape))
        return _narrowed(function(x, y))

    return Step(run)


def _narrowed(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) if x.dtype == np.float64 else x


def _reduce(operation: Operation, _weights: Arrays) -> Step:
    function = functions.REDUCE[operation["function"]]
    axes, keepdims = operation["axes"] or None, bool(operation["keepdims"])

    def run(x: np.ndarray) -> np.ndarray:
        y = _narrowed(np.asarray(function(x, axis=axes, keepdims=keepdims)))
        is_count = x.dtype.kind in "iu" and y.dtype.kind in "iu"
        return y.astype(x.dtype) if is_count and y.dtype.itemsize == 8 else y

    return Step(run)


def _matmul(_operation: Operation, _weights: Arrays) -> Step:
    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        made: np.ndarray = np.matmul(in_float32(x), in_float32(y))
        return made

    return Step(run)


def _einsum(operation: Operation, _weights: Arrays) -> Step:
    equation = operation["equation"]

    def run(*values: np.ndarray) -> np.ndarray:
        room_for(_einsum_shape(equation, values))
        made: np.ndarray = np.einsum(equation, *map(in_float32, values), optimize=True)
        return made

    return Step(run)


def _einsum_shape(equation: str, values: tuple[np.ndarray, ...]) -> tuple[int, ...]:
    """Returns what an equation makes, without the axes that `...` stands for."""
    left, _, right = equation.replace(" ", "").replace("...", "").partition("->")
    sizes: dict[str, int] = {}
    for letters, value in zip(left.split(","), values, strict=False):
        # What dots stand for is in front, so that letters count from the end.
        sizes.update(zip(letters[::-1], value.shape[::-1], strict=False))
    return tuple(sizes.get(letter, 1) for letter in right)


def _attention(operation: Operation, _weights: Arrays) -> Step:
    scale, is_causal = operation["scale"], operation["is_causal"]
    has_mask, has_bias = operation["has_mask"], operation["has_bias"]
    if len(operation.inputs) != 3 + bool(has_mask) + bool(has_bias):
        raise contradiction("an attention with another number of values")

    def run(
        query: np.ndarray, key: np.ndarray, value: np.ndarray, *more: np.ndarray
    ) -> np.ndarray:
        rest = list(more)
        n_heads, n_each = query.shape[2], key.shape[2]
        if n_heads != n_each:  # several heads of the query share one of the key
            key, value = (np.repeat(a, n_heads // n_each, 2) for a in (key, value))
        factor = np.float32(scale or 1 / sqrt(query.shape[-1]))
        q, k, v = (in_float32(a.transpose(0, 2, 1, 3)) for a in (query, key, value))
        room_for((*q.shape[:3], k.shape[2]))
        logits = np.matmul(q, k.transpose(0, 1, 3, 2)) * factor
        mask = rest.pop(0) if has_mask else None
        if has_bias:
            logits = logits + rest.pop(0)
        if is_causal:
            causal = np.tril(np.ones(logits.shape[-2:], bool))
            mask = causal if mask is None else np.logical_and(mask, causal)
        if mask is not None:
            logits = np.where(mask.astype(bool), logits, _LARGE_NEGATIVE)
        mixed = np.matmul(functions.softmax(logits), v)
        return np.ascontiguousarray(mixed.transpose(0, 2, 1, 3))

    return Step(run)


def _parameters(
    operation: Operation, weights: Arrays, n: int
) -> list[np.ndarray | None]:
    """Returns the weights of a normalization, `None` for those that it has not."""
    numbers = iter(given(operation, n))
    found: list[np.ndarray | None] = []
    for place in range(n):
        number = next(numbers) if operation["has"] >> place & 1 else NO_WEIGHT
        found.append(None if number == NO_WEIGHT else weights.array(number))
    return found


def _batch_normalization(operation: Operation, weights: Arrays) -> Step:
    gamma, beta, mean, variance = _parameters(operation, weights, 4)
    if mean is None or variance is None:
        raise contradiction("a batch normalization without a mean or a variance")
    sizes = {a.shape for a in (gamma, beta, mean, variance) if a is not None}
    if len(sizes) != 1 or mean.ndim != 1:
        raise contradiction(f"a batch normalization with arrays of shapes {sizes}")
    # In float64, so that two roundings do not add up.
    scale = 1 / np.sqrt(variance.astype(np.float64) + operation["epsilon"])
    scale = scale if gamma is None else scale * gamma
    shift = (0 if beta is None else beta) - mean * scale
    axis, activation = operation["axis"], activation_of(operation)
    scale, shift = scale.astype(np.float32), np.asarray(shift, np.float32)

    def run(x: np.ndarray) -> np.ndarray:
        if x.shape[axis] != len(mean):
            raise ValueError(
                f"A normalization of {len(mean)} channels received an array of shape "
                f"{x.shape}"
            )
        shape = [1] * x.ndim
        shape[axis] = -1
        y = in_float32(x) * scale.reshape(shape)
        y += shift.reshape(shape)
        return activation(y)

    return Step(run)


def _layer_normalization(operation: Operation, weights: Arrays) -> Step:
    gamma, beta = _parameters(operation, weights, 2)
    axes, epsilon = operation["axes"], np.float32(operation["epsilon"])
    is_rms = operation["is_rms"]

    def run(x: np.ndarray) -> np.ndarray:
        x = in_float32(x)
        if not is_rms:
            x = x - x.mean(axis=axes, keepdims=True)
        power = np.square(x).mean(axis=axes, keepdims=True)
        y = x / np.sqrt(power + epsilon)
        shape = [1] * x.ndim
        for axis in axes:
            shape[axis] = x.shape[axis]
        if gamma is not None:
            y *= gamma.reshape(shape)
        if beta is not None:
            y += beta.reshape(shape)
        made: np.ndarray = y
        return made

    return Step(run)


def _group_normalization(operation: Operation, weights: Arrays) -> Step:
    gamma, beta = _parameters(operation, weights, 2)
    groups, epsilon = operation["groups"], np.float32(operation["epsilon"])

    def run(x: np.ndarray) -> np.ndarray:
        n_channels = x.shape[-1]
        n_groups = n_channels if groups == -1 else groups
        if n_groups < 1 or n_channels % n_groups:
            raise ValueError(f"{n_channels} channels in {n_groups} groups")
        parts = in_float32(x).reshape(*x.shape[:-1], n_groups, -1)
        axes = (*range(1, x.ndim - 1), x.ndim)
        parts = parts - parts.mean(axis=axes, keepdims=True)
        power = np.square(parts).mean(axis=axes, keepdims=True)
        y = (parts / np.sqrt(power + epsilon)).reshape(x.shape)
        if gamma is not None:
            y *= gamma
        if beta is not None:
            y += beta
        made: np.ndarray = y
        return made

    return Step(run)


BUILDERS: dict[str, Builder] = {
    "unary": _unary,
    "binary": _binary,
    "reduce": _reduce,
    "matmul": _matmul,
    "einsum": _einsum,
    "attention": _attention,
    "batch_normalization": _batch_normalization,
    "layer_normalization": _layer_normalization,
    "group_normalization": _group_normalization,
}
