"""How a search goes on: its state, budget and clock in, the next step out.

Nothing here prunes, trains, measures or waits, so that all of it can be tried with
numbers alone. `compress` asks, `level` does. Another policy has the same methods.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from deepcompress.search.state import Budget, CompressionPoint, State
from deepcompress.search.untrained import BEFORE_TRAINING, Trial, Untrained

# A level leaves as large a part of the weights as the net before has used of the
# budget, between these. One that lost nothing holds many weights too many; near the
# bound levels must be small, since one that fails costs as much as one that succeeds.
_LEAST_KEPT = 0.25
_GAIN_OF_EPOCHS = 0.5
_MOST_KEPT = 0.8
# Between a net that was good enough and one that was not: what a net loses grows about
# with the square of what is taken away, so that the last loss tells where the bound is.
_LOSS_POWER = 2
_MOST_USED = 0.9
_BETWEEN = (0.25, 0.75)
_NEAR = 1.3
# After a failure a search ends where the next net would have nearly as many weights.
_CONVERGED = 0.97
# Where a ratio is asked for, a level does not go much further: a tenth more than in
# proportion, as biases, tables and architecture do not shrink with the weights.
_TARGET_MARGIN = 0.9
# How many levels share the time. One of fewer epochs than these wins back too little
# of what pruning takes; and what is left at the end may be trained on.
_N_LEVELS = 10
_LEAST_LEVELS = 2
_EPOCHS_OF_LEVEL = 8
# A level that prunes at once has no way on which to go back: there are more of them,
# and near the bound they are smaller, as one that fails leaves nothing.
_EPOCHS_OF_LEVEL_AT_ONCE = 4
_MOST_KEPT_AT_ONCE = 0.9
_MOST_OF_TIME = 0.75
# Pruning to a part of the weights takes epochs to make up for it: half of them about so
# many, and fewer where the net has lost little before.
_EPOCHS_TO_HALVE = 14
_MOST_SLACK = 2.5
# A search begins as one of a quarter of its time would, and that one too, as long as
# it has time for so many epochs: what more time brings comes on top of what less does.
_PART_OF_TIME = 0.25
_LEAST_EPOCHS = 3
# One that trains so many times longer than one that failed goes at least so far.
_LONGER = 1.5
_MOST_KEPT_LONGER = 0.9
# A net that took no more than this is not given up: it is trained on once. Two epochs
# took a small ResNet from 1.9 to 1.4, one from 1.1 to 0.8.
_MOST_USED_TO_TRAIN = 1.5
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
        spent: Seconds that are spent. Defaults to `0.0`.
    """

    left: float
    epoch_seconds: float
    spent: float = 0.0


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
        is_rescue: Whether it goes on from the net that has just failed, instead of the
            sparsest that was within the budget.
    """

    number: int
    n_weights: int
    n_pruning: int
    n_sharing: int
    bits_seconds: float
    reserve: float
    rate: float
    is_rescue: bool = False


class Stop(Enum):
    """Why a search is over."""

    TARGET = "the file is as small as was asked for"
    DIVERGING = "training diverges, however small the learning rate"
    NO_TIME = "the time is used up"
    CONVERGED = "fewer weights were not within the budget"
    INTERRUPTED = "it was interrupted"
    UNTRAINED = "nothing smaller was within the budget without training"
    NOTHING_LEFT = "there is no weight left to prune"


class Policy:
    """Large steps far from the bound, small ones near it, bisection after a failure.

    Every method is a function of its arguments and of the budget: no state is kept, and
    none is changed.

    Args:
        budget: What a file must keep to.
        first_bits: Bits of the model as it is given. Defaults to `8`.
        is_training: Whether nets may be trained. Defaults to `True`.
        untrained: What is tried without training. Defaults to what is tried where a
            training set is there.
        is_at_once: Whether a level prunes all that it prunes before it trains. Defaults
            to `False`: on the way.

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
    >>> policy.next(state, Clock(left=100.0, epoch_seconds=0.5, spent=50.0)).n_weights
    250
    >>> policy.next(state, Clock(left=0.0, epoch_seconds=0.5, spent=150.0))
    <Stop.NO_TIME: 'the time is used up'>
    """

    def __init__(
        self,
        budget: Budget,
        *,
        first_bits: int = 8,
        is_training: bool = True,
        untrained: Untrained = BEFORE_TRAINING,
        is_at_once: bool = False,
    ) -> None:
        self.budget = budget
        self._untrained = untrained
        #: The part of the time for what is tried without training.
        self.untrained_time = untrained.time
        self.is_training = is_training
        self.is_at_once = is_at_once
        self.first_bits = first_bits
        self.bits_to_try = _BITS

    def next(self, state: State, clock: Clock) -> Step | Stop:
        """Returns what to do next, or why nothing is.

        Args:
            state: What is known, a point at least.
            clock: What time there is.
        """
        if self.is_reached(state):
            return Stop.TARGET
        if not self.is_training:
            return Stop.UNTRAINED
        if state.rate_factor < _LEAST_RATE_FACTOR:
            return Stop.DIVERGING
        found: Step | Stop = Stop.NO_TIME
        for left in _times(clock):
            found = self._level(state, Clock(left, clock.epoch_seconds, clock.spent))
            if isinstance(found, Step):
                break
        return found

    def _level(self, state: State, clock: Clock) -> Step | Stop:
        """Returns a level within a time, or why there is none."""
        needed = state.overhead + clock.epoch_seconds
        if not state.n_levels:
            # Fewer epochs win nothing over what is borne without training; but where
            # nothing is, one level is tried in whatever time there is.
            is_borne = state.best > 0 and state.curve[state.best].is_accurate
            needed = _LEAST_EPOCHS * clock.epoch_seconds if is_borne else 0.0
        if clock.left <= 0 or clock.left < needed:
            return Stop.NO_TIME
        seconds = self._seconds(state.n_levels, clock)
        n_weights, n_epochs = self._n_weights(state, seconds, clock)
        if state.is_to_rescue and state.n_bad is not None:
            n_weights = state.n_bad
        elif state.n_bad is not None and n_weights > _CONVERGED * state.n_good:
            # All that is left may be so much longer that it is another matter.
            seconds = clock.left
            n_weights, n_epochs = self._n_weights(state, seconds, clock)
            if n_weights > _CONVERGED * state.n_good:
                return Stop.CONVERGED
        n_weights = max(1, n_weights)
        if n_weights >= state.n_good:
            return Stop.NOTHING_LEFT
        n_sharing = max(1, round(_SHARING_TIME * n_epochs))
        return Step(
            number=state.n_levels + 1,
            n_weights=n_weights,
            n_pruning=max(1, n_epochs - n_sharing),
            n_sharing=n_sharing,
            bits_seconds=_BITS_TIME * seconds,
            reserve=state.overhead,
            rate=state.rate_factor,
            is_rescue=state.is_to_rescue,
        )

    def ending(self, state: State, why: Stop) -> str:
        """Says why a search is over, and what more time is likely to bring.

        Args:
            state: What is known, a point at least.
            why: Why it is over.
        """
        said = f"The search is over: {why.value}."
        if why is Stop.CONVERGED:
            return f"{said} More time is likely to bring little."
        if why is Stop.UNTRAINED:
            return f"{said} With a training set much smaller files are likely."
        if why not in {Stop.NO_TIME, Stop.INTERRUPTED}:
            return said
        if not state.curve[state.best].is_accurate:
            return f"{said} More time may bring a file within the budget."
        n_likely = round(max(state.used / _MOST_USED, _LEAST_KEPT) * state.n_good)
        n_likely = max(n_likely, state.n_bad or 0)
        if n_likely > _CONVERGED * state.n_good:
            return f"{said} More time is likely to bring little."
        return (
            f"{said} {state.n_good:,} weights are left, which have used "
            f"{state.used:.0%} of the drop allowed: with more time about {n_likely:,} "
            "may be enough."
        )

    def is_reached(self, state: State) -> bool:
        """Whether the file is as small as was asked for."""
        has_target = self.budget.target_ratio is not None
        return has_target and self.budget.is_met(state.curve[state.best])

    def next_untrained(
        self, trials: Sequence[Trial], clock: Clock, *, has_price: bool = False
    ) -> tuple[int, float, bool] | None:
        """Returns bits, sparsity and whether weights give way, to try untrained.

        Args:
            trials: What was tried.
            clock: What time there is: most of it, where it is too little to train.
            has_price: Whether weights can give way. Defaults to `False`.
        """
        spent = clock.spent / (clock.spent + clock.left)
        if clock.left < _LEAST_EPOCHS * clock.epoch_seconds < math.inf:
            spent *= _PART_OF_TIME  # as much as in a search that has time for both
        return self._untrained.next(trials, spent, has_price=has_price)

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
        self,
        layers: Iterable[str],
        before: dict[str, int],
        fewest: int | None = None,
    ) -> dict[str, int]:
        """Returns the bits of each layer where there is no time to measure.

        Args:
            layers: The paths of the layers.
            before: The bits that were chosen in a level before, or none.
            fewest: Where it costs little to try, one bit fewer than before is, but not
                fewer than these. Defaults to `None`: as before.
        """
        if fewest is not None:
            return {layer: min(n, max(n - 1, fewest)) for layer, n in before.items()}
        return before or dict.fromkeys(layers, _USUAL_BITS)

    def finer_bits(self, bits: dict[str, int], value: float) -> dict[str, int] | None:
        """Returns more bits for a net that is within the budget unless it is shared.

        Args:
            bits: The bits of each layer that were too few.
            value: The monitored quantity of the net, before any layer is shared.

        Returns:
            Another bit for each layer, or `None` where that is of no use.
        """
        most = max(self.bits_to_try)
        finer = {layer: min(n + 1, most) for layer, n in bits.items()}
        return finer if finer != bits and self.budget.is_accurate(value) else None

    def is_to_train(self, value: float) -> bool:
        """Whether training can make a net of such a value good enough."""
        return self.budget.used(value) <= _MOST_USED_TO_TRAIN

    def is_worth_training(self, value: float, clock: Clock) -> bool:
        """Whether the shared weights of such a value are to be trained."""
        is_poor = self.budget.used(value) > _PART_WITHOUT_TRAINING
        if self.is_at_once:  # and goes on at once, from weights that are not shared
            is_poor = not self.budget.is_accurate(value) and self.is_to_train(value)
        return is_poor and clock.left > clock.epoch_seconds

    def is_training_kept(self, before: float, after: float) -> bool:
        """Whether trained weights are kept, given the values before and after."""
        return self.budget.used(after) <= max(1.0, self.budget.used(before))

    def after_measuring(self, state: State, point: CompressionPoint) -> State:
        """Returns the state with a point more, the best one perhaps."""
        curve = [*state.curve, point]
        best = min(range(len(curve)), key=lambda i: self._rank(curve[i]))
        state = replace(state, curve=curve, best=best)
        if point.is_accurate and point.n_weights < state.n_good:
            used = self.budget.used(point.value)
            state = replace(state, n_good=point.n_weights, used=used)
        return state

    def after_level(self, state: State, step: Step, point: CompressionPoint) -> State:
        """Returns the state after a level, of which this point was measured."""
        state = replace(self.after_measuring(state, point), n_levels=step.number)
        if point.is_accurate:
            n_good = min(point.n_weights, step.n_weights)
            used = self.budget.used(point.value)
            n_bad = None if n_good <= (state.n_bad or 0) else state.n_bad
            return replace(
                state,
                n_good=n_good,
                used=used,
                epochs_good=step.n_pruning + step.n_sharing,
                n_bad=n_bad,
                is_to_rescue=False,
            )
        used_bad = self.budget.used(point.value)
        return replace(
            state,
            n_bad=step.n_weights,
            used_bad=used_bad,
            epochs_bad=step.n_pruning + step.n_sharing,
            is_to_rescue=not step.is_rescue and self.is_to_train(point.value),
        )

    def after_divergence(self, state: State, step: Step) -> State:
        """Returns the state after a level whose training diverged."""
        rate_factor = _RATE_AFTER_DIVERGING * state.rate_factor
        return replace(
            state, n_levels=step.number, rate_factor=rate_factor, is_to_rescue=False
        )

    def _seconds(self, n_levels: int, clock: Clock) -> float:
        """Returns the seconds that the level after so many may take."""
        n_epochs = _EPOCHS_OF_LEVEL_AT_ONCE if self.is_at_once else _EPOCHS_OF_LEVEL
        n_bought = int(clock.left / (n_epochs * clock.epoch_seconds))
        n_left = max(_N_LEVELS - n_levels, _LEAST_LEVELS)
        return clock.left / max(1 / _MOST_OF_TIME, min(n_left, n_bought))

    def _n_weights(self, state: State, seconds: float, clock: Clock) -> tuple[int, int]:
        """Returns the weights that a level of such seconds leaves, and its epochs."""
        best = state.curve[state.best]
        n_epochs = max(2, round((seconds - state.overhead) / clock.epoch_seconds))
        is_longer = n_epochs > _LONGER * state.epochs_bad
        if state.n_bad is not None and not is_longer:
            gap = state.n_good / state.n_bad
            part = 0.5
            if gap > _NEAR:
                part = math.log(state.used_bad / _MOST_USED, gap) / _LOSS_POWER
            least, most = _BETWEEN
            return round(state.n_bad * gap ** min(max(part, least), most)), n_epochs
        # A longer training makes up for more of what the one before has lost.
        longer = max(1.0, n_epochs / max(1, state.epochs_good))
        used = state.used / _MOST_USED / longer**_GAIN_OF_EPOCHS
        most = _MOST_KEPT_AT_ONCE if self.is_at_once else _MOST_KEPT
        kept = min(max(used, _LEAST_KEPT), most)
        slack = min(max(1.0, 0.5 / max(state.used, 1e-9)), _MOST_SLACK)
        kept = max(kept, (1 + n_epochs / _EPOCHS_TO_HALVE) ** -slack)
        if state.n_bad is not None:
            kept = max(kept, min(state.n_bad / state.n_good, _MOST_KEPT_LONGER))
        if self.budget.target_ratio is not None and best.is_accurate:
            part = _TARGET_MARGIN * best.ratio / self.budget.target_ratio
            return max(int(state.n_good * kept), round(part * state.n_good)), n_epochs
        return int(state.n_good * kept), n_epochs

    def _rank(self, point: CompressionPoint) -> tuple[bool, float]:
        """Orders points, the best first."""
        if point.is_accurate:
            return False, point.size
        return True, point.value if self.budget.is_less_better else -point.value


def _times(clock: Clock) -> Iterator[float]:
    """Yields the seconds left of ever greater parts of the time, the last all of it."""
    end = clock.left + clock.spent
    ends = [end]
    while (end := _PART_OF_TIME * end) >= _LEAST_EPOCHS * clock.epoch_seconds:
        # Before an epoch is measured it may take no time at all.
        if end <= clock.spent:
            break
        ends.append(end)
    for end in reversed(ends):
        yield end - clock.spent
