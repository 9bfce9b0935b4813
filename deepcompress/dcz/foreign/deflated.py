"""Bytes that were deflated, and how, so that deflating again gives the same."""

import zlib
from collections.abc import Iterator

from deepcompress.dcz.foreign.source import CHUNK
from deepcompress.dcz.foreign.spans import Stream

_MOST_BYTES = 1 << 28  # once inflated
_LEVELS = (6, 9, 1, 5, 7, 8, 4, 3, 2)  # zlib's own choice first
_HEAD = 1 << 16  # bytes by which most levels are told apart


def can_repeat() -> bool:
    """Whether deflating here gives what it gives everywhere.

    Libraries that stand in for zlib, such as zlib-ng, deflate in their own way.
    """
    return "ng" not in zlib.ZLIB_RUNTIME_VERSION


def deflated(data: memoryview, *, is_raw: bool) -> tuple[bytes, Stream] | None:
    """Returns what some bytes inflate to, and how they come back.

    Args:
        data: The deflated bytes.
        is_raw: Whether they have no header of zlib.

    Returns:
        `None` where zlib does not give these bytes, at whatever level.

    Example:

    >>> plain, stream = deflated(memoryview(zlib.compress(bytes(100), 9)), is_raw=False)
    >>> plain == bytes(100), stream.level in _LEVELS
    (True, True)
    """
    if not can_repeat():
        return None
    inflate = zlib.decompressobj(-15 if is_raw else 15)
    try:
        plain = inflate.decompress(data, _MOST_BYTES)
    except zlib.error:
        return None
    if not plain or not inflate.eof or inflate.unused_data or inflate.unconsumed_tail:
        return None
    for level in _LEVELS:
        if _is_same(plain, data, level, is_raw):
            return plain, Stream(level, is_raw, len(plain))
    return None


def deflate(plain: Iterator[bytes | memoryview], stream: Stream) -> Iterator[bytes]:
    """Yields what bytes are deflated to.

    Args:
        plain: The bytes, in pieces.
        stream: How they are deflated.
    """
    coder = _coder(stream.level, stream.is_raw)
    for piece in plain:
        view = memoryview(piece).cast("B")
        for begin in range(0, len(view), CHUNK):
            yield coder.compress(view[begin : begin + CHUNK])
    yield coder.flush()


def _is_same(plain: bytes, data: memoryview, level: int, is_raw: bool) -> bool:
    head = _coder(level, is_raw).compress(plain[:_HEAD])
    if data[: len(head)] != head:
        return False
    place = 0
    for piece in deflate(iter([plain]), Stream(level, is_raw, len(plain))):
        if data[place : place + len(piece)] != piece:
            return False
        place += len(piece)
    return place == len(data)


def _coder(level: int, is_raw: bool) -> "zlib._Compress":
    return zlib.compressobj(level, zlib.DEFLATED, -15 if is_raw else 15)
