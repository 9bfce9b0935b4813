"""A tensor as it is held compressed: which elements are stored, and what they are."""

from dataclasses import dataclass
from math import prod

import numpy as np

from deepcompress.dcz.coding.patterns import pattern_dtype


@dataclass(frozen=True, eq=False)
class Weights:
    """A tensor taken apart: what is stored, and where it stands.

    A stored element is `codebook[code]`, or a value of its own where values are not
    shared; every other element is the background. Nothing here is as large as the
    tensor unless all of it is stored.

    Attributes:
        shape: The tensor's shape.
        dtype: The tensor's dtype, little-endian; also that of all values.
        positions: int64 array of shape `(n,)`, ascending: where the stored elements
            stand in the tensor in C order; `None` where all of them are stored.
        background: What stands elsewhere, an array without axes; mostly 0.
        codebook: The shared values, or `None` where values are not shared. Several
            may be the same, and not every one need be used.
        codes: For each stored element its index in the codebook, of the smallest
            unsigned dtype; or `None`.
        values: The stored elements where they are not shared, or `None`.

    Example:

    >>> import io
    >>> import deepcompress as dc
    >>> kernel = np.zeros((100, 100), "float32")
    >>> kernel[::9, ::9], kernel[3, 5] = 0.5, 0.25
    >>> file = io.BytesIO()
    >>> _ = dc.write(file, {"dense/kernel": kernel})
    >>> weights = dc.read(file.getvalue()).weights("dense/kernel")
    >>> weights.codebook, weights.positions[:3], weights.codes[:3]
    (array([0.25, 0.5 ], dtype=float32), array([ 0,  9, 18]), \
array([1, 1, 1], dtype=uint8))
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    positions: np.ndarray | None
    background: np.ndarray
    codebook: np.ndarray | None = None
    codes: np.ndarray | None = None
    values: np.ndarray | None = None

    @classmethod
    def of_patterns(
        cls,
        dtype: np.dtype,
        shape: tuple[int, ...],
        positions: np.ndarray | None,
        stored: np.ndarray,
        *,
        codebook: np.ndarray | None = None,
        background: int = 0,
    ) -> "Weights":
        """Returns the weights that bit patterns stand for.

        Args:
            dtype: The tensor's dtype.
            shape: The tensor's shape.
            positions: Where elements are stored, or `None` for everywhere.
            stored: What is stored: codes, or patterns, with the background taken away.
            codebook: The patterns that codes stand for, with the background taken away;
                `None` where patterns are stored. Defaults to `None`.
            background: The pattern of elements that are not stored. Defaults to 0.
        """
        elsewhere = np.zeros(1, pattern_dtype(dtype))
        if background:
            elsewhere[0] = background
        codes, values = None, stored if codebook is None else codebook
        values = np.require(values + elsewhere if background else values, None, "A")
        if codebook is not None:
            codes = smallest_codes(stored, len(codebook))
        return cls(
            shape,
            dtype,
            positions,
            elsewhere.view(dtype)[0, ...],
            codebook=None if codebook is None else values.view(dtype),
            codes=codes,
            values=None if codebook is not None else values.view(dtype),
        )

    @property
    def n_stored(self) -> int:
        """How many elements are stored."""
        return prod(self.shape) if self.positions is None else len(self.positions)

    def stored(self) -> np.ndarray:
        """Returns the stored elements, an array of shape `(n_stored,)`."""
        if self.codebook is not None and self.codes is not None:
            values: np.ndarray = self.codebook[self.codes]
            return values
        assert self.values is not None
        return self.values

    def to_array(self) -> np.ndarray:
        """Returns the tensor, writeable and in C order."""
        stored = self.stored()
        if self.positions is None:
            return stored.reshape(self.shape).copy()
        # As bits, which no NaN loses.
        items = pattern_dtype(self.dtype)
        patterns = np.full(prod(self.shape), self.background.view(items))
        patterns[self.positions] = stored.view(items)
        return patterns.view(self.dtype).reshape(self.shape)


def smallest_codes(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Returns codes below `n_codes` in the smallest unsigned dtype that holds them."""
    dtype = np.min_scalar_type(max(n_codes - 1, 0))
    return codes.astype(dtype, copy=False)
