"""What compression made of a model: the paper's per-layer table, and its plots."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from deepcompress._display import Shown, new_figure, new_table
from deepcompress.dcz.coding.tensor import TensorStats
from deepcompress.dcz.container import Container, read

if TYPE_CHECKING:
    from rich.table import Table

# Three lines each, so that the table fits a terminal of 80 columns.
_HEADINGS = (
    "Layer",
    "Weights",
    "Kept\n%\nP",
    "Weight\nbits\nP+Q",
    "Weight\nbits\nP+Q+H",
    "Index\nbits\nP+Q",
    "Index\nbits\nP+Q+H",
    "Rate\n%\nP+Q",
    "Rate\n%\nP+Q+H",
    "Bytes",
)


@dataclass(frozen=True)
class ReportRow:
    """The figures of one tensor, or of several together.

    Attributes:
        name: The layer, or what the row sums up.
        n_weights: Weights of the dense tensor.
        n_nonzero: Weights that are not zero; -0.0 is.
        weight_bits: Bits of a stored weight before Huffman coding: those of a code,
            or of the dtype where no values are shared; `None` if none is stored.
        weight_bits_huffman: Average bits of a stored weight after it.
        index_bits: Bits of a gap symbol before Huffman coding; `None` without gaps.
        index_bits_huffman: Average bits of a stored weight's position after it.
        n_bytes_fixed: Bytes with codes and gaps of fixed width, codebook included.
        n_bytes: Bytes in the file.
        n_bytes_dense: Bytes of the dense tensor in memory.

    Example:

    >>> import io
    >>> import deepcompress as dc
    >>> kernel = np.array([[0.5, 0, 0, 0.5], [0, 0.25, 0, 0]] * 20, "float32")
    >>> (row,) = dc.write(io.BytesIO(), {"dense/kernel": kernel}).rows
    >>> row.name, row.kept, row.weight_bits
    ('dense', 0.375, 1.0)
    """

    name: str
    n_weights: int
    n_nonzero: int
    weight_bits: float | None
    weight_bits_huffman: float | None
    index_bits: float | None
    index_bits_huffman: float | None
    n_bytes_fixed: float
    n_bytes: int
    n_bytes_dense: int

    @property
    def kept(self) -> float:
        """The share of weights that are not zero."""
        return self.n_nonzero / max(self.n_weights, 1)

    @property
    def rate_fixed(self) -> float:
        """Size without Huffman coding as a share of the dense size."""
        return self.n_bytes_fixed / max(self.n_bytes_dense, 1)

    @property
    def rate(self) -> float:
        """Size as a share of the dense size."""
        return self.n_bytes / max(self.n_bytes_dense, 1)


class CompressionReport(Shown):
    """The columns of the paper's Tables 2 to 5 for a `.dcz` file.

    P, Q and H stand for pruning, quantization (weight sharing) and Huffman coding.
    A row is a tensor that was pruned or shared; the tensors that were neither, biases
    mostly, share the row `exact`; what belongs to no tensor (names,
    checksums, the architecture) is the overhead, but for what the file holds besides,
    part by part, such as assets (a vocabulary). The last row is the whole file.
    Sizes are those in the file: P+Q+H counts codes, gaps, codebooks, code tables and
    all else; P+Q counts codes and gaps of fixed width, and codebooks.

    A context-coded file has no gaps, and no code tables. There P+Q counts a bit for
    each weight, zero or not, instead of gaps, and the bits of a weight after coding
    (P+Q+H) are those of its code and its position together.

    Args:
        stats: The figures of every tensor by its name.
        size: Bytes of the file.
        parts: Bytes that each part takes in it, by its name. Defaults to none.

    References:
        Han, Mao, Dally 2016, "Deep Compression", tables 2 and 3, figure 5.

    Example:

    >>> import io
    >>> import deepcompress as dc
    >>> kernel = np.zeros((100, 10), "float32")
    >>> kernel[::7] = 0.5
    >>> report = dc.write(io.BytesIO(), {"dense/kernel": kernel})
    >>> report.n_weights, round(report.rows[0].kept, 2)
    (1000, 0.15)
    """

    def __init__(
        self,
        stats: Mapping[str, TensorStats],
        size: int,
        parts: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.stats = dict(stats)
        self.size = size
        self.parts = dict(parts)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "CompressionReport":
        """Returns the report of a `.dcz` file. TensorFlow is not needed.

        Args:
            path: The file.

        Raises:
            CorruptFileError: The file is damaged, or no `.dcz` file.
        """
        with read(path) as container:
            return cls.of(container)

    @classmethod
    def of(cls, container: Container) -> "CompressionReport":
        """Returns the report of a file that is open."""
        parts = {name: container.part_size(name) for name in container.parts}
        return cls(container.stats(), container.size, parts)

    @property
    def n_weights(self) -> int:
        """Weights of the dense model, biases included."""
        return sum(stats.n_weights for stats in self.stats.values())

    @property
    def dense_size(self) -> int:
        """Bytes of the dense model's weights in memory."""
        return sum(stats.n_weights * stats.itemsize for stats in self.stats.values())

    @property
    def ratio(self) -> float:
        """How many times smaller the file is than the dense weights."""
        return self.dense_size / self.size

    @property
    def rows(self) -> list[ReportRow]:
        """One row for each tensor that was pruned or shared."""
        coded = {name: s for name, s in self.stats.items() if s.is_coded}
        layers = [name.rpartition("/")[0] for name in coded]
        return [
            _row(layer if layer and layers.count(layer) == 1 else name, [stats])
            for layer, (name, stats) in zip(layers, coded.items(), strict=True)
        ]

    @property
    def exact(self) -> ReportRow | None:
        """The tensors that were neither pruned nor shared, biases mostly."""
        others = [stats for stats in self.stats.values() if not stats.is_coded]
        return _row("exact", others) if others else None

    @property
    def overhead(self) -> int:
        """Bytes that belong to no tensor (directory, checksums, architecture)."""
        arrays = sum(stats.n_bytes for stats in self.stats.values())
        return self.size - arrays - sum(self.parts.values())

    @property
    def total(self) -> ReportRow:
        """The whole file."""
        row = _row("total", list(self.stats.values()))
        fixed = row.n_bytes_fixed + self.overhead + sum(self.parts.values())
        return ReportRow(
            **{**asdict(row), "n_bytes": self.size, "n_bytes_fixed": fixed}
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns all figures as plain numbers, for JSON or a data frame."""

        def plain(row: ReportRow) -> dict[str, Any]:
            return {
                **asdict(row),
                "kept": row.kept,
                "rate_fixed": row.rate_fixed,
                "rate": row.rate,
            }

        return {
            "rows": [plain(row) for row in self.rows],
            "exact": plain(self.exact) if self.exact else None,
            "total": plain(self.total),
            "overhead": self.overhead,
            "parts": self.parts,
            "size": self.size,
            "dense_size": self.dense_size,
            "ratio": self.ratio,
        }

    def to_table(self) -> "Table":
        """Returns the table for a `rich` console."""
        title = (
            f"{self.n_weights:,} weights, {self.dense_size:,} bytes -> "
            f"{self.size:,} bytes ({self.ratio:.1f}x smaller)"
        )
        table = new_table(title, _HEADINGS, pad_edge=False, collapse_padding=True)
        for column in table.columns:
            column.vertical = "bottom"
        for row in [*self.rows, *([self.exact] if self.exact else [])]:
            table.add_row(*_cells(row))
        for name, size in self.parts.items():
            table.add_row(name, *["-"] * 8, f"{size:,}")
        table.add_row("overhead", *["-"] * 8, f"{self.overhead:,}")
        table.add_row(*_cells(self.total))
        table.rows[-2].end_section = True
        return table

    def plot(self, figsize: tuple[float, float] | None = None) -> Any:
        """Draws how often each shared value and each gap occurs, layer by layer.

        Needs matplotlib: `pip install "deepcompress-keras[plot]"`.

        Args:
            figsize: Width and height in inches. Defaults to `None`: by the number
                of layers.

        Returns:
            A `matplotlib.figure.Figure`, which can be shown or saved.

        Raises:
            ImportError: Matplotlib is not installed.
            ValueError: No tensor has shared values.
        """
        shared = {n: s for n, s in self.stats.items() if s.codebook is not None}
        figure = new_figure(figsize or (10, 2.6 * max(1, len(shared))))
        if not shared:
            raise ValueError(
                "No tensor has shared values, so there is nothing to draw."
            )
        grid = figure.subplots(len(shared), 2, squeeze=False)
        for (name, stats), (left, right) in zip(shared.items(), grid, strict=True):
            _plot_codes(left, name, stats)
            _plot_gaps(right, name, stats)
        return figure


def _row(name: str, group: list[TensorStats]) -> ReportRow:
    """Returns the sums and averages of some tensors; each alone, or all together."""
    stored = sum(stats.n_stored for stats in group)
    positioned = sum(stats.n_stored for stats in group if stats.gap_width)
    value_bits = sum(stats.value_bits for stats in group)
    gap_bits = sum(stats.gap_bits for stats in group)
    position_bits = sum(stats.position_bits_fixed for stats in group)
    fixed_bits = sum(stats.n_stored * _fixed_bits(stats) for stats in group)
    codebooks = sum(s.codebook.nbytes for s in group if s.codebook is not None)
    gap_widths = sum(stats.n_stored * stats.gap_width for stats in group)
    return ReportRow(
        name=name,
        n_weights=sum(stats.n_weights for stats in group),
        n_nonzero=sum(stats.n_nonzero for stats in group),
        weight_bits=fixed_bits / stored if stored else None,
        weight_bits_huffman=value_bits / stored if stored else None,
        index_bits=gap_widths / positioned if positioned else None,
        index_bits_huffman=gap_bits / positioned if positioned else None,
        n_bytes_fixed=(fixed_bits + position_bits) / 8 + codebooks,
        n_bytes=sum(stats.n_bytes for stats in group),
        n_bytes_dense=sum(stats.n_weights * stats.itemsize for stats in group),
    )


def _fixed_bits(stats: TensorStats) -> int:
    """Returns the bits of a stored weight without Huffman coding."""
    if stats.codebook is None:
        return 8 * stats.itemsize
    return max(1, (len(stats.codebook) - 1).bit_length())


def _cells(row: ReportRow) -> tuple[str, ...]:
    def number(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    return (
        row.name,
        f"{row.n_weights:,}",
        f"{row.kept:.1%}".rstrip("%"),
        number(row.weight_bits, 1),
        number(row.weight_bits_huffman, 1),
        number(row.index_bits, 1),
        number(row.index_bits_huffman, 1),
        f"{row.rate_fixed * 100:.2f}",
        f"{row.rate * 100:.2f}",
        f"{row.n_bytes:,}",
    )


def _plot_codes(axes: Any, name: str, stats: TensorStats) -> None:
    assert stats.codebook is not None
    assert stats.code_counts is not None
    values = stats.codebook.astype(np.float64)
    order = np.argsort(values)
    distance = np.diff(values[order]).min() if len(values) > 1 else 1.0
    axes.bar(
        values[order], stats.code_counts[order], width=distance * 0.8, color="tab:blue"
    )
    axes.set_title(f"{name}: {len(values)} shared values", fontsize=10)
    axes.set_xlabel("value")
    axes.set_ylabel("weights")


def _plot_gaps(axes: Any, name: str, stats: TensorStats) -> None:
    if stats.gap_counts is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "stored dense, without gaps", ha="center", va="center")
        return
    axes.bar(np.arange(len(stats.gap_counts)), stats.gap_counts, color="tab:orange")
    axes.set_title(f"{name}: gaps of {stats.gap_width} bits", fontsize=10)
    axes.set_xlabel("zeros before a weight (the last bar: so many, and more)")
    axes.set_ylabel("gap symbols")
