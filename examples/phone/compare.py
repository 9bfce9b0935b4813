"""Whether a program computes what `deepcompress.CompressedModel` does.

python compare.py FILE.dcz PROGRAM [ARGUMENT...]
"""

import subprocess
import sys

import numpy as np

import deepcompress as dc

N_EXAMPLES = 20


def main(path: str, *program: str) -> None:
    net = dc.CompressedModel(path)
    shape = (N_EXAMPLES, *net.program.inputs[0].shape)
    x = np.random.default_rng(0).random(shape, "float32")
    ended = subprocess.run(
        [*program, path], input=x.tobytes(), capture_output=True, check=False
    )
    expected = net.predict(x)
    found = np.frombuffer(ended.stdout, "float32")
    if found.size != expected.size:
        raise SystemExit(f"{path}: {ended.returncode}, {ended.stderr.decode()}")
    away = np.abs(found.reshape(expected.shape) - expected).max()
    away /= np.abs(expected).max()
    print(f"{path}: {N_EXAMPLES} examples, outputs differ by {away:.1e} of the largest")
    if not away < 1e-5:  # it may be NaN
        raise SystemExit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
