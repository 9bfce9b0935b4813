"""Which quantity the budget is for, and which way of it is better."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from deepcompress._checks import one_of
from deepcompress.network import internals
from deepcompress.search.state import Budget

_COUNTS = {
    keras.metrics.TruePositives: "max",
    keras.metrics.TrueNegatives: "max",
    keras.metrics.FalsePositives: "min",
    keras.metrics.FalseNegatives: "min",
}


def budget_of(
    model: keras.Model,
    metrics: Mapping[str, float],
    *,
    monitor: str | None,
    mode: str | None,
    drop: float,
    target_ratio: float | None,
) -> Budget:
    """Returns what a file must keep to.

    Args:
        model: A compiled model that has been evaluated.
        metrics: What came of it, by name.
        monitor: The name of the quantity, or `None`: the first accuracy of Keras', else
            the loss.
        mode: Which way of it is better, `"min"` or `"max"`; `None`: as Keras' objects
            say.
        drop: How far it may get worse.
        target_ratio: How many times smaller the file is to be, if it matters.

    Raises:
        ValueError: There is no such quantity, it is not finite, or nothing says which
            way of it is better.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> model.compile("adam", "mse", metrics=["cosine_similarity"])
    >>> x, y = np.ones((2, 8)), np.ones((2, 4))
    >>> metrics = model.evaluate(x, y, verbose=0, return_dict=True)
    >>> arguments = {"mode": None, "drop": 0.1, "target_ratio": None}
    >>> budget_of(model, metrics, monitor=None, **arguments).is_less_better
    True
    >>> name = "cosine_similarity"
    >>> budget_of(model, metrics, monitor=name, **arguments).is_less_better
    False
    """
    known = dict(_metrics_by_name(model))
    if monitor is None:
        accuracies = [name for name in metrics if _is_accuracy(known.get(name))]
        monitor = [*accuracies, "loss"][0]
        if monitor not in metrics:
            raise ValueError(
                "Evaluating the model gives neither an accuracy nor a loss, but "
                f"{list(metrics)}. Name the one that counts: `monitor=`, with "
                '`mode="min"` or `mode="max"`.'
            )
    monitor = one_of("monitor", monitor.removeprefix("val_"), metrics)
    mode = mode or _direction(model, monitor, known.get(monitor))
    if mode is None:
        raise ValueError(
            f"Nothing says whether less or more of {monitor!r} is better. Say it: "
            f'`compress(..., monitor={monitor!r}, mode="min")` or `mode="max"`.'
        )
    baseline = metrics[monitor]
    if not math.isfinite(baseline):
        raise ValueError(
            f"The {monitor} of the model on `validation_data` is {baseline}. "
            "Is there NaN in the data or in the weights?"
        )
    if mode == "min":
        bound = baseline + drop * abs(baseline)
        return Budget(monitor, baseline, bound, target_ratio, is_less_better=True)
    return Budget(monitor, baseline, baseline - drop, target_ratio)


def _metrics_by_name(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yields each metric of a model with its name in what `evaluate` returns."""
    for metric in model.metrics:
        # Those given to `compile` are one metric: of several outputs, each has the name
        # of its output before its own, and a second one of a name has a number.
        if hasattr(metric, "metrics"):
            yield from zip(metric.result(), metric.metrics, strict=False)
        else:
            yield metric.name, metric


def _direction(model: keras.Model, monitor: str, metric: Any) -> str | None:
    losses = {id(tracker) for tracker in internals.loss_trackers(model)}
    if monitor == "loss" or id(metric) in losses:
        return "min"
    function = internals.function_of(metric)
    # A loss is less where it is better, also one of the user's own.
    if isinstance(function, keras.losses.Loss) or _is_from("losses", function):
        return "min"
    if _is_from("metrics", function):
        return "max"
    return internals.direction(metric) or _COUNTS.get(type(metric))


def _is_accuracy(metric: Any) -> bool:
    """Whether a metric is an accuracy of Keras' own, as a class or as a function."""
    function = internals.function_of(metric)
    named = type(metric) if function is None else function
    return "accuracy" in getattr(named, "__name__", "").lower() and (
        _is_from("metrics", named)
    )


def _is_from(room: str, named: Any) -> bool:
    """Whether a function or a class is one of Keras' losses or metrics."""
    return str(getattr(named, "__module__", "")).startswith(f"keras.src.{room}.")
