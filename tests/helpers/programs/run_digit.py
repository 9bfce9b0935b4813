"""What a place without Keras makes of a file: `FILE.dcz INPUT.npy OUTPUT.npy`."""

import sys

import numpy as np

import deepcompress as dc

file, x, output = sys.argv[1:]
np.save(output, dc.CompressedModel(file).predict(np.load(x)))
strays = {"keras", "tensorflow", "h5py", "rich", "ml_dtypes"} & set(sys.modules)
assert not strays, strays
print(dc.__file__)
