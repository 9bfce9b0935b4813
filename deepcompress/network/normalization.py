"""Statistics of batch normalization: measured anew, or folded into scale and offset."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from deepcompress.network.distribution import give, values_of
from deepcompress.network.internals import flatten_layers


def batch_normalizations(model: keras.Model) -> list[Any]:
    """Returns the layers of a model that normalize by the statistics of batches."""
    kind = keras.layers.BatchNormalization
    return [layer for layer in flatten_layers(model) if isinstance(layer, kind)]


def renew_statistics(model: keras.Model, batches: Iterable[Any]) -> bool:
    """Gives batch normalization the mean and the variance of what it sees now.

    The model computes as in training, with its dropout and augmentation, and nothing
    but these statistics changes: each becomes the mean over the batches.

    Args:
        model: The model.
        batches: Batches of its inputs.

    Returns:
        Whether there is anything that was renewed.

    References:
        Sun et al. 2019, "Hybrid 8-bit floating point training and inference for deep
        neural networks", section 3.3: for nets of few bits.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential(
    ...     [keras.Input((1,)), keras.layers.BatchNormalization(name="normalized")]
    ... )
    >>> renew_statistics(model, [np.array([[1.0], [3.0]]), np.array([[5.0], [7.0]])])
    True
    >>> model.get_layer("normalized").moving_mean.numpy()
    array([4.], dtype=float32)
    """
    layers = [layer for layer in batch_normalizations(model) if layer.trainable]
    if not layers:
        return False
    own = {id(v) for each in layers for v in (each.moving_mean, each.moving_variance)}
    before = [(v, values_of(v)) for v in model.non_trainable_variables]
    momenta = [layer.momentum for layer in layers]
    n_seen, is_renewed = 0, False
    try:
        for i, batch in enumerate(batches):
            for layer in layers:
                layer.momentum = i / (i + 1)
            model(batch, training=True)
            n_seen += 1
        is_renewed = n_seen > 0
    except NotImplementedError:
        pass  # a model that trains in a way of its own need not be one that is called
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for variable, values in before:
            if not (is_renewed and id(variable) in own):
                give(variable, values)
    return is_renewed


def fold_statistics(model: keras.Model) -> bool:
    """Takes the statistics of batch normalization into its scales and offsets.

    The means become 0 and the variances 1, as they were before any training, and what
    the model computes stays as it was, up to rounding. It cannot be trained as before:
    in training what counts are the statistics of batches. A layer without a scale keeps
    its variances, one without an offset its means.

    Args:
        model: The model.

    Returns:
        Whether there is anything that was folded.

    Example:

    >>> layer = keras.layers.BatchNormalization(epsilon=3.0)
    >>> model = keras.Sequential([keras.Input((1,)), layer])
    >>> model.set_weights([np.array([w]) for w in (3.0, 1.0, 4.0, 13.0)])
    >>> before = model(np.array([[7.0]])).numpy()
    >>> fold_statistics(model)
    True
    >>> [float(weight[0]) for weight in model.get_weights()]
    [1.5, -2.0, 0.0, 1.0]
    >>> np.allclose(model(np.array([[7.0]])).numpy(), before)
    True
    """
    is_folded = False
    for layer in batch_normalizations(model):
        mean, variance = map(exactly, (layer.moving_mean, layer.moving_variance))
        deviation = np.sqrt(variance + layer.epsilon)
        scale = exactly(layer.gamma) if layer.scale else 1.0
        if layer.center:
            layer.beta.assign(exactly(layer.beta) - scale * mean / deviation)
            layer.moving_mean.assign(np.zeros_like(mean))
        if layer.scale:
            layer.gamma.assign(scale * np.sqrt(1 + layer.epsilon) / deviation)
            layer.moving_variance.assign(np.ones_like(variance))
        is_folded |= layer.center or layer.scale
    return is_folded


def exactly(variable: Any) -> np.ndarray:
    """Returns the values of a variable in double precision."""
    return np.asarray(keras.ops.convert_to_numpy(variable)).astype("float64")
