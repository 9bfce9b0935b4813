"""Type stubs of the compiled kernels; native.h documents them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def kmeans_distinct(values: NDArray[Any], limit: int, /) -> int: ...
def kmeans_nodes(
    values: NDArray[Any],
    weights: NDArray[np.float64] | None,
    shift: float,
    max_count: int,
    max_width: float,
    nodes: NDArray[np.float64],
    starts: NDArray[np.int64],
    /,
) -> int: ...
def kmeans_optimal(
    nodes: NDArray[np.float64], guess: float, cuts: NDArray[np.int64], /
) -> float: ...
def kmeans_lloyd(
    values: NDArray[Any],
    weights: NDArray[np.float64] | None,
    nodes: NDArray[np.float64],
    starts: NDArray[np.int64],
    shift: float,
    max_iter: int,
    centers: NDArray[np.float64],
    cuts: NDArray[np.int64],
    /,
) -> int: ...
def kmeans_summary(
    values: NDArray[Any],
    weights: NDArray[np.float64] | None,
    cuts: NDArray[np.int64],
    centers: NDArray[np.float64],
    /,
) -> float: ...
def kmeans_labels(
    values: NDArray[Any], thresholds: NDArray[Any], labels: NDArray[Any], /
) -> int: ...
