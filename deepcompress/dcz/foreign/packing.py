"""Foreign files into a `.dcz` file."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from deepcompress._checks import one_of
from deepcompress._files import atomic_writer
from deepcompress.dcz import container
from deepcompress.dcz.foreign.kinds import Understanding, find, understand
from deepcompress.dcz.foreign.planning import Arrays, Plan
from deepcompress.dcz.foreign.source import Source
from deepcompress.dcz.parts import ASSETS
from deepcompress.dcz.report import CompressionReport
from deepcompress.dcz.writing import write

# Up to so many bytes, files are also packed without arrays; these are left out where
# they cost more than the other number.
_TRIED = 1 << 20
_WORTH = 64
# What dense floats take as planes, of themselves; nothing else is tried for them then.
_SPARSE, _DENSE = 0.78, 0.86
_SMALL = 1 << 16  # bytes for which all is tried
_MOST = 1 << 24  # bytes for which the slower coder is
# Formats in whose matrices a row is a unit, and the part that turning has to save.
_ROWS_ARE_UNITS = {"tflite"}
_TURN_WORTH = 512


@dataclass
class PackReport:
    """What became of files that were packed.

    Attributes:
        name: What the first is called.
        kind: What it was taken for; `"bytes"`: for bytes of no known kind.
        note: What was not understood, in words; `""` where all was.
        n_files: How many files there were.
        size: Bytes of them all.
        n_tensors: How many arrays their tensors became.
        rest: Bytes that belong to none.
        table: The per-layer table of what was written.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes.txt")
    ...     _ = path.write_text("red green blue " * 100)
    ...     print(pack(path, Path(folder, "notes.dcz")))
    notes.txt: packed as a whole, since it is of no kind that is known; ...
    """

    name: str
    kind: str
    note: str
    n_files: int
    size: int
    n_tensors: int
    rest: int
    table: CompressionReport

    @property
    def packed_size(self) -> int:
        """Bytes of the file that was written."""
        return self.table.size

    def __str__(self) -> str:
        if self.kind == "bytes":
            way = f"packed as a whole, since {self.note}"
        elif self.n_tensors:
            what = "tensor" if self.n_tensors == 1 else "tensors"
            way = (
                f"{self.kind}, {self.n_tensors:,} {what} coded, {self.rest:,} bytes "
                "around them packed"
            )
        else:
            way = f"{self.kind}, packed as a whole, which is smaller"
        if self.note and self.kind != "bytes":
            way += f" ({self.note})"
        more = f" and {self.n_files - 1} more" if self.n_files > 1 else ""
        sizes = f"{self.size:,} bytes -> {self.packed_size:,} bytes"
        return f"{self.name}{more}: {way}; {sizes}"


def pack(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    coder: str | None = None,
) -> PackReport:
    """Packs a file of another format, such as `.tflite`, so that it comes back exactly.

    The tensors in `.tflite`, `.onnx`, `.safetensors`, `.h5`, `.keras`, `.npz`, `.npy`
    and `.pt` files are coded as arrays, and `read` gives them by the names that they
    have there; all else is packed as it is. What a file is, its contents tell, not its
    name. A file that is not understood is packed as a whole. Data files of an `.onnx`
    file, and the files that an index of `.safetensors` names, go with it.

    Args:
        path: The file; or a folder with one index of `.safetensors` files.
        out: The `.dcz` file. It takes its name only once it is complete.
        coder: The entropy coder of the arrays, as in `write`. Defaults to `None`:
            the one that makes the smaller file; `"huffman"` for large files of floats.

    Returns:
        What became of the file. As a text, it says in one line which way was taken.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The file cannot be read, or the other not written.
        ValueError: The file is empty, or a `.dcz` file already, or it was changed while
            it was read; or `coder` is not known.

    Example:

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, small = Path(folder, "weights.npz"), Path(folder, "weights.dcz")
    ...     np.savez(path, kernel=np.eye(300, dtype="float32"))
    ...     report = pack(path, small)
    ...     with container.read(small) as weights:
    ...         print(weights["kernel"].sum(), report.packed_size < 1000)
    300.0 True
    """
    if coder is not None:
        one_of("coder", coder, container.CODERS)
    with Source(find(Path(path))) as source:
        first = bytes(source.view(0)[: len(container.MAGIC)])
        if not first:
            raise ValueError(f"'{path}' is empty.")
        if first == container.MAGIC:
            raise ValueError(f"'{path}' is a .dcz file already.")
        if _is_same(path, out):
            raise ValueError(f"'{path}' cannot be packed into itself.")
        known = understand(source)
        plan = Plan(source, known)
        with atomic_writer(out) as target:
            table = _write(target, plan, coder or "huffman")
            for other_plan, other_coder, worth in _others(
                source, known, plan, coder, table.size
            ):
                with SpooledTemporaryFile(_TRIED) as other:
                    other_table = _write(cast(BinaryIO, other), other_plan, other_coder)
                    if other_table.size + worth < table.size:
                        target.seek(0)
                        target.truncate()
                        other.seek(0)
                        shutil.copyfileobj(other, target)
                        plan, table = other_plan, other_table
            source.check_unchanged()
        return PackReport(
            name=source.members[0].name,
            kind=known.kind,
            note=known.note,
            n_files=len(source.members),
            size=source.size,
            n_tensors=len(plan.places),
            rest=len(plan.rest),
            table=table,
        )


def _others(
    source: Source, known: Understanding, plan: Plan, coder: str | None, size: int
) -> Iterator[tuple[Plan, str, int]]:
    """Yields what else to try, with which coder, and how much it has to save.

    Args:
        source: The files.
        known: What is known of them.
        plan: What was written of them.
        coder: What was asked for.
        size: The bytes of what was written.
    """
    if not plan.places:
        return
    # Floats of which none occur again take this part with either coder, and more as
    # anything else.
    is_noise = source.size > _SMALL and _SPARSE < size / source.size <= _DENSE
    if is_noise:
        return
    if coder is None and size <= _MOST:
        yield plan, "context", 0
    if coder != "huffman" and size <= _TRIED and known.kind in _ROWS_ARE_UNITS:
        yield Plan(source, known, turn=True), "context", size // _TURN_WORTH
    if source.size <= _TRIED:
        whole = Plan(source, None, kind=known.kind)
        yield whole, coder or "huffman", _WORTH


def _write(file: BinaryIO, plan: Plan, coder: str) -> CompressionReport:
    arrays, parts = Arrays(plan.places), {ASSETS: plan.packed}
    return write(file, arrays, coder=coder, parts=parts)


def _is_same(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> bool:
    return Path(out).exists() and Path(path).exists() and os.path.samefile(path, out)
