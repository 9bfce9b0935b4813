"""How far the outputs of a model have moved."""

from typing import Any

import keras
import numpy as np

from deepcompress.network.inputs import batch_size_of
from deepcompress.network.trial import begun_anew

# Of so many decisions those that have changed are counted.
_MANY = 4096


def outputs_of(model: keras.Model, inputs: Any) -> Any:
    """Returns what a model makes of inputs, with no states yet.

    Args:
        model: A built model.
        inputs: Arrays, in a form that `predict` takes.
    """
    with begun_anew(model):
        return model.predict(inputs, batch_size=batch_size_of(model), verbose=0)


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


def likely_decisions(before: Any, after: Any, others: Any) -> float:
    """Returns the share of outputs that may well name another class.

    Of some hundred outputs one or none changes its class, so that counting them tells
    little. An output does so where it loses its lead over the next class. Here the loss
    of each is held against the lead of each, as if neither knew of the other, which on
    LeNet-5 told from 128 outputs what 10,000 showed; and a standard error is added.
    Thousands of outputs are counted.

    Args:
        before: Outputs of a model, as `decisions` takes them.
        after: Others in the same form.
        others: More outputs of the model as it was, whose leads count too.

    Example:

    >>> before = np.array([[4.0, 0.0], [0.0, 1.0]])
    >>> likely_decisions(before, before, np.zeros((0, 2)))
    0.0
    >>> after = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> round(likely_decisions(before, after, np.zeros((0, 2))), 3)  # 0.25 and an error
    0.5
    """
    shares = []
    triples = zip(_pairs(before, after), keras.tree.flatten(others), strict=True)
    for (own, other), more in triples:
        form = _Form(own)
        lead, left = form.leads(own, own), form.leads(other, own)
        if len(lead) >= _MANY:
            shares.append(decisions(own, other))
            continue
        with np.errstate(invalid="ignore"):
            loss = np.sort(np.nan_to_num(lead - left, nan=np.inf))
        leads = np.concatenate([lead, form.leads(np.asarray(more, np.float64))])
        by_lead = 1 - np.searchsorted(loss, leads, side="right") / len(loss)
        by_loss = np.searchsorted(np.sort(leads), loss) / len(leads)
        error = by_lead.var() / len(leads) + by_loss.var() / len(loss)
        shares.append(min(1.0, float(by_lead.mean() + error**0.5)))
    return max(shares)


class _Form:
    """How outputs name classes, as the outputs of the model as it was tell."""

    def __init__(self, outputs: np.ndarray) -> None:
        self._is_single = outputs.shape[-1:] in {(), (1,)}
        self._is_part = (outputs >= 0).all() and (outputs <= 1).all()

    def leads(self, outputs: np.ndarray, named: np.ndarray | None = None) -> np.ndarray:
        """Returns by how much a class leads, as a logit.

        Args:
            outputs: Of shape `(samples, ..., classes)`.
            named: Outputs that name the class. Defaults to `None`: the same.
        """
        named = outputs if named is None else named
        if self._is_single:
            single, names = outputs.ravel(), named.ravel()
            if self._is_part:
                single, names = _log(single) - _log(1 - single), names - 0.5
            return np.where(names > 0, single, -single)
        logits: np.ndarray = outputs.reshape(-1, outputs.shape[-1])
        logits = _log(logits) if self._is_part else logits.copy()
        at = np.arange(len(logits)), named.reshape(logits.shape).argmax(-1)
        leader: np.ndarray = logits[at]
        logits[at] = -np.inf
        return np.asarray(leader - logits.max(-1))


def _log(values: np.ndarray) -> np.ndarray:
    logs: np.ndarray = np.log(np.maximum(values, 1e-7))
    return logs


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
