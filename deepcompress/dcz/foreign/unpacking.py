"""Foreign files out of a `.dcz` file."""

import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path

import numpy as np

from deepcompress._files import atomic_writer
from deepcompress.dcz import container
from deepcompress.dcz.assets import plain_size
from deepcompress.dcz.container import MAX_BYTES, Container
from deepcompress.dcz.foreign import layout
from deepcompress.dcz.foreign.deflated import can_repeat, deflate
from deepcompress.dcz.foreign.layout import Layout, Run
from deepcompress.dcz.foreign.spans import Stream
from deepcompress.dcz.parts import ASSETS
from deepcompress.errors import CorruptFileError

# Arrays are decoded one at a time, so that all together may have any size.
_ANY_SIZE = 1 << 62


def packed_layout(
    weights: Container, path: str | os.PathLike[str]
) -> tuple[Layout, memoryview] | None:
    """Returns the layout of the foreign files in a `.dcz` file, and their rest.

    `None` where it holds none.

    Args:
        weights: The opened file.
        path: Its path.

    Raises:
        CorruptFileError: The layout is damaged.
    """
    if weights.architecture is not None:  # of a layer whose name is `foreign`
        return None
    with _errors_in(path):
        size = plain_size(weights.parts[ASSETS]) if ASSETS in weights.parts else 0
        if size > MAX_BYTES:
            raise CorruptFileError(f"its assets would take {size:,} bytes of memory.")
        data = weights.assets.get(layout.FOREIGN)
        return None if data is None else layout.from_bytes(data)


def unpack(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> list[Path]:
    """Gives back the file that `pack` has packed, byte for byte.

    Args:
        path: The `.dcz` file.
        out: The file to write; or a folder, for a file of the name that it had. Where
            there were several, the others are written beside it, by the names that they
            had; they must not be there yet.

    Returns:
        The files that were written. They take their names only once all are complete.

    Raises:
        FileNotFoundError: There is no such file.
        FileExistsError: One of several files is there already.
        CorruptFileError: The file is damaged.
        ValueError: It holds no packed file.
        OSError: A file cannot be written.

    Example:

    >>> import tempfile
    >>> from deepcompress.dcz.foreign.packing import pack
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, small = Path(folder, "notes.txt"), Path(folder, "notes.dcz")
    ...     _ = path.write_text("red green blue " * 100)
    ...     _ = pack(path, small)
    ...     (restored,) = unpack(small, Path(folder, "restored.txt"))
    ...     restored.read_bytes() == path.read_bytes()
    True
    """
    with container.read(path, max_bytes=_ANY_SIZE) as weights:
        found = packed_layout(weights, path)
        if found is None:
            raise ValueError(f"'{os.fspath(path)}' holds no packed file.")
        with _errors_in(path):
            return _unpack(weights, *found, Path(out))


@contextmanager
def _errors_in(path: str | os.PathLike[str]) -> Iterator[None]:
    """Says of errors in which file, unless they say so."""
    try:
        yield
    except CorruptFileError as error:
        if os.fspath(path) in str(error):
            raise
        raise CorruptFileError(f"'{os.fspath(path)}': {error}") from None


def _unpack(
    weights: Container, found: Layout, rest: memoryview, out: Path
) -> list[Path]:
    maker = _Maker(weights, rest)
    maker.check(found)
    targets = _targets(found, out)
    with ExitStack() as stack:
        # The first takes its name last, when all others have theirs.
        for target, (name, checksum, run) in zip(targets, found.files, strict=True):
            file = stack.enter_context(atomic_writer(target))
            actual = n_written = 0
            for piece in maker.run(run):
                file.write(piece)
                actual = zlib.crc32(piece, actual)
                n_written += len(piece)
                del piece  # before the next is decoded
            if (n_written, actual) != (run.size, checksum):
                hint = ""
                if not can_repeat() and any(p.deflated for p in run.pieces):
                    hint = f" zlib {zlib.ZLIB_RUNTIME_VERSION} deflates in its own way."
                raise CorruptFileError(
                    f"the checksum of the file {name!r} does not match.{hint}"
                )
    return targets


def _targets(found: Layout, out: Path) -> list[Path]:
    """Returns where each file goes."""
    names = [Path(*name.split("/")) for name, *_ in found.files]
    first = out / names[0] if out.is_dir() else out
    targets = [first, *(first.parent / name for name in names[1:])]
    if len({target.resolve() for target in targets}) < len(targets):
        raise ValueError(f"'{first}' is the name of another file that is packed.")
    for target in targets[1:]:
        if target.exists():
            raise FileExistsError(f"'{target}' is there already; unpack elsewhere.")
        target.parent.mkdir(parents=True, exist_ok=True)
    return targets


class _Maker:
    """Makes up files of arrays and the rest."""

    def __init__(self, weights: Container, rest: memoryview) -> None:
        self._weights = weights
        self._names = list(weights)
        self._rest = rest

    def check(self, found: Layout) -> None:
        """Refuses a layout that does not fit."""
        sizes = []
        for name in self._names:
            size = prod(self._weights.shape(name)) * self._weights.dtype(name).itemsize
            if size > MAX_BYTES:
                raise CorruptFileError(f"{name!r} would take {size:,} bytes of memory.")
            sizes.append(size)
        n_rest = sum(layout.rest_of(run, sizes) for *_, run in found.files)
        if n_rest != len(self._rest):
            raise CorruptFileError("the layout asks for another rest than there is.")

    def run(self, run: Run) -> Iterator[bytes | memoryview]:
        """Yields the bytes of a run."""
        n_left = run.size
        for piece in run.pieces:
            yield self._take(piece.rest)
            n_left -= piece.rest
            if piece.deflated is not None:
                size, level, is_raw, inner = piece.deflated
                yield from deflate(self.run(inner), Stream(level, is_raw, inner.size))
                n_left -= size
                continue
            array = self._weights[self._names[piece.array]]
            if piece.is_swapped:
                array = array.view(f"u{array.itemsize}").byteswap()
            if piece.is_turned:
                array = np.ascontiguousarray(array.T)
            n_left -= array.nbytes
            yield array.reshape(-1).view(np.uint8).data
            del array
        yield self._take(n_left)

    def _take(self, size: int) -> memoryview:
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
