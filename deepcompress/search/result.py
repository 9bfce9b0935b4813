"""What `compress` found: the best file, its model, and the curve that led there."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import keras
from rich.table import Table

from deepcompress._display import Shown, new_figure, new_table
from deepcompress._files import atomic_writer
from deepcompress.dcz.container import read
from deepcompress.dcz.report import CompressionReport
from deepcompress.search.state import Budget, CompressionPoint


class CompressionResult(Shown):
    """The smallest file within the budget, and every other that was measured.

    Args:
        data: The file.
        model: The model in the file.
        curve: Every point measured, in this order.
        best_index: The index of the file's point in the curve.
        budget: What was asked for.
        notes: What the user should know of how it was made. Defaults to none.
        ending: Why the search was over, and what more time is likely to bring. Defaults
            to nothing.

    Example:

    >>> import keras
    >>> from deepcompress.saving.serializer import HuffmanSerializer
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> data = HuffmanSerializer().dumps(model)
    >>> point = CompressionPoint(
    ...     size=len(data),
    ...     ratio=0.5,
    ...     value=0.9,
    ...     is_accurate=True,
    ...     n_weights=32,
    ...     bits={"dense": 5},
    ...     coder="huffman",
    ...     epochs=1.0,
    ...     seconds=2.0,
    ...     metrics={"accuracy": 0.9},
    ... )
    >>> budget = Budget("accuracy", baseline=0.91, bound=0.89)
    >>> CompressionResult(data, model, [point], 0, budget).is_met
    True
    """

    def __init__(
        self,
        data: bytes,
        model: keras.Model,
        curve: Sequence[CompressionPoint],
        best_index: int,
        budget: Budget,
        *,
        notes: Sequence[str] = (),
        ending: str = "",
    ) -> None:
        self.data = data
        self.model = model
        self.curve = list(curve)
        self.best = self.curve[best_index]
        self.budget = budget
        self.notes = list(notes)
        self.ending = ending

    @property
    def is_met(self) -> bool:
        """Whether the file is within the budget, and as small as was asked for."""
        return self.budget.is_met(self.best)

    @cached_property
    def report(self) -> CompressionReport:
        """The per-layer table of the file.

        The units that pruning has emptied are not in the file, so its dense size is
        that of a smaller net than the one given.
        """
        with read(self.data) as container:
            return CompressionReport.of(container)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file.

        Args:
            path: The file, usually with the suffix `.dcz`.

        Raises:
            OSError: The file cannot be written.
        """
        with atomic_writer(path) as file:
            file.write(self.data)

    def to_dict(self) -> dict[str, Any]:
        """Returns all figures as plain numbers, for JSON or a data frame."""
        return {
            "budget": asdict(self.budget),
            "is_met": self.is_met,
            "best": self.curve.index(self.best),
            "curve": [asdict(point) for point in self.curve],
            "notes": self.notes,
            "ending": self.ending,
        }

    def to_table(self) -> Table:
        """Returns the curve as a table for a `rich` console."""
        table = new_table(
            self._title(),
            self._headings(),
            n_names=0,
            pad_edge=False,
            caption_justify="left",
        )
        for point in self.curve:
            style = "bold" if point is self.best else None
            table.add_row(*self._cells(point), style=style)
        table.caption = "\n".join([*self.notes, self.ending]).strip() or None
        return table

    def plot(self, figsize: tuple[float, float] = (7, 4.5)) -> Any:
        """Draws the quantity over the ratio, a mark for each file measured.

        Needs matplotlib: `pip install "deepcompress-keras[plot]"`.

        Args:
            figsize: Width and height in inches. Defaults to `(7, 4.5)`.

        Returns:
            A `matplotlib.figure.Figure`, which can be shown or saved.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        figure = new_figure(figsize)
        axes = figure.subplots()
        points = {
            "without training": [
                p for p in self.curve if p.is_accurate and not p.epochs
            ],
            "trained": [p for p in self.curve if p.is_accurate and p.epochs],
            "not within the budget": [p for p in self.curve if not p.is_accurate],
        }
        looks = ("sg", "ob", "xr")
        for (label, own), look in zip(points.items(), looks, strict=True):
            ratios, values = [p.ratio for p in own], [p.value for p in own]
            axes.plot(ratios, values, look, label=label)
        axes.plot(self.best.ratio, self.best.value, "o", ms=12, mfc="none", c="black")
        axes.axhline(self.budget.baseline, color="gray", linestyle=":")
        axes.axhline(self.budget.bound, color="gray", linestyle="--")
        axes.set_xscale("log")
        axes.set_xlabel("times smaller than the weights of the model")
        axes.set_ylabel(f"{self.budget.monitor} on the validation data")
        axes.legend(loc="lower left")
        return figure

    def _title(self) -> str:
        best, budget = self.best, self.budget
        return (
            f"{best.size:,} bytes ({best.ratio:.1f}x smaller) at {budget.monitor} "
            f"{best.value:.4f} (before {budget.baseline:.4f}, bound {budget.bound:.4f})"
            + ("" if self.is_met else "; the budget is NOT met")
        )

    def _headings(self) -> tuple[str, ...]:
        return (
            "Weights",
            "Bits",
            "Bytes",
            "Ratio",
            self.budget.monitor,
            "Epochs",
            "s",
            "",
        )

    def _cells(self, point: CompressionPoint) -> tuple[str, ...]:
        bits = sorted(set(point.bits.values()))
        return (
            f"{point.n_weights:,}",
            str(bits[0]) if len(bits) == 1 else f"{bits[0]}-{bits[-1]}",
            f"{point.size:,}",
            f"{point.ratio:.1f}",
            f"{point.value:.4f}",
            f"{point.epochs:.1f}",
            f"{point.seconds:.0f}",
            "best" if point is self.best else "" if point.is_accurate else "x",
        )
