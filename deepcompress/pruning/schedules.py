"""How sparsity grows in the course of a training."""

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any

from deepcompress import _checks


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
        self.begin = _step_or_fraction("begin", begin)
        self.end = _step_or_fraction("end", end)
        if type(self.begin) is type(self.end) and self.end < self.begin:
            raise ValueError(
                f"`end` must not lie before `begin`. Received: begin={begin!r}, "
                f"end={end!r}"
            )
        if frequency is not None:
            frequency = _checks.integer_in("frequency", frequency, 1)
        self.frequency = frequency

    @abstractmethod
    def sparsity_at(self, progress: float) -> float:
        """Returns the sparsity at a fraction of the way from `begin` to `end`."""

    def of(self, n_weights: int, n_nonzero: int) -> "PruningSchedule":
        """Returns the schedule for weights that are pruned together.

        Args:
            n_weights: How many they are.
            n_nonzero: How many of them are not zero as the training begins.

        Returns:
            This schedule, unless it ends at a count of weights.
        """
        return self

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
        config = {k: v for k, v in self.get_config().items() if v is not None}
        arguments = ", ".join(f"{k}={v!r}" for k, v in config.items())
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
        self.final_sparsity = _checks.sparsity("final_sparsity", final_sparsity)

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
            Defaults to `None`: `n_weights` says where the schedule ends.
        n_weights: Weights that are left from `end` on, instead of `final_sparsity`:
            of each tensor, or of all that share an entry where pruning is global. The
            schedule then begins at the sparsity that the weights have. Defaults to
            `None`.
        initial_sparsity: The share at `begin`, in [0, 1). Defaults to `None`: 0.0, or
            with `n_weights` what is zero already.
        begin: Where pruning begins: a step (`int`), or a fraction of the fit
            (`float` in [0, 1]). Defaults to `0.0`.
        end: Where the final sparsity is reached, in the same terms. Defaults to
            `0.7`, which leaves time to retrain.
        power: The exponent. Defaults to `3.0`.
        frequency: Steps between two updates of the masks. Defaults to `None`: 100,
            or a twentieth of the way from `begin` to `end` where that is less.

    Raises:
        ValueError: A sparsity is outside [0, 1); `final_sparsity` and `n_weights` are
            both given, or neither; `n_weights` is below 1, `power` is not positive, or
            `begin`, `end` or `frequency` are out of range.

    References:
        Zhu and Gupta 2017, "To prune, or not to prune", equation 1.

    Example:

    >>> schedule = PolynomialDecay(final_sparsity=0.8, end=1000)
    >>> [round(schedule.sparsity(step, 2000), 3) for step in (0, 500, 1000, 2000)]
    [0.0, 0.7, 0.8, 0.8]
    >>> PolynomialDecay(n_weights=100).of(n_weights=1000, n_nonzero=500).final_sparsity
    0.9
    """

    def __init__(
        self,
        final_sparsity: float | None = None,
        *,
        n_weights: int | None = None,
        initial_sparsity: float | None = None,
        begin: int | float = 0.0,
        end: int | float = 0.7,
        power: float = 3.0,
        frequency: int | None = None,
    ) -> None:
        super().__init__(begin=begin, end=end, frequency=frequency)
        if (final_sparsity is None) == (n_weights is None):
            raise ValueError(
                "Give either `final_sparsity` or `n_weights`. Received: "
                f"final_sparsity={final_sparsity!r}, n_weights={n_weights!r}"
            )
        if n_weights is not None:
            n_weights = _checks.integer_in("n_weights", n_weights, 1)
        else:
            final_sparsity = _checks.sparsity("final_sparsity", final_sparsity)
            initial_sparsity = 0.0 if initial_sparsity is None else initial_sparsity
        if initial_sparsity is not None:
            initial_sparsity = _checks.sparsity("initial_sparsity", initial_sparsity)
        self.final_sparsity = final_sparsity
        self.n_weights = n_weights
        self.initial_sparsity = initial_sparsity
        self.power = _checks.number_in("power", power, "(0, inf)")

    def of(self, n_weights: int, n_nonzero: int) -> PruningSchedule:
        """Returns the schedule for weights that are pruned together."""
        if self.n_weights is None:
            return self
        config = {**self.get_config(), "n_weights": None}
        config["final_sparsity"] = max(0.0, 1 - self.n_weights / n_weights)
        if self.initial_sparsity is None:
            # Of weights that are all zero none has been pruned yet.
            config["initial_sparsity"] = 1 - (n_nonzero or n_weights) / n_weights
        return PolynomialDecay(**config)

    def sparsity_at(self, progress: float) -> float:
        """Returns the sparsity at a fraction of the way from `begin` to `end`."""
        if self.final_sparsity is None or self.initial_sparsity is None:
            raise ValueError(
                f"{self} ends at a count of weights, so it has no sparsity before it "
                "is known how many there are: `schedule.of(n_weights, n_nonzero)`."
            )
        span = self.initial_sparsity - self.final_sparsity
        return float(self.final_sparsity + span * (1.0 - progress) ** self.power)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {
            "final_sparsity": self.final_sparsity,
            "n_weights": self.n_weights,
            "initial_sparsity": self.initial_sparsity,
            "power": self.power,
            **super().get_config(),
        }


def _step_or_fraction(name: str, value: int | float) -> int | float:
    is_step = isinstance(value, Integral) and not isinstance(value, bool)
    try:
        if is_step:
            return _checks.integer_in(name, value, 0)
        return _checks.number_in(name, value, "[0, 1]")
    except ValueError:
        raise ValueError(
            f"`{name}` must be a step (an integer of 0 or more) or a fraction of the "
            f"fit (a float in [0, 1]). Received: {name}={value!r}"
        ) from None
