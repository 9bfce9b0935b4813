"""What scores weights for pruning: their magnitude, or their saliency."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.moments import has_second_moments, n_steps, second_moments
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
        ValueError: The model is not compiled; or the optimizer keeps no second moments
            and there are several replicas, each of which would see gradients of its
            own.
    """

    def __init__(
        self, model: keras.Model, ties: TieSet, variables: Sequence[NamedVariable]
    ) -> None:
        if getattr(model, "optimizer", None) is None:
            raise ValueError(
                f"The model {model.name!r} is not compiled, so nothing is known of its "
                "gradients. Call `model.compile` first, or prune by magnitude."
            )
        self._model = model
        self._watched: dict[int, Any] = {}
        self._n_seen = 0
        with internals.strategy_scope(model):
            model.optimizer.build(model.trainable_variables)
        if has_second_moments(model):
            self._n_seen = n_steps(model)
            return
        if internals.num_replicas(model) > 1:
            raise ValueError(
                "`criterion='saliency'` with several replicas needs an optimizer that "
                "keeps second moments, such as Adam. "
                f"Received: {type(model.optimizer).__name__}"
            )
        own = [named.variable for named in variables]
        self._watched = dict(zip(map(id, own), ties.watch(own), strict=True))

    def count(self, n_steps: int) -> None:
        """Takes note of steps that were made."""
        self._n_seen += n_steps

    def is_known(self, total_steps: int | None) -> bool:
        """Whether the gradients of enough steps have been seen."""
        enough = _WARM_UP if total_steps is None else min(_WARM_UP, total_steps // 4)
        return self._n_seen > 0 and self._n_seen >= enough

    def scores(self, named: NamedVariable) -> np.ndarray:
        """Returns the saliency of every weight, float32 or float64."""
        watched = self._watched.get(id(named.variable))
        if watched is None:
            moments = second_moments(self._model, named.variable)
        else:
            moments = watched.numpy()
        assert moments is not None
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
