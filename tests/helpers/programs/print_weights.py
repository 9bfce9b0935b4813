"""Loads a model and prints the bytes of its weights.

python print_weights.py FILE
"""

import sys

import deepcompress as dc

for weight in dc.load_model(sys.argv[1]).get_weights():
    print(weight.tobytes().hex())
