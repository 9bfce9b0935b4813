"""The most memory that files take on their way, each step in a fresh process.

A `.safetensors` file of ten tensors of 100 MB is packed and unpacked, once dense and
once with 60 % of its weights 0; a model of 16 layers, 1.07 GB of weights, is saved and
loaded. What is printed is the peak, and how much of it was there before, in MB of a
million bytes.

Run it with:

    python benchmarks/memory.py FOLDER --out docs/results/memory.json
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

N_TENSORS, SIDE = 10, 5000


def peak(which: str = "VmHWM") -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("This needs /proc.")


def make(path: Path, sparsity: float) -> None:
    rng = np.random.default_rng(0)
    size = 4 * SIDE * SIDE
    header = {
        f"w{i}": {
            "dtype": "F32",
            "shape": [SIDE, SIDE],
            "data_offsets": [i * size, (i + 1) * size],
        }
        for i in range(N_TENSORS)
    }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(N_TENSORS):
            kernel = rng.standard_normal((SIDE, SIDE), dtype="float32")
            kernel[rng.random(kernel.shape, dtype="float32") < sparsity] = 0
            file.write(kernel.data)


def run_step(step: str, path: Path) -> None:
    """Takes one step, and prints what it took."""
    if step in {"save", "load"}:
        import keras

        import deepcompress as dc

        small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
        assert small.built
        layers = [keras.layers.Dense(4096) for _ in range(16)]
        if step == "save":
            model = keras.Sequential([keras.Input((4096,)), *layers])
            work = lambda: dc.HuffmanSerializer().save(model, path)  # noqa: E731
        else:
            dc.load_model  # noqa: B018  (is imported when it is first used)
            work = lambda: dc.load_model(path)  # noqa: E731
    else:
        import deepcompress as dc

        packed, back = path.with_suffix(".dcz"), path.with_suffix(".back")
        verb = dc.pack if step == "pack" else dc.unpack
        words = (path, packed) if step == "pack" else (packed, back)
        work = lambda: verb(*words)  # noqa: E731
    before, begin = peak("VmRSS"), time.process_time()
    kept = work()
    took = time.process_time() - begin
    assert kept is not None
    print(json.dumps([round(before), round(peak()), round(took, 1)]))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--step")
    options = parser.parse_args()
    if options.step:
        run_step(options.step, options.folder)
        return
    rows = []

    def step(name: str, path: Path, what: str) -> None:
        ran = subprocess.run(
            [sys.executable, __file__, str(path), "--step", name],
            check=True,
            capture_output=True,
            text=True,
        )
        before, most, took = json.loads(ran.stdout.splitlines()[-1])
        rows.append(
            {"what": what, "before": before, "peak": most, "above": most - before}
        )
        rows[-1] |= {"seconds": took}
        print(f"| {what} | {before} | {most} | {most - before} | {took} |", flush=True)

    print("| step | before | peak | above | seconds |\n|---|---|---|---|---|")
    options.folder.mkdir(exist_ok=True)
    for name, sparsity in [("dense", 0.0), ("pruned", 0.6)]:
        path = options.folder / f"{name}.safetensors"
        make(path, sparsity)
        step("pack", path, f"pack, {name}")
        step("unpack", path, f"unpack, {name}")
        assert sha256(path) == sha256(path.with_suffix(".back"))
        for each in (path, path.with_suffix(".back"), path.with_suffix(".dcz")):
            each.unlink()
    path = options.folder / "model.dcz"
    step("save", path, "save a model")
    step("load", path, "load a model")
    path.unlink()
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
