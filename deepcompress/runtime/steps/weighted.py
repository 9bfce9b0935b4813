"""Steps that multiply with weights, and those that hand weights out."""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from deepcompress.runtime.arrays import Arrays, given
from deepcompress.runtime.filters import FilterMatrix
from deepcompress.runtime.matrix import Matrix
from deepcompress.runtime.program import Operation
from deepcompress.runtime.steps.functions import Unary, unary
from deepcompress.runtime.steps.room import contradiction, in_float32, room_for
from deepcompress.runtime.steps.sliding import convolve, fits
from deepcompress.runtime.steps.step import Builder, Link, Step, activation_of
from deepcompress.runtime.steps.windows import Window, pad, patches, taps, window_of

# Of a convolution, so many products are computed at once at least.
_PLACES = 256
# Patches of so many bytes are multiplied at a time.
_PATCH_BYTES = 1 << 24
# Activations that kernels end with.
_PLAIN = ("linear", "relu")


def _constant(operation: Operation, _weights: Arrays) -> Step:
    array = operation["array"]
    return Step(lambda: array)


def _weight(operation: Operation, weights: Arrays) -> Step:
    array = weights.array(operation.weights[0])
    return Step(lambda: array)


def _embedding(operation: Operation, weights: Arrays) -> Step:
    number = operation.weights[0]
    shape = weights.shape(number)
    if len(shape) != 2:
        raise contradiction(f"{weights.name(number)!r} has {len(shape)} axes")
    matrix = weights.matrix(number, (shape[0], shape[1]), for_rows=True)

    def run(x: np.ndarray) -> np.ndarray:
        room_for((*x.shape, shape[1]))
        rows = matrix.rows(np.ascontiguousarray(x.reshape(-1), dtype=np.int64))
        return rows.reshape(*x.shape, shape[1])

    return Step(run, (matrix,))


def _dense(operation: Operation, weights: Arrays) -> Step:
    kernel, bias_number = given(operation, 2)
    shape, n_axes = weights.shape(kernel), operation["n_axes"]
    if not 1 <= n_axes <= len(shape):
        raise contradiction(f"{weights.name(kernel)!r} has no {n_axes} axes")
    ends, made = shape[:n_axes], shape[n_axes:]
    n_in, n_out = prod(ends), prod(made)
    matrix = weights.matrix(kernel, (n_in, n_out))
    bias = weights.vector(bias_number, n_out, "its layer")
    relu, activation = _ending(operation)
    is_plain = len(shape) == 2 and operation["activation"] in _PLAIN
    multiply = matrix.multiply

    def run(x: np.ndarray) -> np.ndarray:
        if is_plain and x.ndim == 2 and x.shape[1] == n_in:
            return multiply(in_float32(x), bias, relu=relu)
        if x.shape[-n_axes:] != ends or x.ndim < n_axes:
            raise ValueError(
                f"{weights.name(kernel)!r} takes arrays that end with the shape "
                f"{ends}. Received an array of shape {x.shape}"
            )
        lead = x.shape[: x.ndim - n_axes]
        room_for((*lead, *made))
        rows = in_float32(x).reshape(prod(lead), n_in)
        y = matrix.multiply(rows, bias, relu=relu)
        return activation(y.reshape(*lead, *made))

    link = Link("dense", matrix, bias, relu) if is_plain else None
    return Step(run, (matrix,), link=link)


def _conv(operation: Operation, weights: Arrays) -> Step:
    kernel, bias_number = given(operation, 2)
    shape, groups = _kernel_shape(operation, weights, kernel), operation["groups"]
    window = window_of(operation, shape[:-2])
    (n_in, n_out), n_taps = shape[-2:], prod(shape[:-1])
    if groups < 1 or n_out % groups:
        raise contradiction(f"{n_out} filters in {groups} groups")
    bias = weights.vector(bias_number, n_out, "its layer")
    relu, activation = _ending(operation)
    check = _check_channels(weights.name(kernel), window, n_in * groups)
    if groups == 1:
        ones = (1,) * window.rank
        slides = window.strides == ones != window.size  # of one element: no patches
        matrix = weights.matrix(kernel, (n_taps, n_out), n_rows=_PLACES, slides=slides)
        matrices: tuple[Matrix, ...] = (matrix,)
        parts: list[Callable[[np.ndarray], np.ndarray]] = [
            lambda rows: matrix.multiply(rows, bias, relu=relu)
        ]
    else:
        flat = weights.array(kernel).reshape(n_taps, n_out)
        of_groups = [np.ascontiguousarray(a) for a in np.split(flat, groups, axis=1)]
        matrices, parts = (), [partial(_product, weights=w) for w in of_groups]

    direct = matrices[0] if matrices else None
    if not isinstance(direct, FilterMatrix):
        direct = None

    def run(x: np.ndarray) -> np.ndarray:
        check(x)
        sizes = window.output_sizes(x.shape[1:-1])
        y_shape = (len(x), *sizes, n_out)
        room_for(y_shape)
        x = in_float32(x)
        if direct is not None and fits(x.shape[1:], window):
            y = np.empty(y_shape, np.float32)
            if convolve(x, window, direct, bias, y, relu=relu):
                return activation(y)
        at_once = max(1, _PATCH_BYTES // max(4 * prod(sizes) * n_taps, 1))
        if groups == 1 and len(x) <= at_once:
            return activation(parts[0](patches(x, window)).reshape(y_shape))
        y = np.empty(y_shape, np.float32)
        for begin in range(0, len(x), at_once):
            some = slice(begin, begin + at_once)
            for group, multiply in enumerate(parts):
                inputs = x[some, ..., group * n_in : (group + 1) * n_in]
                n_made = n_out // groups
                made = multiply(patches(np.ascontiguousarray(inputs), window))
                part = y[some, ..., group * n_made : (group + 1) * n_made]
                part[...] = made.reshape(part.shape)
        if not matrices and bias is not None:
            y += bias
        if not matrices and relu:
            np.maximum(y, np.float32(0), out=y)
        return activation(y)

    link = None
    if direct is not None and operation["activation"] in _PLAIN:
        link = Link("conv", direct, bias, relu, window)
    return Step(run, matrices, 0 if matrices else n_taps, link)


def _product(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    made: np.ndarray = rows @ weights
    return made


def _ending(operation: Operation) -> tuple[bool, Unary]:
    """Returns whether a product ends with ReLU, and the activation that is left."""
    if operation["activation"] == "relu":
        return True, unary("linear")
    return False, activation_of(operation)


def _depthwise_conv(operation: Operation, weights: Arrays) -> Step:
    kernel, bias_number = given(operation, 2)
    shape = _kernel_shape(operation, weights, kernel)
    window = window_of(operation, shape[:-2])
    n_in, n_each = shape[-2:]
    array = weights.array(kernel)
    bias = weights.vector(bias_number, n_in * n_each, "its layer")
    activation = activation_of(operation)
    check = _check_channels(weights.name(kernel), window, n_in)

    def run(x: np.ndarray) -> np.ndarray:
        check(x)
        sizes = window.output_sizes(x.shape[1:-1])
        room_for((len(x), *sizes, n_in * n_each))
        y = np.zeros((len(x), *sizes, n_in, n_each), np.float32)
        x = pad(in_float32(x), window)
        for tap, met in taps(x, window, sizes):
            y += met[..., None] * array[tap]
        y = y.reshape(len(x), *sizes, n_in * n_each)
        if bias is not None:
            y += bias
        return activation(y)

    return Step(run, (), prod(window.size))


def _conv_transpose(operation: Operation, weights: Arrays) -> Step:
    kernel, bias_number = given(operation, 2)
    shape = _kernel_shape(operation, weights, kernel)
    window = window_of(operation, shape[:-2])
    n_out, n_in = shape[-2:]
    array = np.ascontiguousarray(weights.array(kernel).reshape(-1, n_in).T)
    bias = weights.vector(bias_number, n_out, "its layer")
    activation = activation_of(operation)
    check = _check_channels(weights.name(kernel), window, n_in)
    more = operation["output_padding"]
    if more and len(more) != window.rank:
        raise contradiction(f"{len(more)} paddings of {window.rank} axes")

    def run(x: np.ndarray) -> np.ndarray:
        check(x)
        sizes = x.shape[1:-1]
        made = _transposed_sizes(sizes, window, more)
        whole = tuple(
            (n - 1) * s + e
            for n, s, e in zip(sizes, window.strides, window.extent, strict=True)
        )
        before = [ends[0] for ends in window.padded(made)]
        roomy = tuple(
            max(n, b + m) for n, b, m in zip(whole, before, made, strict=True)
        )
        room_for((len(x), *roomy, n_out))
        y = np.zeros((len(x), *roomy, n_out), np.float32)
        product = (in_float32(x).reshape(-1, n_in) @ array).reshape(
            *x.shape[:-1], *window.size, n_out
        )
        inner = (slice(None),) * (window.rank + 1)
        for tap, met in taps(y, window, sizes):
            np.add(met, product[(*inner, *tap)], out=met)
        index = [slice(b, b + m) for b, m in zip(before, made, strict=True)]
        y = np.ascontiguousarray(y[(slice(None), *index)])
        if bias is not None:
            y += bias
        return activation(y)

    return Step(run, (), prod(window.size) * n_in)


def _transposed_sizes(
    sizes: tuple[int, ...], window: Window, more: tuple[int, ...]
) -> tuple[int, ...]:
    """Returns what a transposed convolution makes, as Keras says it."""
    made = []
    is_same = window.padding == "same"
    for i, (n, extent, stride) in enumerate(
        zip(sizes, window.extent, window.strides, strict=True)
    ):
        if more:
            inside = extent // 2 if is_same else 0
            made.append((n - 1) * stride + extent - 2 * inside + more[i])
        else:
            made.append(n * stride + (0 if is_same else max(extent - stride, 0)))
    if min(made, default=0) < 0:
        raise ValueError(f"A transposed convolution cannot make axes of {made}.")
    return tuple(made)


def _kernel_shape(
    operation: Operation, weights: Arrays, kernel: int
) -> tuple[int, ...]:
    shape = weights.shape(kernel)
    if not 3 <= len(shape) <= 5 or 0 in shape:
        raise contradiction(
            f"{weights.name(kernel)!r} of shape {shape} is no kernel of a "
            f"{operation.kind}"
        )
    return shape


def _check_channels(
    name: str, window: Window, n_channels: int
) -> Callable[[np.ndarray], None]:
    def check(x: np.ndarray) -> None:
        if x.ndim != window.rank + 2 or x.shape[-1] != n_channels:
            raise ValueError(
                f"{name!r} takes arrays of {window.rank + 2} axes, the last of "
                f"{n_channels}. Received an array of shape {x.shape}"
            )

    return check


BUILDERS: dict[str, Builder] = {
    "constant": _constant,
    "weight": _weight,
    "embedding": _embedding,
    "dense": _dense,
    "conv": _conv,
    "depthwise_conv": _depthwise_conv,
    "conv_transpose": _conv_transpose,
}
