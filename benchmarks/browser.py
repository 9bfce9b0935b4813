"""Models in a browser: the package in js/ beside LiteRT.js.

The nets are the LeNets of the zoo, as they are, and fc6 of AlexNet as Deep Compression
leaves it: 9216 inputs, 4096 outputs, 9 % of the weights kept, 32 values, independent
draws; 35 % of its inputs are not 0, as behind a ReLU. LiteRT.js gets the same weights
with a batch of 1, as float32 and as dynamic int8, which changes them.

One headless Chromium opens one page; there all run in turns, with one thread: each
round takes each method once, as often in a row as a few milliseconds hold. What is
stated is the median of the rounds in microseconds an example, outputs read, and the
least, which is what other work on the machine disturbs the least. "load" is
the median of several openings, from bytes in memory to the first outputs. "start" is
what it takes before a model can be opened, from the server's disk, once. "error" is
the largest difference from what `CompressedModel` computes, as a part of the largest
output. Bytes are those of the files that the page asks for, and with brotli at its
highest level what travels.

    pip install tensorflow brotli
    npm install @litertjs/core@2.5.3
    python benchmarks/browser.py --litert node_modules --out docs/results/browser.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import deepcompress as dc

ROOT = Path(__file__).parents[1]
SHAPE, DENSITY, N_VALUES, ACTIVE = (9216, 4096), 0.09, 32, 0.35
CHROMIUM = "chromium chromium-browser google-chrome".split()

PAGE = Path(__file__).with_suffix(".html")


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nets = list(make_nets(folder))
        plan = {
            "nets": nets,
            "rounds": arguments.rounds,
            "openings": arguments.openings,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        shutil.copy(PAGE, folder / "index.html")
        (folder / "js").symlink_to(ROOT / "js")
        (folder / "litert").symlink_to(arguments.litert.resolve())
        answer, asked = visit(folder)
        runtimes = {
            by: sizes(folder / path for path in asked if path.startswith(prefix))
            for by, prefix in (("deepcompress", "js/"), ("LiteRT.js", "litert/"))
        }
    if "error" in answer:
        raise SystemExit(answer["error"])
    answer["runtime_bytes"] = runtimes
    answer["load_average"] = round(os.getloadavg()[0], 1)
    print_tables(answer)
    if arguments.out:
        arguments.out.write_text(json.dumps(answer, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--litert", type=Path, required=True, metavar="NODE_MODULES")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


# ---- The nets ------------------------------------------------------------------------


def make_nets(folder: Path) -> Iterable[dict[str, Any]]:
    """Writes each net for both runtimes, with an input and what comes out."""
    import keras

    rng = np.random.default_rng(0)
    for name in ("lenet_300_100", "lenet5"):
        data = ROOT / "deepcompress" / "models" / "zoo" / f"{name}.dcz"
        shutil.copy(data, folder / data.name)
        layers = dc.load_model(data).layers
        model = keras.Sequential([keras.Input(batch_shape=(1, 28, 28, 1)), *layers])
        x = rng.random((1, 28, 28, 1), "float32") * (rng.random((1, 28, 28, 1)) < 0.19)
        yield write(folder, name, model, x.astype("float32"))
    dense = keras.layers.Dense(SHAPE[1], activation="relu", name="fc6")
    model = keras.Sequential([keras.Input(batch_shape=(1, SHAPE[0])), dense])
    dense.set_weights([make_kernel(), np.zeros(SHAPE[1], "float32")])
    dc.HuffmanSerializer().save(model, folder / "fc6.dcz")
    x = np.abs(rng.standard_normal((1, SHAPE[0]))) * (rng.random(SHAPE[0]) < ACTIVE)
    yield write(folder, "fc6", model, x.astype("float32"))


def make_kernel() -> np.ndarray:
    """Returns weights of a Laplace distribution, pruned and shared."""
    kernel = np.random.default_rng(0).laplace(size=SHAPE).astype(np.float32)
    kernel[np.abs(kernel) < np.quantile(np.abs(kernel), 1 - DENSITY)] = 0
    kept = kernel[kernel != 0]
    values = np.linspace(kept.min(), kept.max(), N_VALUES).astype(np.float32)
    kernel[kernel != 0] = values[np.searchsorted((values[1:] + values[:-1]) / 2, kept)]
    return kernel


def write(folder: Path, name: str, model: Any, x: np.ndarray) -> dict[str, Any]:
    import tensorflow as tf

    files = [{"name": "deepcompress", "by": "deepcompress", "path": f"{name}.dcz"}]
    for kind, is_small in (("f32", False), ("dynamic int8", True)):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT] if is_small else []
        path = f"{name}_{kind[-4:].strip()}.tflite"
        (folder / path).write_bytes(converter.convert())
        files.append({"name": f"LiteRT.js, {kind}", "by": "LiteRT.js", "path": path})
    x.tofile(folder / f"{name}.x")
    dc.CompressedModel(folder / f"{name}.dcz")(x).tofile(folder / f"{name}.y")
    sides = {"input": f"{name}.x", "output": f"{name}.y"}
    return {"name": name, "shape": list(x.shape), "files": files, **sides}


# ---- The browser ---------------------------------------------------------------------


def visit(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Returns what the page in a folder answers, and which files it has asked for."""
    answers: list[bytes] = []
    asked: list[str] = []
    is_over = threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        extensions_map = {**SimpleHTTPRequestHandler.extensions_map}  # noqa: RUF012
        extensions_map[".wasm"] = "application/wasm"
        extensions_map[".js"] = "text/javascript"

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def end_headers(self) -> None:
            # With these, clocks are precise.
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def do_GET(self) -> None:
            asked.append(self.path.lstrip("/"))
            super().do_GET()

        def do_POST(self) -> None:
            answers.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            is_over.set()

        def log_message(self, *_: Any) -> None:
            pass

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise SystemExit("There is no Chromium.")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [
        program,
        *"--headless --no-sandbox --disable-gpu --disable-dev-shm-usage".split(),
        "--remote-debugging-port=0",  # keeps it open
        f"--user-data-dir={folder}/profile",
        f"http://127.0.0.1:{server.server_port}/index.html",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as browser:
        try:
            if not is_over.wait(600):
                raise SystemExit("The page did not answer.")
        finally:
            browser.terminate()
            server.shutdown()
            server.server_close()
    return json.loads(answers[0]), sorted(set(asked))


def sizes(paths: Iterable[Path]) -> dict[str, int]:
    """Returns the bytes of some files, and with brotli."""
    import brotli

    data = [path.read_bytes() for path in paths]
    packed = [len(brotli.compress(each)) for each in data]
    return {"raw": sum(map(len, data)), "brotli": sum(packed)}


def print_tables(answer: dict[str, Any]) -> None:
    print(f"Others kept {answer['load_average']} processors busy, as it ended.\n")
    print("| runtime | bytes | with brotli | start, ms |\n|---|---|---|---|")
    for name, size in answer["runtime_bytes"].items():
        start = answer["starts"][name]
        print(f"| {name} | {size['raw']:,} | {size['brotli']:,} | {start:,.0f} |")
    print("\n| | model, bytes | load, ms | us | least us | error |")
    print("|---|---|---|---|---|---|")
    for row in answer["rows"]:
        print(
            f"| {row['net']}, {row['method']} | {row['model_bytes']:,} "
            f"| {row['load_ms']:,.1f} | {row['us']:,.1f} | {row['least_us']:,.1f} "
            f"| {row['error']:.0e} |"
        )


if __name__ == "__main__":
    main()
