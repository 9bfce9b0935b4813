"""What is to be written of some files: which arrays, which rest, and the layout."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from threading import Lock
from typing import NamedTuple

import numpy as np

from deepcompress.dcz.assets import pack_assets
from deepcompress.dcz.foreign.choosing import dtype_named, elements, guess, is_rest
from deepcompress.dcz.foreign.kinds import Understanding
from deepcompress.dcz.foreign.layout import (
    FOREIGN,
    Deflated,
    Layout,
    Piece,
    Run,
    to_bytes,
)
from deepcompress.dcz.foreign.source import CHUNK, Source
from deepcompress.dcz.foreign.spans import Span, itemsize, tidy

Read = Callable[[int, int], np.ndarray]

# Tensors below this take little but their name: they get one while that costs little.
_SMALL = 1 << 10
_NAMED = 12  # bytes that an array takes in a file besides its name and its values
# Bytes that nobody knows are looked at in blocks, and stay in the rest if they are few.
_BLOCK = 1 << 22
_MOST_REST = 1 << 28  # since all of it has to be in memory
_LARGEST = 1 << 32  # so are tensors of more, of which nobody could read one
_FEW = 1 << 16


class Place(NamedTuple):
    """Where an array comes from.

    Attributes:
        read: Returns bytes at an offset, so many.
        offset: Where its bytes begin.
        size: How many they are.
        dtype: What they are elements of.
        shape: Its shape.
        is_swapped: Whether elements are big-endian.
        is_turned: Whether its axes are to be reversed.
    """

    read: Read
    offset: int
    size: int
    dtype: np.dtype
    shape: tuple[int, ...]
    is_swapped: bool
    is_turned: bool


class Arrays(Mapping[str, np.ndarray]):
    """Arrays by name, each read when it is asked for.

    Args:
        places: Where they come from.
    """

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        data = place.read(place.offset, place.size)
        array = elements(data, place.dtype, place.is_swapped).reshape(place.shape)
        return np.ascontiguousarray(array.T) if place.is_turned else array

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Plan:
    """What is to be written.

    Args:
        source: The files.
        known: What is known of them; `None`: all goes to the rest.
        kind: What the first file was taken for, where nothing else is known.
        turn: Whether matrices are turned, whose names then end with `.T`. Coders are
            made for those whose columns are units, which are rows in some formats.

    Attributes:
        places: Where each array comes from.
        rest: The bytes that belong to no array.
        layout: How both make up the files.
    """

    def __init__(
        self,
        source: Source,
        known: Understanding | None,
        *,
        kind: str = "bytes",
        turn: bool = False,
    ) -> None:
        self.places: dict[str, Place] = {}
        self.rest = bytearray()
        self._names: Counter[str] = Counter()
        self._alike: dict[tuple[int, int], list[tuple[int, Read, Span]]] = {}
        spans = known.spans if known else [[] for _ in source.members]
        self._twice = _twice(each.size for each in _typed(spans))
        self._least = 0 if known is None else _least(spans, source.size)
        self._is_known, self._turn = known is not None, turn
        files = []
        for number, member in enumerate(source.members):
            read = _reader(source, number)
            run = self._run(read, member.size, spans[number])
            files.append((member.name, _checksum(read, member.size), run))
        self.layout = Layout(known.kind if known else kind, files)

    @cached_property
    def packed(self) -> bytes:
        """The layout and the rest, as files hold them."""
        return pack_assets({FOREIGN: to_bytes(self.layout) + self.rest})

    def _run(self, read: Read, size: int, spans: Iterable[Span]) -> Run:
        """Returns bytes as pieces."""
        run = Run(size)
        position = 0
        for span in self._parts(read, size, spans):
            if not self._is_piece(read, span):
                continue
            between = span.offset - position
            self._add_rest(read, position, between)
            if span.stream is not None:
                run.pieces.append(Piece(between, deflated=self._deflated(read, span)))
            else:
                number = self._number_of(read, span)
                is_turned = self._is_turned(span)
                run.pieces.append(Piece(between, number, span.is_swapped, is_turned))
            position = span.end
        self._add_rest(read, position, size - position)
        return run

    def _parts(self, read: Read, size: int, spans: Iterable[Span]) -> Iterator[Span]:
        """Yields spans in order, each with a dtype, unless it is deflated."""
        if not self._is_known:
            return
        position = 0
        for span in [*tidy(spans, size), Span(size, 0)]:
            if span.offset - position >= _FEW:
                yield from _blocks(read, Span(position, span.offset - position))
            position = span.end
            if span.stream is not None or (span.dtype and span.size <= _LARGEST):
                yield span
            elif span.size >= _SMALL:
                yield from _blocks(read, span)

    def _is_piece(self, read: Read, span: Span) -> bool:
        if span.stream is not None:
            return True
        if span.size < self._least:
            return False
        if span.size < _SMALL:
            return True
        if len(self.rest) + span.size > _MOST_REST:
            return True
        dtype = dtype_named(span.dtype)
        return not is_rest(_within(read, span), span.size, dtype, span.is_swapped)

    def _deflated(self, read: Read, span: Span) -> Deflated:
        stream = span.stream
        assert stream is not None
        inner = _inflated(read, span)
        run = self._run(inner, stream.size, stream.spans)
        return Deflated(span.size, stream.level, stream.is_raw, run)

    def _number_of(self, read: Read, span: Span) -> int:
        """Returns the number of an array, which may be there already."""
        if span.size in self._twice:
            key = span.size, _checksum(_within(read, span), span.size)
            for number, its_read, its_span in self._alike.setdefault(key, []):
                if span.shape == its_span.shape and _are_same(
                    read, span, its_read, its_span
                ):
                    return number
            self._alike[key].append((len(self.places), read, span))
        is_turned = self._is_turned(span)
        self.places[self._unique(span.name, ".T" * is_turned)] = Place(
            read,
            span.offset,
            span.size,
            dtype_named(span.dtype),
            span.shape,
            span.is_swapped,
            is_turned,
        )
        return len(self.places) - 1

    def _is_turned(self, span: Span) -> bool:
        return self._turn and len(span.shape) == 2 and not span.is_swapped

    def _unique(self, name: str, suffix: str) -> str:
        """Returns a name that an array can have and none has."""
        name = name.encode("utf-8", "replace").decode().strip("/") or "foreign/bytes"
        name = found = name + suffix
        while found in self.places:
            self._names[name] += 1
            found = f"{name}#{self._names[name] + 1}"
        return found

    def _add_rest(self, read: Read, offset: int, size: int) -> None:
        for begin in range(offset, offset + size, CHUNK):
            self.rest += read(begin, min(CHUNK, offset + size - begin)).data


def _blocks(read: Read, span: Span) -> Iterator[Span]:
    """Yields bytes of an unknown kind in blocks of guessed dtypes."""
    for index, begin in enumerate(range(span.offset, span.end, _BLOCK)):
        size = min(_BLOCK, span.end - begin)
        name = f"{span.name}/{index}" if span.size > _BLOCK else span.name
        block = Span(begin, size, name)
        block.dtype = guess(_within(read, block), size)
        item = itemsize(block.dtype)
        block.size -= size % item  # what is left of an element goes to the rest
        block.shape = (block.size // item,)
        yield block


def _typed(every: Iterable[Iterable[Span]]) -> Iterator[Span]:
    """Yields all spans of a known dtype, deflated ones too."""
    for spans in every:
        for span in spans:
            if span.stream is not None:
                yield from _typed([span.stream.spans])
            elif span.dtype:
                yield span


def _twice(sizes: Iterable[int]) -> set[int]:
    return {size for size, count in Counter(sizes).items() if count > 1}


def _least(spans: Iterable[Iterable[Span]], size: int) -> int:
    """Returns how many bytes a tensor must have to get a name.

    Small ones get theirs, the larger ones first, while all of them cost little.
    """
    left = 128 + size // 512
    small = [span for span in _typed(spans) if 0 < span.size < _SMALL]
    for span in sorted(small, key=lambda span: -span.size):
        left -= len(span.name.encode("utf-8", "replace")) + _NAMED
        if left < 0:
            return span.size + 1
    return 1


def _reader(source: Source, number: int) -> Read:
    return lambda offset, size: source.read(number, offset, size)


def _within(read: Read, span: Span) -> Read:
    return lambda offset, size: read(span.offset + offset, size)


def _inflated(read: Read, span: Span) -> Read:
    """Returns what reads the bytes that a span inflates to."""
    assert span.stream is not None
    wbits = -15 if span.stream.is_raw else 15
    kept: list[bytes] = []
    lock = Lock()

    def read_inflated(offset: int, size: int) -> np.ndarray:
        with lock:
            if not kept:
                kept.append(zlib.decompress(read(span.offset, span.size).data, wbits))
            data = kept[0][offset : offset + size]
        return np.frombuffer(bytearray(data), np.uint8)

    return read_inflated


def _are_same(read: Read, span: Span, other_read: Read, other: Span) -> bool:
    """Whether two spans of one size have the same bytes."""
    return all(
        np.array_equal(
            read(span.offset + begin, min(CHUNK, span.size - begin)),
            other_read(other.offset + begin, min(CHUNK, span.size - begin)),
        )
        for begin in range(0, span.size, CHUNK)
    )


def _checksum(read: Read, size: int) -> int:
    checksum = 0
    for begin in range(0, size, CHUNK):
        checksum = zlib.crc32(read(begin, min(CHUNK, size - begin)).data, checksum)
    return checksum
