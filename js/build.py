"""Compiles c/ to WebAssembly, and makes what carries it: the package and the page.

    pip install ziglang==0.17.1 zopfli && npm install --prefix js
    python js/build.py

writes `wasm.js`, from which `index.js` takes the module, and the template that
`deepcompress page` fills in.
"""

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
WASM = HERE / "wasm.js"
PAGE_FILES = [HERE / "page" / f"page.{kind}" for kind in ("html", "css", "js")]
PAGE_FILES += [HERE / "index.js", WASM]
TEMPLATE = HERE.parent / "deepcompress" / "commands" / "page" / "template.html"
TERSER = HERE / "node_modules" / ".bin" / "terser"

WARNINGS = "-std=c99 -Wall -Wextra -Wconversion -Wshadow -Werror -pedantic".split()
# What has DecompressionStream has these too.
TARGET = "-target wasm32-freestanding -mcpu=generic+bulk_memory+simd128".split()
SOURCES = [HERE / "src" / "dcz_wasm.c", C / "dcz.c", C / "dcz_run.c"]
C_FILES = [*SOURCES, C / "dcz.h", C / "dcz_run.h"]
ZIGLANG = "0.17.1"  # another one makes another module of the same sources
LINKING = "-nostdlib -Wl,--no-entry -Wl,--strip-all -Wl,--gc-sections".split()


def checksum(paths: list[Path]) -> str:
    """Returns what tells whether one of some files was changed."""
    return f"{zlib.crc32(b''.join(path.read_bytes() for path in paths)):08x}"


def module() -> bytes:
    """Returns the module, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        cache = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
        environment = {**os.environ, **cache}

        def compile(*arguments: object) -> None:
            command = [sys.executable, "-m", "ziglang", "cc", *TARGET]
            command += ["-fno-sanitize=all", *map(str, arguments)]
            subprocess.run(command, env=environment, check=True)

        objects = []
        for source in SOURCES:
            objects.append(Path(folder, f"{source.stem}.o"))
            compile(*WARNINGS, "-Oz", "-c", source, "-o", objects[-1])
        out = Path(folder, "dcz.wasm")
        compile(*LINKING, *objects, "-o", out)
        return out.read_bytes()


def packed(module: bytes) -> str:
    """Returns `wasm.js`: the module, deflated, in letters."""
    from zopfli.zlib import compress  # noqa: PLC0415  (what is made needs it not)

    deflated = compress(module, numiterations=50)[2:-4]  # without zlib's frame
    assert zlib.decompress(deflated, wbits=-15) == module
    letters = base64.b64encode(deflated).decode()
    return (
        f'// Made by build.py from {checksum(C_FILES)}.\nexport default "{letters}";\n'
    )


def unpacked(text: str) -> bytes:
    """Returns the module that `wasm.js` holds."""
    letters = text.partition('"')[2].partition('"')[0]
    return zlib.decompress(base64.b64decode(letters), wbits=-15)


def template() -> str:
    """Returns the page without a model: style, script and package in one."""
    html, style, script, package, wasm = (
        path.read_text(encoding="utf-8") for path in PAGE_FILES
    )
    wasm = wasm.partition("export default ")[2]
    package = package.replace(
        'import packed from "./wasm.js";', f"const packed = {wasm}"
    )
    package = re.sub(r"^export ", "", package, flags=re.MULTILINE)
    pieces = {
        "style": smaller_style(style),
        "script": smaller_script(package + script),
        "sources": checksum(PAGE_FILES),
    }
    for name, text in pieces.items():
        html = html.replace(f"{{{{{name}}}}}", text)
    return html


def smaller_style(text: str) -> str:
    """Returns a style sheet without the space that only readers need."""
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ?([{};,]) ?|(:) ", r"\1\2", text).replace(";}", "}").strip()


def smaller_script(text: str) -> str:
    """Returns a script with short names and without comments."""
    command = [TERSER, "--module", "--ecma", "2022", "--mangle"]
    command += ["--compress", "passes=3,unsafe_arrows=true"]
    result = subprocess.run(
        command, input=text, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def main() -> None:
    """Makes all."""
    compiled = module()
    WASM.write_text(packed(compiled), encoding="utf-8")
    TEMPLATE.write_text(template(), encoding="utf-8")
    print(f"{len(compiled):,} bytes of WebAssembly")


if __name__ == "__main__":
    main()
