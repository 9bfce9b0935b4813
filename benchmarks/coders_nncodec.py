"""What `coders.py` runs in NNCodec's own environment: arrays of integers to bytes.

Reads an `.npz` of int32 arrays, encodes them with every setting that may be the best,
decodes, and prints the size of the smallest as JSON.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import json
import sys
import tempfile
import time
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np

# Data sets, metrics and trackers that NNCodec imports and needs only for training.
_STUBS = {
    *"cv2 flwr matplotlib pandas ptflops sklearn tensorflow timm torchmetrics".split(),
    *"torchvision tqdm wandb h5py scipy PIL ray datasets transformers".split(),
}


class _Stub(ModuleType):
    __path__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


class _StubFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds an empty module where one of those is not installed."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.partition(".")[0] in _STUBS:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        return _Stub(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def main() -> None:
    sys.meta_path.append(_StubFinder())
    with contextlib.redirect_stdout(sys.stderr):
        from nncodec import nnc

        with np.load(sys.argv[1]) as archive:
            arrays = dict(archive)
        best: dict[str, float] = {}
        for is_transposed, row_skipping, tca in itertools.product(
            (False, True), repeat=3
        ):
            given = {
                name: np.ascontiguousarray(array.T if is_transposed else array)
                for name, array in arrays.items()
            }
            start = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                data = nnc.compress(
                    given,
                    bitstream_path=f"{folder}/a.nnc",
                    use_dq=False,
                    param_opt=True,
                    row_skipping=bool(row_skipping),
                    tca=bool(tca),
                    return_bitstream=True,
                    verbose=False,
                )
            middle = time.process_time()
            decoded = nnc.decompress(bytearray(data))
            end = time.process_time()
            for name, array in given.items():
                if not np.array_equal(decoded[name], array):
                    raise AssertionError(f"NNCodec does not give {name} back.")
            if not best or len(data) < best["size"]:
                best = {
                    "size": len(data),
                    "encode": middle - start,
                    "decode": end - middle,
                }
    print(json.dumps(best))


if __name__ == "__main__":
    main()
