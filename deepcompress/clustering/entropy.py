"""k-means clustering of numbers that counts the bits of the labels too."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcompress._checks import integer_in, number_in
from deepcompress.clustering.kmeans import KMeans1DResult, kmeans1d
from deepcompress.clustering.rounding import round_mantissa

_Array: TypeAlias = NDArray[Any]

# Values of one weight are sorted and searched together; with so many bits in
# their mantissas the weights of a tensor have some dozens of levels.
_WEIGHT_MANTISSA_BITS = 3

# An iteration that improves the objective by a smaller part is the last.
_LEAST_PROGRESS = 1e-8

# Beyond, only the bits decide: distances are at most 1.
_MAX_PENALTY = 1e100


class _Values(NamedTuple):
    """Values, level by level of their weights and ascending within a level.

    Attributes:
        ordered: The values.
        sums: Their running sums, from 0.
        energy: The sum of their weighted squares.
        levels: The weight of each level, where it starts, and where it ends.
    """

    ordered: _Array
    sums: _Array
    energy: float
    levels: list[tuple[float, int, int]]


class _Partition(NamedTuple):
    """Ascending centers with the number and the weight of their values."""

    centers: _Array
    counts: _Array
    masses: _Array

    def cost(self, penalty: float) -> float:
        """Returns the objective, less the weighted squares of the values."""
        bits = np.log2(self.counts.sum()) - np.log2(self.counts)
        return float(penalty * (self.counts @ bits) - self.masses @ self.centers**2)


class _Settled(NamedTuple):
    """Where an iteration has come to.

    Attributes:
        cost: The objective.
        n_iter: The iterations that it took.
        partition: The clusters.
        cells: For each level the labels that occur, ascending, and how often.
        cluster_of: The cluster of each of these labels.
    """

    cost: float
    n_iter: int
    partition: _Partition
    cells: list[tuple[_Array, _Array]]
    cluster_of: _Array


def entropy_kmeans1d(
    values: ArrayLike,
    n_clusters: int,
    entropy_weight: float,
    *,
    init: str | ArrayLike = "optimal",
    sample_weight: ArrayLike | None = None,
    max_iter: int = 1000,
    seed: int | np.random.Generator | None = None,
) -> KMeans1DResult:
    """Clusters numbers so that squared distances and the bits of labels are few.

    Centers and labels minimise `distortion + entropy_weight * entropy`. The
    distortion is the inertia divided by that of a single cluster, which is the
    variance times the number of values: it goes from 0 to 1 whatever the unit of the
    values. The entropy is the mean of `-log2(share)` over the values, with the share
    of the values that are in the same cluster: the bits of a label under the best
    code. So 0.01 means that a hundredth of the variance may be given for a bit.

    Starting with the result of `kmeans1d`, values go to the cluster that costs them
    least, centers to the mean of their values, and the bits to the new shares, until
    the objective falls by less than 1e-8 of it. None of these steps increases it, and
    a cluster that loses its values is dropped. Then two neighbours are joined, and
    all begins again, for as long as that helps. What is found is a local optimum.

    Each iteration costs a search for the borders of the clusters in the sorted
    values, whatever their number.

    Args:
        values: Real numbers, an array of any shape.
        n_clusters: The most clusters; there are no more than distinct values.
        entropy_weight: What a bit costs, at least 0. With 0 this is `kmeans1d`.
        init: Where `kmeans1d` starts. Defaults to `"optimal"`.
        sample_weight: Positive weights of the squared errors, in the same shape; a
            label costs the same bits whatever the weight of its value. Weights are
            rounded to three binary digits behind the leading one. Defaults to
            `None`, all 1.
        max_iter: The most iterations, joins included, beside those of `kmeans1d`.
            Defaults to `1000`.
        seed: For `init` `"random"` and `"kmeans++"`, as in `kmeans1d`. Defaults to
            `None`.

    Returns:
        A `KMeans1DResult`: the named tuple `(centers, labels, inertia)`, with
        `n_clusters` centers or fewer. The label of a value is not always that of its
        nearest center.

    Raises:
        TypeError: As `kmeans1d`.
        ValueError: `entropy_weight` is negative or not finite, or a weight is not
            positive; and as `kmeans1d`.

    References:
        - Chou, Lookabaugh and Gray, "Entropy-Constrained Vector Quantization", IEEE
          Transactions on Acoustics, Speech, and Signal Processing 37(1), 1989,
          section III: the iteration.
        - Choi, El-Khamy and Lee, "Towards the Limit of Network Quantization", ICLR
          2017, section 4.2: for the weights of a network, weighted by curvature.

    Example:

    >>> import numpy as np
    >>> from deepcompress import entropy_kmeans1d
    >>> values = np.random.default_rng(0).laplace(size=10_000)
    >>> for entropy_weight in (0.0, 0.02, 0.2):
    ...     labels = entropy_kmeans1d(values, 16, entropy_weight).labels
    ...     share = np.bincount(labels) / len(values)
    ...     print(len(share), "clusters,", round(-share @ np.log2(share), 1), "bits")
    16 clusters, 3.4 bits
    16 clusters, 3.1 bits
    10 clusters, 1.4 bits
    """
    entropy_weight = number_in("entropy_weight", entropy_weight, "[0, inf)")
    n_clusters = integer_in("n_clusters", n_clusters, 1)
    max_iter = integer_in("max_iter", max_iter, 1)
    if sample_weight is not None:
        is_positive = np.asarray(sample_weight) > 0
        if not is_positive.all():
            raise ValueError(
                "`sample_weight` must be positive: add a small part of the mean to "
                f"all. Received: {np.asarray(sample_weight)[~is_positive][0]} among "
                "them"
            )
    flat = np.asarray(values, np.float64).ravel()
    exponent = int(np.frexp(np.abs(flat).max(initial=0))[1])
    scaled = np.ldexp(flat, -exponent)
    ends = scaled.min(initial=0), scaled.max(initial=0)
    n_clusters = min(n_clusters, len(np.unique(scaled)))
    if entropy_weight == 0:
        return kmeans1d(
            values, n_clusters, init=init, sample_weight=sample_weight, seed=seed
        )

    weights, weight_exponent = _scaled_weights(sample_weight, flat.size)
    levels = np.maximum(
        round_mantissa(weights, _WEIGHT_MANTISSA_BITS), 1 / _MAX_PENALTY
    )
    start = kmeans1d(
        values,
        n_clusters,
        init=init,
        sample_weight=(
            None if sample_weight is None else levels.reshape(np.shape(sample_weight))
        ),
        seed=seed,
    )
    shift = np.average(scaled, weights=levels)
    scaled -= shift
    if sample_weight is None:
        order = np.argsort(scaled, kind="stable")
    else:
        order = np.lexsort((scaled, levels))
    ordered = _by_level(scaled[order], levels[order])
    labels = start.labels.ravel()
    sums = (np.bincount(labels, each) for each in (None, levels, levels * scaled))
    centers, labels = _minimise(
        ordered,
        _partition(*sums)[0],
        min(entropy_weight * ordered.energy / flat.size, _MAX_PENALTY),
        max_iter,
    )

    distances = scaled[order] - centers[labels]
    inertia = weights[order] @ distances**2
    with np.errstate(over="ignore", under="ignore"):
        inertia = float(np.ldexp(inertia, 2 * exponent + weight_exponent))
    # A mean that is rounded past the largest value could be infinite in its unit.
    centers = np.clip(centers + shift, *ends)
    centers = np.ldexp(centers, exponent).astype(start.centers.dtype)
    centers, merged = np.unique(centers, return_inverse=True)
    unordered = np.empty(flat.size, np.min_scalar_type(len(centers) - 1))
    unordered[order] = merged[labels]
    return KMeans1DResult(centers, unordered.reshape(start.labels.shape), inertia)


def _scaled_weights(sample_weight: ArrayLike | None, n: int) -> tuple[_Array, int]:
    """Returns flat weights below 1 and the power of two that undoes that."""
    if sample_weight is None:
        return np.ones(n), 0
    weights = np.asarray(sample_weight, np.float64).ravel()
    exponent = int(np.frexp(weights.max(initial=0))[1])
    return np.ldexp(weights, -exponent), exponent


def _by_level(ordered: _Array, levels: _Array) -> _Values:
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    return _Values(
        ordered,
        np.concatenate(([0.0], np.cumsum(ordered))),
        float(levels @ ordered**2),
        [(float(levels[first]), first, end) for first, end in pairwise(edges)],
    )


def _minimise(
    values: _Values, start: _Partition, penalty: float, max_iter: int
) -> tuple[_Array, _Array]:
    """Returns the centers, ascending, and the labels of the ordered values.

    `penalty` is the squared error that is worth a bit, for a value of weight 1.
    """
    best = _settle(values, start, penalty, max_iter)
    n_left = max_iter - best.n_iter
    # Clusters with equal shares would stay, however dear a bit is.
    while n_left and len(best.partition.centers) > 1:
        joined = _settle(
            values, _merge_cheapest(best.partition, penalty), penalty, n_left
        )
        n_left -= joined.n_iter
        if joined.cost >= best.cost:
            break
        best = joined
    labels = np.concatenate([np.repeat(*cell) for cell in best.cells])
    return best.partition.centers, best.cluster_of[labels]


def _settle(
    values: _Values, start: _Partition, penalty: float, max_iter: int
) -> _Settled:
    """Moves values to clusters and centers to their values until little changes."""
    last, n_iter = np.inf, 0
    while True:
        n_iter += 1
        bits = np.log2(len(values.ordered)) - np.log2(start.counts)
        sums = np.zeros((3, len(start.centers)))
        cells = []
        for weight, first, end in values.levels:
            chosen, borders = _cells(start.centers, penalty / weight * bits)
            within = values.ordered[first:end]
            inner = first + np.searchsorted(within, borders, side="right")
            cuts = np.concatenate(([first], inner, [end]))
            sizes = np.diff(cuts)
            totals = np.diff(values.sums[cuts])
            sums[:, chosen] += sizes, weight * sizes, weight * totals
            cells.append((chosen, sizes))
        start, cluster_of = _partition(*sums)
        cost = values.energy + start.cost(penalty)
        if last - cost <= _LEAST_PROGRESS * cost or n_iter == max_iter:
            return _Settled(cost, n_iter, start, cells, cluster_of)
        last = cost


def _partition(
    counts: _Array, masses: _Array, totals: _Array
) -> tuple[_Partition, _Array]:
    """Returns the clusters that have values, and where each of them is now."""
    used = np.flatnonzero(counts)
    # Two that have come to the same center are one.
    centers, joined = np.unique(totals[used] / masses[used], return_inverse=True)
    cluster_of = np.zeros(len(counts), np.intp)
    cluster_of[used] = joined
    return _Partition(
        centers, np.bincount(joined, counts[used]), np.bincount(joined, masses[used])
    ), cluster_of


def _merge_cheapest(partition: _Partition, penalty: float) -> _Partition:
    """Joins the two neighbours whose separation costs the most, or gains the least."""
    centers, counts, masses = partition
    together = counts[:-1] + counts[1:]
    bits = together * np.log2(together)
    bits -= counts[:-1] * np.log2(counts[:-1]) + counts[1:] * np.log2(counts[1:])
    share = masses[1:] / (masses[:-1] + masses[1:])
    gain = penalty * bits - masses[:-1] * share * np.diff(centers) ** 2
    at = int(gain.argmax())
    middle = centers[at] + share[at] * (centers[at + 1] - centers[at])
    pair = slice(at, at + 2)
    new = middle, counts[pair].sum(), masses[pair].sum()
    joined = np.delete(partition, at, axis=1)
    joined[:, at] = new
    return _Partition(*joined)


def _cells(centers: _Array, costs: _Array) -> tuple[_Array, _Array]:
    """Returns which clusters are the best for some number, and the borders between.

    The best at `x` is that with the least `(x - center)**2 + cost`, which is
    `x**2` and a line. So the clusters that are the best somewhere are the corners of
    a convex hull: one whose borders with its neighbours are out of order is none.
    """
    chosen = np.arange(len(centers))
    while True:
        near, price = centers[chosen], costs[chosen]
        with np.errstate(over="ignore"):
            borders = (near[:-1] + near[1:]) / 2
            borders += np.diff(price) / (2 * np.diff(near))
        is_corner = np.ones(len(chosen), bool)
        is_corner[1:-1] = borders[:-1] < borders[1:]
        if is_corner.all():
            return chosen, borders
        chosen = chosen[is_corner]
