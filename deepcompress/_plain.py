"""Tables without `rich`: as much of its `Table` as the tables here use, and as text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Column:
    """A column: what `rich.table.Column` is to those who fill it."""

    def __init__(self, header: str, justify: str) -> None:
        self.header = header
        self.justify = justify
        self.vertical = "top"
        self.cells: list[str] = []

    def lines(self) -> list[str]:
        """Returns the lines of the heading."""
        return self.header.split("\n")


class Row:
    """A row; whether a line is left below it."""

    def __init__(self) -> None:
        self.end_section = False


class Table:
    """A table of texts.

    Args:
        title: What stands above it.
        **options: Those of `rich.table.Table`, which mean nothing here.

    Example:

    >>> table = Table("Sizes")
    >>> table.add_column("Layer")
    >>> table.add_column("Bytes", justify="right")
    >>> table.add_row("dense", "12")
    >>> print(table)
    Sizes
    <BLANKLINE>
      Layer   Bytes
     ───────────────
      dense      12
    <BLANKLINE>
    """

    def __init__(self, title: str = "", **options: Any) -> None:
        self.title = title
        self.caption = ""
        self.columns: list[Column] = []
        self.rows: list[Row] = []

    def add_column(self, header: str, *, justify: str = "left", **options: Any) -> None:
        """Adds a column on the right."""
        self.columns.append(Column(header, justify))

    def add_row(self, *cells: str, **options: Any) -> None:
        """Adds a row below."""
        self.rows.append(Row())
        for column, cell in zip(self.columns, cells, strict=True):
            column.cells.append(cell)

    def add_section(self) -> None:
        """Leaves a line below the last row."""
        if self.rows:
            self.rows[-1].end_section = True

    def __str__(self) -> str:
        height = max((len(column.lines()) for column in self.columns), default=0)
        headings = [
            [""] * (height - len(column.lines())) + column.lines()
            for column in self.columns
        ]
        widths = [
            max(map(len, [*heading, *column.cells]))
            for heading, column in zip(headings, self.columns, strict=True)
        ]
        body = [self._line(line, widths) for line in zip(*headings, strict=True)]
        body.append(" " + "─" * (sum(widths) + 3 * len(widths) - 1))
        for index, row in enumerate(self.rows):
            cells = [column.cells[index] for column in self.columns]
            body.append(self._line(cells, widths))
            if row.end_section and index + 1 < len(self.rows):
                body.append("")
        title = [self.title, ""] if self.title else []
        caption = self.caption.split("\n") if self.caption else []
        return "\n".join(line.rstrip() for line in [*title, *body, "", *caption])

    def _line(self, cells: list[str] | tuple[str, ...], widths: list[int]) -> str:
        placed = (
            cell.ljust(width) if column.justify == "left" else cell.rjust(width)
            for cell, width, column in zip(cells, widths, self.columns, strict=True)
        )
        return "  " + "   ".join(placed)
