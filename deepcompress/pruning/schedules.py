"""How sparsity grows in the course of a training."""

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any


class PruningSchedule(ABC):
    """The target sparsity at every step of a training.

    A subclass says in `sparsity_at` how far the sparsity has come at a fraction of
    the way between `begin` and `end`, and adds its own arguments to `get_config`.

    Args:
        begin: Where pruning begins: a step (`int`), or a fraction of the fit
            (`float` in [0, 1]). Defaults to `0.0`.
        end: Where the final sparsity is reached, in the same terms. Defaults to
            `1.0`.
        frequency: Steps between two updates of the masks. Defaults to `None`: 100,
            or a twentieth of the way from `begin` to `end` where that is less.

    Raises:
        ValueError: `begin` or `end` is negative, or a fraction above 1; `end` lies
            before `begin`; `frequency` is below 1.

    Example:

    >>> class Linear(PruningSchedule):
    ...     def sparsity_at(self, progress):
    ...         return 0.8 * progress
    >>> Linear(end=0.5).sparsity(step=25, total_steps=100)
    0.4
    """

    def __init__(
        self,
        *,
        begin: int | float = 0.0,
        end: int | float = 1.0,
        frequency: int | None = None,
    ) -> None:
        for name, value in (("begin", begin), ("end", end)):
            if not isinstance(value, Real):
                raise TypeError(
                    f"`{name}` must be a number. Received: {name}={value!r}"
                )
            is_step = isinstance(value, Integral)
            if not value >= 0 or (value > 1 and not is_step):
                raise ValueError(
                    f"`{name}` must be a step (an integer of 0 or more) or a fraction "
                    f"of the fit (a float in [0, 1]). Received: {name}={value!r}"
                )
        if type(begin) is type(end) and end < begin:
            raise ValueError(
                f"`end` must not lie before `begin`. Received: begin={begin!r}, "
                f"end={end!r}"
            )
        if frequency is not None and frequency < 1:
            raise ValueError(
                f"`frequency` must be at least 1. Received: frequency={frequency!r}"
            )
        self.begin = int(begin) if isinstance(begin, Integral) else float(begin)
        self.end = int(end) if isinstance(end, Integral) else float(end)
        self.frequency = frequency

    @abstractmethod
    def sparsity_at(self, progress: float) -> float:
        """Returns the sparsity at a fraction of the way from `begin` to `end`."""

    @property
    def needs_total(self) -> bool:
        """Whether the length of the fit must be known."""
        return any(isinstance(at, float) and at > 0 for at in (self.begin, self.end))

    def sparsity(self, step: int, total_steps: int | None) -> float | None:
        """Returns the target sparsity after so many steps.

        Args:
            step: Steps done.
            total_steps: Steps of the whole fit, `None` where it is not known.

        Returns:
            A sparsity in [0, 1), or `None` where pruning has not begun.
        """
        if self.needs_total and total_steps is None:
            return None
        begin, end = self.span(total_steps)
        if step < begin:
            return None
        return self.sparsity_at(1.0 if step >= end else (step - begin) / (end - begin))

    def is_due(self, step: int, total_steps: int | None) -> bool:
        """Whether the masks are to be updated after so many steps."""
        if self.needs_total and total_steps is None:
            return False
        begin, end = self.span(total_steps)
        if not begin <= step <= end:
            return False
        frequency = self.frequency or max(1, min(100, (end - begin) // 20))
        return step in (begin, end) or (step - begin) % frequency == 0

    def span(self, total_steps: int | None) -> tuple[int, int]:
        """Returns the steps at which pruning begins and ends.

        Args:
            total_steps: Steps of the whole fit, `None` where it is not known.
        """
        begin = self._step_of(self.begin, total_steps)
        return begin, max(begin, self._step_of(self.end, total_steps))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {"begin": self.begin, "end": self.end, "frequency": self.frequency}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PruningSchedule":
        """Returns the schedule of a config."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    @staticmethod
    def _step_of(place: int | float, total_steps: int | None) -> int:
        if isinstance(place, float):
            return round(place * (total_steps or 0))
        return place


class ConstantSparsity(PruningSchedule):
    """Prunes once to the final sparsity, and keeps it.

    Args:
        final_sparsity: The share of weights to set to zero, in [0, 1).
        begin: When: a step (`int`) or a fraction of the fit (`float`). Defaults to
            `0.0`.

    Raises:
        ValueError: `final_sparsity` is outside [0, 1), or `begin` is negative.

    Example:

    >>> ConstantSparsity(0.5).sparsity(step=0, total_steps=1000)
    0.5
    """

    def __init__(self, final_sparsity: float, *, begin: int | float = 0.0) -> None:
        super().__init__(begin=begin, end=begin)
        self.final_sparsity = check_sparsity("final_sparsity", final_sparsity)

    def sparsity_at(self, progress: float) -> float:
        """Returns the final sparsity."""
        return self.final_sparsity

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {"final_sparsity": self.final_sparsity, "begin": self.begin}


class PolynomialDecay(PruningSchedule):
    """Raises the sparsity fast at first, then ever more slowly.

    After `begin`, the density (1 - sparsity) decays from the initial to the final
    one as a power of the way that is left: many weights go while the others can
    still make up for them.

    Args:
        final_sparsity: The share of weights that is zero from `end` on, in [0, 1).
        initial_sparsity: The share at `begin`, in [0, 1). Defaults to `0.0`.
        begin: Where pruning begins: a step (`int`), or a fraction of the fit
            (`float` in [0, 1]). Defaults to `0.0`.
        end: Where the final sparsity is reached, in the same terms. Defaults to
            `0.7`, which leaves time to retrain.
        power: The exponent. Defaults to `3.0`.
        frequency: Steps between two updates of the masks. Defaults to `None`: 100,
            or a twentieth of the way from `begin` to `end` where that is less.

    Raises:
        ValueError: A sparsity is outside [0, 1), `power` is not positive, or
            `begin`, `end` or `frequency` are out of range.

    References:
        Zhu and Gupta 2017, "To prune, or not to prune", equation 1.

    Example:

    >>> schedule = PolynomialDecay(final_sparsity=0.8, end=1000)
    >>> [round(schedule.sparsity(step, 2000), 3) for step in (0, 500, 1000, 2000)]
    [0.0, 0.7, 0.8, 0.8]
    """

    def __init__(
        self,
        final_sparsity: float,
        *,
        initial_sparsity: float = 0.0,
        begin: int | float = 0.0,
        end: int | float = 0.7,
        power: float = 3.0,
        frequency: int | None = None,
    ) -> None:
        super().__init__(begin=begin, end=end, frequency=frequency)
        if power <= 0:
            raise ValueError(f"`power` must be positive. Received: power={power!r}")
        self.final_sparsity = check_sparsity("final_sparsity", final_sparsity)
        self.initial_sparsity = check_sparsity("initial_sparsity", initial_sparsity)
        self.power = power

    def sparsity_at(self, progress: float) -> float:
        """Returns the sparsity at a fraction of the way from `begin` to `end`."""
        span = self.initial_sparsity - self.final_sparsity
        return float(self.final_sparsity + span * (1.0 - progress) ** self.power)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {
            "final_sparsity": self.final_sparsity,
            "initial_sparsity": self.initial_sparsity,
            "power": self.power,
            **super().get_config(),
        }


def check_sparsity(name: str, value: float) -> float:
    """Returns a sparsity that is in [0, 1).

    Raises:
        ValueError: It is not.
    """
    if not isinstance(value, Real):
        raise TypeError(
            f"`{name}` must be a number in [0, 1), a PruningSchedule, or a mapping "
            f"from patterns to these. Received: {name}={value!r}"
        )
    if not 0 <= value < 1:
        raise ValueError(
            f"`{name}` must be in [0, 1): the share of weights to set to zero, 0.9 for "
            f"90 %. Received: {name}={value!r}"
        )
    return float(value)
