"""The whole path at the size of AlexNet and VGG-16: prune, share, save, load.

The nets of the paper at full size, 61 and 138 million parameters, with weights drawn
independently from a Laplace distribution, are pruned to the densities of its tables 4
and 5 and shared with its bits (8 for convolutions, 5 for the others), in one shot.

The first table is of time: wall-clock seconds, the best of `--repeats` (pruning and
sharing: once), of each step beside what Keras does with the same model on the same
disk, both in the same process; "peak" is how far that process grew at most during our
step, in multiples of the model's weights. The second is of size: the file, and the
floor below which no code of single gaps and single indices can get with weights that
are independent, the entropy of masks and indices. Real masks are not independent, and
take less. Each step runs in a process of its own, and what is saved has to come back
bit for bit.

Run it with:

    python benchmarks/alexnet_scale.py
    python benchmarks/alexnet_scale.py --nets vgg16 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import deepcompress as dc

# Weights that are kept, in percent: the paper's tables 4 and 5.
KEPT = {
    "alexnet": [84, 38, 35, 37, 37, 9, 9, 25],
    "vgg16": [58, 22, 34, 36, 53, 24, 42, 32, 27, 34, 35, 29, 36, 4, 4, 23],
}
BITS = {"*conv*": 8, "*": 5}


def build(net: str) -> keras.Model:
    """Builds a net whose kernels are independent draws, as wide as Glorot's."""
    model = getattr(dc.models, net)()
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            fan = np.prod(layer.kernel.shape[:-1]) + layer.kernel.shape[-1]
            kernel = rng.laplace(0, 1 / np.sqrt(fan), layer.kernel.shape)
            layer.kernel.assign(kernel.astype("float32"))
            layer.bias.assign(rng.normal(0, 0.01, layer.bias.shape))
    return model


def memory(key: str) -> int:
    """Returns `VmRSS`, the memory in use now, or `VmHWM`, its peak, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{key}:")[1].split()[0])


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


class Steps:
    """The steps, each to be run in a process of its own."""

    def __init__(self, net: str, folder: Path, repeats: int) -> None:
        self.net, self.repeats = net, repeats
        self.n_bytes = 0
        self.ours = folder / f"{net}.dcz"
        self.weights = folder / f"{net}.weights.h5"
        self.keras = folder / f"{net}.keras"
        if self.ours.exists():
            with dc.read(self.ours) as weights:
                shapes = [weights.shape(name) for name in weights]
            self.n_bytes = 4 * sum(int(np.prod(shape)) for shape in shapes)

    def prune_and_share(self) -> dict[str, Any]:
        """One shot over the whole model, after which the files are written."""
        model = build(self.net)
        names = [layer.name for layer in model.layers if layer.weights]
        sparsity = {
            name: 1 - kept / 100
            for name, kept in zip(names, KEPT[self.net], strict=True)
        }

        def compress() -> None:
            dc.prune(model, sparsity)
            dc.WeightSharingQuantizer(bits=BITS).quantize(model)

        self.n_bytes = 4 * model.count_params()
        seconds, peak = self._measure(compress, 1)
        dc.HuffmanSerializer().save(model, self.ours)
        model.save_weights(self.weights)
        model.save(self.keras)
        return {"ours": seconds, "peak": peak}

    def save(self) -> dict[str, Any]:
        """`save` beside `save_weights`."""
        model = dc.load_model(self.ours)
        return self._beside(
            lambda: dc.HuffmanSerializer().save(model, self.ours),
            lambda: model.save_weights(self.weights),
        )

    def load_into_a_model(self) -> dict[str, Any]:
        """`load` into a model beside `load_weights`."""
        model = getattr(dc.models, self.net)()
        measured = self._beside(
            lambda: dc.HuffmanSerializer().load(self.ours, model),
            lambda: model.load_weights(self.weights),
        )
        dc.HuffmanSerializer().load(self.ours, model)
        self._check(model)
        return measured

    def load_model(self) -> dict[str, Any]:
        """`load_model` beside Keras' own."""
        measured = self._beside(
            lambda: dc.load_model(self.ours),
            lambda: keras.models.load_model(self.keras),
        )
        self._check(dc.load_model(self.ours))
        return measured

    def read_all(self) -> dict[str, Any]:
        """Every array as NumPy's, beside `load_weights`."""
        model = getattr(dc.models, self.net)()

        def read() -> dict[str, np.ndarray]:
            with dc.read(self.ours) as weights:
                return weights.to_dict()

        return self._beside(read, lambda: model.load_weights(self.weights))

    def read_one_layer(self) -> dict[str, Any]:
        """The last layer alone: what it takes from the disk."""
        rows = dc.CompressionReport.from_file(self.ours).rows
        stored = rows[-1].n_bytes

        def read() -> None:
            with dc.read(self.ours) as weights:
                weights[list(weights)[-2]]

        seconds, peak = self._measure(read, self.repeats)
        before = bytes_read()
        overhead = bytes_read() - before  # of looking
        read()
        taken = bytes_read() - before - 2 * overhead
        return {"ours": seconds, "peak": peak, "stored": stored, "taken": taken}

    def size(self) -> dict[str, Any]:
        """The file and its floor."""
        floor = 0.0
        with dc.read(self.ours) as weights:
            for stats in weights.stats().values():
                if stats.code_counts is None or stats.codebook is None:
                    floor += stats.n_bytes
                    continue
                share = stats.n_nonzero / stats.n_weights
                counts = stats.code_counts[np.ravel(stats.codebook) != 0]
                bits = stats.n_weights * entropy(np.array([share, 1 - share]))
                bits += stats.n_nonzero * entropy(counts / counts.sum())
                floor += bits / 8 + stats.codebook.nbytes
        size = self.ours.stat().st_size
        return {"size": size, "floor": floor, "dense": self.n_bytes}

    def _measure(self, run: Callable[[], object], repeats: int) -> tuple[float, float]:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, best = memory("VmRSS"), np.inf
        for _ in range(repeats):
            start = time.perf_counter()
            result = run()
            best = min(best, time.perf_counter() - start)
            del result
        return best, (memory("VmHWM") - before) / self.n_bytes

    def _beside(
        self, ours: Callable[[], object], theirs: Callable[[], object]
    ) -> dict[str, Any]:
        ours(), theirs()  # files in memory, functions compiled
        seconds, peak = self._measure(ours, self.repeats)
        beside, _ = self._measure(theirs, self.repeats)
        return {"ours": seconds, "peak": peak, "theirs": beside}

    def _check(self, model: keras.Model) -> None:
        expected = keras.models.load_model(self.keras)
        for ours, theirs in zip(model.weights, expected.weights, strict=True):
            if ours.numpy().tobytes() != theirs.numpy().tobytes():
                raise SystemExit(f"{ours.path} differs after loading.")


def entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


ROWS = {
    "prune_and_share": ("prune + share", ""),
    "save": ("save", "save_weights"),
    "load_into_a_model": ("load into a model", "load_weights"),
    "load_model": ("dc.load_model", "keras load_model"),
    "read_all": ("dc.read, all arrays", "load_weights"),
    "read_one_layer": ("dc.read, the last kernel", ""),
}


def run_step(step: str, net: str, folder: str, repeats: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, "--folder", folder]
    command += ["--nets", net, "--repeats", str(repeats)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", default=list(KEPT), choices=list(KEPT))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        steps = Steps(options.nets[0], Path(options.folder), options.repeats)
        print(json.dumps(getattr(steps, options.step)()))
        return

    sizes = {}
    print(
        f"{'net':<8} {'step':<25} {'seconds':>8} {'peak':>6}  "
        f"{'Keras':<17} {'seconds':>8} {'faster':>7}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for net in options.nets:
            for step, (name, peer) in ROWS.items():
                row = run_step(step, net, folder, options.repeats)
                line = f"{net:<8} {name:<25} {row['ours']:8.3f} {row['peak']:5.2f}x"
                if peer:
                    faster = row["theirs"] / row["ours"]
                    line += f"  {peer:<17} {row['theirs']:8.3f} {faster:6.2f}x"
                if "taken" in row:
                    line += f"  {row['taken']:,} bytes read, {row['stored']:,} stored"
                print(line, flush=True)
            sizes[net] = run_step("size", net, folder, options.repeats)
    print(
        f"\n{'net':<8} {'dense':>12} {'file':>11} {'smaller':>8} "
        f"{'floor':>11} {'over':>6}"
    )
    for net, row in sizes.items():
        print(
            f"{net:<8} {row['dense']:>12,} {row['size']:>11,} "
            f"{row['dense'] / row['size']:7.1f}x {round(row['floor']):>11,} "
            f"{row['size'] / row['floor']:5.3f}x"
        )


if __name__ == "__main__":
    main()
