"""What a reader must enforce: the rules of `docs/format.md`, by its names for them.

A file that breaks one is refused with `CorruptFileError`, whose `rule` says which. The
kernels name those that they enforce themselves, in `_native/common.h`.
"""

from enum import StrEnum


class Rule(StrEnum):
    """The names of the rules; the page says what each of them asks for."""

    # The file.
    MAGIC = "magic"
    VERSION = "version"
    HEADER_INSIDE = "header-inside"
    CHECKSUM_OF_DIRECTORY = "checksum-of-directory"
    SIZE_OF_FILE = "size-of-file"
    MEMORY = "memory"
    CHECKSUM_OF_SECTION = "checksum-of-section"
    CHECKSUM_OF_ARCHITECTURE = "checksum-of-architecture"
    CHECKSUM_OF_PART = "checksum-of-part"

    # The directory.
    VARINT = "varint"
    UTF_8 = "utf-8"
    COMMON_NAME = "common-name"
    DTYPE = "dtype"
    RANK = "rank"
    NAME_ONCE = "name-once"
    NAMES_SIZE = "names-size"
    DIRECTORY_END = "directory-end"

    # Architecture, parts and assets.
    ARCHITECTURE = "architecture"
    PART_NAME = "part-name"
    PART_ONCE = "part-once"
    PART_NEED = "part-need"
    PART_KNOWN = "part-known"
    PART_SIZE = "part-size"
    ASSETS_PACKED = "assets-packed"
    ASSETS_LISTED = "assets-listed"
    ASSET_NAME = "asset-name"
    ASSET_ONCE = "asset-once"

    # The arrays of a section.
    SECTION_END = "section-end"
    FLAGS = "flags"
    BACKGROUND = "background"
    NUMBER_OF_GAPS = "number-of-gaps"
    GAPS = "gaps"
    CODEBOOK_SIZE = "codebook-size"
    CODEBOOK_ORDER = "codebook-order"
    NO_ZERO_STORED = "no-zero-stored"
    PLANES = "planes"
    SIGNS = "signs"
    CODE_TABLE = "code-table"
    CODE_COMPLETE = "code-complete"
    STREAMS = "streams"

    # Version 2 alone.
    LISTING_SIZE = "listing-size"
    LENGTH_BEFORE = "length-before"
    SECTION_START = "section-start"
    NUMBER_BOUND = "number-bound"
    METHOD = "method"
    ENCODING_SIZE = "encoding-size"
    GEOMETRY = "geometry"
    RARITY = "rarity"
    SHIFT = "shift"
