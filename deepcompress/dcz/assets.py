"""What layers keep besides weights: files by their names, packed as one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from deepcompress.dcz.coding.bytestream import ByteReader, string, varint
from deepcompress.dcz.directory import Directory, seal
from deepcompress.errors import CorruptFileError

# How far back LZMA2 may look: bounds the memory that reading takes besides the assets.
_LEAST_WINDOW, _MOST_WINDOW = 1 << 12, 1 << 26


class PackedAssets(NamedTuple):
    """Assets as files hold them.

    Attributes:
        data: Their packed bytes; none where there are no assets.
        plain_size: Bytes of what is packed.
    """

    data: bytes = b""
    plain_size: int = 0


NO_ASSETS = PackedAssets()


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


def pack_assets(assets: Mapping[str, bytes] | None) -> PackedAssets:
    """Returns assets packed.

    Args:
        assets: Bytes by their names; `None` or none at all take no bytes.

    Raises:
        TypeError: It is no mapping from names to bytes.
        ValueError: A name would leave the folder that it is written to.

    Example:

    >>> packed = pack_assets({"words/vocabulary.txt": b"red green " * 100})
    >>> len(packed.data) < 100
    True
    """
    if assets is None:
        return NO_ASSETS
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
        return NO_ASSETS
    plain = b"".join([*listing, *contents])
    lzma = _lzma()
    filters = [{**_filter(len(plain)), "preset": 9 | lzma.PRESET_EXTREME, "pb": 0}]
    return PackedAssets(
        lzma.compress(plain, lzma.FORMAT_RAW, filters=filters), len(plain)
    )


def unpack_assets(packed: PackedAssets) -> dict[str, bytes]:
    """Returns the assets by their names.

    Raises:
        CorruptFileError: The bytes are not those of assets.
    """
    lzma = _lzma()
    window = _filter(packed.plain_size)
    inflate = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[window])
    try:
        # One byte more than declared, so that the end of the data is seen.
        plain = inflate.decompress(packed.data, packed.plain_size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise CorruptFileError(f"the assets cannot be read: {error}") from None
    if len(plain) != packed.plain_size or not inflate.eof or inflate.unused_data:
        raise CorruptFileError("the assets do not have the size that is declared.")
    reader = ByteReader(plain)
    sizes: dict[str, int] = {}
    for _ in range(reader.varint()):
        name, size = reader.string(), reader.varint()
        try:
            check_name(name)
        except ValueError as error:
            raise CorruptFileError(str(error)) from None
        if name in sizes:
            raise CorruptFileError(f"the asset {name!r} occurs twice.")
        sizes[name] = size
    assets = {name: bytes(reader.take(size)) for name, size in sizes.items()}
    reader.end()
    return assets


def list_assets(packed: PackedAssets) -> bytes:
    """Returns how a listing tells of assets: nothing, where there are none."""
    return seal(packed.data) + varint(packed.plain_size) if packed.data else b""


def read_assets(reader: ByteReader, directory: Directory) -> None:
    """Fills in what a listing tells of assets, which is its end.

    Raises:
        CorruptFileError: It tells of assets without bytes, or more follows.
    """
    if reader.rest:
        size, checksum = reader.varint(), reader.uint32()
        if not size:
            raise CorruptFileError("assets cannot have 0 bytes.")
        directory.assets = directory.section_at_end(size, checksum)
        directory.plain_assets_size = reader.varint()
    reader.end()


def _filter(plain_size: int) -> dict[str, Any]:
    window = min(max(plain_size, _LEAST_WINDOW), _MOST_WINDOW)
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
