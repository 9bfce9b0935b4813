"""Where the tensors of a `.safetensors` file stand, and which files an index names.

References:
    Hugging Face, "safetensors: format".
"""

import json
from typing import Any

from deepcompress.dcz.foreign.spans import Span
from deepcompress.errors import CorruptFileError

_LONGEST_HEADER = 100_000_000  # the format's own limit
_LONGEST_INDEX = 1 << 26
_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "F64": "float64",
    "I64": "int64",
    "U64": "uint64",
    "C64": "complex64",
}


def is_such(view: memoryview) -> bool:
    """Whether a file begins like one of these."""
    size = int.from_bytes(view[:8], "little")
    return len(view) > 9 and view[8] == ord("{") and 2 <= size <= len(view) - 8


def parse(view: memoryview) -> list[Span]:
    """Returns where the tensors of a file stand.

    Raises:
        CorruptFileError: The header is none.
    """
    size = int.from_bytes(view[:8], "little")
    if size > _LONGEST_HEADER:
        raise CorruptFileError(f"A header of {size:,} bytes is too large.")
    header = _object(bytes(view[8 : 8 + size]))
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype = _DTYPES.get(entry["dtype"], "uint8")
        shape = tuple(map(int, entry["shape"]))
        spans.append(
            Span(8 + size + int(begin), int(end) - int(begin), name, dtype, shape)
        )
    return spans


def is_index(view: memoryview) -> bool:
    """Whether a file tells in which files the tensors of a model are."""
    return bytes(view[:1]) == b"{" and b'"weight_map"' in bytes(view[:_LONGEST_INDEX])


def shards(view: memoryview) -> list[str]:
    """Returns the names of the files that an index tells of.

    Raises:
        CorruptFileError: It is no index.
    """
    if len(view) > _LONGEST_INDEX:
        raise CorruptFileError(f"An index of {len(view):,} bytes is too large.")
    names = _object(bytes(view))["weight_map"]
    return sorted({str(name) for name in names.values()})


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise CorruptFileError("The header is no object of JSON.")
    return found
