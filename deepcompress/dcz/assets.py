"""What layers keep besides weights: files by their names, packed as one part."""

from collections.abc import Mapping
from typing import Any

from deepcompress.dcz.coding.bytestream import ByteReader, string, varint
from deepcompress.dcz.coding.rules import Rule
from deepcompress.errors import CorruptFileError

# How far back LZMA2 may look: bounds the memory that reading takes besides the assets.
_LEAST_WINDOW, _MOST_WINDOW = 1 << 12, 1 << 26
# What LZMA may tell bytes by: bits of the one before, and two numbers of bits of the
# place. The best for texts, for numbers of four bytes, and for programs.
_HOW = ((3, 0, 0), (0, 2, 2), (3, 0, 2))
_TRIED = 1 << 14  # bytes for which all are tried; of more, the begin decides
_LOOKED_AT = 1 << 15


def check_name(name: str) -> None:
    """Refuses a name that would leave the folder it is given.

    Raises:
        ValueError: The name is empty, absolute, has a part that is empty, `.` or `..`,
            or holds a backslash or NUL.

    Example:

    >>> check_name("words/vocabulary.txt")
    """
    is_inside = all(part not in ("", ".", "..") for part in name.split("/"))
    if not is_inside or "\\" in name or "\0" in name:
        raise ValueError(
            "The name of an asset must be a relative path of plain parts, such as "
            f"'words/vocabulary.txt'. Received: {name[:80]!r}"
        )


def pack_assets(assets: Mapping[str, bytes] | None) -> bytes:
    """Returns assets as the bytes of a part; none where there are no assets.

    Args:
        assets: Bytes by their names; or `None`.

    Raises:
        TypeError: It is no mapping from names to bytes.
        ValueError: A name would leave the folder that it is written to.

    Example:

    >>> packed = pack_assets({"words/vocabulary.txt": b"red green " * 100})
    >>> len(packed) < 100
    True
    """
    if assets is None:
        return b""
    if not isinstance(assets, Mapping):
        raise TypeError(
            f"`assets` must be a mapping from names to bytes. Received: {assets!r}"
        )
    contents, listing = [], [varint(len(assets))]
    for name, content in assets.items():
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise TypeError(
                "`assets` must be a mapping from names to bytes. Received: "
                f"{name!r} with {type(content).__name__}"
            )
        check_name(name)
        listing += [string(name), varint(len(content))]
        contents.append(content)
    if not contents:
        return b""
    plain = b"".join([*listing, *contents])
    lzma = _lzma()
    extreme = 9 | lzma.PRESET_EXTREME
    if len(plain) <= _TRIED:
        packed = min((_compress(plain, extreme, how) for how in _HOW), key=len)
    else:
        begin = plain[:_LOOKED_AT]
        best = min(_HOW, key=lambda how: len(_compress(begin, 0, how)))
        packed = _compress(plain, extreme, best)
    return varint(len(plain)) + packed


def _compress(plain: bytes, preset: int, how: tuple[int, int, int]) -> bytes:
    lc, lp, pb = how
    words = {"preset": preset, "lc": lc, "lp": lp, "pb": pb}
    filters = [{**words, **_filter(len(plain))}]
    packed: bytes = _lzma().compress(plain, _lzma().FORMAT_RAW, filters=filters)
    return packed


def plain_size(packed: bytes) -> int:
    """Returns the bytes of what is packed, as they are declared.

    Raises:
        CorruptFileError: There are none.
    """
    if not (size := ByteReader(packed, Rule.ASSETS_PACKED).varint()):
        raise CorruptFileError("assets cannot have 0 bytes.", Rule.ASSETS_PACKED)
    return size


def unpack_assets(packed: bytes) -> dict[str, bytes]:
    """Returns the assets by their names.

    Raises:
        CorruptFileError: The bytes are not those of assets.
    """
    declared = plain_size(packed)
    lzma = _lzma()
    window = _filter(declared)
    inflate = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[window])
    try:
        # One byte more than declared, so that the end of the data is seen.
        plain = inflate.decompress(packed[len(varint(declared)) :], declared + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise CorruptFileError(
            f"the assets cannot be read: {error}", Rule.ASSETS_PACKED
        ) from None
    if len(plain) != declared or not inflate.eof or inflate.unused_data:
        raise CorruptFileError(
            "the assets do not have the size that is declared.", Rule.ASSETS_PACKED
        )
    reader = ByteReader(plain, Rule.ASSETS_LISTED)
    if not (n_assets := reader.varint()):
        raise CorruptFileError("there are no assets.", Rule.ASSETS_LISTED)
    sizes: dict[str, int] = {}
    for _ in range(n_assets):
        name, size = reader.string(), reader.varint()
        try:
            check_name(name)
        except ValueError as error:
            raise CorruptFileError(str(error), Rule.ASSET_NAME) from None
        if name in sizes:
            raise CorruptFileError(f"the asset {name!r} occurs twice.", Rule.ASSET_ONCE)
        sizes[name] = size
    assets = {name: bytes(reader.take(size)) for name, size in sizes.items()}
    reader.end()
    return assets


def _filter(size: int) -> dict[str, Any]:
    window = min(max(size, _LEAST_WINDOW), _MOST_WINDOW)
    return {"id": _lzma().FILTER_LZMA2, "dict_size": window}


def _lzma() -> Any:
    """Returns the module `lzma`, which a few builds of Python lack."""
    try:
        import lzma  # noqa: PLC0415  (only the files with assets)
    except ImportError:
        raise ImportError(
            "Assets, such as a vocabulary, need the module lzma, which this Python was "
            "built without."
        ) from None
    return lzma
