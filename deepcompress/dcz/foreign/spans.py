"""Where tensors stand in a file: all that a parser tells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

from deepcompress.dcz.directory import DTYPES

_MAX_RANK = 32
_ITEMSIZES = dict(
    zip(DTYPES, (1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 8, 16, 2, 1, 1), strict=True)
)


@dataclass
class Span:
    """Bytes of a file that belong together.

    Attributes:
        offset: Where they begin.
        size: How many they are.
        name: What they are called.
        dtype: What they are elements of, by a name of `DTYPES`; `""`: nobody knows.
        shape: The shape of the tensor; where its size is another one, it has one axis.
        is_swapped: Whether the elements are big-endian.
        stream: What they unpack to, where they are deflated.
        file: The file beside that has them; `""`: they are in the file itself.
    """

    offset: int
    size: int
    name: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    is_swapped: bool = False
    stream: "Stream | None" = None
    file: str = ""

    @property
    def end(self) -> int:
        """Where the bytes end."""
        return self.offset + self.size


@dataclass
class Stream:
    """How bytes are deflated, so that doing it again gives the same.

    Attributes:
        level: The level of zlib, 1 to 9.
        is_raw: Whether there is no header of zlib.
        size: The bytes that come out.
        spans: Where tensors stand among them.
    """

    level: int
    is_raw: bool
    size: int
    spans: list[Span] = field(default_factory=list)


def itemsize(dtype: str) -> int:
    """Returns the bytes of an element."""
    return _ITEMSIZES[dtype]


def tidy(spans: Iterable[Span], size: int) -> list[Span]:
    """Returns spans in order, none of them outside the file or over another.

    Of two that overlap, the one that begins first is kept, and of two at one place the
    larger, or the first: so a parser may tell of a buffer that tensors share as often
    as it finds it.

    Args:
        spans: What a parser tells, in any order.
        size: The bytes of the file.

    Example:

    >>> [span.name for span in tidy([Span(4, 4, "b"), Span(4, 4, "c"), Span(9, 9)], 12)]
    ['b']
    """
    kept: list[Span] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span.offset, -span.size)):
        if span.size <= 0 or span.offset < end or span.end > size:
            continue
        end = span.end
        kept.append(_fitting(span))
    return kept


def _fitting(span: Span) -> Span:
    """Returns a span whose dtype and shape have its size."""
    if span.stream is not None or not span.dtype:
        return span
    item = _ITEMSIZES.get(span.dtype, 0)
    if not item or span.size % item:
        span.dtype, item, span.is_swapped = "uint8", 1, False
    if not _is_shape(span.shape, span.size // item):
        span.shape = (span.size // item,)
    return span


def _is_shape(shape: Sequence[int], n: int) -> bool:
    is_bounded = len(shape) <= _MAX_RANK and all(0 < each <= n for each in shape)
    return is_bounded and prod(shape) == n
