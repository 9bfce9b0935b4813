"""Type stubs of the compiled kernels; their headers document them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DC_MAX_CODE_LENGTH: int
DC_MAX_ALPHABET: int
DC_MAX_GAP_WIDTH: int
DC_MAX_RARITY: int
DC_CONTEXT_SIZE: int

def huffman_lengths(
    counts: NDArray[Any], max_length: int, lengths: NDArray[Any], /
) -> int: ...
def table_write(lengths: NDArray[Any], out: NDArray[Any], /) -> int: ...
def table_read(data: bytes | memoryview, lengths: NDArray[Any], /) -> int: ...
def huffman_count(symbols: NDArray[Any], counts: NDArray[Any], /) -> int: ...
def huffman_encode(
    symbols: NDArray[Any], lengths: NDArray[Any], sizes: NDArray[Any], out: NDArray[Any]
) -> int: ...
def huffman_decode(
    data: bytes | memoryview,
    sizes: NDArray[Any],
    lengths: NDArray[Any],
    symbols: NDArray[Any],
) -> int: ...
def gaps_encode(
    positions: NDArray[Any], width: int, symbols: NDArray[Any], /
) -> int: ...
def gaps_count(positions: NDArray[Any], counts: NDArray[Any], /) -> int: ...
def gaps_count_reversed(
    positions: NDArray[np.int64],
    n_rows: int,
    lengths: NDArray[np.int64],
    strides: NDArray[np.int64],
    n_columns: int,
    counts: NDArray[Any],
    /,
) -> int: ...
def gaps_scatter(
    symbols: NDArray[Any],
    width: int,
    lengths: NDArray[np.int64],
    strides: NDArray[np.int64],
    values: NDArray[Any],
    out: NDArray[Any],
    /,
) -> int: ...
def nonzeros(
    items: NDArray[Any], positions: NDArray[np.int64], values: NDArray[Any], /
) -> int: ...
def reverse(
    positions: NDArray[np.int64],
    lengths: NDArray[np.int64],
    strides: NDArray[np.int64],
    n_elements: int,
    reversed: NDArray[np.int64],
    order: NDArray[np.int64],
    spare: NDArray[np.int64],
    spare_order: NDArray[np.int64],
    /,
) -> int: ...
def codebook(
    items: NDArray[Any],
    distinct: NDArray[np.uint64],
    counts: NDArray[np.uint64],
    places: NDArray[np.uint16],
    /,
) -> int: ...
def sort(
    values: NDArray[np.float32],
    sorted: NDArray[np.float32],
    spare: NDArray[np.uint32],
    /,
) -> int: ...
def kmeans_distinct(values: NDArray[Any], limit: int, /) -> int: ...
def kmeans_nodes(
    values: NDArray[Any],
    weights: NDArray[np.float64] | None,
    shift: float,
    max_count: int,
    max_spread: float,
    nodes: NDArray[np.float64],
    starts: NDArray[np.int64],
    /,
) -> int: ...
def kmeans_optimal(
    nodes: NDArray[np.float64], guess: float, cuts: NDArray[np.int64], /
) -> tuple[float, int]: ...
def kmeans_lloyd(
    values: NDArray[Any],
    weights: NDArray[np.float64] | None,
    nodes: NDArray[np.float64],
    starts: NDArray[np.int64],
    shift: float,
    max_iter: int,
    centers: NDArray[np.float64],
    cuts: NDArray[np.int64],
    /,
) -> int: ...
def kmeans_summary(
    values: NDArray[Any],
    weights: NDArray[np.float64] | None,
    cuts: NDArray[np.int64],
    centers: NDArray[np.float64],
    /,
) -> float: ...
def kmeans_labels(
    values: NDArray[Any], thresholds: NDArray[Any], labels: NDArray[Any], /
) -> int: ...
def context_begin(state: NDArray[np.uint64], decoding: bool, /) -> None: ...
def context_learn(state: NDArray[np.uint64], section: Any, text: bytes, /) -> int: ...
def context_number(
    state: NDArray[np.uint64], section: Any, value: int, context: int, /
) -> int: ...
def context_codebook(
    state: NDArray[np.uint64],
    section: Any,
    values: NDArray[np.uint64],
    n_bits: int,
    n_top: int,
    /,
) -> int: ...
def context_patterns(
    state: NDArray[np.uint64],
    section: Any,
    values: NDArray[np.uint64],
    n_bits: int,
    n_top: int,
    /,
) -> int: ...
def context_text(
    state: NDArray[np.uint64], section: Any, text: bytearray, /
) -> int: ...
def context_codes(
    state: NDArray[np.uint64],
    section: Any,
    codes: NDArray[np.uint16],
    n_rows: int,
    n_columns: int,
    step: int,
    stride: int,
    n_codes: int,
    n_low: int,
    rarity: int,
    side: NDArray[np.uint32],
    counts: NDArray[np.uint32],
    /,
) -> int: ...
def context_bits(state: NDArray[np.uint64], /) -> int: ...
def context_end(state: NDArray[np.uint64], section: Any, /) -> int: ...
