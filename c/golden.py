"""What files hold, in the words of `c/check.c`, as the Python reader says it.

`make -C c check` compares that with what the C decoder says; it needs no Python then:

    python c/golden.py > c/golden.txt
"""

import zlib
from pathlib import Path

from deepcompress.dcz import container
from deepcompress.errors import CorruptFileError

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = "tests/dcz/golden", "deepcompress/models/zoo"


def listing(data: bytes) -> list[str]:
    """Returns a line for each thing in a file."""

    def blob(kind: str, name: str, content: bytes) -> str:
        return f"  {kind} {name} {len(content)} {zlib.crc32(content):08x}"

    with container.read(data) as weights:
        lines = []
        directory = weights._directory
        if at := directory.architecture:
            packed = data[at.offset : at.offset + at.size]
            if zlib.crc32(packed) != at.checksum:
                raise CorruptFileError("The checksum of the architecture is wrong.")
            lines.append(
                f"  architecture {at.size} of {directory.plain_size} "
                f"{zlib.crc32(packed):08x}"
            )
        for name, array in weights.to_dict().items():
            shape = ", ".join(map(str, array.shape))
            checksum = zlib.crc32(array.tobytes())
            lines.append(f"  array {name} {array.dtype} ({shape}) {checksum:08x}")
        lines += [blob("part", *part) for part in weights.parts.items()]
        lines += [blob("asset", *asset) for asset in weights.assets.items()]
    return lines


def golden_files() -> list[Path]:
    """Returns the files that are compared, from the root of the project on."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.dcz")]
    return sorted(path.relative_to(ROOT) for path in files)


def golden() -> str:
    """Returns what all of them hold."""
    lines = []
    for path in golden_files():
        lines += [f"../{path.as_posix()}", *listing((ROOT / path).read_bytes())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(golden(), end="")
