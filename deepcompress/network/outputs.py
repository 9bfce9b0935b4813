"""How far the outputs of a model have moved."""

from typing import Any

import keras
import numpy as np


def decisions(before: Any, after: Any) -> float:
    """Returns the share of outputs that name another class than they did.

    Args:
        before: Outputs of a model: an array, or several in any structure, of shape
            `(samples, ..., classes)`. Of a single class it counts whether it is more
            than a half, or positive where there are negative ones.
        after: Others in the same form.

    Example:

    >>> before = np.array([[0.1, 0.9], [0.6, 0.4]])
    >>> decisions(before, np.array([[0.2, 0.8], [0.4, 0.6]]))
    0.5
    """
    shares = []
    for own, other in _pairs(before, after):
        if own.shape[-1:] in {(), (1,)}:
            border = 0.0 if (own < 0).any() else 0.5
            is_changed = (own > border) != (other > border)
        else:
            is_changed = own.argmax(-1) != other.argmax(-1)
        shares.append(float(np.mean(is_changed)))
    return max(shares)


def distance(before: Any, after: Any) -> float:
    """Returns how far outputs have moved, in parts of their norm.

    It is the root of the squared distance of all samples, divided by that of their
    own.

    Args:
        before: Outputs of a model: an array, or several in any structure.
        after: Others in the same form.

    Example:

    >>> round(distance(np.array([3.0, 4.0]), np.array([3.0, 4.5])), 3)
    0.1
    """
    parts = []
    for own, other in _pairs(before, after):
        size = float(np.linalg.norm(own.ravel())) or 1.0
        parts.append(float(np.linalg.norm((own - other).ravel())) / size)
    return max(parts)


def _pairs(before: Any, after: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    ours, theirs = keras.tree.flatten(before), keras.tree.flatten(after)
    return [
        (np.asarray(own, np.float64), np.asarray(other, np.float64))
        for own, other in zip(ours, theirs, strict=True)
    ]
