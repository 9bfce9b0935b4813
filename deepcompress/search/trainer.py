"""How `compress` trains a net and measures it: time, rate, and teacher."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np

from deepcompress.network.evaluating import evaluate
from deepcompress.network.inputs import batch_size_of, some_inputs
from deepcompress.network.internals import compiled_with
from deepcompress.network.moments import n_steps as n_steps_of
from deepcompress.network.moments import optimizers
from deepcompress.network.normalization import renew_statistics
from deepcompress.network.trial import begun_anew
from deepcompress.search import data
from deepcompress.search.copying import Copier, compile_as_keras
from deepcompress.search.distilling import distiller
from deepcompress.search.stepping import Stepping

_BATCH_SIZE = 64
# Enough steps to tell how long one takes, at a rate that can do no harm.
_PROBE_STEPS = 20
_LEAST_STEPS = 2
_PROBE_RATE = 0.1
# What a training of so many steps does for a net does not depend on how long its data
# are: an epoch of more counts as several.
_STEPS_OF_EPOCH = 1000
# Enough for the mean and the variance of every unit.
_BATCHES_OF_STATISTICS = 16
# A batch is larger where no gradients have to be kept.
_EVALUATION_BATCHES = 4
# What sharing leaves alone, and what each level counts by itself; the end and the order
# of data.
_QUIET = (
    "Left alone",
    ".* weights are left where .* were asked for",
    "Your input ran out of data",
    "`shuffle=True` was passed",
)


class Fit(NamedTuple):
    """What a training took.

    Args:
        epochs: Epochs, the last one perhaps in part.
        seconds: Seconds of its steps.
    """

    epochs: float
    seconds: float


class DivergedError(Exception):
    """A training whose loss has become NaN or infinite."""


class Trainer:
    """Trains nets within a time, and evaluates them.

    Args:
        model: The compiled model whose loss is taken.
        train: What `fit` takes; arrays as a tuple.
        validation_data: What `evaluate` takes; arrays as a tuple.
        batch_size: Samples of a batch of arrays; `None` for 64.
        teacher: The model to learn the outputs of, or `None`.
        copier: Compiles nets as the user's was.
        stepping: What nets are trained with.
        loss: The loss of all outputs. Defaults to `None`: what the model was compiled
            with.
        judge: Measures a model, by name. Defaults to `None`: `evaluate` with the
            validation data.
        now: Reads a clock. Defaults to `time.monotonic`.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Any,
        validation_data: Any,
        *,
        batch_size: int | None,
        teacher: keras.Model | None,
        copier: Copier,
        stepping: Stepping,
        loss: Any = None,
        judge: Callable[[keras.Model], dict[str, float]] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        inputs = getattr(model, "inputs", None) or []
        fixed = batch_size_of(model)
        size = batch_size or fixed or _BATCH_SIZE
        n_inputs = max(1, len(inputs))
        self._train = data.arguments(
            "train", data.of_known_length(train), size, n_inputs=n_inputs
        )
        self._validation = data.arguments(
            "validation_data",
            validation_data,
            fixed or _EVALUATION_BATCHES * size,
            n_inputs=n_inputs,
        )
        config = compiled_with(model)
        self._options = {
            name: config[name]
            for name in ("jit_compile", "run_eagerly")
            if name in config
        }
        self._loss = config["loss"] if loss is None else loss
        self._loss_weights = config["loss_weights"] if loss is None else None
        self._judge = judge
        #: Whether there is more to learn than what the model says itself.
        self.has_labels = judge is None
        self._teacher = teacher
        self._copier = copier
        if teacher is not None and data.has_sample_weights(self._train):
            self._dismiss("its samples have weights")
        self._stepping = stepping
        if stepping.note:
            copier.note(stepping.note)
        self._now = now
        #: Seconds of a step, as last measured.
        self.step_seconds = math.inf
        self._data_steps = 1
        #: Whether the optimizer is seen to step, which saliency is measured by.
        self.is_stepping_seen = True

    @property
    def n_steps(self) -> int:
        """Steps of an epoch, or of each of the parts that a long one is counted as."""
        n_parts = math.ceil(self._data_steps / _STEPS_OF_EPOCH)
        return math.ceil(self._data_steps / n_parts)

    @property
    def epoch_seconds(self) -> float:
        """Seconds that an epoch takes, or a part of a long one, as last measured."""
        return self.n_steps * self.step_seconds

    def evaluate(self, model: keras.Model) -> dict[str, float]:
        """Returns the metrics on the validation data, by name."""
        if self._judge is not None:
            return self._judge(model)
        self._copier.reset_metrics()
        with _named("validation_data"), begun_anew(model):
            return evaluate(model, **self._validation)

    def renew_statistics(self, model: keras.Model) -> bool:
        """Measures the statistics of batch normalization anew, if there are any."""
        size = self._train.get("batch_size", _BATCH_SIZE)
        n_samples = _BATCHES_OF_STATISTICS * size
        batches = some_inputs(self._train["x"], n_samples, batch_size=size)
        return renew_statistics(model, batches)

    @property
    def inputs(self) -> Any:
        """The inputs that are trained with, arrays or a dataset."""
        return self._train["x"]

    def probe(self, model: keras.Model, seconds: float) -> None:
        """Trains a few steps, to see that the data fits and how long they take.

        Args:
            model: The model, which is changed.
            seconds: The longest time, but for two steps.
        """
        timer = Timer(seconds, n_steps=_PROBE_STEPS, least=_LEAST_STEPS, now=self._now)
        with _named("train"):
            self._fit(model, _PROBE_STEPS, _PROBE_RATE, timer)
        if timer.n_steps_of_epoch is None:
            raise ValueError(
                "`train` does not say how many batches it has. Give it a length, for "
                "example by `dataset.take(n)`."
            )
        self._data_steps = timer.n_steps_of_epoch

    def fit(
        self,
        model: keras.Model,
        epochs: int,
        callbacks: Callable[[int], Sequence[keras.callbacks.Callback]],
        *,
        seconds: float,
        rate: float = 1.0,
        show: Callable[[int], None] = lambda epoch: None,
    ) -> "Fit":
        """Trains a net, and leaves it compiled as the user's was.

        Args:
            model: The net.
            epochs: How many epochs, or parts of long ones.
            callbacks: Makes those that prune or share, for a training of so many steps.
            seconds: When to stop early. Where the epochs are known to take longer, what
                is made is told fewer steps, and the learning rate falls so much faster.
            rate: A factor of the learning rate.
            show: Is told of each of the epochs that is done.

        Returns:
            The epochs done, and the seconds that their steps took.

        Raises:
            DivergedError: The loss became NaN or infinite.
        """
        n_steps = epochs * self.n_steps
        if seconds < epochs * self.epoch_seconds < math.inf:
            n_steps = int(seconds / self.step_seconds)
        # Without a step nothing is learnt, of saliency neither.
        least = self._stepping.n_batches
        n_steps = max(n_steps, least)

        def done(step: int) -> None:
            if step % self.n_steps == 0:
                show(step // self.n_steps)

        timer = Timer(seconds, n_steps=n_steps, least=least, show=done, now=self._now)
        self._fit(model, n_steps, rate, timer, *callbacks(n_steps))
        return Fit(timer.n_done / self._data_steps, timer.n_done * self.step_seconds)

    def _fit(
        self,
        model: keras.Model,
        n_steps: int,
        rate: float,
        timer: "Timer",
        *callbacks: keras.callbacks.Callback,
    ) -> None:
        target, loss, loss_weights = model, self._loss, self._loss_weights
        if self._teacher is not None:
            made = distiller(self._teacher, model, loss)
            if made is None:
                self._dismiss(
                    "that is known to be right for a crossentropy of one output alone"
                )
            else:
                (target, loss), loss_weights = made, None
        optimizer = self._stepping.optimizer(rate, n_steps)
        options = {} if loss_weights is None else {"loss_weights": loss_weights}
        if target is model:
            compile_as_keras(target, optimizer, loss=loss, **options, **self._options)
        else:
            target.compile(optimizer, loss=loss, **options, **self._options)
        try:
            with quiet():
                target.fit(
                    **self._train,
                    epochs=math.ceil(n_steps / self._data_steps),
                    verbose=0,
                    callbacks=[timer, *callbacks],
                )
        except ValueError:
            # What prunes and shares refuses such weights, whatever the loss says.
            _check_finite(model)
            raise
        _check_finite(model)
        self.is_stepping_seen = n_steps_of(optimizers(target)[-1]) > 0
        if target is model:
            self._copier.compile(model)
        if timer.step_seconds is not None:
            self.step_seconds = timer.step_seconds

    def _dismiss(self, reason: str) -> None:
        self._teacher = None
        self._copier.note(f"The training has no teacher: {reason}.")


class Timer(keras.callbacks.Callback):
    """Measures the steps of a training, and stops it when its time is up.

    Args:
        seconds: The time that it has.
        n_steps: After how many steps to stop, or `None`.
        least: How many steps to take in any case. Defaults to `1`.
        show: Is told of each step that is done.
        now: Reads a clock. Defaults to `time.monotonic`.
    """

    def __init__(
        self,
        seconds: float,
        *,
        n_steps: int | None = None,
        least: int = 1,
        show: Callable[[int], None] = lambda step: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._now = now
        self._end = now() + seconds
        self.n_steps = n_steps
        self._least = least
        self._show = show
        self._first: float | None = None
        self._last = 0.0
        self.n_done = 0
        self.n_steps_of_epoch: int | None = None

    @property
    def step_seconds(self) -> float | None:
        """Seconds of a step; the first, which is traced, does not count."""
        if self._first is None or self.n_done < 2:
            return None
        return (self._last - self._first) / (self.n_done - 1)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes how many steps an epoch has."""
        self.n_steps_of_epoch = self.params.get("steps")

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Notes the time of a step."""
        self._last = self._now()
        if self._first is None:
            self._first = self._last
        self.n_done += 1
        for name, value in (logs or {}).items():
            # What a training step of the user's own tells beside may be anything.
            if "loss" in name and not np.isfinite(value).all():
                raise DivergedError(f"{name} is {value} after {self.n_done} steps")
        is_late = self._last >= self._end and self.n_done >= self._least
        if is_late or self.n_done == self.n_steps:
            self.model.stop_training = True
        self._show(self.n_done)


def _check_finite(model: keras.Model) -> None:
    # A loss may stay finite: some make 0 of relu(NaN).
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise DivergedError("weights are NaN or infinite")


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Adds to an error which data it came up with."""
    try:
        yield
    except DivergedError as error:
        raise ValueError(
            f"The training on `{name}` diverged: {error}. Is there NaN in the data?"
        ) from None
    except Exception as error:
        error.add_note(f"This came up with `{name}`. Does it fit the model?")
        raise


@contextmanager
def quiet() -> Iterator[None]:
    """Leaves out warnings about what `compress` does on purpose."""
    with warnings.catch_warnings():
        for message in _QUIET:
            warnings.filterwarnings("ignore", message)
        yield
