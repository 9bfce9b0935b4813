"""One step of a program, ready to run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deepcompress.runtime.arrays import Arrays
from deepcompress.runtime.matrix import Matrix
from deepcompress.runtime.program import Operation
from deepcompress.runtime.steps import functions


@dataclass(frozen=True)
class Step:
    """What an operation computes.

    Attributes:
        run: Takes the values, and returns one, or several in a tuple.
        matrices: The matrices that it multiplies with.
        n_taps: How many weights else each element of the output is made of.
    """

    run: Callable[..., Any]
    matrices: tuple[Matrix, ...] = ()
    n_taps: int = 0


Builder = Callable[[Operation, Arrays], Step]


def activation_of(operation: Operation, name: str = "activation") -> functions.Unary:
    """Returns the function that an operation ends with."""
    return functions.unary(operation[name])
