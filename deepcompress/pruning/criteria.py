"""What scores weights for pruning: their magnitude, or their saliency."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.moments import (
    n_steps,
    optimizers,
    second_moments,
    stepping,
)
from deepcompress.network.ties import TieSet
from deepcompress.network.variables import NamedVariable

# A running mean of squared gradients is worth reading after so many steps, or after a
# quarter of a fit that is short.
_WARM_UP = 50


class Criterion(Protocol):
    """What weights are compared by: those with the lowest scores go first."""

    def count(self, n_steps: int) -> None:
        """Takes note of steps that were made."""

    def is_known(self, total_steps: int | None) -> bool:
        """Whether weights can be compared, in a fit of so many steps."""

    def scores(self, named: NamedVariable) -> np.ndarray:
        """Returns the scores of a variable's weights, in its shape; not negative."""


class Magnitude:
    """Scores a weight by its magnitude, which is known at any time."""

    def count(self, n_steps: int) -> None:
        """Takes note of nothing."""

    def is_known(self, total_steps: int | None) -> bool:
        """Whether weights can be compared: always."""
        return True

    def scores(self, named: NamedVariable) -> np.ndarray:
        """Returns the magnitude of every weight."""
        value = named.numpy()
        np.abs(value, out=value)
        return value


class Saliency:
    """Scores a weight by what the loss would rise without it.

    It is estimated as the square of the weight times the second moment of its
    gradient; the root of that, which orders alike, does not leave the range of a
    float32.

    Args:
        model: The model in training.
        ties: Holds what is kept beside the optimizer's own state.
        variables: The variables that are pruned.

    Raises:
        ValueError: The model has no optimizer; or the optimizer keeps no second moments
            and there are several replicas, each of which would see gradients of its
            own.
    """

    def __init__(
        self, model: keras.Model, ties: TieSet, variables: Sequence[NamedVariable]
    ) -> None:
        found = stepping(model)
        if not found:
            raise ValueError(
                f"The model {model.name!r} is not compiled, so nothing is known of its "
                "gradients. Call `model.compile` first, or prune by magnitude."
            )
        self._model = model
        self._n_seen = 0
        # An optimizer that accumulates gradients has made no step before that.
        self._at_least = max(each.gradient_accumulation_steps or 1 for each in found)
        own = [named.variable for named in variables]
        if found == optimizers(model)[-1:]:
            with internals.strategy_scope(model):
                model.optimizer.build(model.trainable_variables)
            is_kept = internals.keeps_second_moments(found[0])
        else:
            # Which of several trains a variable shows once it has.
            is_kept = all(second_moments(model, each) is not None for each in own)
        self._watched: dict[int, Any] | None = None
        if is_kept:
            self._n_seen = max(map(n_steps, found))
            return
        if internals.num_replicas(model) > 1:
            raise ValueError(
                "`criterion='saliency'` with several replicas needs an optimizer that "
                "keeps second moments, such as Adam. "
                f"Received: {', '.join(type(each).__name__ for each in found)}"
            )
        self._watched = ties.watch(own)

    def count(self, n_steps: int) -> None:
        """Takes note of steps that were made."""
        self._n_seen += n_steps

    def is_known(self, total_steps: int | None) -> bool:
        """Whether the gradients of enough steps have been seen."""
        enough = _WARM_UP if total_steps is None else min(_WARM_UP, total_steps // 4)
        return self._n_seen >= max(enough, self._at_least)

    def scores(self, named: NamedVariable) -> np.ndarray:
        """Returns the saliency of every weight, float32 or float64."""
        if self._watched is None:
            moments = second_moments(self._model, named.variable)
        else:
            watched = self._watched.get(id(named.variable))
            moments = None if watched is None else watched.numpy()
        if moments is None:
            raise ValueError(
                f"No optimizer of {self._model.name!r} has trained {named.name!r} in "
                "this fit, so its saliency is not known. Make the optimizer that "
                "`train_step` applies an attribute of the model, leave the layer out "
                "with `layers`, or prune by magnitude."
            )
        scores: np.ndarray = np.abs(named.numpy()) * np.sqrt(moments)
        if not np.isfinite(scores).all():
            raise ValueError(
                f"The gradients of {named.name!r} hold NaN or infinity, so nothing "
                "can be pruned by them. Did the training diverge? Lower the learning "
                "rate."
            )
        return scores


CriterionName = Literal["magnitude", "saliency"]
# Each is made for a model, the ties of its training, and the variables to prune.
CRITERIA: dict[
    str, Callable[[keras.Model, TieSet, Sequence[NamedVariable]], Criterion]
] = {
    "magnitude": lambda model, ties, variables: Magnitude(),
    "saliency": Saliency,
}
