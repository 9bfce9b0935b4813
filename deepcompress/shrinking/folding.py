"""Constants that a model adds more than once, added once."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import activations

from deepcompress.network.distribution import give
from deepcompress.network.graphs import graph_of
from deepcompress.network.normalization import exactly, fold_statistics
from deepcompress.shrinking.graph import Graph
from deepcompress.shrinking.weighted import Normalization, Weighted


def fold(model: keras.Model) -> bool:
    """Takes biases, statistics and scales together, where that is exact.

    Args:
        model: The model.

    Returns:
        Whether there is anything that was folded.
    """
    is_moved = fold_biases(model)
    is_scaled = fold_scales(model)
    is_folded = fold_statistics(model)
    # What statistics leave in an offset may go on.
    return fold_biases(model) or is_folded or is_scaled or is_moved


def fold_scales(model: keras.Model) -> bool:
    """Takes scales and variances of batch normalization into the kernels before it.

    That is where nothing else reads what a kernel makes, and no activation follows it.
    The variances become 1 and the scales what makes up for `epsilon`, and what the
    model computes stays as it was, up to rounding. Kernels that share their weights
    stay: each channel would have values of its own.

    Args:
        model: The model.

    Returns:
        Whether there is anything that was folded.

    Example:

    >>> layers = [keras.layers.Dense(2), keras.layers.BatchNormalization(epsilon=0.0)]
    >>> model = keras.Sequential([keras.Input((1,)), *layers])
    >>> scale, kernel, zeros = np.array([4.0, 6.0]), np.array([[2.0, 3.0]]), np.zeros(2)
    >>> model.set_weights([kernel, zeros, scale, zeros, zeros, np.array([16.0, 4.0])])
    >>> fold_scales(model)
    True
    >>> [layer.get_weights()[0].tolist() for layer in layers]
    [[[2.0, 9.0]], [1.0, 1.0]]
    """
    if graph_of(model) is None:
        return False
    is_folded = False
    for before, layer in _normalized(Graph(model)):
        variance = exactly(layer.moving_variance)
        # What the layer makes of a variance of 1 without a scale.
        unit = 1 / np.sqrt(1 + layer.epsilon)
        scale = exactly(layer.gamma) if layer.scale else 1.0
        factors = scale / np.sqrt(variance + layer.epsilon)
        if not layer.scale:
            factors = factors / unit
        kernel, larger = before.scaled(factors)
        if _is_shared(kernel.numpy()):
            continue
        values = [
            (kernel, larger),
            (layer.moving_mean, exactly(layer.moving_mean) * factors),
            (layer.moving_variance, np.ones_like(variance)),
        ]
        if layer.scale:
            values.append((layer.gamma, np.full_like(variance, 1 / unit)))
        if before.layer.bias is not None:
            values.append((before.layer.bias, exactly(before.layer.bias) * factors))
        is_folded |= _given(values)
    return is_folded


def _normalized(graph: Graph) -> Iterator[tuple[Weighted, Any]]:
    """Yields the rules of layers, and the batch normalization that alone reads them."""
    readers = Counter(id(each) for rule in graph.rules for each in rule.inputs)
    readers.update(map(id, graph.outputs))
    uses = Counter(id(v) for rule in graph.weighted for v in rule.weights)
    makers = {id(each): rule for rule in graph.rules for each in rule.outputs}
    for rule in graph.weighted:
        before = makers.get(id(rule.inputs[0])) if rule.inputs else None
        if (
            isinstance(rule, Normalization)
            and isinstance(before, Weighted)
            and before.layer.activation is activations.linear
            and readers[id(rule.inputs[0])] == 1
            and all(uses[id(v)] == 1 for v in [*rule.weights, *before.weights])
        ):
            yield before, rule.layer


def fold_biases(model: keras.Model) -> bool:
    """Takes biases through pooling and kernels into the biases that come after them.

    That is where no activation follows, and no border is padded. Batch normalization
    takes a bias into its means. A bias is 0 then, and what the model computes stays as
    it was, up to rounding. Nothing changes where fewer biases would be 0 than before.

    Args:
        model: The model.

    Returns:
        Whether there is anything that was folded.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(1)]
    ... )
    >>> model.set_weights(
    ...     [np.eye(2), np.array([3.0, 1.0]), np.ones((2, 1)), np.array([0.5])]
    ... )
    >>> fold_biases(model)
    True
    >>> [bias.tolist() for bias in model.get_weights()[1::2]]
    [[0.0, 0.0], [4.5]]
    """
    if graph_of(model) is None:
        return False
    found = Graph(model).moved_biases()
    if len({id(variable) for variable, _ in found}) < len(found):
        return False  # one that two layers share
    changed = [
        (variable, value)
        for variable, value in found
        if not np.array_equal(variable.numpy(), value, equal_nan=True)
    ]
    n_before = sum(np.count_nonzero(variable.numpy()) for variable, _ in changed)
    n_after = sum(np.count_nonzero(value) for _, value in changed)
    return bool(n_after < n_before) and _given(changed)


def _given(values: list[tuple[Any, np.ndarray]]) -> bool:
    """Gives variables values, if they are finite in their dtypes."""
    with np.errstate(over="ignore"):
        rounded = [(v, value.astype(v.numpy().dtype)) for v, value in values]
    if not all(np.isfinite(value).all() for _, value in rounded):
        return False
    for variable, value in rounded:
        give(variable, [value])
    return True


def _is_shared(kernel: np.ndarray) -> bool:
    values = kernel[kernel != 0]
    return bool(2 * np.unique(values).size <= values.size)
