"""What `compress` prints: a bar for each level in a terminal, lines elsewhere."""

import os
import sys
from contextlib import AbstractContextManager

from rich.console import Console

from deepcompress._progress import Bar, Bars
from deepcompress.search.policy import Step
from deepcompress.search.result import CompressionResult
from deepcompress.search.state import CompressionPoint, State


class Display(AbstractContextManager["Display"]):
    """The words of a search, while it runs and at its end.

    Args:
        verbose: `0` prints nothing.
        monitor: The name of the quantity that the budget is for.
    """

    def __init__(self, verbose: int, monitor: str) -> None:
        self._console = Console(
            quiet=verbose == 0,
            width=None if sys.stdout.isatty() else 100,
            highlight=False,
        )
        self._bars = Bars(self._console)
        self._monitor = monitor
        self._n_notes = 0

    def __enter__(self) -> "Display":
        self._bars.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.__exit__(*error)

    def resume(self, state: State, folder: str | os.PathLike[str]) -> None:
        """Says where a search goes on."""
        self._console.print(
            f"Going on after {len(state.curve)} points and {state.seconds:.0f} s, from "
            f"{os.fspath(folder)!r}."
        )

    def untrained(self) -> Bar:
        """Returns a bar for the model as it is given, pruned and shared."""
        return self._bars.add("untrained", 1)

    def level(self, step: Step) -> Bar:
        """Returns a bar for a level."""
        return self._bars.add(f"level {step.number}", step.n_pruning + step.n_sharing)

    def tell(self, notes: list[str]) -> None:
        """Prints those of the notes that are new."""
        for note in notes[self._n_notes :]:
            self._console.print(note, soft_wrap=True, markup=False)
        self._n_notes = len(notes)

    def measured(self, bar: Bar, point: CompressionPoint) -> None:
        """Ends a bar with what was measured."""
        bar.end(self._said(point))

    def earlier(self, point: CompressionPoint) -> None:
        """Says what was measured of a net on the way to one that was not good."""
        self._bars.add("on the way", 1).end(self._said(point))

    def _said(self, point: CompressionPoint) -> str:
        return (
            f"{point.n_weights:,} weights, {point.size:,} bytes ({point.ratio:.1f}x), "
            f"{self._monitor} {point.value:.4f}"
            + ("" if point.is_accurate else ", not within the budget")
        )

    def end(self, result: CompressionResult) -> None:
        """Says why the search is over, and what came of it."""
        self._console.print(result.ending, soft_wrap=True)
        self._console.print(repr(result)[1:-1], soft_wrap=True)
