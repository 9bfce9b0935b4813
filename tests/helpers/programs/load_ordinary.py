"""Loads an ordinary model and prints its weights, each as its name and its bytes.

python load_ordinary.py NAME FILE
"""

import sys

from ordinary.families import ORDINARY

import deepcompress as dc

own = ORDINARY[sys.argv[1]].custom_objects()
for weight in dc.load_model(sys.argv[2], custom_objects=own).weights:
    print(f"{weight.name}:{weight.numpy().tobytes().hex()}")
