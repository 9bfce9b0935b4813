"""How Keras' activations become operations."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from deepcompress.runtime.kinds import UNARY
from deepcompress.saving.lowering.builder import CannotRunError, Value

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer

Function = Callable[..., Any] | None

# What Keras' functions take where nothing is said.
DEFAULTS = {
    "leaky_relu": 0.2,
    "elu": 1.0,
    "celu": 1.0,
    "squareplus": 4.0,
    "soft_shrink": 0.5,
    "hard_shrink": 0.5,
}
_FUNCTIONS = {
    getattr(keras.activations, name): name
    for name in UNARY
    if callable(getattr(keras.activations, name, None))
}


def split_activation(function: Function) -> tuple[str, Function]:
    """Returns the activation that an operation ends with, and what is left to do."""
    name = _name(function)
    return ("linear", function) if name is None or name in DEFAULTS else (name, None)


def name_of(function: Function) -> str:
    """Returns the name of an activation that has to be part of an operation.

    Raises:
        CannotRunError: It cannot.
    """
    name, left = split_activation(function)
    if left is not None:
        raise CannotRunError(f"its activation {function} is not one of the plain ones")
    return name


def activate(tracer: "Tracer", number: int, x: Value, function: Function) -> int:
    """Returns the number of a value after an activation.

    Args:
        tracer: The tracer.
        number: The value.
        x: A value with as many axes.
        function: The activation, `None` for none.
    """
    name = _name(function)
    if name == "linear":
        return number
    if name is not None:
        alpha = DEFAULTS.get(name, 0.0)
        return tracer.builder.add("unary", number, function=name, alpha=alpha)
    value = Value(number, (None,) * len(x.shape), "float32")
    made = tracer.call(function, value)
    return int(getattr(made, "number", made))


def _name(function: Function) -> str | None:
    if function is None:
        return "linear"
    try:
        return _FUNCTIONS.get(function)
    except TypeError:
        return None
