"""What Keras measures of a model, as plain numbers, and on which data it can."""

from collections.abc import Iterator
from types import GeneratorType
from typing import Any

import keras
import numpy as np


def evaluate(model: keras.Model, **data: Any) -> dict[str, float]:
    """Returns what `model.evaluate` gives, by name.

    Args:
        model: A compiled model.
        data: What `model.evaluate` takes. What can be read but once is used up.

    Raises:
        ValueError: The model can be trained, but not evaluated.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> model.compile("adam", "mse", metrics=["mae"])
    >>> list(evaluate(model, x=np.ones((2, 8)), y=np.ones((2, 4))))
    ['loss', 'mae']
    """
    try:
        results = model.evaluate(**data, verbose=0, return_dict=True)
    except NotImplementedError as error:
        raise ValueError(
            f"The model {model.name!r} cannot be evaluated: its class "
            f"{type(model).__name__!r} has no `test_step` that works without `call`. "
            "Give it a `test_step` that returns what counts."
        ) from error
    # A metric may be an array, such as one of each class.
    return {
        name: float(value) for name, value in results.items() if np.size(value) == 1
    }


def read_again(name: str, data: Any) -> None:
    """Refuses data that can be read but once, or never ends.

    Args:
        name: What the user calls it.
        data: Data in a form that Keras takes.

    Raises:
        ValueError: It is such data.

    Example:

    >>> read_again("train", iter([1, 2]))
    Traceback (most recent call last):
    ValueError: `train` must be data that can be read again and again, such as ...
    """
    if isinstance(data, GeneratorType | Iterator):
        raise ValueError(
            f"`{name}` must be data that can be read again and again, such as arrays, "
            "a `tf.data.Dataset` or a `keras.utils.PyDataset`. Received: a "
            f"{type(data).__name__}"
        )
    if is_endless(data):
        raise ValueError(
            f"`{name}` never ends. Pass what an epoch is: `dataset.take(n_batches)`."
        )


def is_endless(data: Any) -> bool:
    """Whether data is a `tf.data.Dataset` that never ends."""
    if not hasattr(data, "cardinality"):
        return False
    import tensorflow as tf  # noqa: PLC0415  (only where the data is of its making)

    return bool(data.cardinality() == tf.data.INFINITE_CARDINALITY)
