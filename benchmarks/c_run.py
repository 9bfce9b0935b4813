"""The nets of the zoo through the runner in C, on several machines.

All test images of MNIST go through `c/examples/dczrun.c`: on this machine, and on
others that it is compiled for by ziglang (a pip package) and that qemu-user or node
play. Stated is, for each machine, net and mode, in how many images C decides otherwise
than the package, and by how much the outputs differ, relative to the largest; on this
machine also the microseconds of an image, the program's start left out. Needs:

    pip install tensorflow ziglang
    apt-get install gcc qemu-user nodejs

Run it with:

    python benchmarks/c_run.py --out docs/results/c_run.json
    python benchmarks/c_run.py --images 1000 --machines aarch64-linux-musl
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import deepcompress as dc

C = Path(__file__).resolve().parents[1] / "c"
ZOO = C.parent / "deepcompress" / "models" / "zoo"
NETS = ("lenet_300_100", "lenet5", "mnist_cnn")
SOURCES = [C / name for name in ("dcz.c", "dcz_run.c", "examples/dczrun.c")]
HERE = "here"
# What plays each machine.
MACHINES = {
    HERE: (),
    "aarch64-linux-musl": ("qemu-aarch64",),
    "s390x-linux-musl": ("qemu-s390x",),
    "wasm32-wasi": ("node", "--no-warnings", str(C / "wasm.mjs")),
}
DEFAULT = [HERE, "aarch64-linux-musl", "wasm32-wasi"]  # qemu plays s390x slowly
EXACT = 1e-5


def compiled(machine: str, folder: Path) -> list[str]:
    """Compiles the runner; returns the words that run it."""
    program = folder / machine
    compiler = ["gcc"]
    if machine != HERE:
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", machine]
    flags = ["-std=c99", "-O2", "-fno-sanitize=all"]
    command = [*compiler, *(flags[:2] if machine == HERE else flags)]
    subprocess.run([*command, *SOURCES, "-o", program], check=True)
    return [*MACHINES[machine], str(program)]


def as_version_1(data: bytes) -> bytes:
    """Returns a file with the same arrays and program, coded by Huffman."""
    container = dc.read(data)
    parts = {name: bytes(part) for name, part in container.parts.items()}
    file = io.BytesIO()
    dc.write(file, dict(container), coder="huffman", parts=parts)
    return file.getvalue()


def run(
    command: list[str], images: np.ndarray, folder: Path
) -> tuple[np.ndarray, float]:
    """Returns what comes out for images, and the seconds it took."""
    # Node neither waits for a pipe that is empty nor for one that is full.
    given, made = folder / "images", folder / "outputs"
    given.write_bytes(images.tobytes())
    with given.open("rb") as stdin, made.open("wb") as stdout:
        begin = time.perf_counter()
        subprocess.run(command, stdin=stdin, stdout=stdout, check=True, cwd=C)
        seconds = time.perf_counter() - begin
    # In the order of that machine's bytes, which those who read it have to know.
    return np.fromfile(made, np.float32), seconds


def rows_of(machine: str, images: np.ndarray, folder: Path) -> list[dict[str, Any]]:
    """Returns a row for each net and mode."""
    words = compiled(machine, folder)
    is_turned = machine.startswith("s390x")
    given = images.byteswap() if is_turned else images
    rows = []
    for net in NETS:
        data = (ZOO / f"{net}.dcz").read_bytes()
        expected = dc.CompressedModel(data).predict(images)
        for mode in ("held", "streamed"):
            path = folder / f"{net}-{mode}.dcz"
            path.write_bytes(as_version_1(data) if mode == "streamed" else data)
            options = ["--streamed"] if mode == "streamed" else []
            # For what WASI may open.
            seen = Path("..") / path.relative_to(C.parent)
            command = [*words, *options, str(seen)]
            found, seconds = run(command, given, folder)
            _, start = run(command, given[:1], folder)
            found = found.byteswap() if is_turned else found
            found = found.reshape(expected.shape)
            row = {
                "machine": machine,
                "net": net,
                "mode": mode,
                "file": path.stat().st_size,
                "images": len(images),
                "otherwise": int((found.argmax(1) != expected.argmax(1)).sum()),
                "error": float(np.abs(found - expected).max() / np.abs(expected).max()),
            }
            if machine == HERE:
                row["us"] = (seconds - start) / (len(images) - 1) * 1e6
            rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the rows."""
    table = Table()
    for name in (
        "machine",
        "net",
        "mode",
        "file",
        "images",
        "otherwise",
        "error",
        "us",
    ):
        table.add_column(name)
    for row in rows:
        us = f"{row['us']:.1f}" if "us" in row else ""
        table.add_row(
            *(str(row[k]) for k in ("machine", "net", "mode", "file", "images")),
            str(row["otherwise"]),
            f"{row['error']:.1e}",
            us,
        )
    Console(width=110).print(table)


def main() -> None:
    """Runs what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--machines", nargs="+", choices=MACHINES, default=DEFAULT)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    x = keras.datasets.mnist.load_data()[1][0][: options.images, :, :, None]
    images = (x / 255).astype("float32")
    rows = []
    # Beside the sources, where WebAssembly is let to look.
    with tempfile.TemporaryDirectory(dir=C) as name:
        for machine in options.machines:
            if MACHINES[machine] and not shutil.which(MACHINES[machine][0]):
                print(f"{machine}: there is no {MACHINES[machine][0]}")
                continue
            rows += rows_of(machine, images, Path(name))
    show(rows)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if any(row["otherwise"] or row["error"] > EXACT for row in rows):
        sys.exit("C computes something else than the package")


if __name__ == "__main__":
    main()
