"""What the forms of a tensor take, before one is chosen."""

import numpy as np

from deepcompress.dcz.coding.bytestream import varint
from deepcompress.dcz.coding.codebook import SharedValues
from deepcompress.dcz.coding.huffman import HuffmanCode
from deepcompress.dcz.coding.planes import BytePlanes

# A scan in reverse order, and codes instead of planes, are taken where they save more
# than this part of a tensor; planes are tried where a codebook takes more than that.
WORTH = 1024
# Fewer values stay in one piece: planes would save some hundred bytes at most.
FEWEST_PARTED = 1024


def planes_of(
    values: np.ndarray, dtype: np.dtype, shared: SharedValues | None, size: int
) -> BytePlanes | None:
    """Returns values as planes, `None` where that does not take less than `size`.

    With codes they would take less again, but for what a codebook takes.
    """
    if len(values) < FEWEST_PARTED or (
        shared is not None and shared.codebook.nbytes <= size // WORTH
    ):
        return None
    planes = BytePlanes.of(values, dtype)
    return planes if planes.size + 1 < size else None


def with_zero(
    codebook: np.ndarray, counts: np.ndarray, n_zeros: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a codebook that has the zero too."""
    return np.insert(codebook, 0, 0), np.insert(counts, 0, n_zeros)


def symbols_size(codebook: np.ndarray, code: HuffmanCode, counts: np.ndarray) -> int:
    """Returns the bytes of a codebook, a code table and the coded symbols."""
    return len(varint(len(codebook))) + codebook.nbytes + code.encoded_size(counts)
