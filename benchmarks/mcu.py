"""What the zoo's nets take of a Cortex-M4, beside what TensorFlow Lite Micro takes.

Everything is compiled by `arm-none-eabi-gcc` and run on 100 of MNIST's test digits in
QEMU's mps2-an386, which counts instructions, not cycles: examples/mcu says how. The
decisions must be those of `CompressedModel`, and the outputs within 1e-5 of the
largest. "streamed" decodes the weights for every digit, with the runner for chains of
layers; "held" decodes them once, to RAM, with the one that runs all nets. Stated are
bytes of

- flash: the model, and the code and constants of the decoder and the runner;
- RAM: activations, among them the input; the stack, of which the most is found by
  painting it; and the rest, which is what was read of the file, and memory to decode.
  "lent" is what a program has to lend: the rest, and activations but for inputs and
  outputs.

With `--tflm`, the same nets in int8, as TensorFlow's converter writes them for one
example, run there by TensorFlow Lite Micro too, with its own kernels and with those of
CMSIS-NN: benchmarks/tflm. The folder holds checkouts of tensorflow/tflite-micro,
google/flatbuffers, google/gemmlowp, google/ruy and ARM-software/CMSIS-NN, by these
names. Its code is counted without what it takes of the libraries of C and C++. "weights
of 4 bits" is what its look-up tables could make of the weights alone, by arithmetic.

Needs Debian's gcc-arm-none-eabi and qemu-system-arm; `--tflm` needs TensorFlow and
libstdc++-arm-none-eabi-newlib too. Run it with:

    python benchmarks/mcu.py --out docs/results/mcu.json --tflm CHECKOUTS
    python benchmarks/mcu.py --mnist mnist.npz --nets lenet5
"""

from __future__ import annotations

import argparse
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
TFLM = ROOT / "benchmarks" / "tflm"
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


def make(folder: Path, target: str, **variables: object) -> str:
    """Returns what `make` says in a folder of the project."""
    words = [f"{name}={value}" for name, value in variables.items()]
    command = ["make", "-s", "-C", str(folder), target, *words]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{command}: {ran.stdout[-400:]}{ran.stderr[-2000:]}")
    return ran.stdout + ran.stderr  # QEMU writes to the latter


def told(said: str) -> dict[str, int]:
    """Returns the numbers that a program has printed."""
    return {what: int(n) for what, n in re.findall(r"^(\D+): (\d+)$", said, re.M)}


def flash(said: str) -> dict[str, int]:
    """Returns the bytes of the sections that `size` has printed."""
    return {what: int(n) for what, n in re.findall(r"^\.(\w+) +(\d+)", said, re.M)}


def decided(said: str) -> list[str]:
    """Returns the lines of the digits: what each was taken for, and outputs as bits."""
    return re.findall(r"^\d(?: [0-9a-f]{8})*$", said, re.M)


def measure(
    net: str, mode: str, x: np.ndarray, words: dict[str, Any]
) -> dict[str, Any]:
    """Returns what a net takes in a mode, once what it computes was found right."""
    with tempfile.TemporaryDirectory() as name:
        words = {**words, "NET": net, "MODE": mode.upper(), "PYTHON": sys.executable}
        said = make(EXAMPLE, "run", BUILD=name, **words)
        sizes = flash(make(EXAMPLE, "sizes", BUILD=name, **words))
        plain = flash(make(EXAMPLE, "sizes", BUILD=f"{name}/plain", LTO="", **words))
    rows = [line.split() for line in decided(said)]
    found = np.array([[int(word, 16) for word in row[1:]] for row in rows], "uint32")
    expected = dc.CompressedModel(ZOO / f"{net}.dcz")(x)
    error = np.abs(found.view("float32") - expected).max() / np.abs(expected).max()
    same = int((np.array([int(row[0]) for row in rows]) == expected.argmax(1)).sum())
    if same < len(x) or not error < EXACT:
        raise SystemExit(f"{net}, {mode}: {same} decisions alike, error {error:.1e}")
    n = told(said)
    return {
        "net": net,
        "mode": mode,
        "model": sizes["model"],
        "code": sizes["library"],
        "code without -flto": plain["library"],
        "activations": n["of it activations"] + n["inputs and outputs"],
        "stack": n["stack"],
        "rest": n["memory"] - n["of it activations"],
        "lent": n["memory"],
        "instructions": n["instructions"],
        "decisions alike": same,
        "error": float(error),
    }


def convert(net: str, path: Path, x: np.ndarray) -> int:
    """Writes the net in int8, as an array in C, and returns its bytes."""
    import keras
    import tensorflow as tf

    # For one example, or it would work out its shapes each time.
    one = keras.Input(batch_shape=(1, *x.shape[1:]))
    model = keras.Model(one, dc.models.load(net)(one))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each[None]] for each in x)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    data = converter.convert()
    path.write_text(
        "alignas(16) static const unsigned char model[] = {"
        + ",".join(map(str, data))
        + "};\n"
    )
    return len(data)


def measure_tflm(
    net: str, x: np.ndarray, sources: Path, folder: Path, words: dict[str, Any]
) -> list[dict[str, Any]]:
    """Returns what TensorFlow Lite Micro takes for the net, by its kernels."""
    header = folder / f"{net}.h"
    size = convert(net, header, x)
    make(
        EXAMPLE, str(folder / "digits.h"), BUILD=folder, PYTHON=sys.executable, **words
    )
    path = ZOO / f"{net}.dcz"
    file = dc.read(path)
    has_windows = any(array.ndim > 2 for array in file.values())
    expected = [str(each) for each in dc.CompressedModel(path)(x).argmax(1)]
    rows = []
    for kernels in ("reference", "cmsis_nn"):
        variables = {
            "SOURCES": sources,
            "MODEL": header,
            "DIGITS": folder / "digits.h",
            "KERNELS": kernels,
            "BUILD": folder / kernels,
            "DEFINES": "-DHAS_WINDOWS" if has_windows else "",
        }
        (folder / kernels / "digits.elf").unlink(missing_ok=True)
        said = make(TFLM, "run", **variables)
        n = told(said)
        same = sum(map(str.__eq__, decided(said), expected))
        rows.append(
            {
                "net": net,
                "kernels": kernels,
                "model": size,
                "weights of 4 bits": sum(
                    -(-array.size // 2) for array in file.values()
                ),
                "code": flash(make(TFLM, "sizes", **variables))["library"],
                "arena": n["arena"],
                "stack": n["stack"],
                "instructions": n["instructions"],
                "decisions alike": same,
            }
        )
    return rows


def main() -> None:
    """Prints the tables, and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--mnist", type=Path, help="mnist.npz; else what Keras loads")
    parser.add_argument("--tflm", type=Path, help="a folder with its sources")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    x = digits(options.mnist)
    words = {"MNIST": options.mnist.resolve()} if options.mnist else {}
    rows = [measure(net, mode, x, words) for net in options.nets for mode in MODES]
    print_table(rows)
    results = {"deepcompress": rows}
    if options.tflm:
        sources = options.tflm.resolve()
        with tempfile.TemporaryDirectory() as folder:
            others = [
                row
                for net in options.nets
                for row in measure_tflm(net, x, sources, Path(folder), words)
            ]
        print_table(others)
        results["TensorFlow Lite Micro"] = others
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def print_table(rows: list[dict[str, Any]]) -> None:
    """Prints rows as Markdown has them."""
    print("\n| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(map(in_words, row.values())) + " |")


def in_words(value: str | int | float) -> str:
    """Returns what stands in a table."""
    if isinstance(value, float):
        return f"{value:.0e}"
    return f"{value:,}" if isinstance(value, int) else value


if __name__ == "__main__":
    main()
