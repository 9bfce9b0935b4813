"""Writes a model and some of MNIST's test digits as C arrays.

    python headers.py ../../deepcompress/models/zoo/lenet5.dcz build
    python headers.py my.dcz build --mnist mnist.npz --count 20
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

import deepcompress as dc


def test_digits(path: Path | None) -> np.ndarray:
    """Returns MNIST's test images, bytes of shape `(10000, 28, 28)`."""
    if path:
        with np.load(path) as arrays:
            return arrays["x_test"]
    import keras  # noqa: PLC0415  (only without a file)

    return keras.datasets.mnist.load_data()[1][0]


def packed(path: Path) -> bytes:
    """Returns a model as firmware wants it: Huffman coding, and nothing but what runs."""
    with dc.read(path) as file:
        buffer = io.BytesIO()
        dc.write(buffer, file, parts={"program": file.parts["program"]})
        return buffer.getvalue()


def c_array(declaration: str, data: bytes) -> str:
    """Returns a definition in C."""
    lines = [
        ", ".join(str(byte) for byte in data[i : i + 20])
        for i in range(0, len(data), 20)
    ]
    return f"{declaration} = {{\n    " + ",\n    ".join(lines) + "};\n"


def main() -> None:
    """Writes `model.h` and `digits.h`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a .dcz file with a program")
    parser.add_argument("folder", type=Path, help="where the headers go")
    parser.add_argument("--mnist", type=Path, help="mnist.npz; Keras' own otherwise")
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    digits = test_digits(arguments.mnist)[: arguments.count]
    section = '__attribute__((section(".{}"), aligned(4))) static const unsigned char '
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model = c_array(section.format("model") + "model[]", packed(arguments.model))
    (arguments.folder / "model.h").write_text(model)
    n_pixels = digits[0].size
    declared = section.format("digits") + "digits[]"
    data = c_array(declared, digits.tobytes())
    (arguments.folder / "digits.h").write_text(
        f"enum {{ N_PIXELS = {n_pixels} }};\n\n{data}"
    )


if __name__ == "__main__":
    main()
