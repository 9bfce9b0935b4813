"""A file of digits as a user brings it."""

import numpy as np


def own(path, n=120, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (n, 28, 28)).astype("uint8"),
        "y_train": np.arange(n) % 10,
        "x_test": rng.integers(0, 256, (50, 28, 28)).astype("uint8"),
        "y_test": np.arange(50) % 10,
    }
    arrays.update(changes)
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    return path
