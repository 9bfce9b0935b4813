"""Which center is the nearest to each value."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deepcompress import _native
from deepcompress._threads import map_in_threads, n_processors

_Array: TypeAlias = NDArray[Any]

# A thread is worth starting for about so many labels.
LABELS_PER_THREAD = 1 << 20


def assign_labels(
    flat: _Array,
    centers: _Array,
    n_threads: int | None,
    labels_per_thread: int = LABELS_PER_THREAD,
) -> _Array:
    """Labels a flat float32 or float64 array with its nearest ascending centers."""
    lower, upper = centers[:-1].astype(np.float64), centers[1:].astype(np.float64)
    middle = 0.5 * lower + 0.5 * upper
    # Between neighbouring floats there is no middle: it rounds to either.
    middle = np.where((middle > lower) & (middle < upper), middle, lower)
    with np.errstate(over="ignore"):
        thresholds = middle.astype(flat.dtype)
    rounded_up = thresholds > middle
    thresholds[rounded_up] = np.nextafter(
        thresholds[rounded_up], flat.dtype.type(-np.inf)
    )

    labels = np.empty(flat.size, np.min_scalar_type(len(centers) - 1))
    n_chunks = min(n_threads or n_processors(), -(-flat.size // labels_per_thread))
    if n_chunks <= 1:
        _native.kmeans_labels(flat, thresholds, labels)
        return labels
    bounds = [flat.size * i // n_chunks for i in range(n_chunks + 1)]

    def run(chunk: slice) -> None:
        _native.kmeans_labels(flat[chunk], thresholds, labels[chunk])

    map_in_threads(run, map(slice, bounds[:-1], bounds[1:]), n_chunks)
    return labels
