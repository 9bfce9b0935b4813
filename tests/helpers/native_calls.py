"""A call of each compiled function, with what it takes in place of each array."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepcompress import _native


@dataclass
class Buffer:
    """An argument that a function takes, and what else it would take in its place."""

    array: np.ndarray
    kinds: str
    sizes: tuple[int, ...]

    @property
    def is_written(self) -> bool:
        return self.array.flags.writeable


def writes(array: np.ndarray, kinds: str = "", sizes: tuple[int, ...] = ()) -> Buffer:
    dtype = array.dtype
    return Buffer(array, kinds or dtype.kind, sizes or (dtype.itemsize,))


def reads(array: np.ndarray, kinds: str = "", sizes: tuple[int, ...] = ()) -> Buffer:
    array.flags.writeable = False
    return writes(array, kinds, sizes)


SYMBOLS: dict[str, Any] = {"sizes": (1, 2)}
FLOATS: dict[str, Any] = {"sizes": (4, 8)}
BITS: dict[str, Any] = {"kinds": "uifb", "sizes": (1, 2, 4, 8)}
BYTES: dict[str, Any] = {"kinds": "uib"}
COUNTS: dict[str, Any] = {"kinds": "ui"}

VALUES = np.arange(4.0)
NODES, STARTS = np.empty((5, 4)), np.empty(5, np.int64)
_native.kmeans_nodes(VALUES, None, 1.5, 1, np.inf, NODES, STARTS)
LENGTHS = np.array([1, 2, 2], np.uint8)


def state() -> np.ndarray:
    array = np.zeros(-(-_native.DC_CONTEXT_SIZE // 8), np.uint64)
    _native.context_begin(array, False)
    return array


def room() -> Buffer:
    return writes(np.zeros(4096, np.uint8), **BYTES)


def product(n_inputs: int = 2) -> list[Any]:
    """A row of inputs, and room for three outputs; a bias, and whether to rectify."""
    x = np.arange(n_inputs, dtype=np.float32)
    bias = np.arange(3, dtype=np.float32)
    return [reads(x), writes(np.empty(3, np.float32)), reads(bias), True]


def columns() -> list[Buffer]:
    """The first input reaches output 0, the second output 1."""
    return [
        reads(np.array([0, 1, 2], np.uint32)),
        reads(np.array([0, 1 << 11 | 1], np.uint16)),
        reads(np.arange(32, dtype=np.float32)),
    ]


def tiles() -> list[Buffer]:
    """Two tiles of one slot, for forty inputs, and two weights of the rest."""
    words = np.zeros(32, np.uint32)
    words[0] = 1 << 5
    return [
        reads(words),
        reads(np.array([1, 1], np.uint8)),
        reads(np.array([0, 1, 2], np.uint32)),
        reads(np.array([1 << 12 | 2 << 5 | 1, 3 << 5], np.uint32)),
        reads(np.arange(_native.DC_TILE_TABLE, dtype=np.float32)),
    ]


def panels() -> list[Buffer]:
    """Codes of two inputs and three outputs."""
    return [
        reads(np.ones((2, 16), np.uint8)),
        reads(np.arange(256, dtype=np.float32)),
    ]


def plain(arguments: list[Any]) -> list[Any]:
    return [each.array if isinstance(each, Buffer) else each for each in arguments]


# For each function a call that it accepts.
def links() -> tuple[tuple[Any, ...], ...]:
    """A convolution of five floats with two filters, pooled to one place; a product."""
    lists, codes = ([each.array for each in made()] for made in (columns, panels))
    bias = np.arange(2, dtype=np.float32)
    windows = np.array([5, 3, 3, 1, 1, 0]), np.array([3, 1, 3, 1, 1, 0])
    convolution = (_native.DC_LINK_CONVOLUTION, bias, True, *lists, *windows)
    product = (_native.DC_LINK_CODES, None, False, *codes, 2, 3, 16, 1, 0)
    return (*convolution, False, False, 1, 2, 3, 11, True, 0), product


CALLS: dict[str, Callable[[], list[Any]]] = {
    "huffman_lengths": lambda: [
        reads(np.array([4, 2, 1], np.uint64)),
        20,
        writes(np.empty(3, np.uint8)),
    ],
    "table_write": lambda: [reads(LENGTHS), writes(np.empty(9, np.uint8))],
    "table_read": lambda: [
        reads(np.array([0x0B, 0], np.uint8), **BYTES),
        writes(np.empty(3, np.uint8)),
    ],
    "huffman_count": lambda: [
        reads(np.array([0, 2], np.uint8), **SYMBOLS),
        writes(np.empty(3, np.uint64), **COUNTS),
    ],
    "huffman_encode": lambda: [
        reads(np.array([0, 2], np.uint8), **SYMBOLS),
        reads(LENGTHS),
        writes(np.empty(2, np.uint64)),
        writes(np.empty(9, np.uint8)),
    ],
    "huffman_decode": lambda: [
        reads(np.array([0, 3], np.uint8), **BYTES),
        reads(np.array([1, 1], np.uint64)),
        reads(LENGTHS),
        writes(np.empty(2, np.uint8), **SYMBOLS),
    ],
    "planes_split": lambda: [
        reads(np.array([1, 2], np.uint32), **BITS),
        1,
        0,
        writes(np.empty(8, np.uint8)),
    ],
    "planes_join": lambda: [
        reads(np.zeros(8, np.uint8)),
        1,
        0,
        writes(np.empty(2, np.uint32), **BITS),
    ],
    "gaps_encode": lambda: [
        reads(np.array([0, 3])),
        3,
        writes(np.empty(2, np.uint8), **SYMBOLS),
    ],
    "gaps_count": lambda: [
        reads(np.array([0, 3])),
        writes(np.empty(9, np.int64), **COUNTS),
    ],
    "gaps_count_reversed": lambda: [
        reads(np.array([0, 3])),
        3,
        reads(np.array([2, 2])),
        reads(np.array([1, 2])),
        4,
        writes(np.empty(9, np.int64), **COUNTS),
    ],
    "gaps_scatter": lambda: [
        reads(np.array([0, 2], np.uint8), **SYMBOLS),
        3,
        reads(np.array([2, 3])),
        reads(np.array([1, 2])),
        reads(np.array([7, 8], np.uint32), **BITS),
        writes(np.zeros(6, np.uint32), kinds="uifb"),
    ],
    "gaps_positions": lambda: [
        reads(np.array([0, 2], np.uint8), **SYMBOLS),
        3,
        6,
        writes(np.empty(2, np.int64)),
    ],
    "nonzeros": lambda: [
        reads(np.array([0, 7, 0, 8], np.uint32), **BITS),
        writes(np.empty(2, np.int64)),
        writes(np.empty(2, np.uint32), kinds="uifb"),
    ],
    "reverse": lambda: [
        reads(np.array([0, 3])),
        reads(np.array([2, 3])),
        reads(np.array([1, 2])),
        6,
        *(writes(np.empty(2, np.int64)) for _ in range(4)),
    ],
    "codebook": lambda: [
        reads(np.array([7, 8, 7], np.uint32), **BITS),
        writes(np.empty(2, np.uint64)),
        writes(np.empty(2, np.uint64), **COUNTS),
        writes(np.empty(3, np.uint16)),
    ],
    "sort": lambda: [
        reads(np.array([2, 1], np.float32)),
        writes(np.empty(2, np.float32)),
        writes(np.empty(2, np.uint32)),
    ],
    "kmeans_distinct": lambda: [reads(VALUES, **FLOATS), 9],
    "kmeans_nodes": lambda: [
        reads(VALUES, **FLOATS),
        reads(np.ones(4)),
        1.5,
        1,
        np.inf,
        writes(np.empty((5, 4))),
        writes(np.empty(5, np.int64)),
    ],
    "kmeans_optimal": lambda: [
        writes(NODES.copy()),
        0.0,
        writes(np.empty(3, np.int64)),
    ],
    "kmeans_lloyd": lambda: [
        reads(VALUES, **FLOATS),
        reads(np.ones(4)),
        reads(NODES),
        reads(STARTS),
        1.5,
        9,
        writes(np.array([0.0, 3.0])),
        writes(np.empty(3, np.int64)),
    ],
    "kmeans_summary": lambda: [
        reads(VALUES, **FLOATS),
        reads(np.ones(4)),
        reads(np.array([0, 2, 4])),
        writes(np.empty(2)),
    ],
    "kmeans_labels": lambda: [
        reads(VALUES, **FLOATS),
        reads(np.array([0.5, 1.5])),
        writes(np.empty(4, np.uint8), sizes=(1, 2, 4)),
    ],
    "context_begin": lambda: [writes(state()), False],
    "context_learn": lambda: [
        writes(state()),
        room(),
        reads(np.frombuffer(b"text", np.uint8), **BYTES),
    ],
    "context_number": lambda: [writes(state()), room(), 7, 0],
    "context_codebook": lambda: [
        writes(state()),
        room(),
        writes(np.array([1, 2], np.uint64)),
        8,
        4,
    ],
    "context_patterns": lambda: [
        writes(state()),
        room(),
        writes(np.array([2, 1], np.uint64)),
        8,
        4,
    ],
    "context_text": lambda: [
        writes(state()),
        room(),
        writes(np.array([104, 105], np.uint8), **BYTES),
    ],
    "context_codes": lambda: [
        writes(state()),
        room(),
        writes(np.array([0, 1, 2, 0, 0, 1], np.uint16)),
        2,
        3,
        1,
        0,
        2,
        1,
        1,
        reads(np.array([1, 2], np.uint32)),
        writes(np.empty(3, np.uint32)),
    ],
    "context_bits": lambda: [reads(state())],
    "context_end": lambda: [writes(state()), room()],
    "run_has_isa": lambda: [0],
    "run_columns_build": lambda: [
        reads(np.array([0, 3])),
        reads(np.array([1, 0], np.uint8)),
        2,
        3,
        11,
        writes(np.empty(3, np.uint32)),
        writes(np.empty(2, np.uint16)),
    ],
    "run_columns": lambda: [*product(), *columns(), 1, 2, 3, 11, True, 0],
    "run_columns_expand": lambda: [
        *columns(),
        2,
        3,
        11,
        True,
        0,
        1,
        1,
        writes(np.empty(3, np.float32)),
    ],
    "run_columns_rows": lambda: [
        *columns(),
        2,
        3,
        11,
        True,
        reads(np.array([1, 0])),
        writes(np.empty((2, 3), np.float32)),
    ],
    "run_tiles_count": lambda: [
        reads(np.array([0, 3])),
        reads(np.array([1, 2], np.uint8)),
        40,
        3,
        5,
        writes(np.empty((2, 33), np.uint64), **COUNTS),
        writes(np.empty(2, np.uint64), **COUNTS),
    ],
    "run_tiles_build": lambda: [
        reads(np.array([0, 3])),
        reads(np.array([1, 2], np.uint8)),
        40,
        3,
        5,
        reads(np.array([1, 1], np.uint8)),
        writes(np.empty(32, np.uint32)),
        writes(np.empty(3, np.uint32)),
        writes(np.empty(2, np.uint32)),
    ],
    "run_tiles": lambda: [*product(40), *tiles(), 1, 40, 3, 5, 0],
    "run_tiles_expand": lambda: [
        *tiles(),
        40,
        3,
        5,
        0,
        1,
        1,
        writes(np.empty(3, np.float32)),
    ],
    "run_patches": lambda: [
        reads(np.arange(5, dtype=np.float32)),
        1,
        1,
        reads(np.array([5, 2, 2, 3, 1, 0])),
        writes(np.empty(4, np.float32)),
    ],
    "run_pool": lambda: [
        reads(np.arange(5, dtype=np.float32)),
        1,
        1,
        reads(np.array([5, 2, 2, 3, 1, 0])),
        True,
        writes(np.empty(2, np.float32)),
    ],
    "run_convolve": lambda: [
        reads(np.arange(5, dtype=np.float32)),
        writes(np.empty(4, np.float32)),
        reads(np.arange(2, dtype=np.float32)),
        True,
        *columns(),
        reads(np.array([5, 3, 3, 1, 1, 0])),
        reads(np.array([3, 2, 2, 1, 1, 0])),
        1,
        1,
        2,
        3,
        11,
        True,
        0,
    ],
    "run_chain_build": lambda: [links(), 0],
    "run_chain": lambda: [
        _native.run_chain_build(links(), 0),
        reads(np.arange(5, dtype=np.float32)),
        writes(np.empty(3, np.float32)),
        1,
    ],
    "run_codes": lambda: [*product(), *panels(), 1, 2, 3, 16, 1, 0],
    "run_codes_expand": lambda: [
        *panels(),
        2,
        3,
        16,
        1,
        0,
        1,
        1,
        writes(np.empty(3, np.float32)),
    ],
}

CONTEXT = {name for name in CALLS if name.startswith("context_")}
