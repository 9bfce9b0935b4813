"""Constants that a model adds more than once, added once."""

import keras
import numpy as np

from deepcompress.network.distribution import give
from deepcompress.network.graphs import graph_of
from deepcompress.network.normalization import fold_statistics
from deepcompress.shrinking.graph import Graph


def fold(model: keras.Model) -> bool:
    """Takes biases and statistics into what comes after them, where that is exact.

    Args:
        model: The model.

    Returns:
        Whether there is anything that was folded.
    """
    is_moved = fold_biases(model)
    is_folded = fold_statistics(model)
    # What statistics leave in an offset may go on.
    return fold_biases(model) or is_folded or is_moved


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
    found = [
        (variable, variable.numpy(), value)
        for variable, value in Graph(model).moved_biases()
    ]
    with np.errstate(over="ignore"):
        changed = [
            (variable, before, value.astype(before.dtype))
            for variable, before, value in found
            if not np.array_equal(before, value, equal_nan=True)
        ]
    n_before, n_after = (
        sum(int(np.count_nonzero(triple[i])) for triple in changed) for i in (1, 2)
    )
    is_shared = len({id(variable) for variable, *_ in found}) < len(found)
    is_finite = all(np.isfinite(value).all() for *_, value in changed)
    if n_after >= n_before or is_shared or not is_finite:
        return False
    for variable, _, value in changed:
        give(variable, [value])
    return True
