"""From a file to the steps that run: the program checked against the arrays."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from deepcompress._threads import map_in_threads
from deepcompress.dcz.container import Container
from deepcompress.errors import CorruptFileError
from deepcompress.runtime.arrays import Arrays
from deepcompress.runtime.program import NO_WEIGHT, PART, Operation, Program
from deepcompress.runtime.steps import (
    arithmetic,
    preprocessing,
    recurrent,
    shaping,
    weighted,
)
from deepcompress.runtime.steps.room import contradiction
from deepcompress.runtime.steps.step import Step

BUILDERS = {
    **weighted.BUILDERS,
    **arithmetic.BUILDERS,
    **shaping.BUILDERS,
    **recurrent.BUILDERS,
    **preprocessing.BUILDERS,
}

# From so many elements on, layers are decoded on several processors.
_LARGE = 1 << 20


@dataclass(frozen=True)
class Placed:
    """A step in its place.

    Attributes:
        name: The layer that it is of, or what it does.
        kind: What it does.
        step: The step.
        inputs: The numbers of the values that it takes.
        outputs: The numbers of the values that it makes.
        done: The numbers of the values that no later step takes.
    """

    name: str
    kind: str
    step: Step
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    done: tuple[int, ...] = ()

    def __call__(self, values: list[Any]) -> None:
        """Computes its values out of the others, and lets go of what is done."""
        inputs, outputs = self.inputs, self.outputs
        if len(inputs) == 1:  # most have one, and small nets feel each microsecond
            made = self.step.run(values[inputs[0]])
        else:
            made = self.step.run(*[values[number] for number in inputs])
        if len(outputs) == 1:
            values[outputs[0]] = made
        elif len(made) == len(outputs):
            for number, value in zip(outputs, made, strict=True):
                values[number] = value
        else:
            raise contradiction(f"{self.kind} makes {len(made)} values")
        for number in self.done:
            values[number] = None

    def refusal(self, error: Exception) -> Exception:
        """Returns an error of the step that says where it was."""
        if isinstance(error, CorruptFileError):
            return error
        return ValueError(f"{self.name} ({self.kind}): {error}")


class Runs(Protocol):
    """A step in its place, or several that one call computes."""

    def __call__(self, values: list[Any]) -> None:
        """Computes its values out of the others, and lets go of what is done."""
        ...

    def refusal(self, error: Exception) -> Exception:
        """Returns an error of it that says where it was."""
        ...


def run(placed: Sequence[Runs], values: list[Any]) -> None:
    """Runs steps one after the other.

    Raises:
        ValueError: The values are not what a step takes; it is named.
    """
    step = None
    try:
        # Infinities and NaN come out as Keras gives them, without a word.
        with np.errstate(all="ignore"):
            for step in placed:
                step(values)
    except (ValueError, IndexError, TypeError) as error:
        assert step is not None
        refusal = step.refusal(error)
        if refusal is error:
            raise
        raise refusal from error


def program_of(file: Container) -> Program:
    """Returns the program of a file.

    Raises:
        ValueError: The file has none and none can be made, or its model cannot be run.
        CorruptFileError: The program is damaged.
    """
    if PART in file.parts:
        program = Program.decode(file.parts[PART])
    elif file.architecture is None:
        raise ValueError(
            "The file holds weights without an architecture, so that nothing says what "
            "to compute. Save the model with its architecture."
        )
    else:
        program = Program.decode(_above("lowered", file))
    if program.refusal:
        raise ValueError(f"The model cannot be run compressed: {program.refusal}")
    return program


def file_of(model: Any) -> bytes:
    """Returns the file of a Keras model."""
    data: bytes = _above("dumped", model)
    return data


def _above(function: str, argument: Any) -> Any:
    """Asks what knows Keras, where it is installed: nothing else here reaches there."""
    try:
        door = import_module("deepcompress.saving.programs")
    except ImportError as error:
        raise ValueError(
            "The file has no program. To make one, Keras and deepcompress-keras are "
            f"needed ({error}); or save the model anew with them."
        ) from error
    return getattr(door, function)(argument)


def place(program: Program, weights: Arrays) -> list[Placed]:
    """Returns the steps of a program, each with its weights.

    Raises:
        CorruptFileError: The program contradicts the arrays.
    """
    last_use = dict.fromkeys(program.outputs, len(program.operations))
    for index, operation in enumerate(program.operations):
        last_use.update({n: max(index, last_use.get(n, 0)) for n in operation.inputs})

    def build(operation: Operation) -> Step:
        with _broken_at(operation):
            return BUILDERS[operation.kind](operation, weights)

    n_threads = None if weights.n_elements >= _LARGE else 1
    steps = map_in_threads(build, program.operations, n_threads)
    placed, n_values = [], len(program.inputs)
    for index, (operation, step) in enumerate(
        zip(program.operations, steps, strict=True)
    ):
        outputs = tuple(range(n_values, n_values + operation.n_outputs))
        n_values += operation.n_outputs
        numbers = {*operation.inputs, *outputs}
        done = tuple(n for n in numbers if last_use.get(n, index) == index)
        name = _name(operation, weights)
        placed.append(
            Placed(name, operation.kind, step, operation.inputs, outputs, done)
        )
    return placed


def fold(placed: list[Placed], values: list[Any], outputs: set[int]) -> list[Placed]:
    """Computes what depends on no input, once, and returns the steps that are left.

    Args:
        placed: The steps.
        values: Where what has been computed is kept.
        outputs: The values that the program gives.
    """
    known: set[int] = set()
    left = []
    for each in placed:
        if known.issuperset(each.inputs) and each.kind != "embedding":
            run([replace(each, done=())], values)
            known.update(each.outputs)
        else:
            done = tuple(n for n in each.done if n not in known)
            left.append(replace(each, done=done))
    needed = {n for each in left for n in each.inputs} | outputs
    for number in known - needed:
        values[number] = None
    return left


def _name(operation: Operation, weights: Arrays) -> str:
    for number in operation.weights:
        if number != NO_WEIGHT:
            return weights.name(number).rpartition("/")[0] or weights.name(number)
    if operation.kind in ("unary", "binary", "reduce"):
        return str(operation["function"])
    return operation.kind


@contextmanager
def _broken_at(operation: Operation) -> Iterator[None]:
    """Makes of any error in what a program asks for one of the file."""
    try:
        yield
    except CorruptFileError:
        raise
    except (ValueError, IndexError, TypeError, KeyError) as error:
        raise contradiction(f"{operation.kind}: {error}") from error
