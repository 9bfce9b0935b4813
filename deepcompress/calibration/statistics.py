"""Statistics of batch normalization that follow the inputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from deepcompress.calibration.kernel import Sums
from deepcompress.calibration.recording import See

# Inputs that are made up are scaled where they are so many times too small or large.
_FAR = 2.0
# Variances do not become smaller than this part of what they were.
_LEAST_VARIANCE = 0.05

# The mean and the variance of each channel.
Statistics = tuple[np.ndarray, np.ndarray]
# Takes layers and a function, and shows it what they are given.
_Record = Callable[[Sequence[Any], See], None]


@contextmanager
def statistics_of(layers: Sequence[Any], record: _Record) -> Iterator[None]:
    """Lets batch normalization have the statistics of inputs that are made up.

    What it gives to the layers after it is then what it gives them otherwise, mean by
    mean and variance by variance. As these move meanwhile, they move in the end.

    Args:
        layers: The normalizations, in the order in which they are reached.
        record: Shows what layers are given.

    References:
        Nagel, van Baalen, Blankevoort, Welling 2019, "Data-free quantization through
        weight equalization and bias correction", section 4.2: what normalization knows
        of its outputs takes the place of data.
    """
    before = [statistics(layer) for layer in layers]
    first = before
    try:
        _normalize_by_what_is_seen(layers, record)
        first = [statistics(layer) for layer in layers]
        yield
    except BaseException:
        first = [statistics(layer) for layer in layers]
        raise
    finally:
        for layer, own, was in zip(layers, before, first, strict=True):
            _assign(layer, *moved(layer, own, was, statistics(layer)))


def scale_for(layer: Any, record: _Record) -> np.float32:
    """Returns how many times larger inputs that are made up have to be.

    Some models take pixels up to 255, and others up to 1.

    Args:
        layer: The first normalization, which knows how large they have been.
        record: Shows what layers are given.
    """
    sums = Sums()
    record(
        [layer], lambda number, layer, inputs, _: add_statistics(sums, layer, inputs)
    )
    _, variance = mean_and_variance(sums)
    _, known = statistics(layer)
    scale = float(np.sqrt(known.mean() / max(float(variance.mean()), 1e-30)))
    is_near = 1 / _FAR < scale < _FAR
    return np.float32(1 if is_near or not np.isfinite(scale) else scale)


def add_statistics(sums: Sums, layer: Any, inputs: np.ndarray) -> None:
    """Adds what a normalization is given to its sums, channel by channel."""
    axis = layer.axis % inputs.ndim
    others = tuple(at for at in range(inputs.ndim) if at != axis)
    sums.n += inputs.size // inputs.shape[axis]
    sums.mean = sums.mean + inputs.sum(others, dtype=np.float64)
    sums.moments = sums.moments + np.square(inputs, dtype=np.float64).sum(others)


def mean_and_variance(sums: Sums) -> Statistics:
    """Returns the mean and the variance of what was added, channel by channel."""
    mean = sums.mean / sums.n
    return mean, np.maximum(sums.moments / sums.n - mean**2, 0.0)


def statistics(layer: Any) -> Statistics:
    """Returns the mean and the variance that a layer normalizes by."""
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    return mean.astype(np.float64), variance.astype(np.float64)


def moved(layer: Any, own: Statistics, was: Statistics, now: Statistics) -> Statistics:
    """Returns statistics of a layer, moved as those of some inputs have moved.

    Args:
        layer: The normalization.
        own: Its statistics.
        was: Those of the inputs, before.
        now: Those of the inputs.
    """
    ratio = (now[1] + layer.epsilon) / (was[1] + layer.epsilon)
    # In this order, what has not moved is left as it is to the bit.
    return own[0] + (now[0] - was[0]), own[1] * np.maximum(ratio, _LEAST_VARIANCE)


def _normalize_by_what_is_seen(layers: Sequence[Any], record: _Record) -> None:
    """Lets each normalization have the statistics of what it is given, in one pass."""
    every = {id(layer): Sums() for layer in layers}

    def see(number: int, layer: Any, inputs: np.ndarray, is_reverse: bool) -> None:
        add_statistics(every[id(layer)], layer, inputs)
        # It computes with these next, so that layers after it see them too.
        own = Sums()
        add_statistics(own, layer, inputs)
        _assign(layer, *mean_and_variance(own))

    record(layers, see)
    for layer in layers:
        _assign(layer, *mean_and_variance(every[id(layer)]))


def _assign(layer: Any, mean: np.ndarray, variance: np.ndarray) -> None:
    layer.moving_mean.assign(mean.astype(layer.moving_mean.dtype))
    layer.moving_variance.assign(variance.astype(layer.moving_variance.dtype))
