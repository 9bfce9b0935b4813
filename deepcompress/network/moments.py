"""How much the loss depends on a weight: the second moments of its gradient."""

from typing import Any

import keras
import numpy as np
from keras import ops

from deepcompress.network import internals


def optimizers(model: keras.Model) -> list[Any]:
    """Returns a model's optimizer and what it wraps; the last one updates weights."""
    found = [model.optimizer]
    while inner := getattr(found[-1], "inner_optimizer", None):
        found.append(inner)
    return found


def n_steps(model: keras.Model) -> int:
    """Returns the steps that a model's optimizer has made."""
    *_, updating = optimizers(model)
    # With gradient accumulation it is no variable, on JAX.
    return int(ops.convert_to_numpy(updating.iterations)) if updating.built else 0


def has_second_moments(model: keras.Model) -> bool:
    """Whether the optimizer itself keeps a running second moment of each gradient."""
    return internals.keeps_second_moments(optimizers(model)[-1])


def second_moments(model: keras.Model, variable: Any) -> np.ndarray | None:
    """Returns the running mean of a variable's squared gradient.

    Near a minimum it is close to the diagonal of the Hessian (of the Fisher
    information), which is what pruning and clustering weigh errors by.

    Args:
        model: A compiled model.
        variable: A trainable variable of it.

    Returns:
        float32 array of the variable's shape, or `None` where the optimizer keeps no
        second moments (others than Adam, its kin and RMSprop), has not stepped, or
        does not train the variable.

    References:
        Kingma, Ba 2015, "Adam", section 2; LeCun, Denker, Solla 1990, "Optimal brain
        damage", equation 5.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> model.compile("adam", "mse")
    >>> second_moments(model, model.layers[0].kernel) is None
    True
    >>> loss = model.train_on_batch(np.ones((2, 8)), np.ones((2, 4)))
    >>> second_moments(model, model.layers[0].kernel).shape
    (8, 4)
    """
    if getattr(model, "optimizer", None) is None or not has_second_moments(model):
        return None
    if n_steps(model) == 0:
        return None
    *_, updating = optimizers(model)
    moments = internals.second_moment(updating, variable)
    return None if moments is None else np.asarray(moments.numpy(), np.float32)
