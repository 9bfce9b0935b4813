"""What all forms of a compressed matrix have in common: rows, threads, bad inputs.

A form has two kernels: one multiplies, the other expands some rows of the matrix.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import Any, ClassVar

import numpy as np

from deepcompress import _native
from deepcompress._threads import map_in_threads
from deepcompress.runtime import isa

# Multiply-adds from which several threads do the rows of one call: what starting them
# takes is then a few hundredths of the time.
_THREADED = 1 << 26
_ROWS_PER_THREAD = 16
_PARTS = 8  # so that threads end at about the same time
# Floats that are expanded at a time where all of a matrix is gone through.
_PANEL = 1 << 20
_CACHE_LINE = 64
_FLOAT32 = np.dtype(np.float32)


class CompressedMatrix:
    """A matrix of which only the compressed form is in memory.

    An input that is not finite gives what the dense product gives: it reaches every
    output, NaN where the weight is 0 and left out. Such rows take a while longer.

    Args:
        shape: Inputs and outputs.
        n_multiplied: Weights that are not left out.
        arrays: What is held.
        facts: What else tells the form.
        isa_number: The instructions that kernels may use.
        n_threads: Threads at most. Defaults to `None`: one a processor.
    """

    form: ClassVar[str]
    _link: ClassVar[int]  # its kind in a chain
    # The kernels, which take arrays, rows and shape, and what else tells the form.
    _multiplier: ClassVar[Callable[..., int]]
    _expander: ClassVar[Callable[..., int]]
    # From so many rows on the matrix is expanded, panel by panel, for NumPy's product.
    _panel_rows: float = inf

    def __init__(
        self,
        shape: tuple[int, int],
        n_multiplied: int,
        arrays: tuple[np.ndarray, ...],
        facts: tuple[int, ...],
        *,
        isa_number: int,
        n_threads: int | None,
    ) -> None:
        self.shape, self.n_multiplied = shape, n_multiplied
        self._arrays, self._n_threads = tuple(map(_at_rest, arrays)), n_threads
        self._facts = (*shape, *facts, isa_number)
        self.nbytes = sum(array.nbytes for array in arrays)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.form}: {self.shape}, "
            f"{self.n_multiplied:,} multiply-adds, {self.nbytes:,} bytes>"
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._arrays = tuple(map(_at_rest, self._arrays))
        if not _native.run_has_isa(self._facts[-1]):
            self._facts = (*self._facts[:-1], isa.number_of())

    @property
    def parts(self) -> tuple[tuple[np.ndarray, ...], tuple[int, ...]]:
        """What is held, and what else tells the form, as kernels take it."""
        return self._arrays, self._facts

    @property
    def most_rows(self) -> int:
        """How many rows at most are multiplied in one call of the kernel."""
        most = max(2 * _ROWS_PER_THREAD, -(-_THREADED // max(self.n_multiplied, 1))) - 1
        return int(min(most, self._panel_rows - 1))

    def link(self, bias: np.ndarray | None, relu: bool) -> tuple[Any, ...]:
        """Returns what it is in a chain, as the kernels take it."""
        return (self._link, bias, relu, *self._arrays, *self._facts)

    def _run(
        self, x: np.ndarray, y: np.ndarray, bias: np.ndarray | None, relu: bool
    ) -> int:
        """Writes the product to `y`, or returns 1 where `x` is not finite."""
        return self._multiplier(x, y, bias, relu, *self._arrays, len(x), *self._facts)

    def _expand(self, first: int, out: np.ndarray) -> None:
        """Writes the matrix' rows from `first` on to `out`."""
        self._expander(*self._arrays, *self._facts, first, len(out), out)

    def multiply(
        self, x: np.ndarray, bias: np.ndarray | None = None, *, relu: bool = False
    ) -> np.ndarray:
        """Returns the product of each row with the matrix."""
        n_rows = check_rows(x, self.shape)
        y = np.empty((n_rows, self.shape[1]), _FLOAT32)
        if n_rows >= self._panel_rows:
            self._multiply_by_panels(x, y)
            finish(y, bias, relu)
        elif n_rows <= self.most_rows:
            if self._run(x, y, bias, relu):
                self._multiply_not_finite(x, y)
                finish(y, bias, relu)
        else:
            self._multiply_in_threads(x, y, bias, relu)
        return y

    def _multiply_in_threads(
        self, x: np.ndarray, y: np.ndarray, bias: np.ndarray | None, relu: bool
    ) -> None:
        def run(begin: int) -> None:
            part = slice(begin, begin + _ROWS_PER_THREAD * n_units)
            if self._run(x[part], y[part], bias, relu):
                self._multiply_not_finite(x[part], y[part])
                finish(y[part], bias, relu)

        n_units = max(1, -(-len(x) // (_ROWS_PER_THREAD * _PARTS)))
        begins = range(0, len(x), _ROWS_PER_THREAD * n_units)
        map_in_threads(run, begins, self._n_threads)

    def _multiply_by_panels(self, x: np.ndarray, y: np.ndarray) -> None:
        for first, panel in self._panels():
            some = x[:, first : first + len(panel)]
            with np.errstate(invalid="ignore", over="ignore"):
                if first == 0:
                    np.matmul(some, panel, out=y)
                else:
                    y += some @ panel

    def _multiply_not_finite(self, x: np.ndarray, y: np.ndarray) -> None:
        are_finite = np.isfinite(x)
        self._run(np.where(are_finite, x, np.float32(0)), y, None, False)
        for row in np.flatnonzero(~are_finite.all(axis=1)):
            inputs = np.flatnonzero(~are_finite[row])
            n = max(1, _PANEL // max(self.shape[1], 1))
            for begin in range(0, len(inputs), n):
                some = inputs[begin : begin + n]
                with np.errstate(invalid="ignore"):
                    y[row] += x[row, some] @ self.rows(some)

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows of the matrix."""
        indices = check_indices(indices, self.shape)
        out = np.empty((len(indices), self.shape[1]), np.float32)
        for row, index in zip(out, indices.tolist(), strict=True):
            self._expand(index, row[None])
        return out

    def to_dense(self) -> np.ndarray:
        """Returns the matrix as floats."""
        out = np.empty(self.shape, np.float32)
        self._expand(0, out)
        return out

    def _panels(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields all rows of the matrix, some at a time, with the first one's index."""
        n = max(1, _PANEL // max(self.shape[1], 1))
        for first in range(0, self.shape[0], n):
            out = np.empty((min(n, self.shape[0] - first), self.shape[1]), np.float32)
            self._expand(first, out)
            yield first, out


def aligned(n: int, dtype: type) -> np.ndarray:
    """Returns room for `n` items where a cache line begins."""
    room = np.empty(n * np.dtype(dtype).itemsize + _CACHE_LINE, np.uint8)
    begin = -room.ctypes.data % _CACHE_LINE
    array: np.ndarray = room[begin : begin + n * np.dtype(dtype).itemsize].view(dtype)
    return array


def _at_rest(array: np.ndarray) -> np.ndarray:
    """Returns an array that cannot be written to and begins with a cache line."""
    if array.ctypes.data % _CACHE_LINE:
        room = aligned(array.size, array.dtype.type).reshape(array.shape)
        room[...] = array
        array = room
    array.flags.writeable = False
    return array


def finish(y: np.ndarray, bias: np.ndarray | None, relu: bool) -> None:
    """Adds a bias to each row of a product, and rectifies it."""
    if bias is not None:
        if bias.shape != y.shape[1:] or bias.dtype != np.float32:
            raise ValueError(
                f"Expected a float32 bias of shape {y.shape[1:]}. "
                f"Received: an array of shape {bias.shape} of {bias.dtype}"
            )
        y += bias
    if relu:
        np.maximum(y, 0, out=y)


def check_rows(x: np.ndarray, shape: tuple[int, int]) -> int:
    """Returns how many rows `x` has; raises where they do not fit a matrix."""
    sides: tuple[int, ...] = x.shape
    dtype = x.dtype
    if (
        len(sides) != 2
        or sides[1] != shape[0]
        or (dtype is not _FLOAT32 and dtype != _FLOAT32)  # which takes longer to tell
    ):
        raise ValueError(
            f"Expected float32 rows of {shape[0]} inputs. "
            f"Received: an array of shape {x.shape} of {x.dtype}"
        )
    return sides[0]


def check_indices(indices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Returns indices of rows; raises where there are no such rows."""
    indices = np.asarray(indices)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise ValueError(
            "Expected a list of integers as indices. "
            f"Received: an array of shape {indices.shape} of {indices.dtype}"
        )
    if indices.size and not 0 <= indices.min() <= indices.max() < shape[0]:
        raise ValueError(
            f"Indices must be at least 0 and below {shape[0]}. "
            f"Received: {indices.min()} to {indices.max()}"
        )
    return indices
