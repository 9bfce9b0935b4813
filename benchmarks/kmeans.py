"""k-means of numbers: deepcompress against NumPy's sort and other packages.

One table in one run: for each size and number of clusters, the float32 values of a
Laplace distribution (as trained weights have) are clustered by

- `kmeans1d` of deepcompress: the optimum, and Lloyd from evenly spaced centers;
- one that only looks for a better end than the first: Lloyd's iteration in float64
  from its centers;
- `np.sort` of the same values, which no method that sorts can beat;
- `sklearn.cluster.KMeans`, Lloyd from evenly spaced centers, its other defaults kept;
- the PyPI packages `kmeans1d` and `ckwrap`, which find the exact optimum, if they
  are installed: `pip install kmeans1d ckwrap`.

Each runs in a process of its own, which has the values in memory before it begins.
Seconds are CPU time of one thread, the best of `--repeats` (of one where a run takes
over two seconds), labels included; "ns" are those for each value: where they do not
grow with the size, the time is linear. "x ours" and "x sort" are ratios to the optimum
of deepcompress and to `np.sort`. "memory" is how far the process grew at its peak, in
multiples of the values. "above best" is how far the inertia, computed anew in float64
from the centers, lies above the least of all methods. What would exceed `--budget`
seconds or 4 GiB, judged from smaller runs, is left out.

Run it with:

    python benchmarks/kmeans.py
    python benchmarks/kmeans.py --sizes 100000 1000000 10000000 --clusters 16
    python benchmarks/kmeans.py --sizes 100000 37748736 --clusters 32 256
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import deepcompress as dc

MEMORY_LIMIT = 4 << 30
BASELINES = ("deepcompress", "numpy")  # never left out for their time


def ours(values: np.ndarray, n_clusters: int) -> np.ndarray:
    return dc.kmeans1d(values, n_clusters, n_threads=1).centers


def ours_linear(values: np.ndarray, n_clusters: int) -> np.ndarray:
    return dc.kmeans1d(values, n_clusters, init="linear", n_threads=1).centers


def ours_continued(values: np.ndarray, n_clusters: int) -> np.ndarray:
    centers = ours(values, n_clusters)
    wide = values.astype(np.float64)
    return dc.kmeans1d(wide, n_clusters, init=centers, n_threads=1).centers


def sort(values: np.ndarray, n_clusters: int) -> np.ndarray:
    return np.sort(values)[:0]


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


class Method(NamedTuple):
    """A function, the package it needs, and its bytes for each value and cluster."""

    run: Callable[[np.ndarray, int], np.ndarray]
    package: str
    memory: int = 0


METHODS = {
    "deepcompress, optimal": Method(ours, "deepcompress"),
    "deepcompress, linear": Method(ours_linear, "deepcompress"),
    "optimal, then Lloyd": Method(ours_continued, "deepcompress"),
    "np.sort": Method(sort, "numpy"),
    "scikit-learn KMeans": Method(scikit_learn, "sklearn"),
    "PyPI kmeans1d": Method(pypi_kmeans1d, "kmeans1d", 16),
    "ckwrap": Method(ckwrap, "ckwrap", 16),
}


class Measured(NamedTuple):
    """What a method took and found."""

    seconds: float
    memory: int
    centers: list[float]


def resident(key: str) -> int:
    """Return `VmRSS`, the memory in use now, or `VmHWM`, its peak, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{key}:")[1].split()[0])


def measure_here(name: str, path: str, n_clusters: int, repeats: int) -> Measured:
    """Run a method on the values in a file: in a process for this alone."""
    run = METHODS[name].run
    values = np.load(path)
    run(values[: 8 * n_clusters], n_clusters)  # what it imports is no part of it
    before, best = resident("VmRSS"), np.inf
    for _ in range(repeats):
        start = time.thread_time()
        centers = run(values, n_clusters)
        best = min(best, time.thread_time() - start)
        if best > 2:
            break
    return Measured(best, resident("VmHWM") - before, centers.tolist())


def measure(name: str, path: Path, n_clusters: int, repeats: int) -> Measured:
    command = [sys.executable, __file__, "--measure", name, str(path)]
    command += [str(n_clusters), str(repeats)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return Measured(*json.loads(output))


def inertia(ordered: np.ndarray, centers: list[float]) -> float:
    """Return the inertia of sorted values, cluster by cluster in float64."""
    ends = np.sort(centers)
    cuts = np.searchsorted(ordered, (ends[1:] + ends[:-1]) / 2, side="right")
    parts = zip(np.split(ordered, cuts), ends, strict=True)
    return sum(float(((part - center) ** 2).sum()) for part, center in parts)


def is_installed(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--clusters", type=int, nargs="+", default=[16, 32, 256])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, path, n_clusters, repeats = arguments.measure
        print(json.dumps(measure_here(name, path, int(n_clusters), int(repeats))))
        return

    rates: dict[tuple[str, int], float] = {}
    print(
        f"{'values':>9} {'k':>3} {'method':<21} {'seconds':>8} {'ns':>7} "
        f"{'x ours':>7} {'x sort':>7} {'memory':>7}  above best"
    )
    for size in arguments.sizes:
        values = np.random.default_rng(0).laplace(0, 0.01, size).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "values.npy"
            np.save(path, values)
            for n_clusters in arguments.clusters:
                rows: dict[str, Measured | str] = {}
                for name, method in METHODS.items():
                    expected = rates.get((name, n_clusters), 0.0) * size
                    if not is_installed(method.package):
                        rows[name] = "not installed"
                    elif method.memory * size * n_clusters > MEMORY_LIMIT:
                        rows[name] = "left out: over 4 GiB"
                    elif method.package not in BASELINES and (
                        expected > arguments.budget
                    ):
                        rows[name] = f"left out: about {expected:.0f} s"
                    else:
                        row = measure(name, path, n_clusters, arguments.repeats)
                        rates[name, n_clusters] = row.seconds / size
                        rows[name] = row
                report(np.sort(values).astype(np.float64), n_clusters, rows)


def report(
    ordered: np.ndarray, n_clusters: int, rows: dict[str, Measured | str]
) -> None:
    size = ordered.size
    measured = {name: row for name, row in rows.items() if isinstance(row, Measured)}
    ends = {
        name: inertia(ordered, row.centers)
        for name, row in measured.items()
        if row.centers
    }
    own = measured["deepcompress, optimal"].seconds
    sorting = measured["np.sort"].seconds
    for name, row in rows.items():
        start = f"{size:>9} {n_clusters:>3} {name:<21}"
        if isinstance(row, str):
            print(start, row, flush=True)
            continue
        above = f"{ends[name] / min(ends.values()) - 1:.1e}" if name in ends else ""
        print(
            f"{start} {row.seconds:8.4f} {1e9 * row.seconds / size:7.1f} "
            f"{row.seconds / own:7.2f} {row.seconds / sorting:7.2f} "
            f"{row.memory / (4 * size):7.2f}  {above}",
            flush=True,
        )


if __name__ == "__main__":
    main()
