"""Collects the operations of a program, and the weights that they take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from deepcompress.runtime.program import NO_WEIGHT, Operation
from deepcompress.runtime.steps.shaping import numbers_of

# Takes the tracer, the layer or operation, and the arguments of its call; returns the
# number of the value that it makes, or a list of them.
Rule = Callable[..., Any]

# How many examples stand for any number where a `call` asks how many there are.
BATCH = 241
AS_BATCH = -2  # in a shape: as long as the first axis of the first input

_MOST_BYTES = 1 << 16  # of arrays that a program holds itself


class CannotRunError(ValueError):
    """A layer computes what no program can say."""


@dataclass(frozen=True)
class Value:
    """A value of a program.

    Attributes:
        number: Its number.
        shape: Its shape, `None` for axes of any length.
        dtype: The name of its dtype.
        mask: The symbolic tensor that Keras masks it with, or `None`.
    """

    number: int
    shape: tuple[int | None, ...]
    dtype: str
    mask: Any = None


class Builder:
    """Collects operations.

    Args:
        weights: The number of each variable, by its `id`.
        asset: Returns the name of the asset with such a text, `None` where none has it.

    Attributes:
        operations: What has been collected.
        n_values: How many values there are.
    """

    def __init__(
        self, weights: Mapping[int, int], asset: Callable[[str], str | None]
    ) -> None:
        self.operations: list[Operation] = []
        self.n_values = 0
        self.asset = asset
        self._weights = weights
        self._seen: dict[int, int] = {}
        self._n_bytes = 0

    def trial(self, run: Callable[[], object]) -> list[Operation]:
        """Returns what a function adds, which is not kept."""
        kept = self.n_values, self._n_bytes, dict(self._seen)
        begin = len(self.operations)
        try:
            run()
            return self.operations[begin:]
        finally:
            del self.operations[begin:]
            self.n_values, self._n_bytes, self._seen = kept

    def input(self) -> int:
        """Returns the number of a new input."""
        self.n_values += 1
        return self.n_values - 1

    def add(
        self, kind: str, *inputs: int, weights: tuple[Any, ...] = (), **settings: Any
    ) -> int:
        """Adds an operation that makes one value, and returns its number.

        Args:
            kind: The name of its kind.
            *inputs: The numbers of the values that it takes.
            weights: The variables that it takes, `None` for none.
            **settings: Its fields.
        """
        return self.add_many(1, kind, *inputs, weights=weights, **settings)[0]

    def add_many(
        self,
        n_outputs: int,
        kind: str,
        *inputs: int,
        weights: tuple[Any, ...] = (),
        **settings: Any,
    ) -> list[int]:
        """Adds an operation that makes so many values, and returns their numbers."""
        numbers = tuple(map(self.weight_number, weights))
        self.operations.append(Operation(kind, inputs, numbers, settings, n_outputs))
        self.n_values += n_outputs
        return list(range(self.n_values - n_outputs, self.n_values))

    def weight_number(self, variable: Any) -> int:
        """Returns the number of a variable in the file.

        Raises:
            CannotRunError: It is none of the model's weights.
        """
        if variable is None:
            return NO_WEIGHT
        number = self._weights.get(id(variable))
        if number is None:
            raise CannotRunError(
                "it computes with an array that is none of the model's weights"
            )
        return number

    def constant(self, array: Any) -> int:
        """Returns the number of a value that is always the same."""
        found = np.asarray(array)
        if found.dtype.kind == "f" or found.dtype.name == "bfloat16":
            found = found.astype(np.float32)
        if found.dtype.kind not in "biuf":
            raise CannotRunError(f"it holds an array of {found.dtype}")
        for axis, length in enumerate(found.shape):
            if length == BATCH:
                return self._for_each_example(found, axis)
        self._n_bytes += found.nbytes
        if self._n_bytes > _MOST_BYTES:
            raise CannotRunError(
                f"it holds an array of shape {found.shape} that is no weight; arrays "
                f"of {_MOST_BYTES:,} bytes in all may be so. Make it a weight"
            )
        return self.add("constant", array=found)

    def _for_each_example(self, array: np.ndarray, axis: int) -> int:
        """Returns the number of what is made alike for each example of a batch."""
        one = array.take([0], axis)
        if not np.array_equal(np.broadcast_to(one, array.shape), array):
            raise CannotRunError("it makes another array for each example of a batch")
        shape = [*array.shape]
        shape[axis] = AS_BATCH
        return self.add("broadcast", self.constant(one), 0, shape=tuple(shape))

    def number(self, argument: Any, like: Value | None = None) -> int:
        """Returns the number of what an operation of Keras is given.

        Args:
            argument: A value, a variable, an array or a number.
            like: What a number stands beside, whose dtype it takes.
        """
        if isinstance(argument, Value):
            return argument.number
        if isinstance(argument, keras.Variable):
            if id(argument) not in self._weights:
                return self.constant(argument.numpy())
            if id(argument) not in self._seen:
                self._seen[id(argument)] = self.add("weight", weights=(argument,))
            return self._seen[id(argument)]
        if isinstance(argument, bool | int | float):
            dtype = "float32" if like is None else like.dtype
            if isinstance(argument, float) and not dtype.startswith(("float", "bf")):
                dtype = "float32"
            if dtype in ("bfloat16", "float16", "float64", "bool"):
                dtype = "bool" if isinstance(argument, bool) else "float32"
            return self.constant(np.asarray(argument, dtype))
        if isinstance(argument, np.ndarray | list | tuple | np.generic):
            return self.constant(argument)
        if keras.ops.is_tensor(argument):
            return self.constant(keras.ops.convert_to_numpy(argument))
        raise CannotRunError(f"it computes with {type(argument).__name__}")

    def index(self, value: int, *index: Any) -> int:
        """Returns the number of a part of a value."""
        try:
            return self.add("slice", value, index=numbers_of(index))
        except TypeError as error:
            raise CannotRunError(f"it takes {error}") from None
