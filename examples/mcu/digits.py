"""Writes test digits as a C array: what a sensor gives, elsewhere.

python digits.py digits.h
python digits.py digits.h --mnist mnist.npz --count 20
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import deepcompress as dc


def test_images(path: Path | None) -> np.ndarray:
    """Returns test images as bytes of shape `(n, 28, 28)`."""
    if path:
        with np.load(path) as arrays:
            return arrays["x_test"]
    images = dc.models.load_digits().test[0]
    return np.rint(images * 255).astype("uint8")


def main() -> None:
    """Writes the header."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("header", type=Path)
    parser.add_argument("--mnist", type=Path, help="mnist.npz; else what Keras loads")
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    images = test_images(arguments.mnist)[: arguments.count]
    n_pixels = images[0].size
    lines = [", ".join(map(str, row)) for row in images.reshape(-1, 28).tolist()]
    arguments.header.write_text(
        f"enum {{ N_PIXELS = {n_pixels} }};\n\n"
        "static const unsigned char digits[] = {\n    "
        + ",\n    ".join(lines)
        + "};\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
