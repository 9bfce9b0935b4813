"""What a step may take of memory, and how it says that it cannot run."""

from math import prod

import numpy as np

from deepcompress.errors import CorruptFileError
from deepcompress.runtime.program import RULE

MAX_BYTES = 1 << 34  # of one value


def contradiction(what: str) -> CorruptFileError:
    """Returns the error of a program that does not fit the arrays of its file."""
    return CorruptFileError(
        f"The program contradicts the arrays of the file: {what}.", RULE
    )


def room_for(shape: tuple[int, ...], itemsize: int = 4) -> None:
    """Refuses a value that would take more memory than any model needs.

    Raises:
        ValueError: It would.
    """
    size = prod(shape) * itemsize
    if size > MAX_BYTES:
        raise ValueError(
            f"The program asks for {size:,} bytes for one value, of shape {shape}; "
            f"at most {MAX_BYTES:,} are given to one. Pass fewer examples at a time "
            "with `batch_size`."
        )


def in_float32(x: np.ndarray) -> np.ndarray:
    """Returns an array in the dtype in which weights are multiplied, in C order."""
    return np.ascontiguousarray(x, dtype=np.float32)
