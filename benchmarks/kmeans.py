"""k-means of numbers: deepcompress against NumPy's sort and other packages.

One table in one run: for each size and number of clusters, the float32 values of a
Laplace distribution (as trained weights have) are clustered by

- `kmeans1d` of deepcompress: the exact optimum, and Lloyd from evenly spaced centers;
- `sklearn.cluster.KMeans`, Lloyd from evenly spaced centers, its other defaults kept;
- the PyPI packages `kmeans1d` and `ckwrap`, which find the exact optimum, if they
  are installed: `pip install kmeans1d ckwrap`;
- `np.sort` of the same values, which no method that sorts can beat.

Seconds are CPU time of one thread, the best of `--repeats` (of one where a run takes
over two seconds); "x ours" is their ratio to the optimum of deepcompress; "above best"
is how far the inertia, computed anew in float64 from the centers, lies above the least
of all methods. What would exceed `--budget` seconds or 4 GiB, judged from smaller
runs, is left out.

Run it with:

    python benchmarks/kmeans.py
    python benchmarks/kmeans.py --sizes 10000000 --clusters 16 256
"""

from __future__ import annotations

import argparse
import functools
import importlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from deepcompress.kmeans import kmeans1d

MEMORY_LIMIT = 4 << 30
BASELINES = ("deepcompress", "numpy")  # never left out


def ours(values: np.ndarray, n_clusters: int) -> np.ndarray:
    return kmeans1d(values, n_clusters, n_threads=1).centers


def ours_linear(values: np.ndarray, n_clusters: int) -> np.ndarray:
    return kmeans1d(values, n_clusters, init="linear", n_threads=1).centers


def scikit_learn(values: np.ndarray, n_clusters: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    start = np.linspace(values.min(), values.max(), n_clusters).reshape(-1, 1)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        model = KMeans(n_clusters, init=start, n_init=1).fit(values.reshape(-1, 1))
    return model.cluster_centers_[:, 0]


def pypi_kmeans1d(values: np.ndarray, n_clusters: int) -> np.ndarray:
    return np.array(importlib.import_module("kmeans1d").cluster(values, n_clusters)[1])


def ckwrap(values: np.ndarray, n_clusters: int) -> np.ndarray:
    return importlib.import_module("ckwrap").ckmeans(values, n_clusters).centers


def sort(values: np.ndarray, n_clusters: int) -> None:
    np.sort(values)


# Each with the bytes it takes for every value and cluster, and what it needs.
METHODS: dict[str, tuple[Callable[..., Any], int, str]] = {
    "deepcompress, optimal": (ours, 0, "deepcompress"),
    "deepcompress, linear": (ours_linear, 0, "deepcompress"),
    "np.sort": (sort, 0, "numpy"),
    "scikit-learn KMeans": (scikit_learn, 0, "sklearn"),
    "PyPI kmeans1d": (pypi_kmeans1d, 16, "kmeans1d"),
    "ckwrap": (ckwrap, 16, "ckwrap"),
}


def inertia(ordered: np.ndarray, centers: np.ndarray) -> float:
    """Return the inertia of sorted values, cluster by cluster in float64."""
    centers = np.sort(centers.astype(np.float64))
    cuts = np.searchsorted(ordered, (centers[1:] + centers[:-1]) / 2, side="right")
    parts = zip(np.split(ordered, cuts), centers, strict=True)
    return sum(float(((part - center) ** 2).sum()) for part, center in parts)


def seconds_of(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    best, result = np.inf, None
    for _ in range(repeats):
        start = time.thread_time()
        result = run()
        best = min(best, time.thread_time() - start)
        if best > 2:
            break
    return best, result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--clusters", type=int, nargs="+", default=[16, 32, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=30.0)
    arguments = parser.parse_args()

    rates: dict[str, float] = {}
    print(
        f"{'values':>10} {'k':>4}  {'method':<22} {'seconds':>9} {'x ours':>8}  above"
    )
    for size in arguments.sizes:
        values = np.random.default_rng(0).laplace(0, 0.01, size).astype(np.float32)
        ordered = np.sort(values).astype(np.float64)
        for n_clusters in arguments.clusters:
            rows: dict[str, tuple[float, float | None] | str] = {}
            for name, (method, memory, package) in METHODS.items():
                try:
                    importlib.import_module(package)
                except ImportError:
                    rows[name] = "not installed"
                    continue
                expected = rates.get(name, 0.0) * size * n_clusters
                if package not in BASELINES and expected > arguments.budget:
                    rows[name] = f"left out: about {expected:.0f} s"
                    continue
                if memory * size * n_clusters > MEMORY_LIMIT:
                    rows[name] = "left out: over 4 GiB"
                    continue
                call = functools.partial(method, values, n_clusters)
                seconds, centers = seconds_of(call, arguments.repeats)
                rates[name] = seconds / (size * n_clusters)
                found = None if centers is None else inertia(ordered, centers)
                rows[name] = (seconds, found)
            report(size, n_clusters, rows)


def report(
    size: int, n_clusters: int, rows: dict[str, tuple[float, float | None] | str]
) -> None:
    measured = [row for row in rows.values() if not isinstance(row, str)]
    best = min(found for _, found in measured if found is not None)
    own = measured[0][0]
    for name, row in rows.items():
        start = f"{size:>10} {n_clusters:>4}  {name:<22}"
        if isinstance(row, str):
            print(start, row)
            continue
        seconds, found = row
        above = "" if found is None else f"{found / best - 1:.1e}"
        print(f"{start} {seconds:9.4f} {seconds / own:8.2f}  {above}", flush=True)


if __name__ == "__main__":
    main()
