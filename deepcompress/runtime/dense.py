"""A matrix that is not compressed."""

from typing import Any

import numpy as np

from deepcompress.runtime.product import check_indices, check_rows, finish


class DenseMatrix:
    """Weights that are neither pruned nor shared: floats, and NumPy's product.

    Args:
        values: float32 array of shape `(n_inputs, n_outputs)`.
    """

    form = "dense"

    def __init__(self, values: np.ndarray) -> None:
        self._values = values.view()
        self._values.flags.writeable = False
        self.shape: tuple[int, int] = (values.shape[0], values.shape[1])
        self.nbytes, self.n_multiplied = values.nbytes, values.size

    def __repr__(self) -> str:
        return f"<DenseMatrix: {self.shape}, {self.nbytes:,} bytes>"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._values.flags.writeable = False

    def multiply(
        self, x: np.ndarray, bias: np.ndarray | None = None, *, relu: bool = False
    ) -> np.ndarray:
        """Returns the product of each row with the matrix."""
        check_rows(x, self.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            product: np.ndarray = x @ self._values
            finish(product, bias, relu)
        return product

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows of the matrix."""
        rows: np.ndarray = self._values[check_indices(indices, self.shape)]
        return rows

    def to_dense(self) -> np.ndarray:
        """Returns the matrix as floats."""
        return self._values.copy()
