"""Whole nets run from their files, beside LiteRT and Keras.

The nets of the zoo on test images of MNIST, and AlexNet as Deep Compression leaves it:
full size, weights drawn independently, pruned to the paper's densities and shared with
its bits, on images of noise; its normalization of responses is left out, since LiteRT
cannot convert it. LiteRT has the same net, in float32 and in dynamic int8.

All run in turns in one process with one thread; stated is the median of the rounds, in
microseconds for a batch, and how many times as fast as LiteRT ours is. The outputs are
compared with Keras' in the same run: of ours they must lie within 1e-5 of the largest.
"open" is what it takes from a file to the first output, in milliseconds. Needs:

    pip install ai-edge-litert tensorflow

Run it with:

    python benchmarks/run_nets.py --out docs/results/run_nets.json
    python benchmarks/run_nets.py --nets lenet5 --batches 1
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before NumPy is imported, which asks once.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from run import in_a_process

import deepcompress as dc

ZOO = ("lenet_300_100", "lenet5", "mnist_cnn")
ALEXNET = "alexnet"
EXACT = 1e-5
COMPUTED = Callable[[np.ndarray], Any]


def make(net: str, folder: str) -> dict[str, str]:
    """Writes a net in every form, with inputs and what Keras makes of them."""
    import keras
    import tensorflow as tf
    from alexnet_scale import BITS, KEPT, build

    if net in ZOO:
        model = dc.models.load(net)
        x = keras.datasets.mnist.load_data()[1][0][:, :, :, None]
        x = (x / 255).astype("float32")
    else:
        model = without_responses(build(net))
        names = [layer.name for layer in model.layers if layer.weights]
        kept = zip(names, KEPT[net], strict=True)
        dc.prune(model, {name: 1 - part / 100 for name, part in kept})
        dc.WeightSharingQuantizer(bits=BITS).quantize(model)
        shape = (64, *model.input_shape[1:])
        x = np.random.default_rng(1).normal(0, 50, shape).astype("float32")
    files = {
        name: str(Path(folder, f"{net}-{name}"))
        for name in ("file.dcz", "x.npy", "y.npy", "f32.tflite", "int8.tflite")
    }
    dc.HuffmanSerializer().save(model, files["file.dcz"])
    np.save(files["x.npy"], x)
    np.save(files["y.npy"], model.predict(x, verbose=0))
    for name, is_small in (("f32.tflite", False), ("int8.tflite", True)):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT] if is_small else []
        Path(files[name]).write_bytes(converter.convert())
    return files


def without_responses(model: Any) -> Any:
    """Leaves out the normalization of responses, which LiteRT cannot convert."""
    import keras
    from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

    kept = (Conv2D, MaxPooling2D, Flatten, Dense)
    layers = [each for each in model.layers if isinstance(each, kept)]
    plain = keras.Sequential(
        [
            keras.Input(model.input_shape[1:]),
            *(type(each).from_config(each.get_config()) for each in layers),
        ]
    )
    plain.set_weights(model.get_weights())
    return plain


def litert(file: str, batch: int) -> COMPUTED:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(file, num_threads=1)
    into = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(into["index"], (batch, *into["shape"][1:]))
    interpreter.allocate_tensors()
    out = interpreter.get_output_details()[0]["index"]

    def run(x: np.ndarray) -> Any:
        interpreter.set_tensor(into["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(out)

    return run


def measure(net: str, batches: list[int], rounds: int) -> list[dict[str, Any]]:
    """Returns a row for each method and size of batch."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = in_a_process(make, net, folder)
        x, y = np.load(files["x.npy"]), np.load(files["y.npy"])
        begin = time.perf_counter()
        compressed = dc.CompressedModel(files["file.dcz"], n_threads=1)
        compressed(x[:1])
        opened = {"deepcompress": time.perf_counter() - begin}
        found = compressed.predict(x, 500 if net in ZOO else 8)
        error = float(np.abs(found - y).max() / np.abs(y).max())
        same = int((found.argmax(1) == y.argmax(1)).sum())
        print(f"{net}: {same} of {len(x)} decisions as Keras', error {error:.0e}")
        if error > EXACT or same < len(x):
            raise SystemExit(f"{net} is not what Keras computes.")
        for batch in batches:
            methods: dict[str, COMPUTED] = {"deepcompress": compressed}
            for name in ("f32", "int8"):
                begin = time.perf_counter()
                methods[f"LiteRT {name}"] = litert(files[f"{name}.tflite"], batch)
                methods[f"LiteRT {name}"](x[:batch])
                opened.setdefault(f"LiteRT {name}", time.perf_counter() - begin)
            times: dict[str, list[float]] = {name: [] for name in methods}
            for turn in range(rounds):
                at = turn * batch % (len(x) - batch + 1)
                some = np.ascontiguousarray(x[at : at + batch])
                for name, run in methods.items():
                    run(some)
                    begin = time.perf_counter()
                    run(some)
                    times[name].append(time.perf_counter() - begin)
            for name, taken in times.items():
                sizes = {"deepcompress": compressed.nbytes}
                file = Path(files.get(f"{name[7:]}.tflite", files["file.dcz"]))
                rows.append(
                    {
                        "net": net,
                        "method": name,
                        "batch": batch,
                        "us": round(float(np.median(taken)) * 1e6, 1),
                        "open_ms": round(opened[name] * 1e3, 1),
                        "memory": sizes.get(name, file.stat().st_size),
                        "file": file.stat().st_size,
                    }
                )
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    """Prints the results as Markdown."""
    print("| net | batch | | file, B | held, B | open, ms | us | ours is |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        ours = next(
            other["us"]
            for other in rows
            if (other["net"], other["batch"]) == (row["net"], row["batch"])
        )
        times = "" if row["method"] == "deepcompress" else f"{row['us'] / ours:.2f}x"
        print(
            f"| {row['net']} | {row['batch']} | {row['method']} | {row['file']:,} | "
            f"{row['memory']:,} | {row['open_ms']:,} | {row['us']:,} | {times} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", default=[*ZOO, ALEXNET])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for net in options.nets:
        is_large = net not in ZOO
        rounds = max(5, options.rounds // 20) if is_large else options.rounds
        rows += measure(net, options.batches, rounds)
    print_table(rows)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
