"""Neighbouring values joined into elements, and Lloyd's iteration over these."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deepcompress import _native
from deepcompress.clustering.values import Sorted

_Array: TypeAlias = NDArray[Any]

# How fine elements have to be is judged by about so many of the values.
_POOL = 1 << 12


class Elements(NamedTuple):
    """Running sums of neighbouring values and where each element of them starts."""

    nodes: _Array
    starts: _Array


def join_values(data: Sorted, n_distinct: int, limit: int) -> Elements:
    """Joins values into about `limit` elements, each a distinct value if they are few.

    `n_distinct` may be short of their number if it is above `limit`.
    """
    values = data.values
    max_count, max_spread, capacity = 1, math.inf, n_distinct
    if n_distinct > limit:
        # Half of the elements for where most values are, half for where the inertia
        # is. The first keep the walk through an element short.
        max_count = -(-2 * values.size // limit)
        max_spread, n_more = _element_spread(values, limit / 2)
        capacity = limit + n_more
    nodes, starts = np.empty((capacity + 1, 4)), np.empty(capacity + 1, np.int64)
    n = _native.kmeans_nodes(*data, data.shift, max_count, max_spread, nodes, starts)
    return Elements(nodes[: n + 1], starts[: n + 1])


def _element_spread(values: _Array, n_elements: float) -> tuple[float, int]:
    """Returns the spread, count * width**2, at which elements are about `n_elements`.

    Elements of equal spread are as dense as the best centers are: as the cube root of
    the values' density (Panter and Dite 1951). By Hoelder's inequality the cube roots
    of the spreads of elements add up to no more than those of a pool's intervals, so
    that beyond `n_elements` there are only those that lie across a border of the pool,
    and the last: fewer than the number that is returned too.
    """
    last = values.size - 1
    tail = 1 << np.arange(last.bit_length())
    even = np.arange(0, last, 1 + last // _POOL)
    pool = np.unique(np.concatenate((even, tail, last + 1 - tail)))
    widths = np.diff(values[pool].astype(np.float64))
    total = (np.cbrt(np.diff(pool)) * np.cbrt(widths) ** 2).sum()
    return max(float(total / n_elements) ** 3, np.finfo(np.float64).tiny), len(pool)


def lloyd(
    data: Sorted, elements: Elements, start: _Array, max_iter: int
) -> tuple[_Array, int]:
    """Returns where each cluster starts, the end of the last, and the iterations.

    Args:
        data: The values.
        elements: What they are joined into, which lets cuts be found fast.
        start: Ascending centers.
        max_iter: The most iterations.
    """
    centers = start.copy()
    cuts = np.empty(len(centers) + 1, np.int64)
    n_iter = _native.kmeans_lloyd(*data, *elements, data.shift, max_iter, centers, cuts)
    return cuts, n_iter
