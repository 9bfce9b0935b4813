"""Multiplies in threads, and then in a process that is forked off."""

import os
import sys

import numpy as np

from deepcompress.dcz.coding.weights import Weights
from deepcompress.runtime import product
from deepcompress.runtime.matrix import matrix_of

rng = np.random.default_rng(0)
positions = np.flatnonzero(rng.random(300 * 200) < 0.1)
codes = rng.integers(0, 20, len(positions)).astype(np.uint8)
values = rng.standard_normal(20).astype(np.float32)
background = np.zeros((), np.float32)
shape = (300, 200)
weights = Weights(shape, values.dtype, positions, background, values, codes)
matrix = matrix_of(weights, shape, n_threads=2)
x = rng.standard_normal((500, 300), dtype=np.float32)
product._THREADED = 1
expected = matrix.multiply(x)
child = os.fork()
if child == 0:
    is_same = np.array_equal(matrix.multiply(x), expected)
    os._exit(0 if is_same else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
