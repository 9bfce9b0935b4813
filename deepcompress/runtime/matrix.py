"""A weight matrix in the form that multiplies fastest: the interface and the rule."""

from typing import Protocol

import numpy as np

from deepcompress.dcz.coding.weights import Weights
from deepcompress.runtime import codes, columns, costs, filters, isa, tiles
from deepcompress.runtime.codes import CodeMatrix
from deepcompress.runtime.columns import ColumnMatrix
from deepcompress.runtime.dense import DenseMatrix
from deepcompress.runtime.filters import FilterMatrix
from deepcompress.runtime.stored import Stored
from deepcompress.runtime.tiles import TileMatrix

# A dense matrix takes several times the memory: it has to be so much faster.
_DENSE_GAIN = 0.75
# Where rows are looked up, columns pay up to this part of elements that are not zero.
_ROW_DENSITY = 0.35


class Matrix(Protocol):
    """A matrix that rows are multiplied with; immutable, and safe under many threads.

    Attributes:
        form: How it is held: `"tiles"`, `"columns"`, `"codes"`, `"filters"` or
            `"dense"`.
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

    def multiply(
        self, x: np.ndarray, bias: np.ndarray | None = None, *, relu: bool = False
    ) -> np.ndarray:
        """Returns the product of each row with the matrix, and what mostly follows it.

        What is not finite spreads as in a dense product: an infinity that meets a
        weight of zero gives NaN, whether the weight is stored or not. Sums run in
        another order than elsewhere, so that the last bits differ.

        Args:
            x: float32 array of shape `(n_rows, n_inputs)`, in C order.
            bias: float32 array of shape `(n_outputs,)` that is added to each row, or
                `None`, the default.
            relu: Whether what is below 0 becomes 0 at last. Defaults to `False`.

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
    n_rows: int = 1,
    slides: bool = False,
    n_threads: int | None = None,
    isa_name: str | None = None,
) -> Matrix:
    """Returns weights as a matrix, in the form that multiplies fastest.

    A sparse matrix of shared values becomes tiles where the processor has AVX-512 and
    the values are at most 127, and else mostly columns, which pass over inputs of 0.
    One that is hardly pruned becomes codes. What is not shared becomes columns if it is
    sparse. The kernel of a convolution that moves by one becomes filters, which need no
    patches, unless hardly anything of it is 0. Whatever the form, it stays dense where
    that is faster by a third or more: `costs` has what each takes.

    Args:
        weights: Real numbers; as float32 they are multiplied.
        shape: The inputs and outputs of the matrix that the weights are in C order: of
            a convolution's kernel its height times width times channels, and filters.
        for_rows: Whether rows are looked up, rather than products computed. Defaults to
            `False`.
        n_rows: How many rows mostly come at once: for a convolution the outputs of an
            image. The form is chosen for these; others are multiplied as well. Defaults
            to 1.
        slides: Whether it is the kernel of a convolution that moves by one along each
            axis, so that rows are patches of images. Defaults to `False`.
        n_threads: Threads at most for large products. Defaults to `None`: one a
            processor.
        isa_name: The instructions that kernels may use: `"portable"`, `"avx2"` or
            `"avx512"`. Defaults to `None`: what the environment variable
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
    form = (
        _row_form(stored)
        if for_rows
        else _fastest(stored, n_rows, number, slides=slides)
    )
    if form == "dense":
        return DenseMatrix(stored.to_dense())
    if form == "codes":
        return CodeMatrix(*stored.to_codes(), number, n_threads)
    sparse = stored.without_zeros()
    if form == "tiles":
        return TileMatrix(sparse, number, n_threads)
    if not _is_shared(stored):
        sparse = sparse.without_codes()
    if form == "filters":
        return FilterMatrix(sparse, number, n_threads)
    return ColumnMatrix(sparse, number, n_threads)


def _is_shared(stored: Stored) -> bool:
    """Whether a byte tells which value an element has, zero among them."""
    return stored.codes is not None and stored.n_values < codes.MAX_VALUES


def _row_form(stored: Stored) -> str:
    """Returns in which form rows are looked up."""
    n_inputs, n_outputs = stored.shape
    if stored.n_not_zero <= _ROW_DENSITY * n_inputs * n_outputs and (
        _is_shared(stored) or n_outputs <= columns.MAX_OUTPUTS
    ):
        return "columns"
    return "codes" if _is_shared(stored) else "dense"


def _fastest(stored: Stored, n_rows: int, isa_number: int, *, slides: bool) -> str:
    """Returns the form that multiplies fastest, and dense only if by far."""
    (n_inputs, n_outputs), n = stored.shape, stored.n_not_zero
    size = n_inputs * n_outputs
    times = {}
    if _is_shared(stored):
        n_codes = stored.n_values + (n < size)
        times["codes"] = costs.codes(size, n_codes, n_rows, isa_number)
        if tiles.suits(stored, isa_number):
            times["tiles"] = costs.tiles(size, n, n_rows)
    if _is_shared(stored) or n_outputs <= columns.MAX_OUTPUTS:
        times["columns"] = costs.columns(n_inputs, n, n_rows)
    patch = costs.patch(n_inputs) if slides else 0.0
    times = {form: time + patch for form, time in times.items()}
    can_slide = _is_shared(stored) or n_inputs <= columns.MAX_OUTPUTS
    if slides and can_slide and size <= filters.MAX_SIZE:
        times["filters"] = costs.filters(n_outputs, n, isa_number)
    best = min(times, key=lambda form: times[form], default="dense")
    dense = costs.CALL + costs.dense(size, n_rows) + patch
    if best == "dense" or dense < _DENSE_GAIN * (costs.CALL + times[best]):
        return "dense"
    return best
