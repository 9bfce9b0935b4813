"""How tables become text and HTML, and plots begin: alike for all that is shown."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from io import StringIO
from typing import TYPE_CHECKING, Any, cast

from deepcompress import _plain

if TYPE_CHECKING:
    from rich.table import Table

# Keras' errors may go on for pages, and have marks for terminals in between.
_MOST_LETTERS = 200
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class Shown(ABC):
    """What shows itself as a table: in a terminal, in a notebook, as text."""

    @abstractmethod
    def to_table(self) -> Table:
        """Returns the table for a `rich` console."""

    def __str__(self) -> str:
        return as_text(self.to_table())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.to_table().title}>"

    def _repr_html_(self) -> str:
        return as_html(self.to_table())


def in_short(error: BaseException) -> str:
    """Returns the words of an error on one line, the first of them if they go on."""
    words = " ".join(_COLOR.sub("", str(error)).split()) or type(error).__name__
    return words if len(words) <= _MOST_LETTERS else f"{words[:_MOST_LETTERS]} ..."


def new_table(
    title: str, headings: Iterable[str], *, n_names: int = 1, **options: Any
) -> Table:
    """Returns a table without rows.

    Args:
        title: What stands above it.
        headings: The heading of each column.
        n_names: How many columns, from the left, are names and no numbers. Defaults
            to 1.
        **options: Those of `rich.table.Table`.
    """
    table = _empty(title, options)
    for index, heading in enumerate(headings):
        is_name = index < n_names
        table.add_column(
            heading,
            justify="left" if is_name else "right",
            overflow="fold" if is_name else "ellipsis",
            no_wrap=not is_name,
        )
    return table


def _empty(title: str, options: dict[str, Any]) -> Table:
    """Returns a table of rich's, or where that is not installed one like it."""
    try:
        from rich import box  # noqa: PLC0415  (the runtime goes without)
        from rich.table import Table  # noqa: PLC0415
    except ImportError:
        return cast("Table", _plain.Table(title))
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, **options)


def as_text(table: Table) -> str:
    """Returns a table as plain text of 100 columns."""
    if isinstance(table, _plain.Table):
        return str(table)
    from rich.console import Console  # noqa: PLC0415  (slow to import)

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
    import inspect  # noqa: PLC0415  (slow to import)

    parameters = inspect.signature(type(instance)).parameters.values()
    given = [(p, getattr(instance, p.name)) for p in parameters]
    shown = [f"{p.name}={value!r}" for p, value in given if value != p.default]
    return f"{type(instance).__name__}({', '.join(shown)})"


def as_html(table: Table) -> str:
    """Returns a table of texts as HTML.

    Example:

    >>> table = new_table("Sizes", ["Layer", "Bytes"])
    >>> table.add_row("ip1", "8,412")
    >>> as_html(table).partition("<tbody>")[0][-52:]
    "<th style='text-align:right'>Bytes</th></tr></thead>"
    """
    import html  # noqa: PLC0415  (slow to import)

    def row(tag: str, cells: Iterable[Any]) -> str:
        line = "".join(
            f"<{tag} style='text-align:{column.justify}'>"
            f"{html.escape(str(cell))}</{tag}>"
            for column, cell in zip(table.columns, cells, strict=True)
        )
        return f"<tr>{line}</tr>"

    # The lines of a heading are for terminals.
    headings = [str(column.header).replace("\n", " ") for column in table.columns]
    rows = zip(*(column.cells for column in table.columns), strict=True)
    below = "".join(
        f"<p>{html.escape(s)}</p>" for s in str(table.caption or "").split("\n") if s
    )
    return (
        f"<table><caption>{html.escape(str(table.title))}</caption>"
        f"<thead>{row('th', headings)}</thead>"
        f"<tbody>{''.join(row('td', cells) for cells in rows)}</tbody></table>{below}"
    )


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
