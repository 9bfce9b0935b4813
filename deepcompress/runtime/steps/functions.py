"""Functions of single elements, of two arrays, and along axes, as Keras computes them.

Everything is computed in float32, or in the dtype of integers and truth values.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Unary = Callable[[Array], Array]

_ZERO, _ONE = np.float32(0), np.float32(1)


def sigmoid(x: Array) -> Array:
    """Returns 1 / (1 + exp(-x)), which does not overflow."""
    # A tanh is one function call on large arrays, and exact at both ends.
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


def softmax(x: Array, axis: int = -1) -> Array:
    """Returns exponentials that add up to 1 along an axis."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    e /= e.sum(axis=axis, keepdims=True)
    made: np.ndarray = e
    return made


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Returns the logarithm of `softmax`."""
    x = x - np.max(x, axis=axis, keepdims=True)
    result: Array = x - np.log(np.exp(x).sum(axis=axis, keepdims=True))
    return result


def erf(x: Array) -> Array:
    """Returns the error function, to 2e-7.

    References:
        Abramowitz, Stegun 1964, "Handbook of Mathematical Functions", 7.1.26.
    """
    a = np.abs(x)
    t = _ONE / (_ONE + np.float32(0.3275911) * a)
    p = np.float32(1.061405429) * t - np.float32(1.453152027)
    p = p * t + np.float32(1.421413741)
    p = p * t - np.float32(0.284496736)
    p = p * t + np.float32(0.254829592)
    made: np.ndarray = np.copysign(_ONE - p * t * np.exp(-a * a), x)
    return made


def _softplus(x: Array) -> Array:
    made: np.ndarray = np.logaddexp(x, _ZERO)
    return made


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, np.float32(alpha) * np.expm1(np.minimum(x, _ZERO)))


def _selu(x: Array) -> Array:
    return np.float32(1.0507009873554805) * _elu(x, 1.6732632423543772)


def _gelu(x: Array) -> Array:
    half = np.float32(0.5)
    return half * x * (_ONE + erf(x * np.float32(np.sqrt(0.5))))


def _gelu_tanh(x: Array) -> Array:
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)
    made: np.ndarray = np.float32(0.5) * x * (_ONE + np.tanh(inner))
    return made


def _hard_sigmoid(x: Array) -> Array:
    return np.clip(x / np.float32(6) + np.float32(0.5), _ZERO, _ONE)


def _relu(x: Array, slope: float, most: float, threshold: float) -> Array:
    """Returns Keras' ReLU with all that it can be given; 0 for none of these."""
    if not (slope or most or threshold):
        made: np.ndarray = np.maximum(x, x.dtype.type(0))
        return made
    t = np.float32(threshold)
    y = np.where(x >= t, x, np.float32(slope) * (x - t)) if slope or threshold else x
    y = np.maximum(y, _ZERO) if not slope and not threshold else y
    return np.minimum(y, np.float32(most)) if most else y


def _glu(x: Array, axis: int) -> Array:
    one, other = np.split(x, 2, axis=axis)
    made: np.ndarray = one * sigmoid(other)
    return made


def _sparse_plus(x: Array) -> Array:
    middle = np.float32(0.25) * (x + _ONE) ** 2
    return np.where(x <= -1, _ZERO, np.where(x < 1, middle, x))


def _shrunk(x: Array, threshold: float) -> Array:
    made: np.ndarray = np.sign(x) * np.maximum(np.abs(x) - np.float32(threshold), _ZERO)
    return made


def _plain(function: Unary) -> Callable[..., Array]:
    return lambda x, *_: function(x)


# Each takes an array, and alpha, beta, gamma and the axis of its operation.
_UNARY: dict[str, Callable[..., Array]] = {
    "linear": lambda x, *_: x,
    "stop_gradient": lambda x, *_: x,
    "relu": lambda x, a, b, c, _: _relu(x, a, b, c),
    "relu6": lambda x, *_: np.clip(x, _ZERO, np.float32(6)),
    "leaky_relu": lambda x, a, *_: np.where(x >= 0, x, np.float32(a) * x),
    "threshold": lambda x, a, b, *_: np.where(x > a, x, np.float32(b)),
    "sigmoid": lambda x, *_: sigmoid(x),
    "tanh": lambda x, *_: np.tanh(x),
    "softmax": lambda x, a, b, c, axis: softmax(x, axis),
    "log_softmax": lambda x, a, b, c, axis: log_softmax(x, axis),
    "glu": lambda x, a, b, c, axis: _glu(x, axis),
    "elu": lambda x, a, *_: _elu(x, a),
    "celu": lambda x, a, *_: (
        np.maximum(x, _ZERO)
        + np.float32(a) * np.expm1(np.minimum(x, _ZERO) / np.float32(a))
    ),
    "selu": lambda x, *_: _selu(x),
    "gelu": lambda x, *_: _gelu(x),
    "gelu_tanh": lambda x, *_: _gelu_tanh(x),
    "silu": lambda x, *_: x * sigmoid(x),
    "mish": lambda x, *_: x * np.tanh(_softplus(x)),
    "softplus": lambda x, *_: _softplus(x),
    "softsign": lambda x, *_: x / (_ONE + np.abs(x)),
    "squareplus": lambda x, a, *_: (x + np.sqrt(x * x + np.float32(a))) / 2,
    "exponential": lambda x, *_: np.exp(x),
    "hard_sigmoid": lambda x, *_: _hard_sigmoid(x),
    "hard_silu": lambda x, *_: x * _hard_sigmoid(x),
    "hard_tanh": lambda x, *_: np.clip(x, -_ONE, _ONE),
    "hard_shrink": lambda x, a, *_: np.where(np.abs(x) > np.float32(a), x, _ZERO),
    "soft_shrink": lambda x, a, *_: _shrunk(x, a),
    "tanh_shrink": lambda x, *_: x - np.tanh(x),
    "log_sigmoid": lambda x, *_: -_softplus(-x),
    "sparse_plus": lambda x, *_: _sparse_plus(x),
    "sparse_sigmoid": lambda x, *_: np.clip((x + _ONE) / 2, _ZERO, _ONE),
    "rsqrt": lambda x, *_: _ONE / np.sqrt(x),
    "erf": lambda x, *_: erf(x),
    **{
        name: _plain(getattr(np, name))
        for name in (
            "negative absolute square sqrt exp expm1 log log1p log2 log10 sin cos tan "
            "arcsin arccos arctan sinh cosh arcsinh arccosh arctanh reciprocal sign "
            "floor ceil round logical_not isnan isinf isfinite"
        ).split()
    },
}


def unary(
    name: str,
    alpha: float = 0.0,
    beta: float = 0.0,
    gamma: float = 0.0,
    axis: int = -1,
) -> Unary:
    """Returns a function of one array by its name."""
    function = _UNARY[name]
    return lambda x: function(x, alpha, beta, gamma, axis)


BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "squared_difference": lambda x, y: np.square(x - y),
    "divide": np.true_divide,
    **{
        name: getattr(np, name)
        for name in (
            "add subtract multiply maximum minimum power floor_divide mod equal "
            "not_equal greater greater_equal less less_equal logical_and logical_or "
            "logical_xor arctan2"
        ).split()
    },
}


def _logsumexp(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    most = np.max(x, axis=axis, keepdims=True)
    summed = np.log(np.exp(x - most).sum(axis=axis, keepdims=True)) + most
    result: Array = summed if keepdims else np.squeeze(summed, axis=axis)
    return result


def _arg(function: Callable[..., Array]) -> Callable[..., Array]:
    def of(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        axis = axis[0] if axis else None
        return function(x, axis=axis, keepdims=keepdims).astype(np.int32)

    return of


REDUCE: dict[str, Callable[..., Array]] = {
    "logsumexp": _logsumexp,
    "argmax": _arg(np.argmax),
    "argmin": _arg(np.argmin),
    **{
        name: getattr(np, name)
        for name in "mean sum max min prod any all var std".split()
    },
}
