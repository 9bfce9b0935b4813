"""Bytes of the module, the package and the page, as they are and as they travel.

pip install brotli
python benchmarks/page_sizes.py
"""

from __future__ import annotations

import base64
import gzip
import zlib
from pathlib import Path

import brotli

ROOT = Path(__file__).parents[1]


def main() -> None:
    wasm = (ROOT / "js" / "wasm.js").read_text(encoding="utf-8")
    module = zlib.decompress(base64.b64decode(wasm.split('"')[1]), wbits=-15)
    page = (ROOT / "examples" / "web" / "index.html").read_bytes()
    template = ROOT / "deepcompress" / "commands" / "page" / "template.html"
    package = (ROOT / "js" / "index.js").read_bytes() + wasm.encode()
    print("| | bytes | gzip -9 | brotli -11 |\n|---|---|---|---|")
    for name, data in {
        "the module: decoder and what computes": module,
        "the package: `index.js` and `wasm.js`": package,
        "a page without a model": template.read_bytes(),
        "`examples/web/index.html`, with LeNet-5 (3,594 bytes)": page,
    }.items():
        sizes = len(data), len(gzip.compress(data, 9)), len(brotli.compress(data))
        print(f"| {name} | {' | '.join(f'{size:,}' for size in sizes)} |")


if __name__ == "__main__":
    main()
