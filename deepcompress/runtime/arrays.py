"""The arrays of a file as the steps of a program hold them."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from deepcompress.dcz.container import Container
from deepcompress.runtime.matrix import Matrix, matrix_of
from deepcompress.runtime.program import NO_WEIGHT, Operation
from deepcompress.runtime.steps.room import contradiction


class Arrays:
    """Hands out the arrays of a file, each decoded once, in the form asked for.

    Args:
        file: An open file.
        names: Which of its arrays are known, by their numbers.

    Attributes:
        names: The names of the arrays.
        nbytes: What is held in memory.
    """

    def __init__(self, file: Container, *, n_threads: int | None = None) -> None:
        self.names = list(file)
        self._shapes = [file.shape(name) for name in self.names]
        self._held: dict[tuple[Any, ...], Any] = {}
        self._file: Container | None = file
        self._n_threads = n_threads

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    @property
    def nbytes(self) -> int:
        """Bytes of all that is held."""
        return sum(int(each.nbytes) for each in self._held.values())

    @property
    def n_elements(self) -> int:
        """Elements of all arrays."""
        return sum(map(prod, self._shapes))

    def close(self) -> None:
        """Lets go of the file. What has been asked for stays."""
        self._file = None

    def name(self, number: int) -> str:
        """Returns the name of an array."""
        return self.names[self._checked(number)]

    def shape(self, number: int) -> tuple[int, ...]:
        """Returns the shape of an array."""
        return self._shapes[self._checked(number)]

    def array(self, number: int) -> np.ndarray:
        """Returns an array as it is, floats in float32."""
        key = (self._checked(number),)
        if key not in self._held:
            array = self._open()[self.names[number]]
            if array.dtype.kind not in "biu":
                array = array.astype(np.float32)
            self._held[key] = array
        held: np.ndarray = self._held[key]
        return held

    def matrix(
        self,
        number: int,
        shape: tuple[int, int],
        *,
        for_rows: bool = False,
        n_rows: int = 1,
        slides: bool = False,
    ) -> Matrix:
        """Returns an array as a matrix that is held compressed, as in `matrix_of`."""
        key = (self._checked(number), shape, for_rows, slides)
        if key not in self._held:
            weights = self._open().weights(self.names[number])
            self._held[key] = matrix_of(
                weights,
                shape,
                for_rows=for_rows,
                n_rows=n_rows,
                slides=slides,
                n_threads=self._n_threads,
            )
        held: Matrix = self._held[key]
        return held

    def asset(self, name: str) -> str:
        """Returns a text that a layer keeps besides weights."""
        key = ("asset", name)
        if key not in self._held:
            data = self._open().assets.get(name)
            if data is None:
                raise contradiction(f"there is no asset {name!r}")
            self._held[key] = np.array(data.decode("utf-8", "replace"))
        return str(self._held[key])

    def vector(self, number: int, size: int, what: str) -> np.ndarray | None:
        """Returns a flat array of a size, `None` for no weight."""
        if number == NO_WEIGHT:
            return None
        array = self.array(number).reshape(-1)
        if array.size != size:
            raise contradiction(
                f"{self.names[number]!r} has {array.size} elements, {what} {size}"
            )
        return array

    def _open(self) -> Container:
        assert self._file is not None, "all weights are asked for at the beginning"
        return self._file

    def _checked(self, number: int) -> int:
        if not 0 <= number < len(self.names):
            raise contradiction(f"there is no array {number}")
        return number


def given(operation: Operation, most: int) -> Sequence[int]:
    """Returns the numbers of an operation's weights, `NO_WEIGHT` where it has fewer."""
    missing = most - len(operation.weights)
    return [*operation.weights, *[NO_WEIGHT] * missing]
