"""The best way to cut sorted values into clusters."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deepcompress import _native
from deepcompress.clustering.elements import join_values, lloyd
from deepcompress.clustering.values import Sorted

_Array: TypeAlias = NDArray[Any]

# Many clusters need more: so many distinct values a cluster are exact, ...
_EXACT_VALUES_PER_CLUSTER = 2048

# ... and beyond there are so many elements a cluster.
_ELEMENTS_PER_CLUSTER = 1024


def max_exact_values(n_exact: int, n_clusters: int) -> int:
    """Returns the distinct values up to which the optimum is exact."""
    return max(n_exact, _EXACT_VALUES_PER_CLUSTER * n_clusters)


def optimal_cuts(
    data: Sorted,
    n_clusters: int,
    n_distinct: int,
    *,
    limit: int,
    n_elements: int,
    max_iter: int,
) -> tuple[_Array, int]:
    """Returns where each cluster starts, the end of the last, and the iterations.

    Args:
        data: The values.
        n_clusters: At most the number of distinct values.
        n_distinct: The number of distinct values, or any above the limit.
        limit: Up to so many the optimum is exact.
        n_elements: The elements that there are beyond, or more for many clusters.
        max_iter: The most iterations of Lloyd that improve on them.
    """
    is_exact = n_distinct <= limit
    if not is_exact:
        limit = max(n_elements, _ELEMENTS_PER_CLUSTER * n_clusters)
    elements = join_values(data, n_distinct, limit)
    if not is_exact and len(elements.starts) <= 16 * n_clusters:
        # So many ties that the elements are too few: memory has to give way.
        n_distinct = _native.kmeans_distinct(data.values, data.values.size)
        elements, is_exact = join_values(data, n_distinct, n_distinct), True
    cuts = np.empty(n_clusters + 1, np.int64)
    guess = _penalty(elements.nodes, n_clusters)
    _native.kmeans_optimal(elements.nodes, guess, cuts)
    positions: _Array = elements.starts[cuts]
    if is_exact:
        return positions, 1
    centers = np.empty(n_clusters)
    _native.kmeans_summary(*data, positions, centers)
    return lloyd(data, elements, centers, max_iter)


def _penalty(nodes: _Array, n_clusters: int) -> float:
    """Returns a cost of each cluster at which `n_clusters` is best, or 0 for unknown.

    The penalties for which `n_clusters` is best reach from what one cluster more
    saves to what one less loses. Their middle, found on few elements, is nearly
    always a penalty for all the elements too: one pass over them is then enough.
    """
    guess, size = 0.0, 2048 + 16 * n_clusters
    for some_size in (size, 8 * size):
        if 2 * some_size >= len(nodes) or n_clusters == 1:
            break
        some = nodes[_representatives(nodes, some_size)]
        if len(some) <= n_clusters + 1:
            break
        less, more = (
            _native.kmeans_optimal(some, guess, np.empty(k + 1, np.int64))[0]
            for k in (n_clusters - 1, n_clusters + 1)
        )
        guess = (less - more) / 2
    return guess


def _representatives(nodes: _Array, size: int) -> _Array:
    """Returns about `size` nodes, as dense as the best centers are."""
    last = len(nodes) - 1
    pool = np.append(np.arange(0, last, max(1, last // (2 * size))), last)
    # Thin tails hold many of the best centers on few values: there, an even pool is
    # too coarse to tell.
    gaps = np.diff(pool)
    parts = np.minimum(gaps, 1 + (2 * size * _shares(nodes, pool)).astype(np.int64))
    part = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    inner = np.repeat(gaps, parts) * part // np.repeat(parts, parts)
    pool = np.append(np.repeat(pool[:-1], parts) + inner, last)

    ticks = np.floor(size * np.cumsum(_shares(nodes, pool)))
    keep = np.ones(len(pool), np.bool_)
    keep[1:-1] = np.diff(ticks[:-1], prepend=0) > 0
    return pool[keep]


def _shares(nodes: _Array, pool: _Array) -> _Array:
    """Returns the part of the best centers between each node of a pool and the next.

    Their density is as the cube root of that of the values (Panter and Dite 1951).
    """
    sums = np.diff(nodes[pool, :2], axis=0)
    mass = np.maximum(sums[:, 0], np.finfo(np.float64).tiny)
    width = np.abs(np.gradient(sums[:, 1] / mass))
    shares: _Array = np.cbrt(mass) * np.cbrt(width) ** 2
    shares /= max(shares.sum(), np.finfo(np.float64).tiny)
    return shares
