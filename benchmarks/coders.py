"""The context coder against the Huffman coder, and against NNCodec, in bytes.

For each file (.dcz, or .npz with arrays named like weights), weights alone: the bytes
of a file by either coder, and by NNCodec 2.1.3 (ISO/IEC 15938-17, DeepCABAC). Without
files, three nets of the LeNets' and of mnist_cnn's shapes are made up, with zeros and
16 shared values in random places, among half of the units.

NNCodec codes the shared values of each array, biases too, as signed indices in int32,
which it gives back exactly, with the best of eight settings. It has no place for what
the indices stand for: to its bytes are added those that our context coder spends on the
values of the same codebooks, less the bits of their order, which a codebook need not
tell; and on arrays without shared values. Nothing else is.

MB/s are millions of bytes of dense weights a second of CPU time, in one thread, files
in memory, the best of `--repeats`; for the files, and for a layer of 4,194,304 weights
of which one in ten is left with 32 values.

NNCodec needs an environment of its own, whose Python is given with `--nncodec`:

    python -m venv nnc
    nnc/bin/pip install "numpy<2" pybind11 setuptools torch==2.13.0
    nnc/bin/pip install --no-deps --no-build-isolation nncodec==2.1.3

Run it with:

    python benchmarks/coders.py lenet_300_100.dcz lenet5.dcz
    python benchmarks/coders.py --nncodec nnc/bin/python lenet_300_100.dcz
"""

import argparse
import io
import json
import math
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import deepcompress as dc

CHILD = Path(__file__).with_name("coders_nncodec.py")
NETS = {
    "LeNet-300-100": {"ip1": (784, 300), "ip2": (300, 100), "ip3": (100, 10)},
    "LeNet-5": {
        "conv1": (5, 5, 1, 20),
        "conv2": (5, 5, 20, 50),
        "ip1": (800, 500),
        "ip2": (500, 10),
    },
    "mnist_cnn": {
        "conv2d": (3, 3, 1, 32),
        "conv2d_1": (3, 3, 32, 64),
        "dense": (9216, 128),
        "dense_1": (128, 10),
    },
}


def shared(shape: tuple[int, ...], density: float, n_values: int) -> np.ndarray:
    rng = np.random.default_rng(len(shape))
    values = rng.standard_normal(n_values).astype("float16").astype("float32")
    kept = rng.random(shape) < density
    return np.where(kept, values[rng.integers(0, n_values, shape)], 0).astype("f4")


def made_up(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays, is_live = {}, np.ones(1, bool)
    for layer, shape in shapes.items():
        kernel = shared(shape, min(1.0, 1200 / np.prod(shape)), 16)
        rows = np.resize(is_live, shape[:-1])[..., None]
        is_live = rng.random(shape[-1]) < 0.5
        arrays[f"{layer}/kernel"] = np.where(rows & is_live, kernel, np.float32(0))
        arrays[f"{layer}/bias"] = np.where(
            is_live, shared(shape[-1:], 1, 16), np.float32(0)
        )
    return arrays


def load(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return dict(archive)
    with dc.read(path) as weights:
        return dict(weights)


def size_of(arrays: dict[str, np.ndarray], coder: str) -> int:
    return dc.write(io.BytesIO(), arrays, coder=coder).size


def indices(array: np.ndarray) -> np.ndarray:
    """Signed indices of the shared values in their order, 0 for a zero."""
    values = np.unique(array[array != 0])
    index = np.searchsorted(values, array) - np.count_nonzero(values < 0)
    return np.where(array == 0, 0, index + (index >= 0)).astype(np.int32)


def nncodec_size(python: Path, arrays: dict[str, np.ndarray]) -> int:
    """Returns the bytes of NNCodec, codebooks and unshared arrays included."""
    integers, others, order = {}, {}, 0.0
    for name, array in arrays.items():
        values = array[array != 0]
        codebook = np.unique(values.view("u4"))
        if array.dtype == "float32" and 2 * len(codebook) <= len(values) + 1:
            integers[name] = indices(array)
            others[name] = codebook.view("f4")
            order += math.lgamma(len(codebook) + 1) / math.log(256)
        else:
            others[name] = array
    report = dc.write(io.BytesIO(), others, coder="context")
    added = sum(stats.n_bytes for stats in report.stats.values()) - round(order)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "integers.npz")
        np.savez(path, **integers)
        run = subprocess.run(
            [python, CHILD, path], capture_output=True, text=True, check=False
        )
    if run.returncode:
        raise RuntimeError(f"NNCodec failed:\n{run.stderr[-2000:]}")
    return int(json.loads(run.stdout)["size"]) + added


def speeds(arrays: dict[str, np.ndarray], repeats: int) -> tuple[float, float]:
    """Returns MB/s of writing and of reading."""
    n_bytes = sum(array.nbytes for array in arrays.values())
    best = [np.inf, np.inf]
    for _ in range(repeats):
        file = io.BytesIO()
        start = time.process_time()
        dc.write(file, arrays, coder="context")
        middle = time.process_time()
        with dc.read(file.getvalue()) as weights:
            decoded = {name: weights[name] for name in weights}
        end = time.process_time()
        for name, array in arrays.items():
            if decoded[name].tobytes() != array.tobytes():
                raise AssertionError(f"{name} does not come back.")
        best = [min(best[0], middle - start), min(best[1], end - middle)]
    return n_bytes / best[0] / 1e6, n_bytes / best[1] / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--nncodec", type=Path, metavar="PYTHON")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    nets = {path.name: load(path) for path in arguments.files}
    if not nets:
        nets = {name: made_up(shapes) for name, shapes in NETS.items()}

    print(
        f"{'weights alone':<28}{'dense':>11}{'Huffman':>9}{'context':>9}{'/Huff.':>8}"
        f"{'NNCodec':>9}{'/NNC':>8}{'encode':>8}{'decode':>8}"
    )
    for name, arrays in nets.items():
        huffman, context = size_of(arrays, "huffman"), size_of(arrays, "context")
        peer = ("-", "-")
        if arguments.nncodec:
            size = nncodec_size(arguments.nncodec, arrays)
            peer = (f"{size:,}", f"{context / size:.3f}")
        encode, decode = speeds(arrays, arguments.repeats)
        dense = sum(array.nbytes for array in arrays.values())
        print(
            f"{name:<28}{dense:>11,}{huffman:>9,}{context:>9,}{context / huffman:>8.3f}"
            f"{peer[0]:>9}{peer[1]:>8}{encode:>8.1f}{decode:>8.1f}",
            flush=True,
        )
    if not arguments.nncodec:
        print("NNCodec: left out; give the Python of its environment with --nncodec.")
    layer = {"dense/kernel": shared((2048, 2048), 0.1, 32)}
    encode, decode = speeds(layer, arguments.repeats)
    print(
        f"a layer of 4,194,304 weights: encode {encode:.1f} MB/s, decode {decode:.1f}"
    )


if __name__ == "__main__":
    main()
