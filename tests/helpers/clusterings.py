"""Slow, plain twins of the clustering in one dimension, and what holds for any."""

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

INITS = ("optimal", "linear", "density", "random", "kmeans++")


SLOW_TWIN = settings(max_examples=60, deadline=None)


def exact_optimum(values, weights, n_clusters):
    """The least inertia, by the quadratic dynamic program in exact arithmetic."""
    pairs = [
        (Fraction(float(v)), Fraction(float(w)))
        for v, w in sorted(zip(values, weights, strict=True))
        if w > 0
    ]
    n = len(pairs)
    cost = {}
    for first in range(n):
        weight = total = square = Fraction(0)
        for last in range(first, n):
            value, w = pairs[last]
            weight, total = weight + w, total + w * value
            square += w * value * value
            cost[first, last + 1] = square - total * total / weight
    best = [cost[0, end] if end else Fraction(0) for end in range(n + 1)]
    for _ in range(n_clusters - 1):
        best = [
            min((best[cut] + cost[cut, end] for cut in range(end)), default=Fraction(0))
            for end in range(n + 1)
        ]
    return best[n]


def brute_force(values, n_clusters):
    """The least inertia of all ways to cut the sorted values."""
    ordered = np.sort(np.asarray(values, np.float64))
    cuts = itertools.combinations(range(1, len(ordered)), n_clusters - 1)
    return min(
        sum(((part - part.mean()) ** 2).sum() for part in np.split(ordered, cut))
        for cut in cuts
    )


def quadratic_optimum(values, n_clusters):
    """The least inertia of a few hundred values, in extended precision."""
    ordered = np.sort(values.astype(np.longdouble))
    ordered -= ordered.mean()
    count = np.arange(len(ordered) + 1)
    total = np.concatenate(([0], np.cumsum(ordered)))
    square = np.concatenate(([0], np.cumsum(ordered**2)))
    width = np.maximum(count[None, :] - count[:, None], 1)
    sums = total[None, :] - total[:, None]
    cost = square[None, :] - square[:, None] - sums**2 / width
    cost = np.where(count[None, :] > count[:, None], cost, np.inf)
    best = cost[0]
    for _ in range(n_clusters - 1):
        best = (best[:, None] + cost).min(axis=0)
    return float(best[-1])


def plain_lloyd(values, centers, max_iter):
    """Lloyd's iteration on all values, empty clusters by the documented rule."""
    values, centers = np.sort(values), np.sort(np.array(centers, np.float64))
    previous = None
    for iteration in range(max_iter):
        while True:
            distance = np.abs(values[:, None] - centers[None, :])
            labels = distance.argmin(axis=1)
            empty = [j for j in range(len(centers)) if not (labels == j).any()]
            if not empty:
                break
            far = []
            for j in set(labels):
                own = distance[labels == j, j]
                far.append((-own.max(), values[labels == j][own.argmax()]))
            for j, (_, value) in zip(empty, sorted(far), strict=False):
                centers[j] = value
            centers.sort()
        if iteration and (labels == previous).all():
            break
        previous = labels
        centers = np.array([values[labels == j].mean() for j in range(len(centers))])
    return centers


def plain_elements(values, max_count, max_spread):
    """Where elements start: one is closed when it has its count or its spread."""
    starts, first = [], 0
    for i in range(1, len(values) + 1):
        if i < len(values):
            width = float(values[i]) - float(values[first])
            is_full = (
                i - first >= max_count or (i - first) * width * width >= max_spread
            )
            if values[i] == values[i - 1] or not is_full:
                continue
        starts.append(first)
        first = i
    return [*starts, len(values)]


def inertia_of(values, weights, result):
    """The inertia that centers and labels stand for."""
    flat = np.asarray(values, np.longdouble).ravel()
    distance = flat - result.centers.astype(np.longdouble)[result.labels.ravel()]
    return float((np.asarray(weights).ravel() * distance**2).sum())


def slack(values):
    """What the float64 costs of the values cannot tell apart."""
    flat = np.asarray(values, np.float64).ravel()
    # Of centers, too, which lie between two of them.
    ulp = float(np.spacing(np.abs(flat).max(initial=0)))
    return 1e-14 * float(((flat - np.median(flat)) ** 2).sum()) + flat.size * ulp**2


def check_shape_of(result, values, n_clusters):
    """What holds for any result."""
    assert result.centers.shape == (n_clusters,)
    assert (result.centers[1:] > result.centers[:-1]).all()
    assert result.labels.shape == np.shape(values)
    flat = np.asarray(values, np.float64).astype(np.longdouble).reshape(-1, 1)
    distance = np.abs(flat - result.centers)
    chosen = distance[np.arange(len(flat)), result.labels.ravel()]
    least = distance.min(axis=1)
    # The middle between two centers rounds, so a tie may go either way.
    assert (chosen <= least + 4e-16 * np.abs(flat[:, 0]) + 2e-323).all()


numbers = st.one_of(
    st.integers(-5, 5).map(float),
    st.sampled_from([0.0, -0.0, 1.0, 1e-3, 1e6, -1e6]),
    st.floats(-100, 100, width=16),
    st.floats(-1e6, 1e6, width=32),
    st.integers(-5, 5).map(lambda i: 1e6 + i * 1e-3),
)


samples = st.lists(numbers, min_size=1, max_size=12)
