"""Products with compressed weights, beside NumPy, SciPy, LiteRT and ONNX Runtime.

The layer is fc6 of AlexNet as Deep Compression leaves it: 9216 inputs, 4096 outputs,
9 % of the weights kept, 32 values. Positions and weights are independent draws, so that
no structure helps anybody; values are evenly spaced, as weight sharing sets them out.

All run in turns in one process with one thread: each round takes every method once
warm, right after an untimed run, and once cold, after 96 MB of other memory were read.
What is stated is the median of the rounds in microseconds. "x NumPy" and "x int8" are
how many times faster a method is than the faster order of NumPy's product and than
LiteRT's dynamic int8 on the same inputs. "error" is the largest difference from the
product in float64, as a part of the largest output; methods of float32 must stay below
1e-5. "MB" is what is held in memory, or the file of another runtime. Methods whose
package is missing are left out:

    pip install scipy ai-edge-litert onnx onnxruntime tensorflow

Run it with:

    python benchmarks/run.py --out docs/results/run.json
    python benchmarks/run.py --rounds 5 --shape 1024 512
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Before NumPy is imported, which asks once.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import deepcompress as dc
from deepcompress.runtime.isa import available
from deepcompress.runtime.matrix import matrix_of

SHAPE = (9216, 4096)
DENSITY, N_VALUES = 0.09, 32
CACHES = 96 << 20  # bytes that no cache holds
EXACT = 1e-5
BATCHES = (1, 8, 64)
ACTIVE = (0.35, 1.0)  # the part of inputs that is not 0

Product = Callable[[np.ndarray], np.ndarray]


class Method(NamedTuple):
    """A way to multiply.

    Args:
        name: What it is called in the table.
        run: Returns the product.
        n_bytes: What is held in memory, as far as that is known.
        is_exact: Whether it computes with float32 weights.
    """

    name: str
    run: Product
    n_bytes: int | None = None
    is_exact: bool = True


class Measured(NamedTuple):
    """A row of the table."""

    method: str
    batch: int
    active: float
    warm: float
    cold: float
    error: float
    n_bytes: int | None


def main() -> None:
    arguments = parse()
    shape = tuple(arguments.shape)
    kernel = make_kernel(shape)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fc6.dcz")
        dc.write(path, {"fc6/kernel": kernel})
        print(f"The file has {path.stat().st_size:,} bytes.")
        files = in_a_process(make_files, kernel, folder)
        for batch in arguments.batches:
            methods = [*plain(kernel), *others(files, batch), *ours(path)]
            for active in ACTIVE:
                x = make_inputs(batch, shape[0], active)
                rows += measure(methods, kernel, x, active, arguments.rounds)
    print_tables(rows)
    if arguments.out:
        lines = [json.dumps(row._asdict()) for row in rows]
        arguments.out.write_text("[\n " + ",\n ".join(lines) + "\n]\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--shape", type=int, nargs=2, default=SHAPE)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def make_kernel(shape: tuple[int, ...]) -> np.ndarray:
    """Returns weights of a Laplace distribution, pruned and shared."""
    rng = np.random.default_rng(0)
    kernel = rng.laplace(size=shape).astype(np.float32)
    kernel[np.abs(kernel) < np.quantile(np.abs(kernel), 1 - DENSITY)] = 0
    kept = kernel[kernel != 0]
    values = np.linspace(kept.min(), kept.max(), N_VALUES).astype(np.float32)
    nearest = np.searchsorted((values[1:] + values[:-1]) / 2, kept)
    kernel[kernel != 0] = values[nearest]
    return kernel


def make_inputs(batch: int, n_inputs: int, active: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, n_inputs), dtype=np.float32)
    x[rng.random(x.shape) >= active] = 0
    return x


# ---- Methods -------------------------------------------------------------------------


def plain(kernel: np.ndarray) -> Iterator[Method]:
    """Yields NumPy in both orders, and SciPy."""
    turned = np.ascontiguousarray(kernel.T)
    yield Method("NumPy, x @ W", lambda x: x @ kernel, kernel.nbytes)
    yield Method("NumPy, W @ x", lambda x: (turned @ x.T).T, kernel.nbytes)
    if is_there("scipy"):
        from scipy.sparse import csr_array

        csr = csr_array(turned)
        n_bytes = csr.data.nbytes + csr.indices.nbytes + csr.indptr.nbytes
        yield Method("SciPy CSR", lambda x: (csr @ x.T).T, n_bytes)


def ours(path: Path) -> Iterator[Method]:
    """Yields what every instruction set gives."""
    with dc.read(path) as file:
        weights = file.weights("fc6/kernel")
    shape = (weights.shape[0], weights.shape[1])
    for name in available():
        matrix = matrix_of(weights, shape, isa_name=name, n_threads=1)
        what = f"deepcompress, {name} ({matrix.form})"
        yield Method(what, matrix.multiply, matrix.nbytes)


def others(files: dict[str, str], batch: int) -> Iterator[Method]:
    """Yields other runtimes with the files that were made for them."""
    for name, file in files.items():
        runs = litert(file, batch) if file.endswith(".tflite") else onnx(file)
        yield Method(name, runs, Path(file).stat().st_size, "int8" not in name)


def litert(file: str, batch: int) -> Product:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(file, num_threads=1)
    into = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(into["index"], (batch, int(into["shape"][-1])))
    interpreter.allocate_tensors()
    out = interpreter.get_output_details()[0]["index"]

    def run(x: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(into["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(out)

    return run


def onnx(file: str) -> Product:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def is_there(package: str) -> bool:
    found = importlib.util.find_spec(package) is not None
    if not found:
        print(f"Left out, since there is no {package}.")
    return found


# ---- Their files ---------------------------------------------------------------------


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def make_files(kernel: np.ndarray, folder: str) -> dict[str, str]:
    """Writes the layer for other runtimes, and returns the files by method."""
    files = {}
    if is_there("ai_edge_litert") and is_there("tensorflow"):
        files |= make_tflite(kernel, folder)
    if is_there("onnxruntime") and is_there("onnx"):
        files |= make_onnx(kernel, folder)
    return files


def make_tflite(kernel: np.ndarray, folder: str) -> dict[str, str]:
    import keras
    import tensorflow as tf

    dense = keras.layers.Dense(kernel.shape[1], use_bias=False)
    model = keras.Sequential([keras.Input((kernel.shape[0],), 1), dense])
    dense.set_weights([kernel])
    files = {}
    for name, is_small in (("LiteRT f32", False), ("LiteRT dynamic int8", True)):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT] if is_small else []
        files[name] = str(Path(folder, f"{len(files)}.tflite"))
        Path(files[name]).write_bytes(converter.convert())
    return files


def make_onnx(kernel: np.ndarray, folder: str) -> dict[str, str]:
    from onnx import TensorProto, helper, numpy_helper, save
    from onnxruntime.quantization import quantize_dynamic

    sides = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in zip("xy", kernel.shape, strict=True)
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "fc6",
        sides[:1],
        sides[1:],
        [numpy_helper.from_array(kernel, "w")],
    )
    version = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=version, ir_version=8)
    exact, small = (str(Path(folder, f"{name}.onnx")) for name in ("f32", "int8"))
    save(model, exact)
    quantize_dynamic(exact, small)
    return {"ONNX Runtime f32": exact, "ONNX Runtime int8": small}


# ---- Measuring -----------------------------------------------------------------------


def measure(
    methods: list[Method], kernel: np.ndarray, x: np.ndarray, active: float, rounds: int
) -> list[Measured]:
    """Runs all methods in turns."""
    expected = x.astype(np.float64) @ kernel
    errors = []
    for method in methods:
        difference = np.abs(method.run(x) - expected).max()
        errors.append(float(difference / np.abs(expected).max()))
        if method.is_exact and errors[-1] > EXACT:
            raise SystemExit(f"{method.name} is wrong by {errors[-1]:.1e}.")
    other = np.ones(CACHES // 8)
    times = np.zeros((rounds, len(methods), 2))
    for turn in times:
        for method, taken in zip(methods, turn, strict=True):
            method.run(x)
            taken[0] = seconds(method.run, x)
            other.sum()
            taken[1] = seconds(method.run, x)
    warm_and_cold = np.median(times, axis=0) * 1e6
    return [
        Measured(
            m.name, len(x), active, round(warm, 1), round(cold, 1), error, m.n_bytes
        )
        for m, (warm, cold), error in zip(methods, warm_and_cold, errors, strict=True)
    ]


def seconds(run: Product, x: np.ndarray) -> float:
    begin = time.perf_counter()
    run(x)
    return time.perf_counter() - begin


def print_tables(rows: list[Measured]) -> None:
    for batch in sorted({row.batch for row in rows}):
        for active in ACTIVE:
            some = [r for r in rows if (r.batch, r.active) == (batch, active)]
            print(f"\nbatch {batch}, {active:.0%} of the inputs are not 0\n")
            print_table(some)


def print_table(rows: list[Measured]) -> None:
    print("| | MB | error | warm us | x NumPy | x int8 | cold us | x NumPy | x int8 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        cells = [row.method]
        cells.append("" if row.n_bytes is None else f"{row.n_bytes / 1e6:.1f}")
        cells.append(f"{row.error:.0e}")
        for which in ("warm", "cold"):
            own = getattr(row, which)
            times = {other.method: getattr(other, which) for other in rows}
            numpy = min(t for name, t in times.items() if name.startswith("NumPy"))
            int8 = times.get("LiteRT dynamic int8")
            cells += [f"{own:,.0f}", f"{numpy / own:.2f}"]
            cells.append("" if int8 is None else f"{int8 / own:.2f}")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
