"""A convolution's kernel as filters that slide over images, without patches."""

from typing import Any

import numpy as np

from deepcompress import _native
from deepcompress.runtime.columns import ColumnMatrix
from deepcompress.runtime.product import check_indices, check_rows, finish
from deepcompress.runtime.stored import Stored

# Larger kernels gain nothing, and of smaller ones a dense copy is made where needed.
MAX_SIZE = 1 << 20
NO_POOLING = np.empty(0, np.int64)
NO_POOLING.flags.writeable = False


class FilterMatrix:
    """For each filter the elements of its window that have a weight.

    It convolves images. As a matrix, it is multiplied as floats, which are made anew
    each time: only for what is not finite, and for images that are too large.

    Args:
        stored: What is not zero: the rows are elements times channels, the columns
            filters; at most `MAX_SIZE` elements.
        isa_number: The instructions that kernels may use.
        n_threads: Threads at most, or `None`.
    """

    form = "filters"

    def __init__(
        self, stored: Stored, isa_number: int, n_threads: int | None = None
    ) -> None:
        self._columns = ColumnMatrix(_turned(stored), isa_number, n_threads)
        self.shape, self.nbytes = stored.shape, self._columns.nbytes
        self.n_multiplied = self._columns.n_multiplied
        self.n_threads = n_threads

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {self.shape}, {self.n_multiplied:,} "
            f"multiply-adds, {self.nbytes:,} bytes>"
        )

    def convolve(
        self,
        x: np.ndarray,
        geometry: np.ndarray,
        y: np.ndarray,
        bias: np.ndarray | None,
        *,
        relu: bool,
    ) -> bool:
        """Convolves images, unless a number of them is not finite.

        Args:
            x: float32 array of shape `(n_images, ..., channels)`, in C order.
            geometry: Of a window that moves by one along each axis, as kernels take it.
            y: float32 array that the outputs are written to, in C order.
            bias: float32 array of shape `(n_filters,)`, or `None`.
            relu: Whether what is below 0 becomes 0 at last.

        Returns:
            Whether it has.
        """
        arrays, facts = self._columns.parts
        sides = len(x), x.shape[-1]
        what = *arrays, geometry, NO_POOLING, *sides, *facts
        return not _native.run_convolve(x, y, bias, relu, *what)

    def link(
        self,
        bias: np.ndarray | None,
        relu: bool,
        geometry: np.ndarray,
        pooling: np.ndarray,
        n_channels: int,
        *,
        is_split: bool,
        makes_split: bool,
    ) -> tuple[Any, ...]:
        """Returns what it is in a chain, as the kernels take it."""
        arrays, facts = self._columns.parts
        head = _native.DC_LINK_CONVOLUTION, bias, relu, *arrays, geometry, pooling
        return (*head, is_split, makes_split, n_channels, *facts)

    def multiply(
        self, x: np.ndarray, bias: np.ndarray | None = None, *, relu: bool = False
    ) -> np.ndarray:
        """Returns the product of each row with the matrix."""
        check_rows(x, self.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            product: np.ndarray = x @ self.to_dense()
            finish(product, bias, relu)
        return product

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows of the matrix."""
        rows: np.ndarray = self.to_dense()[check_indices(indices, self.shape)]
        return rows

    def to_dense(self) -> np.ndarray:
        """Returns the matrix as floats."""
        return np.ascontiguousarray(self._columns.to_dense().T)


def _turned(stored: Stored) -> Stored:
    """Returns the matrix with its sides exchanged."""
    assert stored.positions is not None
    n_inputs, n_outputs = stored.shape
    inputs, outputs = np.divmod(stored.positions, max(n_outputs, 1))
    # Of 16 bits NumPy sorts without comparing; of one output, inputs ascend already.
    small = outputs.astype(np.uint16) if n_outputs <= 1 << 16 else outputs
    order = np.argsort(small, kind="stable")
    positions = outputs[order] * n_inputs + inputs[order]
    values, codes = stored.values, stored.codes
    if codes is None:
        values = values[order]
    else:
        codes = codes[order]
    return Stored((n_outputs, n_inputs), positions, values, codes)
