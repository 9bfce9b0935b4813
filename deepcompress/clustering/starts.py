"""Where Lloyd's iteration starts."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcompress.clustering.elements import Elements
from deepcompress.clustering.values import Sorted

_Array: TypeAlias = NDArray[Any]

_INITS = ("optimal", "linear", "density", "random", "kmeans++")


def as_start(init: str | ArrayLike, n_clusters: int, exponent: int) -> str | _Array:
    """Returns the name of a method, or ascending centers scaled as the values are."""
    wanted = f"`init` must be one of {_INITS}, or an array of {n_clusters} centers."
    if isinstance(init, str):
        if init not in _INITS:
            raise ValueError(f"{wanted} Received: init={init!r}")
        return init
    centers = np.asarray(init)
    if centers.dtype.kind not in "iuf" or centers.shape != (n_clusters,):
        raise ValueError(
            f"{wanted} Received: init.dtype={centers.dtype}, init.shape={centers.shape}"
        )
    if not np.isfinite(centers).all():
        raise ValueError(f"`init` must be finite. Received: init={centers.tolist()}")
    scaled: _Array = np.ldexp(np.sort(centers.astype(np.float64)), -exponent)
    return scaled


def starting_centers(
    data: Sorted,
    elements: Elements,
    n_clusters: int,
    init: str,
    seed: int | np.random.Generator | None,
) -> _Array:
    """Returns ascending centers by one of the methods that are no optimum.

    Args:
        data: The values.
        elements: What they are joined into.
        n_clusters: At most the number of distinct values.
        init: The method.
        seed: Of the methods that draw.
    """
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
