"""What a level does: prunes, shrinks, shares, trains, and measures the file."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import keras

from deepcompress.network.variables import compressible, count_weights
from deepcompress.pruning.callback import PruningCallback
from deepcompress.pruning.schedules import PolynomialDecay
from deepcompress.search.copying import Copier
from deepcompress.search.policy import Clock, Policy, Step
from deepcompress.search.state import CompressionPoint
from deepcompress.search.trainer import Trainer
from deepcompress.sensitivity import sensitivity
from deepcompress.sharing import WeightSharingQuantizer

# Pruning begins after a few steps, which saliency has to see, and leaves the last third
# of the training for what has to be made up for.
_BEGIN, _END = 0.02, 0.7
# Few bits for biases, and few digits for centroids: files are smaller by them, and nets
# hardly feel it.
_SHARING: dict[str, Any] = {"init": "optimal", "bias_bits": 4, "mantissa_bits": 4}
# Centroids are few and move whole groups of weights: gently.
_SHARING_RATE = 0.2


class Stopwatch:
    """The seconds that a search has spent, and those that it has left.

    Args:
        budget: Seconds for all of it.
        spent: Seconds that were spent before. Defaults to `0.0`.
        begin: When it began. Defaults to `None`: now.
        now: Reads a clock. Defaults to `time.monotonic`.
    """

    def __init__(
        self,
        budget: float,
        *,
        spent: float = 0.0,
        begin: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self.now = now
        self._end = (now() if begin is None else begin) + budget - spent

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._end - self.now()

    @property
    def spent(self) -> float:
        """Seconds that are spent."""
        return self._budget - self.left


class Written(NamedTuple):
    """A file that was written and measured.

    Args:
        data: The file.
        point: What was measured.
        model: The model that was loaded from the file, and measured.
    """

    data: bytes
    point: CompressionPoint
    model: keras.Model


class Levelled(NamedTuple):
    """What a level came to.

    Args:
        net: The pruned net, not shared.
        written: The file of the net with its weights shared.
        overhead: Seconds that were no training.
    """

    net: keras.Model
    written: Written
    overhead: float


class Levels:
    """Does what a policy says. No net that is given is changed.

    Args:
        trainer: Trains and evaluates.
        copier: Copies nets, and reads their files.
        policy: Decides what depends on what was measured in the midst of a level.
        stopwatch: The time.
        coders: The entropy coders to try.
        dense_bytes: Bytes of the weights of the model given.
        bits: The bits that were chosen last, by the path of the layer. Defaults to
            none.
    """

    def __init__(
        self,
        trainer: Trainer,
        copier: Copier,
        policy: Policy,
        stopwatch: Stopwatch,
        *,
        coders: list[str],
        dense_bytes: int,
        bits: Mapping[str, int] | None = None,
    ) -> None:
        self.policy = policy
        self.stopwatch = stopwatch
        #: The bits that were chosen last.
        self.bits = dict(bits or {})
        self._trainer = trainer
        self._copier = copier
        self._coders = coders
        self._dense_bytes = dense_bytes

    @property
    def clock(self) -> Clock:
        """What time there is."""
        return Clock(self.stopwatch.left, self._trainer.epoch_seconds)

    @property
    def notes(self) -> list[str]:
        """What the user should know of what was done, so far."""
        return self._copier.notes

    def load(self, data: bytes) -> keras.Model:
        """Returns the model of a file."""
        return self._copier.load(data)

    def dumps(self, net: keras.Model) -> bytes:
        """Returns the file of a net."""
        return self._copier.dumps(net)

    def as_given(self, net: keras.Model) -> Written:
        """Measures a net that is shared without training."""
        net = self._copier.copy(net)
        bits = self.policy.first_bits
        WeightSharingQuantizer(bits).quantize(net)
        return self._write(net, dict.fromkeys(_paths(net), bits), 0.0)

    def run(
        self,
        net: keras.Model,
        step: Step,
        show: Callable[[int], None] = lambda epoch: None,
    ) -> Levelled:
        """Does a step.

        Args:
            net: The net of the level before.
            step: What to do.
            show: Is told of each epoch that is done.

        Raises:
            DivergedError: A training diverged.
        """
        trainer, begin = self._trainer, self.stopwatch.now()
        net = self._copier.copy(net)
        schedule = PolynomialDecay(n_weights=step.n_weights, begin=_BEGIN, end=_END)
        fit = trainer.fit(
            net,
            step.n_pruning,
            PruningCallback(schedule, scope="global", criterion=self._criterion()),
            seconds=self.stopwatch.left - step.reserve,
            rate=step.rate,
            show=show,
        )
        trained, epochs = fit.seconds, fit.epochs
        net = self._copier.shrink(net)
        self.bits = self.choose_bits(net, step.bits_seconds)
        shared = self._copier.copy(net)
        WeightSharingQuantizer(self.bits, **_SHARING).quantize(shared)
        written = self._write(shared, self.bits, epochs)
        if self.policy.is_worth_training(written.point.value, self.clock):
            fit = trainer.fit(
                shared,
                step.n_sharing,
                # The clusters there are: those of `quantize`, with the bits of each.
                WeightSharingQuantizer(max(self.bits.values()), **_SHARING),
                seconds=self.stopwatch.left,
                rate=_SHARING_RATE * step.rate,
                show=lambda epoch: show(step.n_pruning + epoch),
            )
            trained, epochs = trained + fit.seconds, epochs + fit.epochs
            after = self._write(shared, self.bits, epochs)
            if self.policy.is_training_kept(written.point.value, after.point.value):
                written = after
        return Levelled(net, written, self.stopwatch.now() - begin - trained)

    def choose_bits(self, net: keras.Model, seconds: float) -> dict[str, int]:
        """Returns bits for each layer, measured where there is time for it.

        Args:
            net: The net, which is the same afterwards.
            seconds: What measuring may take.
        """
        paths = _paths(net)
        monitor = self.policy.budget.monitor
        begin = self.stopwatch.now()
        value = self._trainer.evaluate(net)[monitor]
        n_trials = len(paths) * len(self.policy.bits_to_try)
        if (self.stopwatch.now() - begin) * n_trials > seconds:
            return self.policy.unmeasured_bits(paths, self.bits)
        measured = sensitivity(
            net,
            **self._trainer.validation,
            sparsities=(),
            bits=self.policy.bits_to_try,
            init="optimal",
        )
        trials = [
            (p.layer, int(p.setting), p.metrics[monitor]) for p in measured.points
        ]
        return self.policy.bits(paths, value, trials)

    def _write(
        self, net: keras.Model, bits: Mapping[str, int], epochs: float
    ) -> Written:
        """Writes a file, loads it, and evaluates what was loaded."""
        files = {coder: self._copier.dumps(net, coder) for coder in self._coders}
        coder, data = min(files.items(), key=lambda item: len(item[1]))
        model = self.load(data)
        metrics = self._trainer.evaluate(model)
        budget = self.policy.budget
        value = metrics[budget.monitor]
        point = CompressionPoint(
            size=len(data),
            ratio=self._dense_bytes / len(data),
            value=value,
            is_accurate=budget.is_accurate(value),
            n_weights=count_weights(net),
            bits=dict(bits),
            coder=coder,
            epochs=epochs,
            seconds=self.stopwatch.spent,
            metrics=metrics,
        )
        return Written(data, point, model)

    def _criterion(self) -> Literal["magnitude", "saliency"]:
        """Returns saliency, or what can be told of a training of the user's own."""
        if self._trainer.is_stepping_seen:
            return "saliency"
        self._copier.note(
            "Pruned by magnitude: the model steps with optimizers of its own, of which "
            "the saliency of a weight is not known."
        )
        return "magnitude"


def _paths(net: keras.Model) -> list[str]:
    return list(dict.fromkeys(named.layer for named in compressible(net)))
