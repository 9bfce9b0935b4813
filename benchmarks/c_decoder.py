"""How fast the decoder in C is, on layers of the size of the paper's fc6.

The layers have 9216 x 4096 float32: one with 9 % of its weights, which share 32 values
(the paper's), one whose weights share 32 values and are all there, one of digits that
nothing is known of, and a tenth of such a one, with context coding, whose rows do not
all keep as many weights. Processor time of one
thread, the best of `--repeats`, compiled with `-O2`; beside it what `deepcompress.read`
takes for the same array, in seconds of all its threads.

Run it with:

    python benchmarks/c_decoder.py
    python benchmarks/c_decoder.py --repeats 9 --compiler clang
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import deepcompress as dc

FOLDER = Path(__file__).resolve().parent.parent / "c"
SHAPE = 9216, 4096


def layers() -> dict[str, tuple[str, np.ndarray]]:
    """Returns a coder and an array for each name."""
    rng = np.random.default_rng(0)
    weights = rng.laplace(0, 1 / np.sqrt(sum(SHAPE)), SHAPE).astype("float32")
    least = np.quantile(np.abs(weights[::16]), 0.91)
    is_kept = np.abs(weights) >= least

    def share(values: np.ndarray) -> np.ndarray:
        edges = np.quantile(values[::16], np.linspace(0, 1, 33)).astype("float32")
        centers = (edges[1:] + edges[:-1]) / 2
        return centers[np.searchsorted(edges[1:-1], values)]

    sparse = np.zeros_like(weights)
    sparse[is_kept] = share(weights[is_kept])
    shared = share(weights.reshape(-1)).reshape(SHAPE)
    # Masks are not random: some rows keep more than others.
    rows = weights[: SHAPE[0] // 10]
    is_kept = np.abs(rows) >= least * rng.uniform(0.5, 2, (len(rows), 1))
    uneven = np.zeros_like(rows)
    uneven[is_kept] = share(rows[is_kept])
    return {
        "sparse": ("huffman", sparse),
        "shared": ("huffman", shared),
        "digits": ("huffman", weights),
        "uneven": ("context", uneven),
    }


def processor_seconds(path: Path, repeats: int) -> float:
    best = np.inf
    for _ in range(repeats):
        with dc.read(path) as weights:
            begin = time.process_time()
            _ = weights["fc6/kernel"]
            best = min(best, time.process_time() - begin)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compiler", default="gcc")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "speed"
        sources = FOLDER / "dcz.c", FOLDER / "speed.c"
        subprocess.run([arguments.compiler, "-O2", *sources, "-o", program], check=True)
        for kind, (coder, array) in layers().items():
            path = folder / f"{kind}.dcz"
            dc.write(path, {"fc6/kernel": array}, coder=coder)
            repeats = arguments.repeats if coder == "huffman" else 1
            subprocess.run([program, str(repeats), path.name], cwd=folder, check=True)
            seconds = processor_seconds(path, repeats)
            print(f"    deepcompress.read: {1e3 * seconds:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
