"""The tables of a compressed model: what each step holds, and what time it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from deepcompress._display import Shown, new_figure, new_table
from deepcompress.runtime.feeding import examples, feed
from deepcompress.runtime.opening import Placed, run
from deepcompress.runtime.program import Program

if TYPE_CHECKING:
    from rich.table import Table

_RECURRENT = ("lstm", "gru", "simple_rnn")  # each multiplies once for a step in time


@dataclass(frozen=True)
class StepRow:
    """A row of a summary.

    Attributes:
        name: The layer, or what the step does.
        kind: What the step does.
        form: How its weights are held.
        shape: Of its output for one example.
        n_done: Multiply-adds that are done for one example.
        n_dense: Those that the dense layer would do.
        nbytes: Bytes of its weights in memory.

    Example:

    >>> import deepcompress as dc, keras
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> dc.prune(model, 0.75)
    >>> (row,) = dc.CompressedModel(model).summary().rows
    >>> row.name == model.layers[0].name, row.n_done, row.n_dense
    (True, 8, 32)
    """

    name: str
    kind: str
    form: str
    shape: tuple[int, ...]
    n_done: int
    n_dense: int
    nbytes: int


@dataclass(frozen=True, repr=False)
class ModelSummary(Shown):
    """What the steps of a compressed model hold and do.

    Attributes:
        rows: One row for each step.

    Example:

    >>> import deepcompress as dc, keras
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> summary = dc.CompressedModel(model).summary()
    >>> [(row.kind, row.shape, row.n_dense) for row in summary.rows]
    [('dense', (4,), 32)]
    """

    rows: tuple[StepRow, ...]

    def to_table(self) -> "Table":
        """Returns the table for a `rich` console."""
        done, dense = (
            sum(getattr(row, name) for row in self.rows)
            for name in ("n_done", "n_dense")
        )
        table = new_table(
            "Compressed model",
            ["Layer", "Step", "Form", "Output", "Multiply-adds", "Dense", "Bytes"],
            n_names=4,
        )
        for row in self.rows:
            table.add_row(
                row.name,
                row.kind,
                row.form,
                str(row.shape),
                f"{row.n_done:,}",
                f"{row.n_dense:,}",
                f"{row.nbytes:,}",
            )
        table.add_section()
        total = sum(row.nbytes for row in self.rows)
        table.add_row("Total", "", "", "", f"{done:,}", f"{dense:,}", f"{total:,}")
        return table


@dataclass(frozen=True, repr=False)
class ModelProfile(Shown):
    """What time the steps of a compressed model take.

    Attributes:
        names: The layer of each step, or what it does.
        kinds: What each step does.
        microseconds: The median time of each.
        n_examples: How many examples were computed at once.

    Example:

    >>> import deepcompress as dc, keras
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> profile = dc.CompressedModel(model).profile(np.ones((2, 8), "float32"))
    >>> profile.kinds, profile.n_examples
    (('dense',), 2)
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    microseconds: tuple[float, ...]
    n_examples: int

    @property
    def total(self) -> float:
        """Microseconds of all steps together."""
        return sum(self.microseconds)

    def to_table(self) -> "Table":
        """Returns the table for a `rich` console."""
        table = new_table(
            f"Time for {self.n_examples} examples at once",
            ["Layer", "Step", "Microseconds", "Part"],
            n_names=2,
        )
        total = self.total or 1.0
        rows = zip(self.names, self.kinds, self.microseconds, strict=True)
        for name, kind, time in rows:
            table.add_row(name, kind, f"{time:,.1f}", f"{time / total:.1%}")
        table.add_section()
        table.add_row("Total", "", f"{self.total:,.1f}", "100.0%")
        return table

    def plot(self) -> Any:
        """Returns a figure with a bar for each step.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        figure = new_figure((7, 1 + 0.3 * len(self.names)))
        axes = figure.subplots()
        places = np.arange(len(self.names))[::-1]
        axes.barh(places, self.microseconds)
        axes.set_yticks(places, self.names)
        axes.set_xlabel(f"microseconds for {self.n_examples} examples")
        axes.spines[["top", "right"]].set_visible(False)
        return figure


def summarized(
    program: Program, steps: Sequence[Placed], values: list[Any], x: Any
) -> ModelSummary:
    """Returns the summary of a model, counted with one example."""
    inputs = examples(program) if x is None else [a[:1] for a in feed(program, x)]
    if inputs is None:
        raise ValueError(
            "The model takes inputs of any length. Pass an example: `summary(x)`."
        )
    values = values.copy()
    values[: len(inputs)] = inputs
    rows, seen = [], set()
    for each in steps:
        run([replace(each, done=())], values)
        shape = np.shape(values[each.outputs[0]])
        n_done = n_dense = prod(shape) * each.step.n_taps
        nbytes = 0
        for matrix in each.step.matrices:
            n_in, n_out = matrix.shape
            n_rows = prod(shape) // max(n_out, 1)
            if each.kind in _RECURRENT:
                n_rows = np.shape(values[each.inputs[0]])[1]
            if each.kind != "embedding":
                n_done += n_rows * matrix.n_multiplied
                n_dense += n_rows * n_in * n_out
            nbytes += 0 if id(matrix) in seen else int(matrix.nbytes)
            seen.add(id(matrix))
        form = ", ".join(dict.fromkeys(matrix.form for matrix in each.step.matrices))
        rows.append(
            StepRow(each.name, each.kind, form, shape[1:], n_done, n_dense, nbytes)
        )
    return ModelSummary(tuple(rows))


def profiled(
    steps: Sequence[Placed], values: list[Any], inputs: list[np.ndarray], repeats: int
) -> ModelProfile:
    """Returns the time of each step."""
    times = np.zeros((repeats, len(steps)))
    for repeat in range(repeats):
        current = values.copy()
        current[: len(inputs)] = inputs
        for index, step in enumerate(steps):
            begin = perf_counter()
            step(current)
            times[repeat, index] = perf_counter() - begin
    median = np.median(times, axis=0) * 1e6
    return ModelProfile(
        tuple(step.name for step in steps),
        tuple(step.kind for step in steps),
        tuple(float(time) for time in median),
        len(inputs[0]),
    )
