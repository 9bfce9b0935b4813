"""Reads a file and clusters numbers where an import of a framework fails.

python read_without_keras.py FILE
"""

import sys

for name in ("tensorflow", "keras", "jax", "torch"):
    sys.modules[name] = None

import deepcompress as dc

with dc.read(sys.argv[1]) as weights:
    print(weights["dense/kernel"].sum())
print(dc.kmeans1d([1.0, 2.0, 9.0], 2).centers)
print(dc.CompressionReport.from_file(sys.argv[1]).n_weights)
