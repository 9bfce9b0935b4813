"""How much the loss depends on a weight: the second moments of its gradient."""

from typing import Any

import keras
import numpy as np
from keras import ops

from deepcompress.network import internals
from deepcompress.network.variables import attributes


def optimizers(model: keras.Model) -> list[Any]:
    """Returns a model's optimizer and what it wraps; the last one updates weights."""
    return with_inner(model.optimizer)


def stepping(model: keras.Model) -> list[Any]:
    """Returns the optimizers that may update a model's weights.

    That of `compile` comes first. A model with a `train_step` of its own may have
    others as attributes, a GAN one for each of its nets. Of one that wraps another it
    is the inner one. On JAX a training step sees none but that of `compile`.
    """
    held = [getattr(model, "optimizer", None)]
    if not internals.is_jax():
        held += attributes(model)
    found = [
        with_inner(each)[-1]
        for each in held
        if isinstance(each, keras.optimizers.Optimizer)
    ]
    return list({id(optimizer): optimizer for optimizer in found}.values())


def n_steps(optimizer: Any) -> int:
    """Returns the steps that an optimizer has made."""
    # With gradient accumulation it is no variable, on JAX.
    return int(ops.convert_to_numpy(optimizer.iterations)) if optimizer.built else 0


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
        does not train the variable. Where a model has several optimizers, it is the
        one that has seen gradients of the variable.

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
    moments = None
    for optimizer in stepping(model):
        if not internals.keeps_second_moments(optimizer) or n_steps(optimizer) == 0:
            continue
        found = internals.second_moment(optimizer, variable)
        if found is not None:
            moments = np.asarray(found.numpy(), np.float32)
            if moments.any():
                break
    return moments


def with_inner(optimizer: Any) -> list[Any]:
    """Returns an optimizer and what it wraps, the innermost last."""
    found = [optimizer]
    while inner := getattr(found[-1], "inner_optimizer", None):
        found.append(inner)
    return found
