"""Which bits and sparsities are tried without training, and in which order."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_LEAST_DENSITY = 0.002
# What is used grows about with this power of what is taken away; what is looked for is
# a little less than all; and what says more than that it is little or much.
_POWER = 1.5
_USED = 0.9
_LEAST_USED, _MOST_USED = 0.02, 50.0
_BETWEEN = (0.15, 0.85)
# Where weights give way, about so many more are left before: this part of them goes.
_PRICED = 0.7
# More bits than these are hardly fewer than those of the model as it is given, 8.
_MOST_BITS = 6


class Trial(NamedTuple):
    """What was tried without training.

    Args:
        bits: Bits of every layer.
        sparsity: The part of the weights that was pruned before.
        used: The part of the budget that the net used.
        is_priced: Whether weights gave way to save bytes. Defaults to `False`.
    """

    bits: int
    sparsity: float
    used: float
    is_priced: bool = False

    @property
    def is_accurate(self) -> bool:
        """Whether the net was within the budget."""
        return self.used <= 1


class Untrained(NamedTuple):
    """What is tried without training.

    Args:
        bits: The bits, descending: fewer bear no more sparsity. Where the first are
            too few, up to 6 are tried.
        step: The part of the weights by which sparsities differ.
        time: The part of the time that it may take.
    """

    bits: tuple[int, ...]
    step: float
    time: float

    def next(
        self, trials: Sequence[Trial], spent: float, *, has_price: bool = False
    ) -> tuple[int, float, bool] | None:
        """Returns bits, sparsity and whether weights give way, to try next, or `None`.

        For each number of bits the greatest sparsity is sought, among those that more
        bits have borne: where about all of the budget is used; at last the same where
        weights give way. Where the most bits do not even bear to be shared, more are
        tried. However late it is, one trial at least is of weights that are shared and
        not pruned, unless one that is smaller has been within the budget.

        Args:
            trials: What was tried.
            spent: The part of the time that is spent.
            has_price: Whether weights can give way. Defaults to `False`.
        """
        if spent > self.time:
            is_safe = any(t.is_accurate or not t.sparsity for t in trials)
            return None if is_safe or not trials else (self.bits[0], 0.0, False)
        bits_to_try = self._bits(trials)
        # Trials are known by how many steps of the density they have gone.
        last = math.ceil(math.log(_LEAST_DENSITY, self.step)) + 1
        ends: dict[int, int] = {}
        for is_priced in (False, True)[: 1 + has_price]:
            for bits in bits_to_try:
                own = {
                    self._n_steps(t): t.used
                    for t in trials
                    if (t.bits, t.is_priced) == (bits, is_priced)
                }
                end = ends[bits] if is_priced else min(ends.values(), default=last)
                most = min([end, *(n for n, used in own.items() if not used <= 1)])
                least = max([-1, *(n for n, used in own.items() if used <= 1)])
                if most - least > 1:
                    if own:
                        n_steps = self._between(least, most, own)
                    else:
                        n_steps = self._first(bits, most, is_priced=is_priced)
                    return bits, 1 - self.step**n_steps, is_priced
                ends.setdefault(bits, least + 1)
        return None

    def _bits(self, trials: Sequence[Trial]) -> tuple[int, ...]:
        """Returns the bits to try: more where the most do not bear to be shared."""
        too_few = {
            t.bits for t in trials if not (t.sparsity or t.is_priced or t.is_accurate)
        }
        finer = self.bits[0]
        while finer in too_few and finer < _MOST_BITS:
            finer += 1
        return self.bits if finer == self.bits[0] else (finer,)

    def _first(self, bits: int, most: int, *, is_priced: bool) -> int:
        """Returns the steps to begin with, fewer than the most."""
        if is_priced:
            return max(0, round(most - 1 - math.log(_PRICED, self.step)))
        if bits > self.bits[0]:
            return 0
        return self._between(-1, most, {})

    def _n_steps(self, trial: Trial) -> int:
        return round(math.log(1 - trial.sparsity, self.step))

    def _between(self, least: int, most: int, own: Mapping[int, float]) -> int:
        """Returns the steps after which about all of the budget is used.

        Args:
            least: Steps after which it is not.
            most: Steps after which too much is.
            own: What is used after the steps that were tried.
        """
        used, too_much = own.get(least), own.get(most)
        a_step = -_POWER * math.log(self.step)
        # How many steps it is from either, in logarithms.
        below = None if used is None else math.log(_USED / _clipped(used))
        above = None if too_much is None else math.log(_clipped(too_much) / _USED)
        gap = most - least
        if below is not None and above is not None:
            part = below / (below + above)
        elif above is not None:
            part = 1 - above / a_step / gap
        elif below is not None:
            part = below / a_step / gap
        else:
            part = 0.5
        # However wrong that is, an end comes.
        n_steps = round(least + gap * min(max(part, _BETWEEN[0]), _BETWEEN[1]))
        return min(max(n_steps, least + 1), most - 1)


def _clipped(used: float) -> float:
    return _MOST_USED if math.isnan(used) else min(max(used, _LEAST_USED), _MOST_USED)


#: Where training comes after, with a training set: it brings far more.
BEFORE_TRAINING = Untrained((4, 3), step=0.75, time=0.2)
#: Where training comes after, with a few inputs without labels: it brings little.
BEFORE_FEW_INPUTS = Untrained((4, 3), step=0.95, time=0.7)
#: Where nothing comes after.
ALONE = Untrained((4, 3, 2), step=0.95, time=1.0)
