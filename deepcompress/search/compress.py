"""All of Deep Compression in one call: the smallest file within a budget."""

import math
import os
import time
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from deepcompress._checks import integer_in, number_in, one_of
from deepcompress.dcz.container import CODERS
from deepcompress.network.distribution import (
    check_one_process,
    give,
    scope_of,
    values_of,
)
from deepcompress.network.variables import choose, count_weights
from deepcompress.search.checkpoint import Checkpoint, Kept
from deepcompress.search.copying import Copier
from deepcompress.search.display import Display
from deepcompress.search.level import Levels
from deepcompress.search.loop import search
from deepcompress.search.monitor import budget_of
from deepcompress.search.oneshot import is_pruned_at_once
from deepcompress.search.policy import Policy
from deepcompress.search.result import CompressionResult
from deepcompress.search.state import State
from deepcompress.search.stepping import stepping_of
from deepcompress.search.stopwatch import Stopwatch
from deepcompress.search.trainer import Trainer
from deepcompress.search.unlabelled import Measure, MeasureName, without_labels
from deepcompress.search.untrained import (
    ALONE,
    BEFORE_FEW_INPUTS,
    BEFORE_TRAINING,
    Untrained,
)

# The part of the time in which a few steps show that the data fits, and how long a step
# takes. Twenty steps, as a rule; this is for nets of which a step takes seconds.
_PROBE_TIME = 0.05
# Seconds of a search; and of one that is quick, for so many weights or less.
_SECONDS = 900.0
_QUICK_SECONDS = (60.0, 600.0)
_QUICK_WEIGHTS = 500_000
_WHY_ONE_PROCESS = (
    "`compress` goes by the clock, which no two of them read alike, so they would wait "
    "for each other."
)


def compress(
    model: keras.Model,
    train: Any,
    validation_data: Any = None,
    *,
    max_accuracy_drop: float = 0.01,
    max_change: float | None = None,
    measure: Measure | MeasureName | None = None,
    target_ratio: float | None = None,
    time_budget: float | None = None,
    epochs: int | None = None,
    reconstruct: bool | float = True,
    batch_size: int | None = None,
    monitor: str | None = None,
    mode: str | None = None,
    optimizer: str | keras.optimizers.Optimizer | None = None,
    learning_rate: float | None = None,
    distill: bool = True,
    fold: bool = False,
    coder: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    seed: int = 0,
    verbose: int = 1,
) -> CompressionResult:
    """Makes the smallest file of a trained model that keeps its accuracy.

    First the model is pruned and shared without training, as far as it bears, with some
    of its inputs in view. Then it goes on level by level: each prunes to a part of the
    weights of the one before and trains the others, as a rule with the model itself as
    a teacher; where there is batch normalization all go at once, with inputs in view,
    elsewhere gradually by saliency. Units that pruning has emptied are dropped.
    Then the weights are shared, with as few bits as they bear, and a real file is
    written in memory, loaded, and measured. Steps are large while the accuracy is well
    within the budget and small near it; where a level fails, one in between is tried,
    until the time is used up or nothing smaller works.

    A search begins as one of a quarter of its time would, if that has time for three
    epochs. So the file is never larger than the best one without training, nor than
    that of a quarter of the time, as long as epochs take as long. Ctrl-C ends the
    search with the best file so far.

    Without labels, given `max_change` and some inputs, the model itself says what is
    right: `max_change` bounds how many of its decisions change, or how far its outputs
    move, on inputs that are held back. It is pruned and shared with the others in view,
    and then trained to give the outputs that it gave.

    All choices are made on the validation data. The accuracy of the result is
    therefore a little optimistic: measure it on test data that nothing here has seen.

    The model given is not changed; the global seed of Keras is set.

    Args:
        model: A trained model, compiled with its loss, and an accuracy among its
            metrics. What is the user's own in it, such as losses, metrics and training
            steps, is used as it is. With `max_change` it need not be compiled.
        train: Inputs alone with `max_change`, in any form that `predict` takes: some
            hundred are enough, and at most 4,096 are looked at, of large ones fewer,
            but 512; a quarter is held back where there are no `validation_data`. Else
            what `fit` takes, arrays as a tuple `(x, y)` or `(x, y, sample_weight)`;
            inputs alone, where the model brings its loss along, as they are or as
            `(x,)`. It must say, or let be counted, how many batches it has.
        validation_data: What `evaluate` takes, in the same form. Not the training
            data, and not the test data.
        max_accuracy_drop: How far the accuracy on the validation data may fall, in
            [0, 1): by 0.01 from 0.98 to 0.97. Of a quantity of which less is better,
            such as the loss, the part of its value by which it may rise. Defaults to
            `0.01`.
        max_change: How far the outputs may change, in (0, 1): as `measure` says.
            Defaults to `None`: the data have labels.
        measure: What a change is, without labels: `"decisions"`, the share of outputs
            that name another class than they did, or of few outputs are likely to;
            `"distance"`, the mean distance of the outputs in parts of their norm; or a
            function of the outputs before and after, as arrays, that returns a number.
            Defaults to `None`: decisions where the outputs are probabilities or the
            loss is a crossentropy, but for a binary one of outputs that are of the
            shape of an input, as of an autoencoder; else distance.
        target_ratio: How many times smaller than the weights the file is to be; the
            search stops there. Defaults to `None`: as small as can be.
        time_budget: Seconds for all of it. More time gives smaller files. Defaults to
            `None`: 900; without labels or training 60 for a net of half a million
            weights, in proportion for larger ones, and 600 at most.
        epochs: `0` does not train: the model is pruned and shared with inputs in view,
            and nothing else. Defaults to `None`: as many as there is time for.
        reconstruct: Without labels, whether what was pruned and shared is trained to
            give the outputs that the model gave; or for how many seconds, out of the
            budget. Defaults to `True`: in three tenths of the time.
        batch_size: Samples of a batch where the data are arrays. Defaults to `None`:
            64.
        monitor: The name of the metric that the budget is for. Defaults to `None`: the
            first accuracy of Keras' own, else the loss.
        mode: Which way of it is better: `"min"` or `"max"`. Defaults to `None`: as
            Keras' metrics and losses say.
        optimizer: What it is trained with, by its name or as an optimizer of which the
            settings count. Defaults to `None`: as the model was compiled, where that is
            one of Keras' own, else Adam.
        learning_rate: Its highest learning rate; each training begins at less, and ends
            near zero. Defaults to `None`: that of the optimizer, or half the peak of
            its schedule.
        distill: Whether the model given teaches the smaller one, where its loss is a
            crossentropy and it has one output; samples with weights are trained
            without a teacher. Defaults to `True`.
        fold: Whether files hold the means and variances of batch normalization in its
            scales and offsets, as `shrink(fold=True)` has it: smaller, and not for
            further training. Defaults to `False`.
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
        is the most accurate one, and a warning says so. `notes` are the lines on what
        was left out or done in another way, which `verbose=0` does not print.

    Raises:
        ValueError: The model is not compiled, not built, or has nothing to compress;
            a budget is out of range; data is missing, not finite, or cannot be read
            again; the metric is not known, or which way of it is better; the model
            cannot be copied, or several processes train it together; or the checkpoint
            is of another call.

    References:
        Han, Mao, Dally 2016, "Deep Compression"; Hassibi, Stork 1993, "Second order
        derivatives for network pruning: optimal brain surgeon"; Hinton, Vinyals, Dean
        2015, "Distilling the knowledge in a neural network".

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
    _check_model(model, is_compiled=max_change is None)
    number_in("max_accuracy_drop", max_accuracy_drop, "[0, 1)")
    if max_change is not None:
        number_in("max_change", max_change, "(0, 1)")
    is_training = _is_training(epochs, reconstruct, max_change)
    is_quick = max_change is not None or not is_training
    time_budget = _seconds(model, is_quick) if time_budget is None else time_budget
    number_in("time_budget", time_budget, "(0, inf)")
    untrained = _untrained(is_training, max_change, reconstruct, time_budget)
    if target_ratio is not None:
        number_in("target_ratio", target_ratio, "(1, inf)")
    if batch_size is not None:
        integer_in("batch_size", batch_size, 1)
    if learning_rate is not None:
        number_in("learning_rate", learning_rate, "(0, inf)")
    if mode is not None:
        one_of("mode", mode, ("min", "max"))
    if coder is not None:
        one_of("coder", coder, CODERS)
    check_one_process(model, _WHY_ONE_PROCESS)
    with scope_of(model):
        copier = Copier(model)
        folder = Checkpoint(
            checkpoint,
            model,
            {
                "max_accuracy_drop": max_accuracy_drop,
                "max_change": max_change,
                "measure": getattr(measure, "__name__", measure),
                "target_ratio": target_ratio,
                "time_budget": time_budget,
                "epochs": epochs,
                "reconstruct": reconstruct,
                "batch_size": batch_size,
                "monitor": monitor,
                "mode": mode,
                "optimizer": optimizer and keras.optimizers.get(optimizer).name,
                "learning_rate": learning_rate,
                "distill": distill,
                "fold": fold,
                "coder": coder,
                "seed": seed,
            },
            copier.dumps,
        )
        keras.utils.set_random_seed(seed)
        teacher = copier.copy(model)
        if max_change is None:
            trainer = Trainer(
                teacher,
                train,
                validation_data,
                batch_size=batch_size,
                teacher=teacher if distill else None,
                copier=copier,
                stepping=stepping_of(
                    model.optimizer, chosen=optimizer, rate=learning_rate
                ),
            )
            metrics = trainer.evaluate(teacher)
            budget = budget_of(
                teacher,
                metrics,
                monitor=monitor,
                mode=mode,
                drop=max_accuracy_drop,
                target_ratio=target_ratio,
            )
            _check_copy(trainer, model, teacher, metrics)
        else:
            trainer, budget = without_labels(
                teacher,
                train,
                validation_data,
                measure=measure,
                max_change=max_change,
                target_ratio=target_ratio,
                batch_size=batch_size,
                copier=copier,
                stepping=stepping_of(None, chosen=optimizer, rate=learning_rate),
            )
        if is_training:
            trainer.probe(copier.copy(model), _PROBE_TIME * time_budget)

        display = Display(verbose, budget.monitor)
        kept = folder.load(copier.load)
        if kept is None:
            kept = Kept(State(n_good=count_weights(model)), model, b"")
        else:
            display.resume(kept.state, checkpoint or "")
        policy = Policy(
            budget,
            is_training=is_training,
            untrained=untrained,
            is_at_once=is_pruned_at_once(teacher, trainer, copier.note),
        )
        levels = Levels(
            trainer,
            copier,
            policy,
            Stopwatch(time_budget, spent=kept.state.seconds, begin=begin),
            coders=[coder] if coder else list(CODERS),
            dense_bytes=sum(weight.nbytes for weight in model.get_weights()),
            fold=fold,
            bits=kept.state.bits,
        )
        result = search(levels, kept, folder, display, seed=seed)
    if not result.is_met:
        warnings.warn(f"The budget was not met. {result!r}", stacklevel=2)
    return result


def _is_training(
    epochs: int | None, reconstruct: bool | float, max_change: float | None
) -> bool:
    """Whether anything is to be trained."""
    if epochs not in {None, 0}:
        raise ValueError(
            "`epochs` must be None, as many as there is time for, or 0, none. "
            f"Received: {epochs!r}"
        )
    if reconstruct is not True and max_change is None:
        raise ValueError(
            "`reconstruct` is for inputs without labels, with `max_change`. With "
            f"labels, `epochs=0` trains nothing. Received: {reconstruct!r}"
        )
    return epochs is None and reconstruct is not False


def _untrained(
    is_training: bool,
    max_change: float | None,
    reconstruct: bool | float,
    time_budget: float,
) -> Untrained:
    """Returns what is tried without training."""
    if not is_training:
        return ALONE
    if max_change is None:
        return BEFORE_TRAINING
    if reconstruct is True:
        return BEFORE_FEW_INPUTS
    number_in("reconstruct", reconstruct, f"(0, {time_budget})")
    bits, step, _ = BEFORE_FEW_INPUTS
    return Untrained(bits, step, 1 - reconstruct / time_budget)


def _seconds(model: keras.Model, is_quick: bool) -> float:
    """Returns the time that a search has unless the user gives another."""
    if not is_quick:
        return _SECONDS
    least, most = _QUICK_SECONDS
    part = count_weights(model, zeros=True) / _QUICK_WEIGHTS
    return min(max(least, part * least), most)


def _check_model(model: keras.Model, *, is_compiled: bool) -> None:
    choose(model, None)  # says what is wrong with what cannot be compressed
    if is_compiled and not model.compiled:
        raise ValueError(
            f"The model {model.name!r} is not compiled, so it has neither a loss to "
            "train with nor a metric to keep to. Call `model.compile(optimizer, loss, "
            "metrics=['accuracy'])` first, or give `max_change`, and inputs without "
            "labels."
        )


def _check_copy(
    trainer: Trainer,
    model: keras.Model,
    copy: keras.Model,
    metrics: Mapping[str, float],
) -> None:
    """Refuses a copy that computes something else than the model.

    Args:
        trainer: Evaluates.
        model: The model, which is the same afterwards.
        copy: A copy of it.
        metrics: Those of the copy.
    """
    before = [(variable, values_of(variable)) for variable in model.variables]
    try:
        given = trainer.evaluate(model)
    finally:
        for variable, values in before:
            give(variable, values)
    if _are_close(given, metrics):
        return
    # Where chance has a part in it, no two evaluations are the same.
    if _are_close(trainer.evaluate(copy), metrics):
        raise ValueError(
            f"A copy of the model {model.name!r} evaluates to {dict(metrics)}, the "
            f"model itself to {given}: it holds what neither its weights nor its "
            "config tell. Give its class a `get_config` that tells all of it."
        )


def _are_close(ours: Mapping[str, float], theirs: Mapping[str, float]) -> bool:
    # Keras goes on with the metrics of an earlier `compile` if the last had none.
    return theirs.keys() <= ours.keys() and all(
        math.isclose(ours[name], value, rel_tol=1e-3, abs_tol=1e-4)
        or math.isnan(ours[name])
        for name, value in theirs.items()
    )
