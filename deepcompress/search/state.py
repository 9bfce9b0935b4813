"""What a search knows, as plain numbers: its budget, its points, and how far it is."""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CompressionPoint:
    """One file that was written and measured.

    Attributes:
        size: Bytes of the file.
        ratio: How many times smaller it is than the weights of the model given.
        value: The quantity that the budget is for, on the validation data.
        is_accurate: Whether the value is within the budget.
        n_weights: Weights of kernels and embeddings that are not zero.
        bits: Bits of a code by the path of the layer.
        coder: The entropy coder.
        epochs: Epochs of training since the point before on this way.
        seconds: Seconds since the beginning.
        metrics: All that `model.evaluate` returned, by name.

    Example:

    >>> point = CompressionPoint(
    ...     size=1000,
    ...     ratio=40.0,
    ...     value=0.9,
    ...     is_accurate=True,
    ...     n_weights=700,
    ...     bits={"dense": 4},
    ...     coder="context",
    ...     epochs=1.0,
    ...     seconds=2.0,
    ...     metrics={"accuracy": 0.9},
    ... )
    >>> point.ratio
    40.0
    """

    size: int
    ratio: float
    value: float
    is_accurate: bool
    n_weights: int
    bits: dict[str, int]
    coder: str
    epochs: float
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Budget:
    """What a file must keep to.

    Attributes:
        monitor: The name of the quantity that may drop.
        baseline: Its value for the model given.
        bound: The worst value allowed; above the baseline where less is better.
        target_ratio: How many times smaller the file is to be, or `None`: as small as
            can be.
        is_less_better: Whether less of the quantity is better, as of a loss.

    Example:

    >>> budget = Budget("accuracy", baseline=0.98, bound=0.96)
    >>> round(budget.used(0.97), 2), budget.is_accurate(0.97), budget.is_accurate(0.95)
    (0.5, True, False)
    """

    monitor: str
    baseline: float
    bound: float
    target_ratio: float | None = None
    is_less_better: bool = False

    def used(self, value: float) -> float:
        """Returns which part of the drop that is allowed a value takes."""
        drop, allowed = self.baseline - value, self.baseline - self.bound
        if self.is_less_better:
            drop, allowed = -drop, -allowed
        # A metric is a float32.
        drop -= 1e-6 * max(1.0, abs(self.baseline))
        if not math.isfinite(drop):
            return math.inf
        if drop <= 0:
            return 0.0
        return drop / allowed if allowed > 0 else math.inf

    def is_accurate(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return self.used(value) <= 1.0

    def is_met(self, point: CompressionPoint) -> bool:
        """Whether a file keeps to everything."""
        return point.is_accurate and point.ratio >= (self.target_ratio or 0)


@dataclass(frozen=True)
class State:
    """How far a search is.

    Attributes:
        n_good: Weights of the sparsest net that was within the budget.
        n_bad: The most weights that were too few, or `None`.
        used_bad: Which part of the budget such a net took, more than one.
        epochs_bad: The epochs that it was trained for.
        is_to_rescue: Whether that net is trained on next.
        used: Which part of the budget the sparsest net takes once it is shared.
        epochs_good: The epochs that it was trained for, since the one before.
        curve: The points measured.
        best: The index of the best point.
        bits: Bits by the path of the layer, as last chosen.
        n_levels: Levels that were tried.
        seconds: Seconds spent.
        overhead: Seconds of a level that are no training, as last measured.
        rate_factor: The share of the learning rate that is left after trainings that
            diverged.
    """

    n_good: int
    n_bad: int | None = None
    used_bad: float = 1.0
    epochs_bad: int = 0
    is_to_rescue: bool = False
    used: float = 0.0
    epochs_good: int = 0
    curve: list[CompressionPoint] = field(default_factory=list)
    best: int = 0
    bits: dict[str, int] = field(default_factory=dict)
    n_levels: int = 0
    seconds: float = 0.0
    overhead: float = 0.0
    rate_factor: float = 1.0
