"""k-means clustering of numbers: the exact optimum, or Lloyd from a starting point."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcompress import _native
from deepcompress._threads import map_in_threads, n_processors

if TYPE_CHECKING:
    from deepcompress.clustering.estimator import KMeans1D

__all__ = ["KMeans1D", "KMeans1DResult", "kmeans1d"]

_Array: TypeAlias = NDArray[Any]

_INITS = ("optimal", "linear", "density", "random", "kmeans++")

# Up to so many distinct values, or so many a cluster, the optimum is exact.
_EXACT_VALUES = 1 << 20
_EXACT_VALUES_PER_CLUSTER = 2048

# Beyond, values are joined into so many elements, or so many a cluster: fewer than
# these are too coarse beside a cluster to end within a millionth of the optimum.
_ELEMENTS = 1 << 18
_ELEMENTS_PER_CLUSTER = 1024

# How fine elements have to be is judged by about so many of the values.
_POOL = 1 << 12

# Lloyd's iteration walks through the values of one element for every cut; with more
# elements than this their sums no longer fit in a processor's cache.
_LLOYD_ELEMENTS = 1 << 17

# From so many values on, sorting by digits is faster than NumPy's sort.
_SORT_BY_DIGITS = 1 << 16
_SORT_ROOM = 1 << 24

# A thread is worth starting for about so many labels.
_LABELS_PER_THREAD = 1 << 20

# Squares of larger or smaller numbers leave the range of a float64.
_MAX_EXPONENT = 480


class _Sorted(NamedTuple):
    """Ascending values and, in the same order, their positive weights."""

    values: _Array
    weights: _Array | None

    @property
    def shift(self) -> float:
        """The median: far outliers do not move it."""
        return float(self.values[self.values.size // 2])


class _Elements(NamedTuple):
    """Running sums of neighbouring values and where each element of them starts."""

    nodes: _Array
    starts: _Array


class KMeans1DResult(NamedTuple):
    """What `kmeans1d` and `entropy_kmeans1d` find.

    Args:
        centers: Ascending array of shape `(n_clusters,)`, float32 for float16 and
            float32 values, float64 for all others.
        labels: The index of the center of each value, the nearest as a rule, in the
            shape of the values and the smallest unsigned dtype that holds it.
        inertia: The sum of the (weighted) squared distances to the centers.
    """

    centers: _Array
    labels: _Array
    inertia: float


def kmeans1d(
    values: ArrayLike,
    n_clusters: int,
    *,
    init: str | ArrayLike = "optimal",
    sample_weight: ArrayLike | None = None,
    max_iter: int = 300,
    n_threads: int | None = None,
    seed: int | np.random.Generator | None = None,
) -> KMeans1DResult:
    """Clusters numbers so that the squared distances to their centers are least.

    In one dimension the best clustering can be computed: the default finds the exact
    optimum for up to `max(2**20, 2048 * n_clusters)` distinct values, whatever their
    number. Beyond, it is exact for groups of neighbouring values and then improved
    value by value, which ends within a millionth of the optimum (a hundred thousandth
    where the tails are as heavy as Cauchy's). The other methods are starting points
    for Lloyd's iteration, which ends in a local optimum that can be several times
    worse.

    A value halfway between two centers belongs to the lower one. A cluster that
    loses all its values during Lloyd's iteration gets the value farthest from its
    center, so there are always `n_clusters` distinct centers. The result does not
    depend on `n_threads`, nor, but for rounding, on the order of the values.

    Costs are computed in float64 relative to the median. Structure finer than about
    1e-8 of a value's distance from the median is below what they resolve.

    Args:
        values: Real numbers, an array of any shape, layout and byte order. Integers
            are clustered as float64.
        n_clusters: The number of clusters, at most that of distinct values.
        init: `"optimal"`, or where Lloyd's iteration starts: `"linear"` (evenly from
            the least value to the greatest), `"density"` (evenly in the cumulative
            distribution), `"random"` (observations, drawn without a value twice),
            `"kmeans++"` (each far from those before), or an array of `n_clusters`
            starting centers. Defaults to `"optimal"`.
        sample_weight: Weights of the values, not negative, in the same shape. A value
            of weight zero is labelled but moves no center. Defaults to `None`, all 1.
        max_iter: The most iterations of Lloyd. Defaults to `300`.
        n_threads: Threads that label the values; `None` for one a processor.
            Defaults to `None`.
        seed: For `"random"` and `"kmeans++"`: an int, a `numpy.random.Generator`, or
            `None` for a new draw each time. Defaults to `None`.

    Returns:
        A `KMeans1DResult`: the named tuple `(centers, labels, inertia)`.

    Raises:
        TypeError: If the values or weights are not real numbers, or `n_clusters`,
            `max_iter` or `n_threads` is not an int.
        ValueError: If the values are empty, not finite, or fewer than `n_clusters`
            when each is counted once; if the weights do not fit the values; or if
            `init` is unknown.

    References:
        - Wu, "Optimal Quantization by Matrix Searching", Journal of Algorithms
          12(4), 1991: the dynamic program and the Monge property of its costs.
        - Grønlund et al., "Fast Exact k-Means, k-Medians and Bregman Divergence
          Clustering in 1D", arXiv 1701.07204, 2017: the optimum in linear space.
        - Aggarwal, Schieber and Tokuyama, "Finding a Minimum-Weight k-Link Path in
          Graphs with the Concave Monge Property", Discrete & Computational Geometry
          12, 1994: the search over penalties that is used here.
        - Han, Mao and Dally, "Deep Compression", ICLR 2016, section 3.2: the linear,
          density-based and random starting points.

    Example:

    >>> import numpy as np
    >>> from deepcompress.clustering.kmeans import kmeans1d
    >>> centers, labels, inertia = kmeans1d([1.0, 9.5, 1.5, 2.0, 8.5], n_clusters=2)
    >>> centers
    array([1.5, 9. ])
    >>> labels
    array([0, 1, 0, 0, 1], dtype=uint8)
    >>> inertia
    1.0
    """
    flat, shape = _as_values(values)
    n_clusters = _as_count(n_clusters, "n_clusters")
    max_iter = _as_count(max_iter, "max_iter")
    if n_threads is not None:
        n_threads = _as_count(n_threads, "n_threads")
    if sample_weight is None:
        ordered = _sorted(flat)
        weights, weight_exponent = None, 0
        _check_finite(ordered[[0, -1]])
    else:
        _check_finite(flat)
        weights, weight_exponent = _as_weights(sample_weight, shape)
        used = np.flatnonzero(weights)
        order = used[np.argsort(flat[used], kind="stable")]
        ordered, weights = flat[order], weights[order]
    exponent = _extra_exponent(ordered)
    data = _Sorted(np.ldexp(ordered, -exponent) if exponent else ordered, weights)
    del ordered
    start = _as_start(init, n_clusters, exponent)

    limit = max(_EXACT_VALUES, _EXACT_VALUES_PER_CLUSTER * n_clusters)
    n_distinct = _native.kmeans_distinct(data.values, limit + 1)
    if n_distinct < n_clusters:
        raise ValueError(
            f"n_clusters is {n_clusters}, but there are only {n_distinct} distinct "
            f"values: ask for {n_distinct} clusters or fewer."
        )
    if isinstance(start, str) and start == "optimal":
        cuts = _optimal_cuts(data, n_clusters, n_distinct, limit, max_iter)
    else:
        elements = _join(data, n_distinct, _LLOYD_ELEMENTS)
        if isinstance(start, str):
            start = _starting_centers(data, elements, n_clusters, start, seed)
        cuts = _lloyd(data, elements, start, max_iter)
    centers = np.empty(n_clusters)
    inertia = _native.kmeans_summary(*data, cuts, centers)

    # The sorted copy must be gone before there are labels: the two never coexist.
    del data
    centers = np.ldexp(centers, exponent).astype(flat.dtype)
    labels = assign_labels(flat, centers, n_threads).reshape(shape)
    with np.errstate(over="ignore", under="ignore"):
        inertia = float(np.ldexp(inertia, 2 * exponent + weight_exponent))
    return KMeans1DResult(centers, labels, inertia)


def assign_labels(flat: _Array, centers: _Array, n_threads: int | None) -> _Array:
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
    n_chunks = min(n_threads or n_processors(), -(-flat.size // _LABELS_PER_THREAD))
    if n_chunks <= 1:
        _native.kmeans_labels(flat, thresholds, labels)
        return labels
    bounds = [flat.size * i // n_chunks for i in range(n_chunks + 1)]

    def run(chunk: slice) -> None:
        _native.kmeans_labels(flat[chunk], thresholds, labels[chunk])

    map_in_threads(run, map(slice, bounds[:-1], bounds[1:]), n_chunks)
    return labels


def _as_values(values: ArrayLike) -> tuple[_Array, tuple[int, ...]]:
    """Return the values, flat, native float32 or float64, and their shape."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"values must be real numbers, received dtype {array.dtype}: convert them "
            "to a float dtype first."
        )
    if array.size == 0:
        raise ValueError("values is empty: pass at least one number.")
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    dtype = np.float32 if single else np.float64
    return np.require(array, dtype, ("C", "A")).reshape(-1), array.shape


def _sorted(flat: _Array) -> _Array:
    """Returns the values in ascending order, NaN before or behind all others."""
    if flat.dtype == np.float32 and flat.size >= _SORT_BY_DIGITS:
        ordered = np.empty_like(flat)
        for room in (flat.size // 8, flat.size):
            # The more alike the values are, the more room it takes.
            if room <= max(flat.size // 8, _SORT_ROOM):
                spare = np.empty(room, np.uint32)
                if _native.sort(flat, ordered, spare) >= 0:
                    return ordered
        del ordered
    return np.sort(flat)


def _as_count(number: Any, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, numbers.Integral):
        raise TypeError(f"{name} must be an int, received {number!r}.")
    if number < 1:
        raise ValueError(f"{name} must be at least 1, received {number}.")
    return int(number)


def _check_finite(array: _Array) -> None:
    if not np.isfinite(array).all():
        raise ValueError(
            "values contains NaN or infinity: remove or replace them, for example "
            "with numpy.nan_to_num."
        )


def _as_weights(sample_weight: ArrayLike, shape: tuple[int, ...]) -> tuple[_Array, int]:
    """Return flat weights of at most 1 and the power of two that undoes that."""
    array = np.asarray(sample_weight)
    if array.dtype.kind not in "iufb":
        raise TypeError(
            f"sample_weight must be real numbers, received dtype {array.dtype}."
        )
    if array.shape != shape:
        raise ValueError(
            f"sample_weight has shape {array.shape}, but values has shape {shape}: "
            "pass one weight for each value."
        )
    weights = np.require(array, np.float64, ("C", "A")).reshape(-1)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(
            "sample_weight must be finite and not negative: replace negative, NaN "
            "and infinite weights."
        )
    if not weights.any():
        raise ValueError("sample_weight is zero for all values: weight one at least.")
    exponent = math.frexp(weights.max())[1]
    return np.ldexp(weights, -exponent), exponent


def _as_start(init: str | ArrayLike, n_clusters: int, exponent: int) -> str | _Array:
    """Return the name of a method, or ascending centers scaled as the values are."""
    if isinstance(init, str):
        if init not in _INITS:
            raise ValueError(
                f"Unknown init {init!r}: use one of {', '.join(_INITS)}, or an array "
                f"of {n_clusters} starting centers."
            )
        return init
    centers = np.asarray(init)
    if centers.dtype.kind not in "iuf" or centers.shape != (n_clusters,):
        raise ValueError(
            f"init must be one of {', '.join(_INITS)}, or {n_clusters} starting "
            f"centers; received dtype {centers.dtype} and shape {centers.shape}."
        )
    if not np.isfinite(centers).all():
        raise ValueError("init contains NaN or infinity: pass finite centers.")
    scaled: _Array = np.ldexp(np.sort(centers.astype(np.float64)), -exponent)
    return scaled


def _extra_exponent(data: _Array) -> int:
    """Return the power of two to divide by for squares in the range of float64."""
    exponent = math.frexp(max(abs(float(data[0])), abs(float(data[-1]))))[1]
    return exponent - max(-_MAX_EXPONENT, min(exponent, _MAX_EXPONENT))


def _join(data: _Sorted, n_distinct: int, limit: int) -> _Elements:
    """Join values into about `limit` elements, each a distinct value if they are few.

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
    return _Elements(nodes[: n + 1], starts[: n + 1])


def _element_spread(values: _Array, n_elements: float) -> tuple[float, int]:
    """Return the spread, count * width**2, at which elements are about `n_elements`.

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


def _optimal_cuts(
    data: _Sorted, n_clusters: int, n_distinct: int, limit: int, max_iter: int
) -> _Array:
    is_exact = n_distinct <= limit
    if not is_exact:
        limit = max(_ELEMENTS, _ELEMENTS_PER_CLUSTER * n_clusters)
    elements = _join(data, n_distinct, limit)
    if not is_exact and len(elements.starts) <= 16 * n_clusters:
        # So many ties that the elements are too few: memory has to give way.
        n_distinct = _native.kmeans_distinct(data.values, data.values.size)
        elements, is_exact = _join(data, n_distinct, n_distinct), True
    cuts = np.empty(n_clusters + 1, np.int64)
    guess = _penalty(elements.nodes, n_clusters)
    _native.kmeans_optimal(elements.nodes, guess, cuts)
    positions: _Array = elements.starts[cuts]
    if is_exact:
        return positions
    centers = np.empty(n_clusters)
    _native.kmeans_summary(*data, positions, centers)
    return _lloyd(data, elements, centers, max_iter)


def _penalty(nodes: _Array, n_clusters: int) -> float:
    """Return a cost of each cluster at which `n_clusters` is best, or 0 for unknown.

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
    """Return about `size` nodes, as dense as the best centers are."""
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
    """Return the part of the best centers between each node of a pool and the next.

    Their density is as the cube root of that of the values (Panter and Dite 1951).
    """
    sums = np.diff(nodes[pool, :2], axis=0)
    mass = np.maximum(sums[:, 0], np.finfo(np.float64).tiny)
    width = np.abs(np.gradient(sums[:, 1] / mass))
    shares: _Array = np.cbrt(mass) * np.cbrt(width) ** 2
    shares /= max(shares.sum(), np.finfo(np.float64).tiny)
    return shares


def _starting_centers(
    data: _Sorted,
    elements: _Elements,
    n_clusters: int,
    init: str,
    seed: int | np.random.Generator | None,
) -> _Array:
    if init == "linear":
        ends = float(data.values[0]), float(data.values[-1])
        return np.linspace(*ends, n_clusters)
    firsts: _Array = data.values[elements.starts[:-1]].astype(np.float64)
    mass = np.maximum(np.diff(elements.nodes[:, 0]), np.finfo(np.float64).tiny)
    if init == "density":
        share = np.cumsum(mass)
        levels = (np.arange(n_clusters) + 0.5) / n_clusters * share[-1]
        picked = np.searchsorted(share, levels, side="right")
        middles: _Array = firsts[np.minimum(picked, len(firsts) - 1)]
        return middles
    rng = np.random.default_rng(seed)
    if init == "random":
        # The first arrivals of clocks that tick at the rate of their mass are draws
        # without replacement; unlike Generator.choice they take any range of masses.
        arrivals = rng.exponential(size=len(mass)) / mass
        picked = np.argsort(arrivals, kind="stable")[:n_clusters]
    else:
        picked = _plus_plus(firsts, mass, n_clusters, rng)
    # Where elements are fewer than clusters, Lloyd moves the repeated centers away.
    return np.sort(np.resize(firsts[picked], n_clusters))


def _plus_plus(
    firsts: _Array, mass: _Array, n_clusters: int, rng: np.random.Generator
) -> _Array:
    """Draws elements as k-means++ does: by squared distance from those before."""
    picked: list[int] = []
    weight = mass.copy()
    distance = np.full(len(firsts), np.inf)
    for _ in range(min(n_clusters, len(firsts))):
        share = np.cumsum(weight)
        if not share[-1] > 0:
            break
        level = rng.random() * share[-1]
        index = int(np.searchsorted(share, level, side="right"))
        index = min(index, int(np.flatnonzero(weight)[-1]))
        picked.append(index)
        distance = np.minimum(distance, np.abs(firsts - firsts[index]))
        weight = mass * distance**2
    return np.array(picked)


def _lloyd(data: _Sorted, elements: _Elements, start: _Array, max_iter: int) -> _Array:
    centers = start.copy()
    cuts = np.empty(len(centers) + 1, np.int64)
    _native.kmeans_lloyd(*data, *elements, data.shift, max_iter, centers, cuts)
    return cuts
