"""What a level does: prunes, shrinks, shares, trains, and measures the file."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import keras
import numpy as np

from deepcompress.clustering.rounding import round_mantissa
from deepcompress.network.normalization import batch_normalizations, fold_statistics
from deepcompress.network.trial import Trial as Measured
from deepcompress.network.variables import compressible, count_weights
from deepcompress.pruning.callback import PruningCallback
from deepcompress.pruning.schedules import PolynomialDecay
from deepcompress.search.copying import Copier
from deepcompress.search.milestones import Milestones
from deepcompress.search.oneshot import PRICED_BITS, OneShot
from deepcompress.search.policy import Clock, Policy, Step
from deepcompress.search.state import CompressionPoint
from deepcompress.search.stopwatch import Stopwatch
from deepcompress.search.trainer import Trainer
from deepcompress.search.untrained import Trial
from deepcompress.sensitivity import points_of
from deepcompress.sharing import WeightSharingQuantizer

# The part of the time without training that pruning a net once may take.
_ONE_SHOT_TIME = 0.5
# Where the inputs do not tell, pruning begins after a few steps, which saliency has to
# see, and leaves the last third of the training for what has to be made up for.
_BEGIN, _END = 0.02, 0.7
# Few bits for biases, and few digits for centroids: files are smaller by them, and nets
# hardly feel it.
_SHARING: dict[str, Any] = {"init": "optimal", "bias_bits": 4, "mantissa_bits": 4}
# Digits behind the leading one of what is not shared, such as the scales and statistics
# of normalization: in a small net of bare convolutions they are a fifth of the file.
_DIGITS = 7
# What a bit of a file costs: weights make up for each other, so that many have a choice
# of centroids that are as good, and some can go. The least of these prices takes some
# per cent of a file, and nets do not feel it. What is trained bears less than what is
# pruned and shared at once.
_PRICE_NEAR, _PRICE, _PRICE_UNTRAINED = 0.005, 0.02, 0.1
# Centroids are few and move whole groups of weights, by the mean of what they would do:
# gently where normalization is trained along, which moves as ever.
_SHARING_RATE_NORMALIZED = 0.2


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
        earlier: Where the file is not within the budget, the net on its way with the
            fewest weights of which one is, if there is any: net and file.
    """

    net: keras.Model
    written: Written
    overhead: float
    earlier: tuple[keras.Model, Written] | None = None


class Levels:
    """Does what a policy says. No net that is given is changed.

    Args:
        trainer: Trains and evaluates.
        copier: Copies nets, and reads their files.
        policy: Decides what depends on what was measured in the midst of a level.
        stopwatch: The time.
        coders: The entropy coders to try.
        dense_bytes: Bytes of the weights of the model given.
        fold: Whether files hold the statistics of batch normalization in its scales
            and offsets. Defaults to `False`.
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
        fold: bool = False,
        bits: Mapping[str, int] | None = None,
    ) -> None:
        self.policy = policy
        self.stopwatch = stopwatch
        #: The bits that were chosen last.
        self.bits = dict(bits or {})
        self._fewest_bits = min(self.bits.values(), default=None)
        #: Seconds of pruning and sharing without training, as last measured.
        self.untrained_seconds = 0.0
        self._trainer = trainer
        self._copier = copier
        self._coders = coders
        self._dense_bytes = dense_bytes
        self._fold = fold
        seconds = _ONE_SHOT_TIME * policy.untrained_time
        seconds *= stopwatch.spent + stopwatch.left
        self._one_shot = OneShot(trainer.inputs, seconds, copier.note)

    @property
    def clock(self) -> Clock:
        """What time there is."""
        watch = self.stopwatch
        return Clock(watch.left, self._trainer.epoch_seconds, watch.spent)

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

    def untrained(self, net: keras.Model) -> Iterator[Written]:
        """Yields the files of a net that is pruned and shared without training.

        The fewest bits that it bears so are the first guess for levels.

        Args:
            net: The net.
        """
        trainer, budget = self._trainer, self.policy.budget
        scratch = self._copier.copy(net)
        weights = net.get_weights()
        n_weights = count_weights(net)
        trials: list[Trial] = []
        best: dict[tuple[int, bool], list[np.ndarray]] = {}

        def make(bits: int, sparsity: float, is_priced: bool) -> float:
            """Makes such a net, and returns the part of the budget that it uses."""
            begin = self.stopwatch.now()
            scratch.set_weights(weights)
            if sparsity:
                n_kept = max(1, round((1 - sparsity) * n_weights))
                self._one_shot.prune(scratch, n_kept)
            price = _PRICE_UNTRAINED if is_priced else _PRICE_NEAR
            self._one_shot.share(scratch, bits, price=price, **_SHARING)
            value = trainer.evaluate(scratch)[budget.monitor]
            if not budget.is_accurate(value) and trainer.renew_statistics(scratch):
                value = trainer.evaluate(scratch)[budget.monitor]
            self.untrained_seconds = self.stopwatch.now() - begin
            return budget.used(value)

        while True:
            has_price = self._one_shot.is_calibrated
            chosen = self.policy.next_untrained(trials, self.clock, has_price=has_price)
            if chosen is None:
                break
            bits, sparsity, is_priced = chosen
            trials.append(Trial(bits, sparsity, make(*chosen), is_priced))
            if trials[-1].is_accurate:  # at more sparsity than any before
                best[bits, is_priced] = scratch.get_weights()
        if best:
            self._fewest_bits = min(bits for bits, _ in best)
            self.bits = dict.fromkeys(_paths(net), self._fewest_bits)
        for bits, is_priced in sorted(best):
            scratch.set_weights(best[bits, is_priced])
            written = self._write(scratch, dict.fromkeys(_paths(net), bits), 0.0)
            yield self._rounded(written)

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
        start, net = net, self._copier.copy(net)
        is_at_once = self.policy.is_at_once
        is_pruned = is_at_once and self._one_shot.is_pruned(net, step.n_weights)
        milestones = Milestones(net)

        def pruning(n_steps: int) -> list[keras.callbacks.Callback]:
            if is_pruned:
                return [PruningCallback(0.0)]  # keeps to it
            begin, end = int(_BEGIN * n_steps), int(_END * n_steps)
            schedule = PolynomialDecay(n_weights=step.n_weights, begin=begin, end=end)
            callback = PruningCallback(
                schedule,
                scope="global",
                criterion="magnitude" if is_at_once else "saliency",
            )
            return [callback, milestones]

        fit = trainer.fit(
            net,
            step.n_pruning,
            pruning,
            seconds=self.stopwatch.left - step.reserve,
            rate=step.rate,
            show=show,
        )
        trained, epochs = fit.seconds, fit.epochs
        net = self._copier.shrink(net)
        self.bits, value = self.choose_bits(net, step.bits_seconds)
        first, is_poor = self.bits, not self.policy.budget.is_accurate(value)
        if is_at_once and is_poor:
            # What the net has lost is to be told, and not what few bits have.
            first = self.policy.unmeasured_bits(_paths(net), {})
        ways = chain([(first, _PRICE)], self._nearer(first, value))
        tried = []
        for bits, price in ways:
            shared = self._shared(net, bits, price)
            tried.append((shared, self._write(shared, bits, epochs)))
            is_late = self.stopwatch.left <= 0
            # Where nothing is normalized training wins back far more.
            if tried[-1][1].point.is_accurate or is_late or not is_at_once:
                break
        used = self.policy.budget.used
        shared, written = min(tried, key=lambda pair: used(pair[1].point.value))
        # It is the net that is trained on, if at all, where that is what is poor.
        is_trained = not (is_at_once and is_poor)
        if is_trained and self.policy.is_worth_training(
            written.point.value, self.clock
        ):
            fit = trainer.fit(
                shared,
                step.n_sharing,
                # The clusters there are: those of `quantize`, with the bits of each.
                lambda _: [
                    WeightSharingQuantizer(max(written.point.bits.values()), **_SHARING)
                ],
                seconds=self.stopwatch.left,
                rate=step.rate * (_SHARING_RATE_NORMALIZED if is_at_once else 1.0),
                show=lambda epoch: show(step.n_pruning + epoch),
            )
            trained, epochs = trained + fit.seconds, epochs + fit.epochs
            after = self._write(shared, written.point.bits, epochs)
            if self.policy.is_training_kept(written.point.value, after.point.value):
                written = after
        for bits, price in ways:
            if written.point.is_accurate or (is_late and is_at_once):
                break
            after = self._write(self._shared(net, bits, price), bits, epochs)
            if after.point.is_accurate:
                written = after
        if written.point.is_accurate or not is_at_once:
            self.bits = dict(written.point.bits)
        earlier = None
        if not written.point.is_accurate:
            earlier = self._earlier(start, milestones, epochs)
        written = self._rounded(written)
        overhead = self.stopwatch.now() - begin - trained
        return Levelled(net, written, overhead, earlier)

    def _earlier(
        self, start: keras.Model, milestones: Milestones, epochs: float
    ) -> tuple[keras.Model, Written] | None:
        """Returns the latest net on a way of which a file is within the budget.

        Args:
            start: The net that the way began with.
            milestones: What is known of the way.
            epochs: The epochs of all of it.
        """
        policy, monitor = self.policy, self.policy.budget.monitor
        for weights in reversed(milestones.weights):
            net = self._copier.copy(start)
            net.set_weights(weights)
            self._trainer.renew_statistics(net)
            value = self._trainer.evaluate(net)[monitor]
            if not policy.budget.is_accurate(value):
                continue
            net = self._copier.shrink(net)
            for bits, price in [(self.bits, _PRICE), *self._nearer(self.bits, value)]:
                shared = self._shared(net, bits, price)
                written = self._write(shared, bits, epochs)
                if written.point.is_accurate:
                    return net, self._rounded(written)
        return None

    def choose_bits(
        self, net: keras.Model, seconds: float
    ) -> tuple[dict[str, int], float]:
        """Returns bits for each layer, measured where there is time, and the value.

        Args:
            net: The net, which is the same afterwards.
            seconds: What measuring may take.
        """
        paths = _paths(net)
        monitor = self.policy.budget.monitor
        begin = self.stopwatch.now()
        value = self._trainer.evaluate(net)[monitor]
        n_trials = len(paths) * len(self.policy.bits_to_try)
        is_slow = (self.stopwatch.now() - begin) * n_trials > seconds
        # With the inputs in view layers bear other bits than by themselves.
        if is_slow or (self._one_shot.is_calibrated and self.bits):
            fewest = self._fewest_bits if self.policy.is_at_once else None
            return self.policy.unmeasured_bits(paths, self.bits, fewest), value
        measured = points_of(
            net,
            compressible(net),
            Measured(net, lambda: self._trainer.evaluate(net)),
            bits=self.policy.bits_to_try,
            init="optimal",
        )
        trials = [(p.layer, int(p.setting), p.metrics[monitor]) for p in measured]
        return self.policy.bits(paths, value, trials), value

    def _nearer(
        self, bits: dict[str, int], value: float
    ) -> Iterator[tuple[dict[str, int], float]]:
        """Yields bits and prices for a net that these bits have spoilt.

        Args:
            bits: The bits of each layer.
            value: The monitored quantity of the net before it is shared.
        """
        if not self.policy.budget.is_accurate(value):
            return
        if self._one_shot.is_calibrated and max(bits.values()) <= PRICED_BITS:
            yield bits, _PRICE_NEAR
        finer = self.policy.finer_bits(bits, value)
        if finer is not None:
            yield finer, _PRICE
            yield from self._nearer(finer, value)

    def _shared(
        self, net: keras.Model, bits: Mapping[str, int], price: float
    ) -> keras.Model:
        """Returns a net with its weights shared; the one that is given stays."""
        shared = self._copier.copy(net)
        self._one_shot.share(shared, bits, price=price, **_SHARING)
        return shared

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

    def _rounded(self, written: Written) -> Written:
        """Returns the file with less of what is not shared, if it may have."""
        if not written.point.is_accurate:
            return written
        net = self._copier.copy(written.model)
        is_folded = self._fold and fold_statistics(net)
        if not (_round_vectors(net) or is_folded):
            return written
        after = self._write(net, written.point.bits, written.point.epochs)
        is_kept = after.point.is_accurate and after.point.size < written.point.size
        return after if is_kept else written


def _round_vectors(net: keras.Model) -> bool:
    """Rounds what is trained and is not shared; returns whether that changes it."""
    vectors = [v for v in net.trainable_variables if len(v.shape) <= 1]
    for layer in batch_normalizations(net):
        if layer.trainable:
            vectors += [layer.moving_mean, layer.moving_variance]
    is_changed = False
    for vector in vectors:
        before = np.asarray(vector.numpy())
        after = round_mantissa(before, _DIGITS)
        if not np.array_equal(before, after):
            vector.assign(after)
            is_changed = True
    return is_changed


def _paths(net: keras.Model) -> list[str]:
    return list(dict.fromkeys(named.layer for named in compressible(net)))
