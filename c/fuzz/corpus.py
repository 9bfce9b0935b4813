"""Writes small files of every kind into a folder, as seeds for libFuzzer.

Run it with `python c/fuzz/corpus.py c/build/corpus`.
"""

import hashlib
import io
import sys
from pathlib import Path

import numpy as np

from deepcompress.dcz import container
from deepcompress.dcz.assets import pack_assets
from deepcompress.dcz.directory import DTYPES, dtype_of
from deepcompress.dcz.parts import ASSETS, Part

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from helpers.runnable import nets  # noqa: E402  (it lies with the tests)

GOLDEN = TESTS / "dcz" / "golden"


def arrays_of(dtype: np.dtype, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns an array for each way in which one may be encoded."""
    shape = [(40, 30), (3, 3, 4, 33), (1100,)][rng.integers(3)]
    dense = (rng.standard_normal(shape) * 50).astype(dtype)
    few = dense.reshape(-1)[rng.integers(0, 9, shape)]
    rare = rng.random(shape) < 0.1
    zero = np.zeros((), dtype)
    return {
        "dense/kernel": dense,
        "few/kernel": few,
        "rare/dense": np.where(rare, dense, zero),
        "rare/few": np.where(rare, few, zero),
        "rare/minus": np.where(rare, few, -zero if dtype.kind == "f" else few.flat[0]),
        "either/kernel": np.where(rare, dense, np.where(few > zero, zero, -zero))
        if dtype.kind == "f"
        else few.T.copy(),
        "zero/bias": np.zeros(shape, dtype),
        "none/bias": np.zeros((3, 0), dtype),
        "scalar": np.ones((), dtype),
    }


def seeds() -> list[bytes]:
    """Returns the files."""
    rng = np.random.default_rng(0)
    contents = [path.read_bytes() for path in sorted(GOLDEN.rglob("*.dcz"))]
    assets = {"a/words.txt": b"red green blue " * 40, "b": bytes(range(256)), "c": b""}
    parts = Part(ASSETS, pack_assets(assets)), Part("x-notes", b"by hand")
    for code in range(len(DTYPES)):
        every = arrays_of(dtype_of(code), rng)
        for coder in container.CODERS:
            for name, array in every.items():
                file = io.BytesIO()
                container.write(file, {name: array}, coder=coder)
                contents.append(file.getvalue())
            file = io.BytesIO()
            few = {name: each for name, each in every.items() if each.size < 1000}
            container.write(file, few, coder=coder, parts=parts, architecture="{}")
            contents.append(file.getvalue())
    contents += [
        net.file(coder) for net in nets().values() for coder in container.CODERS
    ]
    return contents


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for content in seeds():
        name = hashlib.sha256(content).hexdigest()[:16]
        (folder / name).write_bytes(content)
