"""Files of other formats against general compressors: bytes, and seconds.

Makes some files of its own, of LeNets that are pruned and shared, quantized or neither;
takes those in a folder too; and packs each with `deepcompress.pack`. Each file that is
unpacked is compared with its source by SHA-256. Times are those of one processor, by
the clock of the process, the best of five runs; but xz -9e, zstd -22 and brotli -11 run
once. ZipNN runs in a process of its own, which it may bring down.

Run it with:

    pip install ".[compare]"
    pip download --no-deps -d wheels magika rapidocr-onnxruntime silero-vad
    for wheel in wheels/*.whl; do unzip -oq $wheel -d files; done
    python benchmarks/foreign.py files --out docs/results/foreign.json
"""

import argparse
import hashlib
import json
import lzma
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

import deepcompress as dc

NAMES = ["deflate -9", "brotli -11", "zstd -22", "xz -9e", "zipnn", "deepcompress"]
KINDS = "tflite onnx safetensors keras h5 npz pt jit".split()


def seconds(run: Callable[[], object], n_runs: int = 3) -> float:
    found = []
    for _ in range(n_runs):
        begin = time.process_time()
        run()
        found.append(time.process_time() - begin)
    return min(found)


def trained():
    """A LeNet-300-100 and a LeNet-5, a few epochs of MNIST old."""
    import keras

    images, labels = dc.models.load_digits().train
    for build in (dc.models.lenet_300_100, dc.models.lenet5):
        keras.utils.set_random_seed(0)
        model = build()
        model.compile(
            "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        model.fit(images, labels, batch_size=128, epochs=2, verbose=0)
        yield model


def make(folder: Path) -> None:
    """Writes files of the usual kinds."""
    import onnx
    import safetensors.numpy
    import tensorflow as tf
    import torch
    from onnx import helper, numpy_helper

    def to_tflite(model, name: str, optimize: bool = False, half: bool = False) -> None:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if optimize or half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if half:
            converter.target_spec.supported_types = [tf.float16]
        (folder / f"{name}.tflite").write_bytes(converter.convert())

    def to_onnx(weights, name: str) -> None:
        tensors = [numpy_helper.from_array(w, n) for n, w in weights.items()]
        nodes = [
            helper.make_node("Identity", [t.name], [f"{t.name}/out"]) for t in tensors
        ]
        graph = helper.make_graph(nodes, name, [], [], tensors)
        onnx.save(helper.make_model(graph), folder / f"{name}.onnx")

    def arrays(model) -> dict[str, np.ndarray]:
        return {w.path: np.asarray(w) for w in model.weights}

    for model in trained():
        name = model.name
        to_tflite(model, f"{name}_dense")
        to_tflite(model, f"{name}_dense_int8", optimize=True)
        to_tflite(model, f"{name}_dense_float16", half=True)
        safetensors.numpy.save_file(arrays(model), folder / f"{name}_dense.safetensors")
        np.savez(folder / f"{name}_dense.npz", **arrays(model))
        torch.save(
            {n: torch.from_numpy(w.copy()) for n, w in arrays(model).items()},
            folder / f"{name}_dense.pt",
        )
        dc.prune(model, {"*": 0.9})
        dc.WeightSharingQuantizer(bits=5).quantize(model)
        to_tflite(model, f"{name}_shared")
        to_tflite(model, f"{name}_shared_int8", optimize=True)
        to_onnx(arrays(model), f"{name}_shared")
        safetensors.numpy.save_file(
            arrays(model), folder / f"{name}_shared.safetensors"
        )
        model.save(folder / f"{name}_shared.keras")
        model.save_weights(folder / f"{name}_shared.weights.h5")
        np.savez_compressed(folder / f"{name}_shared_deflated.npz", **arrays(model))
    for name in ("lenet_300_100", "lenet5", "mnist_cnn"):
        to_tflite(dc.models.load(name), f"zoo_{name}")


ZIPNN = """
import sys, time, zipnn
data, found = open(sys.argv[1], "rb").read(), []
for _ in range(3):
    coder = zipnn.ZipNN(bytearray_dtype="float32", threads=1)
    copy, begin = bytearray(data), time.process_time()
    size = len(coder.compress(copy))
    found.append((time.process_time() - begin, size))
print(min(found)[1], min(found)[0])
"""


def others(path: Path) -> dict[str, dict[str, float] | None]:
    """What general compressors make of a file, and how long it takes."""
    import brotli
    import zstandard

    data = path.read_bytes()
    best = zstandard.ZstdCompressor(level=22)
    extreme = 9 | lzma.PRESET_EXTREME
    forms: dict[str, tuple[Callable[[], bytes], int]] = {
        "deflate -9": (lambda: zlib.compress(data, 9), 3),
        "brotli -11": (lambda: brotli.compress(data, quality=11, lgwin=24), 1),
        "zstd -22": (lambda: best.compress(data), 1),
        "xz -9e": (lambda: lzma.compress(data, preset=extreme), 1),
    }
    found: dict[str, dict[str, float] | None] = {}
    for name, (run, n_runs) in forms.items():
        kept: list[int] = []
        took = seconds(lambda: kept.append(len(run())), n_runs)  # noqa: B023
        found[name] = {"bytes": kept[0], "write": round(took, 3)}
    ran = subprocess.run(
        [sys.executable, "-c", ZIPNN, str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    found["zipnn"] = None
    if ran.returncode == 0:
        size, took = ran.stdout.split()[-2:]
        found["zipnn"] = {"bytes": int(size), "write": round(float(took), 3)}
    return found


def ours(path: Path, folder: Path) -> dict[str, object]:
    """What `pack` makes of a file, and how long it takes."""
    packed, restored = folder / "a.dcz", folder / path.name
    report = dc.pack(path, packed)
    write = seconds(lambda: dc.pack(path, packed), 5)
    read = seconds(lambda: dc.unpack(packed, restored), 5)
    if _sha256(path) != _sha256(restored):
        raise SystemExit(f"{path} did not come back.")
    restored.unlink()
    size = packed.stat().st_size
    figures = {"bytes": size, "write": round(write, 4), "read": round(read, 4)}
    return {**figures, "way": str(report)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def row(path: Path, before: dict[str, dict]) -> dict[str, object]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        found = ours(path, Path(folder))
    raw = path.stat().st_size
    known = before.get(path.name) or others(path)
    known = {name: known[name] for name in NAMES[:-1]}
    return {"file": path.name, "raw": raw, **known, "deepcompress": found}


def printed(rows: list[dict]) -> None:
    """Prints the table for the docs."""
    print("| file | raw |", " | ".join(NAMES), "| of raw | of xz | of brotli | MB/s |")
    print("|---" * (len(NAMES) + 6) + "|")
    for each in rows:
        sizes = [f"{each[n]['bytes']:,}" if each[n] else "-" for n in NAMES]
        packed = each["deepcompress"]["bytes"]
        parts = [each["raw"], each["xz -9e"]["bytes"], each["brotli -11"]["bytes"]]
        ratios = [f"{packed / part:.3f}" for part in parts]
        speed = each["raw"] / each["deepcompress"]["write"] / 1e6
        cells = [each["file"], f"{each['raw']:,}", *sizes, *ratios, f"{speed:.0f}"]
        print("|", " | ".join(cells), "|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with files; others are made in it")
    parser.add_argument("--out", type=Path, help="also write the figures here, as JSON")
    parser.add_argument(
        "--again", action="store_true", help="take the others' figures from there"
    )
    options = parser.parse_args()
    made = options.folder / "made"
    if not made.exists():
        made.mkdir(parents=True)
        make(made)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    paths = [p for p in options.folder.rglob("*") if p.suffix[1:] in KINDS]
    before = {}
    if options.again:
        before = {each["file"]: each for each in json.loads(options.out.read_text())}
    rows = []
    for path in sorted(paths, key=lambda path: path.name):
        rows.append(row(path, before))
        if options.out:
            options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    printed(rows)


if __name__ == "__main__":
    main()
