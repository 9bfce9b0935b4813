"""Tries a wheel with NumPy alone: reads, writes, and computes by every kernel.

python try_wheel.py FOLDER, which holds golden files.
"""

import os
import sys
from io import BytesIO
from pathlib import Path

import numpy as np

import deepcompress as dc
from deepcompress.runtime import isa
from deepcompress.runtime.program import PART, Input, Operation, Program

files = sorted(Path(sys.argv[1]).rglob("*.dcz"))
assert files
for path in files:
    try:
        dc.read(path).verify()
    except ImportError as error:
        if "pip install ml_dtypes" not in str(error):
            raise

program = Program(
    (Input("x", (300,), "float32"),), (Operation("dense", (0,), (0,)),), (1,)
)
rng = np.random.default_rng(0)
for density in (0.05, 0.2, 1):
    values = rng.standard_normal(17).astype("float32")
    kernel = values[rng.integers(0, 17, (300, 100))]
    kernel *= rng.random(kernel.shape) < density
    file = BytesIO()
    dc.write(file, {"dense/kernel": kernel}, parts={PART: program.encode()})
    np.testing.assert_array_equal(dc.read(file.getvalue())["dense/kernel"], kernel)
    for name in isa.available():
        os.environ["DEEPCOMPRESS_ISA"] = name
        net = dc.CompressedModel(file.getvalue())
        for n in (1, 40):
            x = rng.standard_normal((n, 300)).astype("float32")
            np.testing.assert_allclose(net.predict(x), x @ kernel, atol=1e-3)
print(dc.__file__, isa.available())
