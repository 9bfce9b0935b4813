"""All of Deep Compression in one call: the smallest file within a budget."""

import hashlib
import math
import os
import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from rich.console import Console

from deepcompress._progress import Stages
from deepcompress.dcz.container import CODERS
from deepcompress.network.variables import choose, named_variables
from deepcompress.pruning.callback import PruningCallback
from deepcompress.pruning.schedules import PolynomialDecay
from deepcompress.saving.serializer import HuffmanSerializer
from deepcompress.search.checkpoint import Checkpoint, State
from deepcompress.search.result import Budget, CompressionPoint, CompressionResult
from deepcompress.search.trainer import Copier, DivergedError, Trainer, quiet
from deepcompress.sensitivity import sensitivity
from deepcompress.sharing import WeightSharingQuantizer
from deepcompress.shrinking.shrink import shrink

_SHARING: dict[str, Any] = {"init": "optimal", "bias_bits": 4, "mantissa_bits": 4}
_BITS = (3, 4, 5, 6, 8)
# The model as it is given is shared carefully, so that there always is a file.
_FIRST_BITS = 8
# How many levels share the time, and the part of each that trains centroids.
_N_LEVELS = 10
_SHARING_TIME = 0.25
_SHARING_RATE = 0.2
# The part of the budget that the bits of one layer may take before training, and that
# shared weights may take without training.
_PART_OF_A_LAYER = 0.2
_PART_WITHOUT_TRAINING = 0.25
_LEAST_RATE_FACTOR = 0.1


def compress(
    model: keras.Model,
    train: Any,
    validation_data: Any = None,
    *,
    max_accuracy_drop: float = 0.01,
    target_ratio: float | None = None,
    time_budget: float = 900.0,
    batch_size: int | None = None,
    monitor: str | None = None,
    distill: bool = True,
    coder: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    seed: int = 0,
    verbose: int = 1,
) -> CompressionResult:
    """Makes the smallest file of a trained model that keeps its accuracy.

    The model is pruned by saliency, level by level, each with a part of the weights of
    the one before, and trained meanwhile, as a rule with the model itself as a teacher.
    Units that pruning has emptied are dropped. Then the weights are shared, with as few
    bits for each layer as it bears, and a real file is written in memory, loaded, and
    measured. Steps are large while the accuracy is well within the budget and small
    near it; where a level fails, one in between is tried, until the time is used up or
    nothing smaller works.

    All choices are made on the validation data. The accuracy of the result is
    therefore a little optimistic: measure it on test data that nothing here has seen.

    The model given is not changed; the global seed of Keras is set.

    Args:
        model: A trained model, compiled with its loss, and an accuracy among its
            metrics. An optimizer like Adam with a fixed rate gives the learning rate;
            otherwise it is 0.001.
        train: What `fit` takes, arrays as a tuple `(x, y)` or `(x, y, sample_weight)`.
            It must say, or let be counted, how many batches it has.
        validation_data: What `evaluate` takes, arrays as a tuple. Not the training
            data, and not the test data.
        max_accuracy_drop: How far the accuracy on the validation data may fall, in
            [0, 1): by 0.01 from 0.98 to 0.97. Of a quantity of which less is better,
            such as the loss, the part of its value by which it may rise. Defaults to
            `0.01`.
        target_ratio: How many times smaller than the weights the file is to be; the
            search stops there. Defaults to `None`: as small as can be.
        time_budget: Seconds for all of it. More time gives smaller files. Defaults to
            `900.0`.
        batch_size: Samples of a batch where the data are arrays. Defaults to `None`:
            64.
        monitor: The name of the metric that the budget is for. Defaults to `None`: the
            first that is called an accuracy, else the loss.
        distill: Whether the model given teaches the smaller one, where its loss is a
            crossentropy and it has one output; samples with weights are trained
            without a teacher. Defaults to `True`.
        coder: `"huffman"` or `"context"`. Defaults to `None`: whichever file is
            smaller.
        checkpoint: A folder in which the state is kept after every level. The same
            call, after a kill, goes on from there; the time spent counts. Defaults to
            `None`.
        seed: Seed of everything random. Defaults to `0`.
        verbose: `0` prints nothing, `1` a bar or a line for each level. Defaults to
            `1`.

    Returns:
        A `CompressionResult`: the file, its model and report, and the curve of all
        that was measured. `is_met` tells whether it is within the budget; otherwise it
        is the most accurate one, and a warning says so.

    Raises:
        ValueError: The model is not compiled, not built, or has nothing to compress;
            a budget is out of range; data is missing, not finite, or cannot be read
            again; the metric is not known; or the checkpoint is of another call.

    References:
        Han, Mao, Dally 2016, "Deep Compression"; LeCun, Denker, Solla 1990, "Optimal
        brain damage"; Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a
        neural network".

    Example:

    >>> import keras, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
    >>> y = (x[:, 0] > 0).astype("int32")
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((8,)),
    ...         keras.layers.Dense(32, activation="relu"),
    ...         keras.layers.Dense(2, activation="softmax"),
    ...     ]
    ... )
    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = model.fit(x[:400], y[:400], epochs=9, verbose=0)
    >>> result = compress(
    ...     model,
    ...     (x[:400], y[:400]),
    ...     (x[400:], y[400:]),
    ...     max_accuracy_drop=0.1,
    ...     time_budget=1,
    ...     verbose=0,
    ... )
    >>> result.is_met
    True
    """
    begin = time.monotonic()
    _check_model(model)
    _check_range("max_accuracy_drop", max_accuracy_drop, 0 <= max_accuracy_drop < 1)
    _check_range("target_ratio", target_ratio, target_ratio is None or target_ratio > 1)
    _check_range("time_budget", time_budget, 0 < time_budget < math.inf)
    _check_range("batch_size", batch_size, batch_size is None or batch_size >= 1)
    if coder is not None and coder not in CODERS:
        raise ValueError(f"`coder` must be one of {tuple(CODERS)}. Received: {coder!r}")
    copier = Copier(model)
    dense = HuffmanSerializer().dumps(model)
    kept = Checkpoint(
        checkpoint,
        {
            "model": hashlib.sha256(dense).hexdigest(),
            "max_accuracy_drop": max_accuracy_drop,
            "target_ratio": target_ratio,
            "time_budget": time_budget,
            "batch_size": batch_size,
            "monitor": monitor,
            "distill": distill,
            "coder": coder,
            "seed": seed,
        },
    )
    keras.utils.set_random_seed(seed)
    teacher = copier.load(dense)
    trainer = Trainer(
        teacher,
        train,
        validation_data,
        batch_size=batch_size,
        teacher=teacher if distill else None,
        copier=copier,
    )
    metrics = trainer.evaluate(teacher)
    name, is_less_better = _monitored(teacher, metrics, monitor)
    budget = _budget(
        name, metrics[name], max_accuracy_drop, target_ratio, is_less_better
    )
    trainer.probe(copier.load(dense), 0.05 * time_budget)
    kept.write("dense.dcz", dense)

    console = Console(
        quiet=verbose == 0, width=None if sys.stdout.isatty() else 100, highlight=False
    )
    state = kept.load()
    if state is None:
        state = State(net=dense, n_good=_n_weights(model))
    else:
        console.print(
            f"Going on after {len(state.curve)} points and {state.seconds:.0f} s, from "
            f"{os.fspath(checkpoint or '')!r}."
        )
        trainer.rate_factor = state.rate_factor
    search = _Search(
        trainer,
        copier,
        budget,
        state,
        kept,
        coders=[coder] if coder else list(CODERS),
        dense_bytes=sum(weight.nbytes for weight in teacher.get_weights()),
        end=begin + time_budget - state.seconds,
        time_budget=time_budget,
        seed=seed,
    )
    with Stages(console) as stages, quiet():
        search.run(stages)
        best = copier.load(state.data)
    result = CompressionResult(state.data, best, state.curve, state.best, budget)
    console.print(repr(result)[1:-1], soft_wrap=True)
    if not result.is_met:
        warnings.warn(f"The budget was not met. {result!r}", stacklevel=2)
    return result


class _Search:
    """Prunes level by level, and keeps the best file."""

    def __init__(
        self,
        trainer: Trainer,
        copier: Copier,
        budget: Budget,
        state: State,
        checkpoint: Checkpoint,
        *,
        coders: list[str],
        dense_bytes: int,
        end: float,
        time_budget: float,
        seed: int,
    ) -> None:
        self._trainer = trainer
        self._copier = copier
        self._budget = budget
        self._state = state
        self._checkpoint = checkpoint
        self._coders = coders
        self._dense_bytes = dense_bytes
        self._end = end
        self._time_budget = time_budget
        self._seed = seed

    def run(self, stages: Stages) -> None:
        """Goes on until nothing is left to try."""
        state = self._state
        if not state.curve:
            self._share_as_given(stages)
            self._save()
        while (n_weights := self._next()) is not None:
            state.n_levels += 1
            keras.utils.set_random_seed(self._seed + state.n_levels)
            try:
                self._level(n_weights, stages)
            except DivergedError as error:
                self._trainer.rate_factor /= 2
                warnings.warn(
                    f"A training diverged ({error}); going on with half the learning "
                    "rate.",
                    stacklevel=2,
                )
            self._save()

    @property
    def _left(self) -> float:
        return self._end - time.monotonic()

    def _save(self) -> None:
        self._state.seconds = self._time_budget - self._left
        self._state.rate_factor = self._trainer.rate_factor
        self._checkpoint.save(self._state)

    def _next(self) -> int | None:
        """Returns the weights of the next level, or `None` to stop."""
        state, budget = self._state, self._budget
        best = state.curve[state.best]
        if budget.target_ratio is not None and budget.is_met(best):
            return None
        if self._trainer.rate_factor < _LEAST_RATE_FACTOR:
            return None
        needed = state.overhead + self._trainer.epoch_seconds
        if self._left <= 0 or (state.n_levels and self._left < needed):
            return None
        if state.n_bad is not None:
            n_weights = round(math.sqrt(state.n_good * state.n_bad))
            if n_weights > 0.97 * state.n_good:
                return None
        else:
            n_weights = round(state.n_good * _step(state.used))
            if budget.target_ratio is not None and best.is_accurate:
                # Not much further than is asked for.
                part = 0.9 * best.ratio / budget.target_ratio
                n_weights = max(n_weights, round(part * state.n_good))
        n_weights = max(n_weights, 1)
        return n_weights if n_weights < state.n_good else None

    def _share_as_given(self, stages: Stages) -> None:
        """Measures the model as it was given, shared without training."""
        stage = stages.add("as given", 1)
        net = self._copier.load(self._state.net)
        bits = dict.fromkeys(_paths(net), _FIRST_BITS)
        WeightSharingQuantizer(_FIRST_BITS).quantize(net)
        data, point = self._measure(net, bits, 0.0)
        self._keep(point, data)
        stage.say(1, self._says(point))

    def _level(self, n_weights: int, stages: Stages) -> None:
        """Prunes to so many weights, shares these, and measures the file."""
        state, trainer = self._state, self._trainer
        begin, seconds = time.monotonic(), self._seconds()
        n_pruning, n_sharing = self._epochs(seconds)
        stage = stages.add(f"level {state.n_levels}", n_pruning + n_sharing)
        net = self._copier.load(state.net)
        before = _n_weights(net)
        fit = trainer.fit(
            net,
            n_pruning,
            _pruning(net, before, n_weights),
            seconds=self._left - state.overhead,
            show=stage.move,
        )
        trained, epochs = fit.seconds, fit.epochs
        net = shrink(net)
        state.bits = self._bits(net, 0.1 * seconds)
        shared = self._copier.copy(net)
        WeightSharingQuantizer(state.bits, **_SHARING).quantize(shared)
        data, point = self._measure(shared, state.bits, epochs)
        if (
            self._budget.used(point.value) > _PART_WITHOUT_TRAINING
            and self._left > trainer.epoch_seconds
        ):
            fit = trainer.fit(
                shared,
                n_sharing,
                # The clusters there are: those of `quantize`, with the bits of each.
                WeightSharingQuantizer(max(state.bits.values()), **_SHARING),
                seconds=self._left,
                rate=_SHARING_RATE,
                show=lambda epoch: stage.move(n_pruning + epoch),
            )
            trained, epochs = trained + fit.seconds, epochs + fit.epochs
            after = self._measure(shared, state.bits, epochs)
            used = self._budget.used(after[1].value)
            if used <= max(1.0, self._budget.used(point.value)):
                data, point = after
        self._keep(point, data)
        if point.is_accurate:
            state.net = HuffmanSerializer().dumps(net)
            state.n_good = min(point.n_weights, n_weights)
            state.used = self._budget.used(point.value)
        else:
            state.n_bad = max(n_weights, state.n_bad or 0)
        state.overhead = time.monotonic() - begin - trained
        stage.say(n_pruning + n_sharing, self._says(point))

    def _seconds(self) -> float:
        """Returns the seconds that the next level may take."""
        done = self._state.n_levels - 1
        share = self._left / max(_N_LEVELS - done, 2)
        # The first levels train the largest nets, and ask the least of them.
        return share / 2 if done < 2 else share

    def _epochs(self, seconds: float) -> tuple[int, int]:
        """Returns the epochs of pruning and of sharing that fit into a level."""
        n_epochs = (seconds - self._state.overhead) / self._trainer.epoch_seconds
        n_sharing = max(1, round(_SHARING_TIME * n_epochs))
        return max(1, round(n_epochs) - n_sharing), n_sharing

    def _bits(self, net: keras.Model, seconds: float) -> dict[str, int]:
        """Returns the fewest bits of each layer that take little of the budget."""
        paths = _paths(net)
        begin = time.monotonic()
        before = self._budget.used(self._trainer.evaluate(net)[self._budget.monitor])
        cost = (time.monotonic() - begin) * len(paths) * len(_BITS)
        if cost > seconds:
            return self._state.bits or dict.fromkeys(paths, 5)
        scan = sensitivity(
            net, **self._trainer.validation, sparsities=(), bits=_BITS, init="optimal"
        )
        bits = dict.fromkeys(paths, _BITS[-1])
        for point in reversed(scan.points):
            value = point.metrics[self._budget.monitor]
            if self._budget.used(value) <= before + _PART_OF_A_LAYER:
                bits[point.layer] = int(point.setting)
        return bits

    def _measure(
        self, net: keras.Model, bits: Mapping[str, int], epochs: float
    ) -> tuple[bytes, CompressionPoint]:
        """Writes a file, loads it, and evaluates what was loaded."""
        files = {
            coder: HuffmanSerializer(coder=coder).dumps(net) for coder in self._coders
        }
        coder, data = min(files.items(), key=lambda item: len(item[1]))
        metrics = self._trainer.evaluate(self._copier.load(data))
        value = metrics[self._budget.monitor]
        return data, CompressionPoint(
            size=len(data),
            ratio=self._dense_bytes / len(data),
            value=value,
            is_accurate=self._budget.is_accurate(value),
            n_weights=_n_weights(net),
            bits=dict(bits),
            coder=coder,
            epochs=epochs,
            seconds=self._time_budget - self._left,
            metrics=metrics,
        )

    def _keep(self, point: CompressionPoint, data: bytes) -> None:
        """Adds a point to the curve, and keeps the file if it is the best one."""
        state = self._state
        state.curve.append(point)
        if len(state.curve) == 1 or self._rank(point) < self._rank(
            state.curve[state.best]
        ):
            state.best, state.data = len(state.curve) - 1, data

    def _rank(self, point: CompressionPoint) -> tuple[bool, float]:
        """Orders points, the best first."""
        if point.is_accurate:
            return False, point.size
        return True, point.value if self._budget.is_less_better else -point.value

    def _says(self, point: CompressionPoint) -> str:
        return (
            f"{point.n_weights:,} weights, {point.size:,} bytes ({point.ratio:.1f}x), "
            f"{self._budget.monitor} {point.value:.4f}"
            + ("" if point.is_accurate else ", not within the budget")
        )


def _pruning(net: keras.Model, before: int, n_weights: int) -> PruningCallback:
    size = sum(
        math.prod(v.variable.shape) for v in named_variables(net) if v.is_compressible
    )
    schedule = PolynomialDecay(
        1 - n_weights / size, initial_sparsity=1 - before / size, begin=0.02, end=0.7
    )
    return PruningCallback(schedule, scope="global", criterion="saliency")


def _step(used: float) -> float:
    """Returns which part of the weights stays, given the part of the budget used."""
    for bound, part in ((0.1, 0.25), (0.3, 0.4), (0.6, 0.6)):
        if used <= bound:
            return part
    return 0.8


def _n_weights(net: keras.Model) -> int:
    return sum(
        int(np.count_nonzero(v.variable.numpy()))
        for v in named_variables(net)
        if v.is_compressible
    )


def _paths(net: keras.Model) -> list[str]:
    return list(dict.fromkeys(named.layer for named, _ in choose(net, None)))


def _check_range(name: str, value: Any, is_right: bool) -> None:
    ranges = {
        "max_accuracy_drop": "in [0, 1)",
        "target_ratio": "above 1, or `None`",
        "time_budget": "a number of seconds above 0",
        "batch_size": "1 or more, or `None`",
    }
    if not is_right:
        raise ValueError(f"`{name}` must be {ranges[name]}. Received: {name}={value!r}")


def _check_model(model: keras.Model) -> None:
    choose(model, None)
    config = getattr(getattr(model, "_compile_config", None), "config", {})
    if not model.compiled or config.get("loss") is None:
        raise ValueError(
            f"The model {model.name!r} is not compiled with a loss. Call "
            "`model.compile(optimizer, loss, metrics=['accuracy'])` first."
        )


def _monitored(
    model: keras.Model, metrics: Mapping[str, float], monitor: str | None
) -> tuple[str, bool]:
    """Returns the name of the quantity that the budget is for, and its direction."""
    if monitor is None:
        likely = [name for name in metrics if "acc" in name.lower()]
        monitor = likely[0] if likely else "loss"
    monitor = monitor.removeprefix("val_")
    if monitor not in metrics:
        raise ValueError(
            f"`monitor` must be one of {list(metrics)}. Received: {monitor!r}"
        )
    if not math.isfinite(metrics[monitor]):
        raise ValueError(
            f"The {monitor} of the model on `validation_data` is {metrics[monitor]}. "
            "Is there NaN in the data or in the weights?"
        )
    if "loss" in monitor or "error" in monitor:
        return monitor, True
    for group in model.metrics:
        for metric in getattr(group, "metrics", [group]):
            if metric.name == monitor:
                return monitor, getattr(metric, "_direction", "up") == "down"
    return monitor, False


def _budget(
    monitor: str,
    baseline: float,
    drop: float,
    target_ratio: float | None,
    is_less_better: bool,
) -> Budget:
    bound = baseline + drop * abs(baseline) if is_less_better else baseline - drop
    return Budget(monitor, baseline, bound, target_ratio, is_less_better)
