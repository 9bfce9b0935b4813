"""Weights that nobody pruned or shared: size and speed against general compressors.

Normal weights of a standard deviation of 0.05, once as each dtype; the same with 95 %
of them -0.0, as a mask of TensorFlow Model Optimization leaves them. For each form its
size as a share of the dense bytes, and MB of those a second of processor time for
writing and reading, the best of five runs. ZipNN is measured where it is installed.

Run it with:

    pip install zstandard zipnn
    python benchmarks/planes.py
"""

import io
import os
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import ml_dtypes
import numpy as np

import deepcompress as dc

N = 1 << 22
DTYPES = ("float32", "bfloat16", "float16", "float64", "int8")


def best(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def dumps(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    dc.write(file, {"layer/kernel": array})
    return file.getvalue()


def loads(data: bytes) -> np.ndarray:
    """The bytes of the array, so that they can be compared whatever the dtype."""
    with dc.read(data) as arrays:
        return arrays["layer/kernel"].view(np.uint8)


def forms(array: np.ndarray) -> Iterator[tuple[str, Callable, Callable]]:
    """Yields a name, what writes the array, and what reads its bytes."""
    yield "deepcompress", lambda: dumps(array), loads
    raw = array.tobytes()
    yield "zlib -1", lambda: zlib.compress(raw, 1), zlib.decompress
    try:
        import zstandard

        yield (
            "zstd -1",
            lambda: zstandard.compress(raw, 1),
            zstandard.ZstdDecompressor().decompress,
        )
    except ImportError:
        pass
    if array.dtype.name not in {"float32", "bfloat16", "float16"}:
        return
    try:
        import zipnn
    except ImportError:
        return
    nn = zipnn.ZipNN(bytearray_dtype=array.dtype.name, threads=1)
    # It works in place, on bytes that it is given.
    yield "zipnn", lambda: nn.compress(bytearray(raw)), nn.decompress


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.05, N)
    arrays = {name: dense.astype(getattr(ml_dtypes, name, name)) for name in DTYPES[:4]}
    arrays["int8"] = np.clip(np.rint(dense * 800), -127, 127).astype("int8")
    arrays["float32, pruned to -0.0"] = np.where(
        rng.random(N) < 0.05, arrays["float32"], np.float32(-0.0)
    )
    print(f"{'':<26}{'size':>7}{'write MB/s':>12}{'read MB/s':>11}")
    for name, array in arrays.items():
        print(name)
        for form, write, read in forms(array):
            data = write()
            assert np.frombuffer(read(data), np.uint8).tobytes() == array.tobytes()
            speeds = [
                array.nbytes / best(run) / 1e6 for run in (write, partial(read, data))
            ]
            print(f"  {form:<24}{len(data) / array.nbytes:>7.4f}", end="")
            print(f"{speeds[0]:>12.0f}{speeds[1]:>11.0f}")


if __name__ == "__main__":
    main()
