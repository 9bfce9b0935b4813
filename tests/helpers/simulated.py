"""Nets that are numbers alone, so that policies can be compared in seconds.

Run it with:

    python tests/helpers/simulated.py

which prints how many times smaller the files are, a row for each net, a column for each
budget of seconds.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from deepcompress.search.policy import Clock, Policy, Step, Stop
from deepcompress.search.state import Budget, CompressionPoint, State
from deepcompress.search.untrained import Trial

BUDGET = Budget("accuracy", baseline=0.9, bound=0.8)
BUDGETS = (60, 120, 225, 300, 480, 900, 1800, 3600)
# Bytes of a weight that is left, with its position, and of a bit more of its code.
_BYTES_OF_WEIGHT = 0.55
_BYTES_OF_BIT = 0.12
_BYTES_BESIDE = 700
# The part of the budget that bits take without training.
_USED_BY_BITS = {5: 0.05, 4: 0.15, 3: 0.6}
# And of one that is shared on its way, where nothing trains the centroids.
_USED_BY_SHARING = 0.3
_EVALUATIONS_OF_LEVEL = 4


@dataclass(frozen=True)
class SimulatedNet:
    """A net of which the accuracy follows from its weights and its epochs.

    With a share `d` of its weights it takes `(enough / d) ** steep` of the budget, and
    what pruning has just taken away besides: `hit` times the square of the logarithm,
    which epochs make up for.

    Attributes:
        n_weights: Its weights.
        enough: The share of them that it cannot do with less than.
        steep: How fast it fails below.
        hit: What pruning to a third costs, roughly, before it is made up for.
        recovery: Epochs that make up for two thirds of it.
        untrained: The share of its weights that it needs where it is not trained.
        epoch_seconds: Seconds of an epoch.
        is_at_once: Whether it is pruned at once, with no way to go back on. Defaults to
            `False`.
    """

    n_weights: int
    enough: float
    steep: float
    hit: float
    recovery: float
    untrained: float
    epoch_seconds: float
    is_at_once: bool = False

    @property
    def evaluation_seconds(self) -> float:
        """Seconds of an evaluation."""
        return min(0.5, 0.05 * self.epoch_seconds)

    def point(self, density: float, used: float, bits: int = 4) -> CompressionPoint:
        """Returns what would be measured of it."""
        of_weight = _BYTES_OF_WEIGHT + (bits - 4) * _BYTES_OF_BIT
        size = int(_BYTES_BESIDE + self.n_weights * density * of_weight)
        return CompressionPoint(
            size=size,
            ratio=4 * self.n_weights / size,
            value=BUDGET.baseline - (BUDGET.baseline - BUDGET.bound) * used,
            is_accurate=used <= 1,
            n_weights=int(self.n_weights * density),
            bits={},
            coder="context",
            epochs=0.0,
            seconds=0.0,
            metrics={},
        )


KNOWN = {
    "like LeNet-5": SimulatedNet(430_000, 0.006, 2, 0.05, 2, 0.3, 1.0),
    "like a small ResNet": SimulatedNet(78_714, 0.16, 2, 0.5, 4, 0.7, 45, True),
    "one that bears less": SimulatedNet(78_714, 0.25, 3, 1.0, 6, 0.85, 45),
    "like a MobileNet": SimulatedNet(200_000, 0.3, 2, 0.8, 5, 0.8, 60, True),
    "like an LSTM": SimulatedNet(300_000, 0.08, 1.5, 0.2, 3, 0.5, 20),
    "like a perceptron": SimulatedNet(50_000, 0.03, 1.5, 0.1, 3, 0.4, 2),
    "like an autoencoder": SimulatedNet(100_000, 0.2, 1, 0.3, 4, 0.6, 5),
    "like a transformer": SimulatedNet(500_000, 0.15, 2, 0.6, 5, 0.4, 90),
    "like a GRU": SimulatedNet(104_000, 0.33, 1.8, 0.6, 4, 0.62, 12),
    "one that bears little at once": SimulatedNet(121_000, 0.4, 2, 0.6, 4, 0.85, 12),
}


def by_chance(n: int, seed: int = 0) -> list[SimulatedNet]:
    """Returns nets of all kinds."""
    rng = np.random.default_rng(seed)
    return [
        SimulatedNet(
            n_weights=int(10 ** rng.uniform(4.5, 6)),
            enough=10 ** rng.uniform(-2, -0.4),
            steep=rng.choice([1, 1.5, 2, 3]),
            hit=10 ** rng.uniform(-1.2, 0.1),
            recovery=rng.uniform(1.5, 7),
            untrained=rng.uniform(0.3, 0.9),
            epoch_seconds=10 ** rng.uniform(0.3, 1.9),
            is_at_once=bool(rng.integers(2)),
        )
        for _ in range(n)
    ]


def search(
    net: SimulatedNet, seconds: float, policy: Policy | None = None
) -> tuple[State, Stop]:
    """Returns what a search comes to, and why it ends."""
    policy = policy or Policy(BUDGET, is_at_once=net.is_at_once)
    state = policy.after_measuring(State(n_good=net.n_weights), net.point(1, 0.0, 8))
    spent, trials = 0.0, []
    while chosen := policy.next_untrained(
        trials, Clock(seconds - spent, net.epoch_seconds, spent)
    ):
        bits, sparsity, _ = chosen
        used = (net.untrained / (1 - sparsity)) ** 3 + _USED_BY_BITS[bits]
        trials.append(Trial(bits, sparsity, used))
        spent += net.evaluation_seconds
    for trial in trials:
        if trial.is_accurate:
            point = net.point(1 - trial.sparsity, 1.0, trial.bits)
            state = policy.after_measuring(state, point)
    reached = failed = 1.0, 0.0
    while isinstance(
        step := policy.next(state, Clock(seconds - spent, net.epoch_seconds, spent)),
        Step,
    ):
        density, debt = failed if step.is_rescue else reached
        density_after = min(density, step.n_weights / net.n_weights)
        debt_after = debt + net.hit * math.log(density / density_after) ** 2
        # What is pruned on the way has less time to be made up for.
        part = 1.0 if net.is_at_once else 0.6
        debt_after *= math.exp(-part * step.n_pruning / net.recovery)
        used = (net.enough / density_after) ** net.steep + debt_after
        used += 0.1 * math.exp(-step.n_sharing / net.recovery)
        overhead = _EVALUATIONS_OF_LEVEL * net.evaluation_seconds
        spent += (step.n_pruning + step.n_sharing) * net.epoch_seconds + overhead
        point = net.point(density_after, used)
        state = replace(policy.after_level(state, step, point), overhead=overhead)
        if point.is_accurate:
            reached = density_after, debt_after
            continue
        failed = density_after, debt_after
        if net.is_at_once:
            continue
        for earlier, part in reversed(_on_the_way(density, density_after)):
            debt_after = debt + net.hit * math.log(density / earlier) ** 2
            debt_after *= math.exp(-0.6 * part * step.n_pruning / net.recovery)
            used = (net.enough / earlier) ** net.steep + debt_after + _USED_BY_SHARING
            point = net.point(earlier, used, 5)
            spent += net.evaluation_seconds
            if point.is_accurate:
                state = policy.after_measuring(state, point)
                reached = earlier, debt_after
                break
    state = replace(state, seconds=spent)
    return state, step


def _on_the_way(before: float, after: float) -> list[tuple[float, float]]:
    """Returns densities on a way, and which part of its time each is reached after."""
    found = []
    density = 0.75 * before
    while density > after:
        left = ((density - after) / (before - after)) ** (1 / 3)
        found.append((density, 0.7 * (1 - left)))
        density *= 0.75
    return found


def main() -> None:
    print(f"{'seconds':24}" + "".join(f"{seconds:9}" for seconds in BUDGETS))
    for name, net in KNOWN.items():
        ratios = []
        for seconds in BUDGETS:
            state, _ = search(net, seconds)
            ratios.append(state.curve[state.best].ratio)
        print(f"{name:24}" + "".join(f"{ratio:8.1f}x" for ratio in ratios))


if __name__ == "__main__":
    main()
