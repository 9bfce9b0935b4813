"""Loads a `.dcz` file in a process of its own and compares it bit for bit.

Run as `python -m deepcompress.commands.check FILE.dcz EXPECTED.npz`. The expected
weights are the arrays `0`, `1`, ... in the model's order; `images` and `labels` are
what the loaded model is evaluated on. Prints one line of JSON.
"""

import json
import sys

import numpy as np

from deepcompress.saving.serializer import load_model


def main(path: str, expected_path: str) -> None:
    """Prints how many weights there are, how many differ, and the accuracy."""
    model = load_model(path)
    weights = model.get_weights()
    with np.load(expected_path) as expected:
        pairs = zip(
            weights, (expected[str(i)] for i in range(len(weights))), strict=True
        )
        different = sum(
            int((_bits(ours) != _bits(theirs)).sum()) for ours, theirs in pairs
        )
        accuracy = model.evaluate(
            expected["images"], expected["labels"], verbose=0, return_dict=True
        )["accuracy"]
    n_weights = sum(weight.size for weight in weights)
    result = {"n_weights": n_weights, "different": different, "accuracy": accuracy}
    print(json.dumps(result))


def _bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")


if __name__ == "__main__":
    main(*sys.argv[1:])
