"""Clusters a few numbers and prints all that was imported for it."""

import sys

import deepcompress.clustering
from deepcompress import entropy_kmeans1d, kmeans1d

assert deepcompress.clustering.__doc__
kmeans1d([1.0, 2.0], 2)
entropy_kmeans1d([1.0, 2.0], 2, 0.1)
print(*sys.modules)
