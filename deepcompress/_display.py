"""How tables become text and plots begin, alike for all that is shown."""

import inspect
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table


def as_text(table: Table) -> str:
    """Returns a table as plain text of 100 columns."""
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def settings(instance: object) -> str:
    """Returns the call that makes such an object, without what is as by default.

    Args:
        instance: An object that has an attribute for each argument of its class.

    Example:

    >>> class Filter:
    ...     def __init__(self, size, *, mode="same"):
    ...         self.size, self.mode = size, mode
    >>> settings(Filter(3)), settings(Filter(3, mode="valid"))
    ('Filter(size=3)', "Filter(size=3, mode='valid')")
    """
    parameters = inspect.signature(type(instance)).parameters.values()
    given = [(p, getattr(instance, p.name)) for p in parameters]
    shown = [f"{p.name}={value!r}" for p, value in given if value != p.default]
    return f"{type(instance).__name__}({', '.join(shown)})"


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
