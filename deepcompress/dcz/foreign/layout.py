"""How tensors and the bytes around them make up files: the asset `foreign`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from deepcompress.dcz.assets import check_name
from deepcompress.dcz.coding.bytestream import ByteReader, string, varint
from deepcompress.errors import CorruptFileError

# The asset of a file that holds foreign ones: the layout, then the rest.
FOREIGN = "foreign"

_ARRAY, _SWAPPED, _DEFLATED, _TURNED = range(4)
_IS_RAW = 16  # added to the level
_DEEPEST = 4


class Deflated(NamedTuple):
    """Bytes that were deflated.

    Attributes:
        size: How many they are.
        level: The level of zlib.
        is_raw: Whether they have no header of zlib.
        run: What they inflate to.
    """

    size: int
    level: int
    is_raw: bool
    run: "Run"


class Piece(NamedTuple):
    """What stands next in a file.

    Attributes:
        rest: How many bytes of the rest stand before it.
        array: The number of an array, in the order of the file; -1: it is deflated.
        is_swapped: Whether the bytes of each element are reversed.
        is_turned: Whether the axes of the array are.
        deflated: What is deflated, or `None`.
    """

    rest: int
    array: int = -1
    is_swapped: bool = False
    is_turned: bool = False
    deflated: Deflated | None = None


@dataclass
class Run:
    """Bytes as pieces, and what is left behind them of the rest.

    Attributes:
        size: How many they are.
        pieces: The pieces.
    """

    size: int
    pieces: list[Piece] = field(default_factory=list)


class Layout(NamedTuple):
    """How files are made up.

    Attributes:
        kind: What the first was taken for.
        files: Of each file its name, its checksum, and what it is made up of.
    """

    kind: str
    files: list[tuple[str, int, Run]]


def to_bytes(layout: Layout) -> bytes:
    """Returns a layout as files hold it.

    Example:

    >>> layout = Layout("bytes", [("a.bin", 7, Run(9, [Piece(1, 0)]))])
    >>> from_bytes(to_bytes(layout) + b"rest")[0] == layout
    True
    """
    writer = _Writer()
    parts = [string(layout.kind), varint(len(layout.files))]
    for name, checksum, run in layout.files:
        parts += [string(name), checksum.to_bytes(4, "little"), writer.run(run)]
    return b"".join(parts)


def from_bytes(data: bytes) -> tuple[Layout, memoryview]:
    """Returns a layout, and the rest behind it.

    Raises:
        CorruptFileError: The bytes are none.
    """
    reader = _Reader(data)
    kind = reader.string()
    files: list[tuple[str, int, Run]] = []
    for _ in range(reader.varint()):
        name = reader.string()
        try:
            check_name(name)
        except ValueError:
            raise CorruptFileError(
                f"a file named {name[:80]!r} would leave its folder."
            ) from None
        files.append((name, reader.uint32(), reader.run()))
    if not files:
        raise CorruptFileError("the layout tells of no file.")
    if len({name.casefold() for name, *_ in files}) < len(files):
        raise CorruptFileError("two files have one name.")
    return Layout(kind, files), reader.rest


class _Writer:
    """Writes runs. Arrays mostly follow each other, which takes a number each."""

    def __init__(self) -> None:
        self._next = 0

    def run(self, run: Run) -> bytes:
        parts = [varint(run.size), varint(len(run.pieces))]
        for piece in run.pieces:
            parts.append(varint(piece.rest))
            if piece.deflated is not None:
                size, level, is_raw, inner = piece.deflated
                how = level + _IS_RAW * is_raw
                parts += [varint(_DEFLATED), varint(how), varint(size)]
                parts.append(self.run(inner))
                continue
            is_next = piece.array == self._next
            self._next += is_next
            form = _SWAPPED if piece.is_swapped else _ARRAY
            form = _TURNED if piece.is_turned else form
            parts += [varint(form), varint(0 if is_next else piece.array + 1)]
        return b"".join(parts)


class _Reader(ByteReader):
    """Reads what `_Writer` writes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._next = 0

    def run(self, depth: int = 0) -> Run:
        if depth > _DEEPEST:
            raise CorruptFileError("deflated bytes lie in each other too deep.")
        run = Run(self.varint())
        for _ in range(self.varint()):
            rest, form = self.varint(), self.varint()
            if form == _DEFLATED:
                how = self.varint()
                if not 1 <= how % _IS_RAW <= 9 or how >= 2 * _IS_RAW:
                    raise CorruptFileError(f"bytes cannot be deflated by {how}.")
                size, inner = self.varint(), self.run(depth + 1)
                deflated = Deflated(size, how % _IS_RAW, how >= _IS_RAW, inner)
                run.pieces.append(Piece(rest, deflated=deflated))
            elif form in (_ARRAY, _SWAPPED, _TURNED):
                number = self.varint()
                self._next += number == 0
                array = number - 1 if number else self._next - 1
                is_swapped, is_turned = form == _SWAPPED, form == _TURNED
                run.pieces.append(Piece(rest, array, is_swapped, is_turned))
            else:
                raise CorruptFileError(f"the form {form} of a piece is not known.")
        return run


def rest_of(run: Run, sizes: Sequence[int]) -> int:
    """Returns how many bytes of the rest a run asks for.

    Args:
        run: The run.
        sizes: The bytes of every array.

    Raises:
        CorruptFileError: It asks for an array that is not there, or its pieces have
            more bytes than it has.
    """
    n_inside = n_known = n_between = 0
    for piece in run.pieces:
        n_between += piece.rest
        if piece.deflated is not None:
            n_known += piece.deflated.size
            n_inside += rest_of(piece.deflated.run, sizes)
        elif piece.array >= len(sizes):
            raise CorruptFileError("the layout asks for an array that is not there.")
        else:
            n_known += sizes[piece.array]
    if n_between + n_known > run.size:
        raise CorruptFileError("the pieces of a file have more bytes than the file.")
    return run.size - n_known + n_inside
