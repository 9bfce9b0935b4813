"""Steps one after the other that one call computes: what small nets consist of."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from deepcompress import _native
from deepcompress.runtime import isa
from deepcompress.runtime.filters import NO_POOLING, FilterMatrix
from deepcompress.runtime.opening import Placed, run
from deepcompress.runtime.product import CompressedMatrix
from deepcompress.runtime.steps.sliding import fits_whole
from deepcompress.runtime.steps.step import Link
from deepcompress.runtime.steps.windows import Window, geometry_of

_FLOAT32 = np.dtype(np.float32)
# Multiply-adds of a convolution from which several threads are worth their start.
_THREADED = 1 << 26
# Floats between two steps, for one example.
_MOST = 1 << 18


@dataclass(frozen=True)
class _Ready:
    """A chain for examples of one shape.

    Attributes:
        shape: The shape of an example.
        made: The shape of what is made of it.
        most_rows: How many examples at most are computed so.
        capsule: What the kernels take; `None` where steps have to run alone.
    """

    shape: tuple[int, ...]
    made: tuple[int, ...]
    most_rows: int
    capsule: Any


class Chain:
    """Steps of which each takes what the last one makes, and nothing else does.

    They run one by one where a number is not finite, and where rows are so many that
    steps alone have better ways.

    Args:
        steps: The steps.
    """

    def __init__(self, steps: Sequence[Placed]) -> None:
        self.steps = list(steps)
        self.inputs, self.outputs = steps[0].inputs, steps[-1].outputs
        self._let_go = {n for step in steps for n in step.done} & set(self.inputs)
        self._links = [step.step.link for step in steps]
        self._ready: _Ready | None = None

    def __call__(self, values: list[Any]) -> None:
        """Computes its value out of the others, and lets go of what is done."""
        x = values[self.inputs[0]]
        if self._ready is None or self._ready.shape != x.shape[1:]:
            self._ready = _prepared(self._links, x.shape[1:])
        made = self.quickly(np.ascontiguousarray(x, dtype=np.float32))
        if made is None:
            run(self.steps, values)
            return
        values[self.outputs[0]] = made
        for number in self._let_go:
            values[number] = None

    def quickly(self, x: np.ndarray) -> np.ndarray | None:
        """Returns what it makes of an array, if that is of the shape it last met.

        `None` where the steps have to run one by one.
        """
        ready, n = self._ready, len(x)
        if (
            ready is None
            or x.dtype is not _FLOAT32
            or x.shape[1:] != ready.shape
            or not 0 < n <= ready.most_rows
            or not x.flags.c_contiguous
        ):
            return None
        made = np.empty((n, *ready.made), _FLOAT32)
        if _native.run_chain(ready.capsule, x, made, n):
            return None
        return made

    def refusal(self, error: Exception) -> Exception:
        """Returns an error of a step, which has said already where it was."""
        return error


def chained(placed: Sequence[Placed], outputs: Sequence[int]) -> list[Placed | Chain]:
    """Returns steps with those put together that one call can compute.

    Args:
        placed: The steps.
        outputs: The values that the program gives.
    """
    made: list[Placed | Chain] = []
    group: list[Placed] = []

    def close() -> None:
        made.extend([Chain(group)] if len(group) > 1 else group)
        group.clear()

    for step in placed:
        if group and not _follows(step, group[-1], outputs):
            close()
        if step.step.link is not None and (group or step.step.link.kind != "pool"):
            group.append(step)
        else:
            close()
            made.append(step)
    close()
    return made


def _follows(step: Placed, last: Placed, outputs: Sequence[int]) -> bool:
    """Whether a step takes what the last one makes, and nothing else does."""
    link, before = step.step.link, last.step.link
    if link is None or before is None or (link.kind, before.kind) == ("pool", "pool"):
        return False
    only = last.outputs == step.inputs and set(step.inputs) <= set(step.done)
    if link.kind == "pool" and before.kind != "conv":
        return False
    return only and not set(step.inputs) & set(outputs)


def _prepared(links: Sequence[Link | None], shape: tuple[int, ...]) -> _Ready:
    """Returns a chain for examples of a shape."""
    alone = _Ready(shape, (), 0, None)
    given, most_rows, parts = shape, _MOST, list[tuple[Any, ...]]()
    for index, link in enumerate(links):
        assert link is not None
        matrix, window = link.matrix, link.window
        if link.kind == "flatten":
            shape = (prod(shape),)
        elif isinstance(matrix, CompressedMatrix):
            if shape != matrix.shape[:1]:
                return alone
            parts.append(matrix.link(link.bias, link.relu))
            most_rows, shape = min(most_rows, matrix.most_rows), matrix.shape[1:]
        elif isinstance(matrix, FilterMatrix) and window is not None:
            rest = [each for each in links[index + 1 :] if each is not None]
            pool = rest[0].window if rest and rest[0].kind == "pool" else None
            if not _suits(shape, window, matrix):
                return alone
            sizes, geometry = geometry_of(shape[:-1], window)
            made, pooling = sizes, NO_POOLING
            if pool is not None:
                if not _can_pool(sizes, pool):
                    return alone
                made, pooling = geometry_of(sizes, pool)
            after = rest[1:] if pool is not None else rest
            part = matrix.link(
                link.bias,
                link.relu,
                geometry,
                pooling,
                shape[-1],
                is_split=bool(parts) and index > 0,
                makes_split=bool(after) and after[0].kind == "conv",
            )
            parts.append(part)
            work = prod(sizes) * matrix.n_multiplied
            most_rows = min(most_rows, (_THREADED - 1) // max(work, 1))
            shape = (*made, matrix.shape[1])
        elif link.kind != "pool":
            return alone
        if prod(shape) > _MOST:
            return alone
    if not parts:
        return alone
    capsule = _native.run_chain_build(tuple(parts), isa.number_of())
    return _Ready(given, shape, most_rows, capsule)


def _suits(shape: tuple[int, ...], window: Window, matrix: FilterMatrix) -> bool:
    """Whether images of a shape can be convolved in one call."""
    if len(shape) != window.rank + 1:
        return False
    n_taps = prod(window.size) * shape[-1]
    return n_taps == matrix.shape[0] and fits_whole(shape, window)


def _can_pool(sizes: tuple[int, ...], pool: Window) -> bool:
    """Whether a window takes places without padding."""
    if len(sizes) != pool.rank or any(map(any, pool.padded(sizes))):
        return False
    return 0 not in pool.output_sizes(sizes)
