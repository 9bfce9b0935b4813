"""What a model takes where it is used: as a file of ours, and of other runtimes.

The nets of the zoo, and AlexNet as Deep Compression leaves it, without its
normalization of responses, which LiteRT cannot convert. Each is written by
`deepcompress export`, which tries what it writes beside Keras; what it says of that is
kept. "deflated" is what a zip makes of the bytes, by zlib at its highest level. Needs:

    pip install "deepcompress-keras[export]"

Run it with:

    python benchmarks/deploy.py --out docs/results/deploy.json
    python benchmarks/deploy.py --nets lenet5
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import deepcompress as dc

NAMES = {
    "lenet_300_100": "LeNet-300-100",
    "lenet5": "LeNet-5",
    "mnist_cnn": "Keras' MNIST network",
    "alexnet": "AlexNet",
}
# What is written, and with which words.
FORMS = {
    ".dcz, as a C array": ("net.h",),
    ".tflite": ("net.tflite",),
    ".tflite, sparse": ("sparse.tflite", "--sparse"),
    ".tflite, float16": ("float16.tflite", "--quantize", "float16"),
    ".tflite, int8": ("int8.tflite", "--quantize", "int8"),
    ".onnx": ("net.onnx",),
    ".onnx, int8": ("int8.onnx", "--quantize", "int8"),
    ".mlpackage": ("net.mlpackage",),
    ".mlpackage, float16": ("float16.mlpackage", "--quantize", "float16"),
}


def write(net: str, path: Path) -> None:
    """Writes the `.dcz` file of a net, in the smallest form there is."""
    if net != "alexnet":
        model = dc.models.load(net)
    else:
        from alexnet_scale import BITS, KEPT, build
        from run_nets import without_responses

        model = without_responses(build(net))
        names = [layer.name for layer in model.layers if layer.weights]
        kept = zip(names, KEPT[net], strict=True)
        dc.prune(model, {name: 1 - part / 100 for name, part in kept})
        dc.WeightSharingQuantizer(bits=BITS).quantize(model)
    dc.HuffmanSerializer(coder="context").save(model, path)


def measure(net: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Yields a row for each form of a net."""
    source = folder / f"{net}.dcz"
    write(net, source)
    yield {"net": net, "form": ".dcz", **sizes(source.read_bytes())}
    for form, (name, *words) in FORMS.items():
        path = folder / name
        ended = subprocess.run(
            ["deepcompress", "export", source, path, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            yield {"net": net, "form": form, "error": ended.stderr.splitlines()[-1]}
            continue
        row = {"net": net, "form": form, **sizes(*contents(path))}
        if away := re.search(r"by at most (\S+) of the largest", ended.stderr):
            row["away"] = float(away[1])
        yield row


def contents(path: Path) -> Iterator[bytes]:
    """Yields the bytes that a form takes: those of each file, or those of an array."""
    if path.suffix == ".h":
        found = re.findall(r"0x(..)[,]", path.read_text("utf-8"))
        yield bytes.fromhex("".join(found))
        return
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if each.is_file():
            yield each.read_bytes()


def sizes(*files: bytes) -> dict[str, int]:
    """Returns the bytes of files, and those of a zip of them without its listing."""
    return {
        "bytes": sum(map(len, files)),
        "deflated": sum(min(len(zlib.compress(f, 9)), len(f)) for f in files),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the results as Markdown."""
    lines = [
        "| net | form | bytes | deflated | away from Keras |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [NAMES[row["net"]], row["form"]]
        if "error" in row:
            cells += ["cannot be made", "", ""]
        else:
            away = f"{row['away']:.0e}" if "away" in row else ""
            cells += [f"{row['bytes']:,}", f"{row['deflated']:,}", away]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def times(rows: list[dict[str, Any]], form: str, what: str) -> str:
    """Returns how many times what `.dcz` files take a form takes, over all nets."""
    own = {row["net"]: row[what] for row in rows if row["form"] == ".dcz"}
    found = [row[what] / own[row["net"]] for row in rows if row["form"] == form]
    return f"{min(found):.1f} to {max(found):.1f} times"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for net in options.nets:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(net, Path(folder))
    print(table(rows))
    for form in (".tflite", ".tflite, int8", ".mlpackage"):
        for what in ("bytes", "deflated"):
            print(f"{form}, {what}: {times(rows, form, what)} those of .dcz")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
