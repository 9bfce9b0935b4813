"""Loads an ordinary model and prints the bytes of its weights.

python load_ordinary.py NAME FILE
"""

import sys

from ordinary.families import ORDINARY

import deepcompress as dc

own = ORDINARY[sys.argv[1]].custom_objects()
for weight in dc.load_model(sys.argv[2], custom_objects=own).weights:
    print(weight.numpy().tobytes().hex())
