"""Compiles c/ to WebAssembly, and makes what carries it: the package and the page.

    pip install ziglang
    python js/build.py

writes `wasm.js`, from which `index.js` takes the module, and the library of
`deepcompress page`, both in one file; `--keep-wasm` leaves the module as it is and does
the rest, for which no compiler is needed.
"""

import argparse
import base64
import os
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
C = HERE.parent / "c"
LIBRARY = HERE.parent / "deepcompress" / "commands" / "page" / "library.js"

WARNINGS = "-std=c99 -Wall -Wextra -Wconversion -Wshadow -Werror -pedantic".split()
# What has DecompressionStream has these too.
TARGET = "-target wasm32-freestanding -mcpu=generic+bulk_memory+simd128".split()
SOURCES = [HERE / "src" / "dcz_wasm.c", C / "dcz.c", C / "dcz_run.c"]
LINKING = "-nostdlib -Wl,--no-entry -Wl,--strip-all -Wl,--gc-sections".split()


def module() -> bytes:
    """Returns the module, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        cache = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
        environment = {**os.environ, **cache}

        def compile(*arguments: object) -> None:
            command = [sys.executable, "-m", "ziglang", "cc", *TARGET, "-fno-sanitize=all"]
            subprocess.run([*command, *map(str, arguments)], env=environment, check=True)

        objects = []
        for source in SOURCES:
            objects.append(Path(folder, f"{source.stem}.o"))
            compile(*WARNINGS, "-Oz", "-c", source, "-o", objects[-1])
        out = Path(folder, "dcz.wasm")
        compile(*LINKING, *objects, "-o", out)
        return out.read_bytes()


def packed(module: bytes) -> str:
    """Returns `wasm.js`: the module, deflated, in letters."""
    deflating = zlib.compressobj(9, wbits=-15)
    letters = base64.b64encode(deflating.compress(module) + deflating.flush()).decode()
    return f'// Made by build.py from c/.\nexport default "{letters}";\n'


def unpacked(text: str) -> bytes:
    """Returns the module that `wasm.js` holds."""
    letters = text.partition('"')[2].partition('"')[0]
    return zlib.decompress(base64.b64decode(letters), wbits=-15)


def library() -> str:
    """Returns package and module in one script, without what only readers need."""
    text = (HERE / "index.js").read_text(encoding="utf-8")
    wasm = (HERE / "wasm.js").read_text(encoding="utf-8").partition("default ")[2]
    text = text.replace('import packed from "./wasm.js";\n', f"const packed = {wasm}")
    text = re.sub(r"^export ", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\s*(//.*|/\*\*.*\*/)?\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^ +", "", text, flags=re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--keep-wasm", action="store_true")
    if not parser.parse_args().keep_wasm:
        compiled = module()
        (HERE / "wasm.js").write_text(packed(compiled), encoding="utf-8")
        print(f"{len(compiled):,} bytes of WebAssembly")
    LIBRARY.write_text(library(), encoding="utf-8")


if __name__ == "__main__":
    main()
