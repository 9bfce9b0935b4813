"""With which optimizer a search trains: the user's own kind, at a rate that falls."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from deepcompress.network import internals
from deepcompress.network.moments import n_steps, with_inner

_RATE = 1e-3
# A net that came to rest as its rate fell is not thrown out of it again by all of it.
_PART_OF_PEAK = 0.5
# Where the peak of a schedule is looked for: in the steps that were made, or in these.
_N_LOOKS = 64
_MOST_STEPS = 100_000
# The rate rises from a part of itself, so that the second moments of the gradients
# settle, for so many steps or, in a short training, for so large a part of it.
_WARM_UP = 200
_WARM_UP_PART = 0.1
_WARM_UP_RATE = 0.3
# It then falls to a part of itself: what is left of the noise of steps goes, and the
# last steps still count.
_LAST_RATE = 0.03
# What an optimizer is not asked to do in a search: an average of weights from before a
# step that pruned them is no average of what is left.
_LEFT_OUT = {"use_ema": False, "ema_overwrite_frequency": None}


_ADVICE = "`optimizer` and `learning_rate` choose otherwise"


class Stepping(NamedTuple):
    """What kind of optimizer trains, and at which rate.

    Args:
        kind: A class of Keras' optimizers.
        config: Its config, without a rate.
        rate: The highest learning rate.
        note: What the user should know of it, or nothing.

    Example:

    >>> stepping = stepping_of(keras.optimizers.SGD(0.1, momentum=0.9))
    >>> stepping.kind.__name__, round(stepping.rate, 3), stepping.config["momentum"]
    ('SGD', 0.1, 0.9)
    """

    kind: type[Any]
    config: dict[str, Any]
    rate: float
    note: str = ""

    @property
    def n_batches(self) -> int:
        """How many batches make a step."""
        return int(self.config.get("gradient_accumulation_steps") or 1)

    def optimizer(self, factor: float, n_steps: int) -> Any:
        """Returns an optimizer that has not stepped.

        Args:
            factor: What the rate is multiplied by.
            n_steps: The batches in which the rate rises and falls.
        """
        n_steps //= self.n_batches
        rate = self.rate * factor
        warm_up = min(_WARM_UP, int(_WARM_UP_PART * n_steps))
        schedule = keras.optimizers.schedules.CosineDecay(
            _WARM_UP_RATE * rate,
            max(1, n_steps - warm_up),
            alpha=_LAST_RATE,
            warmup_target=rate if warm_up else None,
            warmup_steps=warm_up,
        )
        return self.kind.from_config({**self.config, "learning_rate": schedule})


def stepping_of(
    optimizer: Any | None, *, chosen: Any | None = None, rate: float | None = None
) -> Stepping:
    """Returns what a search trains with.

    Args:
        optimizer: The one that the model was compiled with, or `None`.
        chosen: Another that the user has asked for, or its name. Defaults to `None`.
        rate: The learning rate that the user has asked for. Defaults to `None`.
    """
    given = optimizer if chosen is None else keras.optimizers.get(chosen)
    own = given and with_inner(given)[-1]
    if own is None or not type(own).__module__.startswith("keras."):
        name = type(given).__name__
        note = f"Trained with Adam, as no {name} can be made anew; {_ADVICE}."
        adam = keras.optimizers.Adam()
        return Stepping(
            type(adam),
            _config(adam),
            _RATE if rate is None else rate,
            note if given is not None else "",
        )
    kind, config = type(own), _config(own)
    if rate is not None:
        return Stepping(kind, config, rate)
    schedule = internals.learning_rate(own)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        # Of the replicas of a rate all have the same.
        return Stepping(kind, config, float(own.learning_rate.numpy()))
    rate = _PART_OF_PEAK * _peak(own, schedule)
    return Stepping(
        kind,
        config,
        rate,
        f"Trained with {kind.__name__} at {rate:.2g}, {_PART_OF_PEAK:.0%} of the peak "
        f"of the schedule that it was compiled with; {_ADVICE}.",
    )


def _config(optimizer: Any) -> dict[str, Any]:
    config = {**internals.optimizer_config(optimizer), **_LEFT_OUT}
    del config["learning_rate"]
    return config


def _peak(optimizer: Any, schedule: Any) -> float:
    """Returns the highest rate of a schedule, as far as it was followed."""
    made = n_steps(optimizer)
    last = made if made > 1 else _MOST_STEPS
    looks = np.unique(np.geomspace(1, last, _N_LOOKS).astype(int)) - 1
    rates = [float(ops.convert_to_numpy(schedule(int(step)))) for step in looks]
    return max(rates)
