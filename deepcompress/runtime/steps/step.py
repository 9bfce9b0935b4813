"""One step of a program, ready to run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepcompress.runtime.arrays import Arrays
from deepcompress.runtime.matrix import Matrix
from deepcompress.runtime.program import Operation
from deepcompress.runtime.steps import functions
from deepcompress.runtime.steps.windows import Window


@dataclass(frozen=True, eq=False)
class Link:
    """What a step is in a chain of steps that one call computes.

    Attributes:
        kind: `"dense"`, `"conv"`, `"pool"` or `"flatten"`.
        matrix: What is multiplied with.
        bias: What is added, if anything.
        relu: Whether what is below 0 becomes 0 at last.
        window: What slides over images.
    """

    kind: str
    matrix: Matrix | None = None
    bias: np.ndarray | None = None
    relu: bool = False
    window: Window | None = None


@dataclass(frozen=True)
class Step:
    """What an operation computes.

    Attributes:
        run: Takes the values, and returns one, or several in a tuple.
        matrices: The matrices that it multiplies with.
        n_taps: How many weights else each element of the output is made of.
        link: What it is in a chain, if it can be in one.
    """

    run: Callable[..., Any]
    matrices: tuple[Matrix, ...] = ()
    n_taps: int = 0
    link: Link | None = None


Builder = Callable[[Operation, Arrays], Step]


def activation_of(operation: Operation, name: str = "activation") -> functions.Unary:
    """Returns the function that an operation ends with."""
    return functions.unary(operation[name])
