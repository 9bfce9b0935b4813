"""What the zoo's nets take of a Cortex-M4, beside what TensorFlow Lite Micro takes.

Everything is compiled with `arm-none-eabi-gcc -Os` and run on 100 of MNIST's test
digits in QEMU's mps2-an386, which counts instructions, not cycles: examples/mcu says
how. The decisions must be those of `CompressedModel`, and the outputs within 1e-5 of
the largest. "streamed" decodes the weights for every digit, with the runner for chains
of layers; "held" decodes them once, to RAM, with the one that runs all nets. Stated are
bytes of

- flash: the model, and the code and constants of the decoder and the runner;
- RAM: activations, among them the input; the stack, of which the most is found by
  painting it; and the rest, which is what was read of the file, and memory to decode.
  "lent" is what a program has to lend: the rest, and activations but for inputs and
  outputs.

Of TensorFlow Lite Micro there is the same net in int8, as TensorFlow's converter writes
it, and the arena that its interpreter took for it on this machine, whose pointers are
twice as long. Neither its stack nor its code is measured: it publishes 9,732 bytes for
its framework on an Arm Cortex-M3, without a single kernel
(tensorflow/lite/micro/examples/memory_footprint/README.md). "weights of 4 bits" is what
its look-up tables would need for the weights alone, by arithmetic. Needs Debian's
gcc-arm-none-eabi and qemu-system-arm; and, or that part is left out:

    pip install tensorflow tflite-micro

Run it with:

    python benchmarks/mcu.py --out docs/results/mcu.json
    python benchmarks/mcu.py --mnist mnist.npz --nets lenet5
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import deepcompress as dc

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "mcu"
ZOO = ROOT / "deepcompress" / "models" / "zoo"
NETS = ("lenet_300_100", "lenet5", "mnist_cnn")
MODES = ("streamed", "held")
EXACT = 1e-5
N_DIGITS = 100


def digits(mnist: Path | None) -> np.ndarray:
    """Returns the test digits, as the nets take them."""
    if mnist:
        with np.load(mnist) as arrays:
            images = arrays["x_test"][:N_DIGITS]
    else:
        import keras

        images = keras.datasets.mnist.load_data()[1][0][:N_DIGITS]
    return (images[:, :, :, None] / np.float32(255)).astype("float32")


def make(target: str, folder: Path, net: str, mode: str, *words: str) -> str:
    """Returns what `make` says in the example's folder."""
    command = [
        "make",
        "-s",
        "-C",
        str(EXAMPLE),
        target,
        f"NET={net}",
        f"BUILD={folder}",
    ]
    command += [f"MODE={mode.upper()}", f"PYTHON={sys.executable}", *words]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{net}, {mode}: {ran.stdout[-400:]}{ran.stderr[-2000:]}")
    return ran.stdout + ran.stderr  # QEMU writes to the latter


def measure(net: str, mode: str, x: np.ndarray, *words: str) -> dict[str, Any]:
    """Returns what a net takes in a mode, once what it computes was found right."""
    with tempfile.TemporaryDirectory() as name:
        said = make("run", Path(name), net, mode, *words)
        sizes = make("sizes", Path(name), net, mode, *words)
        plain = make("sizes", Path(name, "plain"), net, mode, "LTO=", *words)
    rows = [line.split() for line in re.findall(r"^\d+(?: [0-9a-f]{8})+$", said, re.M)]
    found = np.array([[int(word, 16) for word in row[1:]] for row in rows], "uint32")
    outputs = found.view("float32")
    expected = dc.CompressedModel(ZOO / f"{net}.dcz")(x)
    error = float(np.abs(outputs - expected).max() / np.abs(expected).max())
    same = int((np.array([int(row[0]) for row in rows]) == expected.argmax(1)).sum())
    if same < len(x) or not error < EXACT:
        raise SystemExit(
            f"{net}, {mode}: {same} of {len(x)} decisions, error {error:.1e}"
        )
    told = {what: int(n) for what, n in re.findall(r"^(\D+): (\d+)$", said, re.M)}
    flash, whole = (
        {what: int(n) for what, n in re.findall(r"^\.(\w+) +(\d+)", text, re.M)}
        for text in (sizes, plain)
    )
    return {
        "net": net,
        "mode": mode,
        "model": flash["model"],
        "code": flash["library"],
        "code without -flto": whole["library"],
        "activations": told["of it activations"] + told["inputs and outputs"],
        "stack": told["stack"],
        "rest": told["memory"] - told["of it activations"],
        "lent": told["memory"],
        "instructions": told["instructions"],
        "decisions as CompressedModel's": same,
        "error": error,
    }


def tflm(net: str, folder: str, x: np.ndarray) -> dict[str, Any]:
    """Returns what TensorFlow Lite Micro takes for the net in int8."""
    import tensorflow as tf

    model = dc.models.load(net)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each[None]] for each in x)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path = Path(folder, f"{net}.tflite")
    path.write_bytes(converter.convert())
    row = {
        "net": net,
        "model": path.stat().st_size,
        "weights of 4 bits": sum(
            -(-weight.size // 2) for weight in model.get_weights()
        ),
    }
    if importlib.util.find_spec("tflite_micro"):
        # The interpreter says it to the error output of the process.
        script = (
            "import sys\n"
            "from tflite_micro import runtime\n"
            "net = runtime.Interpreter.from_file(sys.argv[1], arena_size=1 << 20)\n"
            "net.print_allocations()\n"
        )
        command = [sys.executable, "-c", script, str(path)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        for what, name in (("total", "arena"), ("head", "arena, of it activations")):
            (row[name],) = map(
                int, re.findall(rf"allocation {what} (\d+)", ran.stdout + ran.stderr)
            )
    return row


def main() -> None:
    """Prints the tables, and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--mnist", type=Path, help="mnist.npz; else what Keras loads")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    x = digits(options.mnist)
    words = [f"MNIST={options.mnist.resolve()}"] if options.mnist else []
    rows = [measure(net, mode, x, *words) for net in options.nets for mode in MODES]
    print_table(rows)
    others = []
    if importlib.util.find_spec("tensorflow"):
        with tempfile.TemporaryDirectory() as folder:
            others = [tflm(net, folder, x) for net in options.nets]
        print_table(others)
    if options.out:
        results = {"deepcompress": rows, "TensorFlow Lite Micro": others}
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def print_table(rows: list[dict[str, Any]]) -> None:
    """Prints rows as Markdown has them."""
    print("\n| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        words = (
            f"{each:,}"
            if isinstance(each, int)
            else f"{each:.0e}"
            if isinstance(each, float)
            else each
            for each in row.values()
        )
        print("| " + " | ".join(words) + " |")


if __name__ == "__main__":
    main()
