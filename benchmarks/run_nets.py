"""Whole nets run from their files, beside LiteRT, ONNX Runtime and Keras.

The nets of the zoo on test images of MNIST, and nets as Deep Compression leaves them:
weights drawn independently, pruned to the paper's densities and shared with its bits.
These are the whole AlexNet, on images of noise; its normalization of responses is left
out, since LiteRT cannot convert it. Its first dense layer alone, `fc6`, and the dense
layers of AlexNet and of VGG-16, on inputs of which 35 % are not 0, as behind a ReLU.
And a ResNet-20 for CIFAR-10, its convolutions pruned to a fifth and shared with 4 bits.
LiteRT has the same net, in float32 and in dynamic int8, ONNX Runtime in float32, and
Keras computes it by `predict`; which are left out where their package is missing.

All run in turns in one process with one thread; stated is the median of the rounds, in
microseconds for a batch, and how many times as fast as LiteRT ours is. The outputs are
compared with Keras' in the same run: of ours they must lie within 1e-5 of the largest.
"open" is what it takes from a file to the first output, in milliseconds. Needs:

    pip install ai-edge-litert tensorflow onnx onnxruntime tf2onnx

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
from run import in_a_process, is_there

import deepcompress as dc

ZOO = ("lenet_300_100", "lenet5", "mnist_cnn")
ALEXNET = "alexnet"
HEADS = {
    "fc6": ("alexnet", 1),
    "alexnet_head": ("alexnet", 3),
    "vgg16_head": ("vgg16", 3),
}
INPUTS = {"alexnet": 9216, "vgg16": 25088}
UNITS = (4096, 4096, 1000)
RESNET = "resnet20"
ACTIVE = 0.35
EXACT = 1e-5
COMPUTED = Callable[[np.ndarray], Any]


def make(net: str, folder: str) -> dict[str, str]:
    """Writes a net in every form, with inputs and what Keras makes of them."""
    import keras
    import tensorflow as tf
    from alexnet_scale import BITS, KEPT, build

    rng = np.random.default_rng(1)
    if net in ZOO:
        model = dc.models.load(net)
        x = keras.datasets.mnist.load_data()[1][0][:, :, :, None]
        x = (x / 255).astype("float32")
    elif net == RESNET:
        from nets import resnet

        model = resnet(n_blocks=3)
        dc.prune(model, 0.8)
        dc.WeightSharingQuantizer(bits=4).quantize(model)
        x = rng.uniform(0, 255, (64, *model.input_shape[1:])).astype("float32")
    else:
        model, kept = made_net(net, build, KEPT)
        names = [layer.name for layer in model.layers if layer.weights]
        dc.prune(
            model,
            {name: 1 - part / 100 for name, part in zip(names, kept, strict=True)},
        )
        bits = BITS if net == ALEXNET else 5
        dc.WeightSharingQuantizer(bits=bits).quantize(model)
        shape = (64, *model.input_shape[1:])
        x = rng.normal(0, 50 if net == ALEXNET else 1, shape).astype("float32")
        if net in HEADS:
            x = np.abs(x) * (rng.random(shape) < ACTIVE).astype("float32")
    files = {
        name: str(Path(folder, f"{net}-{name}"))
        for name in (
            "file.dcz",
            "x.npy",
            "y.npy",
            "f32.tflite",
            "int8.tflite",
            "f32.onnx",
            "model.keras",
        )
    }
    dc.HuffmanSerializer().save(model, files["file.dcz"])
    model.save(files["model.keras"])
    if all(map(is_there, ("onnx", "onnxruntime", "tf2onnx"))):
        model.export(files["f32.onnx"], format="onnx", verbose=False)
    np.save(files["x.npy"], x)
    np.save(files["y.npy"], model.predict(x, verbose=0))
    for name, is_small in (("f32.tflite", False), ("int8.tflite", True)):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT] if is_small else []
        Path(files[name]).write_bytes(converter.convert())
    return files


def made_net(net: str, build: Any, kept: Any) -> tuple[Any, list[float]]:
    """Returns a net of the paper, and what its layers keep, in per cent."""
    import keras

    if net == ALEXNET:
        return without_responses(build(net)), kept[net]
    source, n = HEADS[net]
    layers = [
        keras.layers.Dense(units, activation="relu" if units == UNITS[0] else None)
        for units in UNITS[:n]
    ]
    model = keras.Sequential([keras.Input((INPUTS[source],)), *layers])
    return model, kept[source][-3:][:n]


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


def onnx(file: str) -> COMPUTED:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        file, options, providers=["CPUExecutionProvider"]
    )
    (into,) = session.get_inputs()
    return lambda x: session.run(None, {into.name: x})


def keras_predict(file: str) -> COMPUTED:
    import keras
    import tensorflow as tf

    if not tf.config.get_visible_devices():  # only before anything has run
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(file)
    return lambda x: model.predict(x, batch_size=len(x), verbose=0)


def methods_of(files: dict[str, str], batch: int) -> dict[str, Callable[[], COMPUTED]]:
    """Returns what opens the net in each other runtime that is there."""
    methods: dict[str, Callable[[], COMPUTED]] = {
        f"LiteRT {name}": lambda name=name: litert(files[f"{name}.tflite"], batch)
        for name in ("f32", "int8")
    }
    if Path(files["f32.onnx"]).exists():
        methods["ONNX Runtime f32"] = lambda: onnx(files["f32.onnx"])
    methods["Keras predict"] = lambda: keras_predict(files["model.keras"])
    return methods


FILES = {
    "deepcompress": "file.dcz",
    "LiteRT f32": "f32.tflite",
    "LiteRT int8": "int8.tflite",
    "ONNX Runtime f32": "f32.onnx",
    "Keras predict": "model.keras",
}


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
            for name, open_it in methods_of(files, batch).items():
                begin = time.perf_counter()
                methods[name] = open_it()
                methods[name](x[:batch])
                opened.setdefault(name, time.perf_counter() - begin)
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
                file = Path(files[FILES[name]])
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
    parser.add_argument("--nets", nargs="+", default=[*ZOO, *HEADS, RESNET, ALEXNET])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for net in options.nets:
        is_large = net not in (*ZOO, RESNET)
        rounds = max(5, options.rounds // 20) if is_large else options.rounds
        rows += measure(net, options.batches, rounds)
    print_table(rows)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
