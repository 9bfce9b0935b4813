"""A weight matrix in the form that multiplies fastest: the interface and the rule."""

from typing import Protocol

import numpy as np

from deepcompress.dcz.coding.weights import Weights
from deepcompress.runtime import codes, columns, isa, tiles
from deepcompress.runtime.dense import DenseMatrix
from deepcompress.runtime.stored import Stored

# Up to which part of elements that are not zero a sparse form is faster than a dense
# one, for a single row: where values are shared, and where not.
_SHARED_DENSITY = 0.35
_FLOAT_DENSITY = 0.2


class Matrix(Protocol):
    """A matrix that rows are multiplied with; immutable, and safe under many threads.

    Attributes:
        form: How it is held: `"tiles"`, `"columns"`, `"codes"` or `"dense"`.
        shape: Inputs and outputs: the product is `x @ W`.
        nbytes: Bytes of what is held.
        n_multiplied: Multiply-adds for one row without zeros.
    """

    @property
    def form(self) -> str:
        """How it is held."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of what is held."""
        ...

    @property
    def n_multiplied(self) -> int:
        """Multiply-adds for one row without zeros."""
        ...

    def multiply(self, x: np.ndarray) -> np.ndarray:
        """Returns the product of each row with the matrix.

        What is not finite spreads as in a dense product: an infinity that meets a
        weight of zero gives NaN, whether the weight is stored or not. Sums run in
        another order than elsewhere, so that the last bits differ.

        Args:
            x: float32 array of shape `(n_rows, n_inputs)`, in C order.

        Returns:
            A new float32 array of shape `(n_rows, n_outputs)`.

        Raises:
            TypeError, ValueError: `x` is no such array.
        """
        ...

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows of the matrix, as an embedding does.

        Args:
            indices: Integer array of shape `(n,)`.

        Returns:
            float32 array of shape `(n, n_outputs)`.

        Raises:
            ValueError: There is no such row.
        """
        ...

    def to_dense(self) -> np.ndarray:
        """Returns the matrix as floats."""
        ...


def matrix_of(
    weights: Weights,
    shape: tuple[int, int],
    *,
    for_rows: bool = False,
    n_threads: int | None = None,
    isa_name: str | None = None,
) -> Matrix:
    """Returns weights as a matrix, in the form that multiplies fastest.

    A sparse matrix of shared values becomes tiles where the processor has AVX-512 and
    the values are at most 127, and else columns, which pass over inputs of 0. One that
    is hardly pruned becomes codes. What is not shared becomes columns too if it is
    sparse, and else stays dense.

    Args:
        weights: Real numbers; as float32 they are multiplied.
        shape: The inputs and outputs of the matrix that the weights are in C order: of
            a convolution's kernel its height times width times channels, and filters.
        for_rows: Whether rows are looked up, rather than products computed. Defaults to
            `False`.
        n_threads: Threads at most for large products. Defaults to `None`: one a
            processor.
        isa_name: `"portable"`, `"neon"`, `"avx2"` or `"avx512"`: the instructions that
            kernels may use. Defaults to `None`: what the environment variable
            `DEEPCOMPRESS_ISA` names, else the fastest that there are.

    Example:

    >>> import io
    >>> import deepcompress as dc
    >>> kernel = np.zeros((300, 100), "float32")
    >>> kernel[::7, ::5] = 0.5
    >>> file = io.BytesIO()
    >>> _ = dc.write(file, {"dense/kernel": kernel})
    >>> weights = dc.read(file.getvalue()).weights("dense/kernel")
    >>> matrix = matrix_of(weights, weights.shape)
    >>> matrix.multiply(np.ones((1, 300), "float32"))[0, :6]
    array([21.5,  0. ,  0. ,  0. ,  0. , 21.5], dtype=float32)
    >>> matrix.n_multiplied, kernel.size
    (860, 30000)
    """
    number = isa.number_of(isa_name)
    stored = Stored.of(weights, shape)
    size = shape[0] * shape[1]
    if size == 0 or not np.isfinite(stored.values).all():
        return DenseMatrix(stored.to_dense())  # 0 times infinity is not left out
    is_shared = stored.codes is not None and stored.n_values <= codes.MAX_VALUES - 1
    density = stored.n_not_zero / size
    if density <= (_SHARED_DENSITY if is_shared else _FLOAT_DENSITY):
        sparse = stored.without_zeros()
        if is_shared and not for_rows and tiles.suits(sparse, number):
            return tiles.TileMatrix(sparse, number, n_threads)
        sparse = sparse if is_shared else sparse.without_codes()
        if is_shared or shape[1] <= columns.MAX_OUTPUTS:
            return columns.ColumnMatrix(sparse, number, n_threads)
    if is_shared:
        return codes.CodeMatrix(*stored.to_codes(), number, n_threads)
    return DenseMatrix(stored.to_dense())
