"""How a search goes on: its state, budget and clock in, the next step out.

Nothing here prunes, trains, measures or waits, so that all of it can be tried with
numbers alone. `compress` asks, `level` does. Another policy has the same methods.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from deepcompress.search.state import Budget, CompressionPoint, State

# Which part of the weights a level leaves, by the part of the budget that the net
# before has used. One that lost nothing holds many weights too many; near the bound
# levels must be small, since one that fails costs as much as one that succeeds.
_KEPT_BY_USED = ((0.1, 0.25), (0.3, 0.4), (0.6, 0.6), (math.inf, 0.8))
# Between a net that was good enough and one that was not, the search ends where the
# next would have nearly as many weights: so small a gain is not worth a level.
_CONVERGED = 0.97
# Where a ratio is asked for, a level does not go much further. A tenth more than in
# proportion, because biases, tables and architecture do not shrink with the weights.
_TARGET_MARGIN = 0.9
# How many levels share the time. At least two share what is left, so that one that
# takes longer than expected is not the last.
_N_LEVELS = 10
_LEAST_LEVELS = 2
# The first levels train the largest nets, and ask the least of them.
_N_EASY_LEVELS = 2
_TIME_OF_EASY_LEVEL = 0.5
# The part of a level that trains centroids, which k-means has placed well already.
_SHARING_TIME = 0.25
# The part of a level that may go into measuring how few bits each layer bears: most of
# the time is to train.
_BITS_TIME = 0.1
# The bits that are tried: few, because each takes an evaluation for every layer.
_BITS = (3, 4, 5, 6, 8)
# The bits of every layer where there is no time to measure: the paper's, of dense ones.
_USUAL_BITS = 5
# The part of the budget that the bits of one layer may take before training, and that
# shared weights may take without training. Training wins back the most of either.
_PART_OF_A_LAYER = 0.2
_PART_WITHOUT_TRAINING = 0.25
# After a training that diverged the rate is halved. At less than a tenth of a rate that
# the user has trained with, it is not the rate that is wrong.
_RATE_AFTER_DIVERGING = 0.5
_LEAST_RATE_FACTOR = 0.1


class Clock(NamedTuple):
    """What time a search has.

    Args:
        left: Seconds until its time is used up.
        epoch_seconds: Seconds that an epoch of training takes, as last measured;
            infinite before.
    """

    left: float
    epoch_seconds: float


@dataclass(frozen=True)
class Step:
    """What the next level is to do.

    Attributes:
        number: Which level it is, from 1.
        n_weights: Weights that pruning leaves.
        n_pruning: Epochs in which it prunes.
        n_sharing: Epochs in which shared weights are trained, where they need it.
        bits_seconds: Seconds in which the bits of the layers may be measured.
        reserve: Seconds that pruning leaves to what follows it.
        rate: What the learning rate is multiplied by.
    """

    number: int
    n_weights: int
    n_pruning: int
    n_sharing: int
    bits_seconds: float
    reserve: float
    rate: float


class Stop(Enum):
    """Why a search is over."""

    TARGET = "the file is as small as was asked for"
    DIVERGING = "training diverges, however small the learning rate"
    NO_TIME = "the time is used up"
    CONVERGED = "fewer weights were not within the budget"
    NOTHING_LEFT = "there is no weight left to prune"


class Policy:
    """Large steps far from the bound, small ones near it, bisection after a failure.

    Every method is a function of its arguments and of the budget: no state is kept, and
    none is changed.

    Args:
        budget: What a file must keep to.
        first_bits: Bits of every layer of the model as it is given, which is shared
            carefully, so that there always is a file. Defaults to `8`.

    Example:

    >>> policy = Policy(Budget("accuracy", baseline=0.98, bound=0.97))
    >>> point = CompressionPoint(
    ...     size=1000,
    ...     ratio=4.0,
    ...     value=0.98,
    ...     is_accurate=True,
    ...     n_weights=1000,
    ...     bits={},
    ...     coder="context",
    ...     epochs=0.0,
    ...     seconds=0.0,
    ...     metrics={},
    ... )
    >>> state = policy.after_measuring(State(n_good=1000), point)
    >>> policy.next(state, Clock(left=100.0, epoch_seconds=0.5)).n_weights
    250
    >>> policy.next(state, Clock(left=0.0, epoch_seconds=0.5))
    <Stop.NO_TIME: 'the time is used up'>
    """

    def __init__(self, budget: Budget, *, first_bits: int = 8) -> None:
        self.budget = budget
        self.first_bits = first_bits
        self.bits_to_try = _BITS

    def next(self, state: State, clock: Clock) -> Step | Stop:
        """Returns what to do next, or why nothing is.

        Args:
            state: What is known, a point at least.
            clock: What time there is.
        """
        best = state.curve[state.best]
        if self.budget.target_ratio is not None and self.budget.is_met(best):
            return Stop.TARGET
        if state.rate_factor < _LEAST_RATE_FACTOR:
            return Stop.DIVERGING
        needed = state.overhead + clock.epoch_seconds
        # One level is tried in whatever time there is.
        if clock.left <= 0 or (state.n_levels and clock.left < needed):
            return Stop.NO_TIME
        n_weights = max(1, self._n_weights(state, best))
        if state.n_bad is not None and n_weights > _CONVERGED * state.n_good:
            return Stop.CONVERGED
        if n_weights >= state.n_good:
            return Stop.NOTHING_LEFT
        seconds = _seconds(state.n_levels, clock.left)
        n_epochs = (seconds - state.overhead) / clock.epoch_seconds
        n_sharing = max(1, round(_SHARING_TIME * n_epochs))
        return Step(
            number=state.n_levels + 1,
            n_weights=n_weights,
            n_pruning=max(1, round(n_epochs) - n_sharing),
            n_sharing=n_sharing,
            bits_seconds=_BITS_TIME * seconds,
            reserve=state.overhead,
            rate=state.rate_factor,
        )

    def bits(
        self,
        layers: Iterable[str],
        value: float,
        trials: Iterable[tuple[str, int, float]],
    ) -> dict[str, int]:
        """Returns the fewest bits of each layer that take little of the budget.

        Args:
            layers: The paths of the layers.
            value: The monitored quantity of the net, before any layer is shared.
            trials: A layer, its bits, and the value with this layer alone shared.
        """
        allowed = self.budget.used(value) + _PART_OF_A_LAYER
        chosen = dict.fromkeys(layers, max(self.bits_to_try))
        for layer, bits, with_bits in trials:
            if self.budget.used(with_bits) <= allowed:
                chosen[layer] = min(chosen[layer], bits)
        return chosen

    def unmeasured_bits(
        self, layers: Iterable[str], before: dict[str, int]
    ) -> dict[str, int]:
        """Returns the bits of each layer where there is no time to measure.

        Args:
            layers: The paths of the layers.
            before: The bits that were chosen in a level before, or none.
        """
        return before or dict.fromkeys(layers, _USUAL_BITS)

    def is_worth_training(self, value: float, clock: Clock) -> bool:
        """Whether the shared weights of such a value are to be trained."""
        is_poor = self.budget.used(value) > _PART_WITHOUT_TRAINING
        return is_poor and clock.left > clock.epoch_seconds

    def is_training_kept(self, before: float, after: float) -> bool:
        """Whether trained weights are kept, given the values before and after."""
        return self.budget.used(after) <= max(1.0, self.budget.used(before))

    def after_measuring(self, state: State, point: CompressionPoint) -> State:
        """Returns the state with a point more, the best one perhaps."""
        curve = [*state.curve, point]
        best = min(range(len(curve)), key=lambda i: self._rank(curve[i]))
        return replace(state, curve=curve, best=best)

    def after_level(self, state: State, step: Step, point: CompressionPoint) -> State:
        """Returns the state after a level, of which this point was measured."""
        state = replace(self.after_measuring(state, point), n_levels=step.number)
        if point.is_accurate:
            n_good = min(point.n_weights, step.n_weights)
            return replace(state, n_good=n_good, used=self.budget.used(point.value))
        return replace(state, n_bad=max(step.n_weights, state.n_bad or 0))

    def after_divergence(self, state: State, step: Step) -> State:
        """Returns the state after a level whose training diverged."""
        rate_factor = _RATE_AFTER_DIVERGING * state.rate_factor
        return replace(state, n_levels=step.number, rate_factor=rate_factor)

    def _n_weights(self, state: State, best: CompressionPoint) -> int:
        if state.n_bad is not None:
            return round(math.sqrt(state.n_good * state.n_bad))
        kept = next(part for bound, part in _KEPT_BY_USED if state.used <= bound)
        n_weights = round(state.n_good * kept)
        if self.budget.target_ratio is not None and best.is_accurate:
            part = _TARGET_MARGIN * best.ratio / self.budget.target_ratio
            n_weights = max(n_weights, round(part * state.n_good))
        return n_weights

    def _rank(self, point: CompressionPoint) -> tuple[bool, float]:
        """Orders points, the best first."""
        if point.is_accurate:
            return False, point.size
        return True, point.value if self.budget.is_less_better else -point.value


def _seconds(n_levels: int, left: float) -> float:
    """Returns the seconds that the level after so many may take."""
    share = left / max(_N_LEVELS - n_levels, _LEAST_LEVELS)
    return _TIME_OF_EASY_LEVEL * share if n_levels < _N_EASY_LEVELS else share
