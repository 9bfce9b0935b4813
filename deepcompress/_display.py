"""How tables become text and plots begin, alike for all that is shown."""

from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table


def as_text(table: Table) -> str:
    """Returns a table as plain text of 100 columns."""
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def new_figure(figsize: tuple[float, float]) -> Any:
    """Returns an empty `matplotlib.figure.Figure` of a size in inches.

    Raises:
        ImportError: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)
    except ImportError:
        raise ImportError(
            "`plot` needs matplotlib: pip install 'deepcompress-keras[plot]'"
        ) from None
    return Figure(figsize=figsize, layout="constrained")
