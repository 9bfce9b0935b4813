"""Models on several devices: what is made of one lives where it lives."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import copy
from typing import Any

import keras
import numpy as np

from deepcompress.network import internals


def scope_of(model: keras.Model) -> AbstractContextManager[Any]:
    """Returns the scope that what is made of a model must be made in.

    On TensorFlow it is that of the model's strategy. On JAX it is the distribution that
    is set, but for variables with an axis that devices cannot share evenly, which are
    whole on each: Keras goes by the names of variables, which those of a copy may lack.

    Args:
        model: A model.
    """
    distribution = keras.distribution.distribution()
    if not internals.is_jax() or distribution is None:
        return internals.strategy_scope(model)
    lenient: Any = copy(distribution)

    def get_variable_layout(variable: Any) -> Any:
        layout = distribution.get_variable_layout(variable)
        if layout is None or _sharded(layout, variable.shape) is not None:
            return layout
        whole = (None,) * len(variable.shape)
        return keras.distribution.TensorLayout(whole, distribution.device_mesh)

    lenient.get_variable_layout = get_variable_layout
    scope: AbstractContextManager[Any] = lenient.scope()
    return scope


def lay_out_as(variable: Any, other: Any) -> None:
    """Splits a variable over devices as another one is, where its shape allows it.

    Args:
        variable: A variable of a copy.
        other: The one that stands in its place in the model.
    """
    layout = internals.layout_of(other)
    if layout is not None and _sharded(layout, variable.shape) is not None:
        internals.lay_out(variable, layout)


def n_parts(variable: Any) -> list[int]:
    """Returns in how many parts devices share each axis of a variable."""
    shape = tuple(variable.shape)
    layout = internals.layout_of(variable)
    shard = None if layout is None else _sharded(layout, shape)
    if shard is None:
        return [1] * len(shape)
    return [size // max(1, part) for size, part in zip(shape, shard, strict=True)]


def values_of(variable: Any) -> list[np.ndarray]:
    """Returns copies of a variable's value, one for each replica that has its own.

    Replicas of TensorFlow's differ in what is not trained, such as moving averages.
    """
    return [np.array(each.numpy()) for each in _replicas(variable)]


def give(variable: Any, values: Sequence[np.ndarray]) -> None:
    """Gives a variable the values that `values_of` has returned."""
    replicas = _replicas(variable)
    if len(values) != len(replicas):
        variable.assign(values[0])
        return
    for replica, value in zip(replicas, values, strict=True):
        replica.assign(value)


def n_processes(model: keras.Model) -> int:
    """Returns how many processes train a model together."""
    if internals.is_jax():
        owners = [
            device.process_index
            for variable in model.variables
            for device in variable.value.sharding.device_set
        ]
        return len({*owners}) or 1
    return internals.num_workers(model)


def check_one_process(model: keras.Model, why: str) -> None:
    """Refuses a model that several processes train together.

    Args:
        model: A model.
        why: What does not work, and why.

    Raises:
        ValueError: It is one.
    """
    if (n := n_processes(model)) > 1:
        raise ValueError(
            f"{model.name!r} is trained by {n} processes together. {why} Save it, load "
            "the file in one process alone, and call it there."
        )


def check_readable(variable: Any, name: str) -> None:
    """Refuses a variable that no process can read, as JAX has it.

    Args:
        variable: A variable of a model.
        name: The name that it is known by.

    Raises:
        ValueError: It is split over devices, some of which are of other processes.
    """
    if internals.layout_of(variable) is None:
        return
    value = variable.value
    if not (value.is_fully_addressable or value.is_fully_replicated):
        raise ValueError(
            f"{name!r} is split over devices of several processes, none of which can "
            "read or save it. Train in one process that has all the devices, or with "
            "`keras.distribution.DataParallel`."
        )


def _replicas(variable: Any) -> Sequence[Any]:
    if internals.is_jax():  # where an error in an epoch leaves variables without values
        return (variable,)
    held = getattr(getattr(variable, "value", None), "values", None)
    # A tensor of PyTorch's has a method of that name.
    return held if isinstance(held, tuple) and len(held) > 1 else (variable,)


def _sharded(layout: Any, shape: Any) -> tuple[int, ...] | None:
    """Returns the shape of the part that a device has, `None` where it is uneven."""
    sharding = getattr(layout, "backend_layout", layout)  # of Keras, or JAX' own
    sharding = getattr(sharding, "sharding", sharding)
    try:
        return tuple(sharding.shard_shape(tuple(shape)))
    except ValueError:
        return None
