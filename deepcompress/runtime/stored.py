"""What a tensor is multiplied with: floats, and where they are not zero."""

from dataclasses import dataclass
from math import prod

import numpy as np

from deepcompress.dcz.coding.huffman import MAX_ALPHABET, count_symbols
from deepcompress.dcz.coding.weights import Weights, smallest_codes


@dataclass(frozen=True, eq=False)
class Stored:
    """A matrix as values and where they stand.

    Attributes:
        shape: Inputs and outputs.
        positions: int64 array of shape `(n,)`, ascending, in C order: where the
            elements stand; the others are zero. `None` where every element is here.
        values: float32 array: the shared values, or one for each element.
        codes: For each element the index of its value, an unsigned array of shape
            `(n,)`; or `None` where values are not shared.
    """

    shape: tuple[int, int]
    positions: np.ndarray | None
    values: np.ndarray
    codes: np.ndarray | None

    @classmethod
    def of(cls, weights: Weights, shape: tuple[int, int]) -> "Stored":
        """Returns what is multiplied with.

        Args:
            weights: Real numbers.
            shape: The inputs and outputs of the matrix that they are in C order.
        """
        shared = weights.values if weights.codes is None else weights.codebook
        assert shared is not None
        if shared.dtype.kind == "c" or prod(shape) != prod(weights.shape):
            raise ValueError(
                f"Expected real weights for a matrix of shape {shape}. "
                f"Received: {weights.dtype} of shape {weights.shape}"
            )
        values, codes, positions = _with_background(weights)
        if codes is not None:
            values, codes = _used(values, codes)
        return cls(shape, positions, values, codes)

    @property
    def n_not_zero(self) -> int:
        """How many elements are not zero."""
        if self.codes is None:
            return int(np.count_nonzero(self.values))
        return int(count(self.codes, len(self.values)) @ (self.values != 0))

    @property
    def n_values(self) -> int:
        """How many values are shared, the zero aside."""
        return int(np.count_nonzero(self.values))

    def without_zeros(self) -> "Stored":
        """Returns the same with positions, and no zero among its values."""
        are_kept = self.values != 0
        if self.positions is not None and are_kept.all():
            return self
        if self.codes is None:
            kept = np.flatnonzero(are_kept)
            values, codes = self.values[kept], None
        else:
            kept = np.flatnonzero(are_kept[self.codes])
            values, codes = _used(self.values, self.codes[kept])
        positions = kept if self.positions is None else self.positions[kept]
        return Stored(self.shape, positions, values, codes)

    def without_codes(self) -> "Stored":
        """Returns the same with a value for each element."""
        if self.codes is None:
            return self
        return Stored(self.shape, self.positions, self.values[self.codes], None)

    def to_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns a code for each element of the matrix, and the values."""
        assert self.codes is not None
        if self.positions is None:
            return self.codes.reshape(self.shape), self.values
        values = np.append(self.values, np.float32(0))
        dtype = np.min_scalar_type(len(self.values))
        codes = np.full(prod(self.shape), len(self.values), dtype)
        codes[self.positions] = self.codes
        return codes.reshape(self.shape), values

    def to_dense(self) -> np.ndarray:
        """Returns the matrix as floats."""
        values = self.without_codes().values
        if self.positions is None:
            return values.reshape(self.shape)
        dense = np.zeros(prod(self.shape), np.float32)
        dense[self.positions] = values
        return dense.reshape(self.shape)


def _with_background(
    weights: Weights,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Returns values, codes and positions, a background other than 0 among them."""
    shared = weights.values if weights.codes is None else weights.codebook
    assert shared is not None
    with np.errstate(invalid="ignore", over="ignore"):
        values, codes = shared.astype(np.float32), weights.codes
        background = weights.background.astype(np.float32)
    if weights.positions is None or background == 0:
        return values, codes, weights.positions
    n = prod(weights.shape)
    if codes is None:
        every = np.full(n, background)
        every[weights.positions] = values
        return every, None, None
    numbers = np.full(n, len(values), np.min_scalar_type(len(values)))
    numbers[weights.positions] = codes
    return np.append(values, background), numbers, None


def _used(values: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values that occur, and codes for these."""
    are_used = count(codes, len(values)) > 0
    if are_used.all():
        return values, codes
    renamed = smallest_codes(np.cumsum(are_used) - 1, int(are_used.sum()))
    return values[are_used], renamed[codes]


def count(codes: np.ndarray, n: int) -> np.ndarray:
    """Returns how often each of `n` codes occurs."""
    if n <= MAX_ALPHABET:
        return count_symbols(codes, n)
    return np.bincount(codes, minlength=n)
