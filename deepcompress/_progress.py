"""Progress of long work: bars in a terminal, plain lines elsewhere."""

from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed


def say(text: str) -> None:
    """Prints what a verbose callback or measurement has to tell."""
    print(text, flush=True)


class Bars(AbstractContextManager["Bars"]):
    """Bars, one below the other, each for a piece of long work.

    Args:
        console: Where to print; a quiet one prints nothing.
        unit: What is counted. Defaults to `"epochs"`.
    """

    def __init__(self, console: Console, unit: str = "epochs") -> None:
        self.console = console
        self.is_live = console.is_terminal and not console.quiet
        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            Elapsed(),
            TextColumn("{task.fields[state]}"),
            console=console,
            disable=not self.is_live,
        )

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def add(self, name: str, epochs: int) -> "Bar":
        """Returns a new bar."""
        return Bar(self, self._progress, name, epochs)


class Bar:
    """One bar."""

    def __init__(self, bars: Bars, progress: Progress, name: str, epochs: int) -> None:
        self._bars = bars
        self._progress = progress
        self._name = name
        self._epochs = epochs
        self._task = progress.add_task(name, total=epochs, state="")

    def move(self, epoch: int, state: str = "") -> None:
        """Moves the bar to an epoch."""
        self._progress.update(self._task, completed=epoch, state=state)

    def end(self, state: str) -> None:
        """Moves the bar to its end, and says what came of it."""
        self.say(self._epochs, state)

    def say(self, epoch: int, state: str) -> None:
        """Moves the bar, or prints a line where there are no bars."""
        self.move(epoch, state)
        if not self._bars.is_live:
            self._bars.console.print(
                f"{self._name} {epoch}/{self._epochs}: {state}", soft_wrap=True
            )
