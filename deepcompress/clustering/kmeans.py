"""k-means clustering of numbers: the exact optimum, or Lloyd from a starting point."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcompress import _native
from deepcompress._checks import integer_in
from deepcompress.clustering.elements import join_values, lloyd
from deepcompress.clustering.labels import LABELS_PER_THREAD, assign_labels
from deepcompress.clustering.optimal import max_exact_values, optimal_cuts
from deepcompress.clustering.starts import as_start, starting_centers
from deepcompress.clustering.values import as_values, sort_values

__all__ = ["KMeans1DResult", "kmeans1d"]

_Array: TypeAlias = NDArray[Any]


class Sizes(NamedTuple):
    """How much is looked at value by value.

    Attributes:
        n_exact: Up to so many distinct values the optimum is exact.
        n_elements: Beyond, values are joined into so many elements: fewer are too
            coarse beside a cluster to end within a millionth of the optimum.
        n_lloyd: Lloyd's iteration walks through the values of one element for every
            cut; with more elements than this their sums no longer fit in a
            processor's cache.
        labels_per_thread: A thread is worth starting for about so many labels.
    """

    n_exact: int = 1 << 20
    n_elements: int = 1 << 18
    n_lloyd: int = 1 << 17
    labels_per_thread: int = LABELS_PER_THREAD


class KMeans1DResult(NamedTuple):
    """What `kmeans1d` and `entropy_kmeans1d` find.

    Args:
        centers: Ascending array of shape `(n_clusters,)`, float32 for float16 and
            float32 values, float64 for all others.
        labels: The index of the center of each value, the nearest as a rule, in the
            shape of the values and the smallest unsigned dtype that holds it.
        inertia: The sum of the (weighted) squared distances to the centers.

    Example:

    >>> from deepcompress import kmeans1d
    >>> result = kmeans1d([1.0, 9.5, 1.5, 2.0, 8.5], n_clusters=2)
    >>> result.centers[result.labels]
    array([1.5, 9. , 1.5, 1.5, 9. ])
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
    >>> from deepcompress import kmeans1d
    >>> centers, labels, inertia = kmeans1d([1.0, 9.5, 1.5, 2.0, 8.5], n_clusters=2)
    >>> centers
    array([1.5, 9. ])
    >>> labels
    array([0, 1, 0, 0, 1], dtype=uint8)
    >>> inertia
    1.0
    """
    return find_clusters(
        values,
        n_clusters,
        Sizes(),
        init=init,
        sample_weight=sample_weight,
        max_iter=max_iter,
        n_threads=n_threads,
        seed=seed,
    )


def find_clusters(
    values: ArrayLike,
    n_clusters: int,
    sizes: Sizes,
    *,
    init: str | ArrayLike = "optimal",
    sample_weight: ArrayLike | None = None,
    max_iter: int = 300,
    n_threads: int | None = None,
    seed: int | np.random.Generator | None = None,
) -> KMeans1DResult:
    """Does what `kmeans1d` does, for any notion of what is large."""
    result, _ = find_and_count(
        values,
        n_clusters,
        sizes,
        init=init,
        sample_weight=sample_weight,
        max_iter=max_iter,
        n_threads=n_threads,
        seed=seed,
    )
    return result


def find_and_count(
    values: ArrayLike,
    n_clusters: int,
    sizes: Sizes,
    *,
    init: str | ArrayLike,
    sample_weight: ArrayLike | None,
    max_iter: int,
    n_threads: int | None,
    seed: int | np.random.Generator | None,
) -> tuple[KMeans1DResult, int]:
    """Does what `find_clusters` does, and counts the iterations; the optimum is one."""
    flat, shape = as_values(values)
    n_clusters = integer_in("n_clusters", n_clusters, 1)
    max_iter = integer_in("max_iter", max_iter, 1)
    if n_threads is not None:
        n_threads = integer_in("n_threads", n_threads, 1)
    data, exponent, weight_exponent = sort_values(flat, shape, sample_weight)
    start = as_start(init, n_clusters, exponent)

    limit = max_exact_values(sizes.n_exact, n_clusters)
    n_distinct = _native.kmeans_distinct(data.values, limit + 1)
    if n_distinct < n_clusters:
        raise ValueError(
            f"`n_clusters` must be at most {n_distinct}, the number of distinct "
            f"values. Received: n_clusters={n_clusters}"
        )
    if isinstance(start, str) and start == "optimal":
        cuts, n_iter = optimal_cuts(
            data,
            n_clusters,
            n_distinct,
            limit=limit,
            n_elements=sizes.n_elements,
            max_iter=max_iter,
        )
    else:
        elements = join_values(data, n_distinct, sizes.n_lloyd)
        if isinstance(start, str):
            start = starting_centers(data, elements, n_clusters, start, seed)
        cuts, n_iter = lloyd(data, elements, start, max_iter)
    centers = np.empty(n_clusters)
    inertia = _native.kmeans_summary(*data, cuts, centers)

    # The sorted copy must be gone before there are labels: the two never coexist.
    del data
    centers = np.ldexp(centers, exponent).astype(flat.dtype)
    labels = assign_labels(flat, centers, n_threads, sizes.labels_per_thread)
    with np.errstate(over="ignore", under="ignore"):
        inertia = float(np.ldexp(inertia, 2 * exponent + weight_exponent))
    return KMeans1DResult(centers, labels.reshape(shape), inertia), n_iter
