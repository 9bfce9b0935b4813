"""The way from a dense net to a record: train, prune in levels, share, code.

Every choice is made on 5,000 training images that are held back. The test images are
looked at once, at the end, through the files that have been written.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from .batches import Batches, moved, varied
from .recipe import Level, Recipe
from .run import Run, arguments, main

__all__ = [
    "Batches",
    "Level",
    "Recipe",
    "Run",
    "arguments",
    "main",
    "moved",
    "varied",
]
