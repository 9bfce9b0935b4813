"""Type stubs of the compiled kernels; their headers document them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Bytes: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
_Room: TypeAlias = bytearray | memoryview | NDArray[np.uint8]
_Symbols: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
_Labels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
_Counts: TypeAlias = NDArray[np.uint64] | NDArray[np.int64]
_Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
_Patterns: TypeAlias = NDArray[Any]  # of 1, 2, 4 or 8 bytes

DC_MAX_CODE_LENGTH: int
DC_MAX_ALPHABET: int
DC_MAX_GAP_WIDTH: int
DC_MAX_RARITY: int
DC_CONTEXT_SIZE: int
DC_ISA_PORTABLE: int
DC_ISA_AVX2: int
DC_ISA_AVX512: int
DC_MAX_DEPTH: int
DC_TILE_TABLE: int
DC_LINK_TILES: int
DC_LINK_COLUMNS: int
DC_LINK_CODES: int
DC_LINK_CONVOLUTION: int
DC_RULES: tuple[str, ...]

def huffman_lengths(
    counts: NDArray[np.uint64], max_length: int, lengths: NDArray[np.uint8], /
) -> int: ...
def table_write(lengths: NDArray[np.uint8], out: _Room, /) -> int: ...
def table_read(data: _Bytes, lengths: NDArray[np.uint8], /) -> int: ...
def huffman_count(symbols: _Symbols, counts: _Counts, /) -> int: ...
def huffman_encode(
    symbols: _Symbols,
    lengths: NDArray[np.uint8],
    sizes: NDArray[np.uint64],
    out: _Room,
    /,
) -> int: ...
def huffman_decode(
    data: _Bytes,
    sizes: NDArray[np.uint64],
    lengths: NDArray[np.uint8],
    symbols: _Symbols,
    /,
) -> int: ...
def planes_split(
    words: _Patterns, turn: int, fold: int, planes: NDArray[np.uint8], /
) -> int: ...
def planes_join(
    planes: NDArray[np.uint8], turn: int, fold: int, words: _Patterns, /
) -> int: ...
def gaps_encode(
    positions: NDArray[np.int64], width: int, symbols: _Symbols, /
) -> int: ...
def gaps_count(positions: NDArray[np.int64], counts: _Counts, /) -> int: ...
def gaps_count_reversed(
    positions: NDArray[np.int64],
    n_rows: int,
    lengths: NDArray[np.int64],
    strides: NDArray[np.int64],
    n_columns: int,
    counts: _Counts,
    /,
) -> int: ...
def gaps_scatter(
    symbols: _Symbols,
    width: int,
    lengths: NDArray[np.int64],
    strides: NDArray[np.int64],
    values: _Patterns,
    out: _Patterns,
    /,
) -> int: ...
def gaps_positions(
    symbols: _Symbols, width: int, n_elements: int, positions: NDArray[np.int64], /
) -> int: ...
def nonzeros(
    items: _Patterns, positions: NDArray[np.int64], values: _Patterns, /
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
    items: _Patterns,
    distinct: NDArray[np.uint64],
    counts: _Counts,
    places: NDArray[np.uint16],
    /,
) -> int: ...
def sort(
    values: NDArray[np.float32],
    sorted: NDArray[np.float32],
    spare: NDArray[np.uint32],
    /,
) -> int: ...
def kmeans_distinct(values: _Floats, limit: int, /) -> int: ...
def kmeans_nodes(
    values: _Floats,
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
    values: _Floats,
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
    values: _Floats,
    weights: NDArray[np.float64] | None,
    cuts: NDArray[np.int64],
    centers: NDArray[np.float64],
    /,
) -> float: ...
def kmeans_labels(values: _Floats, thresholds: _Floats, labels: _Labels, /) -> int: ...
def context_begin(state: NDArray[np.uint64], decoding: bool, /) -> None: ...
def context_learn(
    state: NDArray[np.uint64], section: _Bytes, text: _Bytes, /
) -> int: ...
def context_number(
    state: NDArray[np.uint64], section: _Bytes, value: int, context: int, /
) -> int: ...
def context_codebook(
    state: NDArray[np.uint64],
    section: _Bytes,
    values: NDArray[np.uint64],
    n_bits: int,
    n_top: int,
    /,
) -> int: ...
def context_patterns(
    state: NDArray[np.uint64],
    section: _Bytes,
    values: NDArray[np.uint64],
    n_bits: int,
    n_top: int,
    /,
) -> int: ...
def context_text(state: NDArray[np.uint64], section: _Bytes, text: _Room, /) -> int: ...
def context_codes(
    state: NDArray[np.uint64],
    section: _Bytes,
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
def context_end(state: NDArray[np.uint64], section: _Bytes, /) -> int: ...
def run_has_isa(isa: int, /) -> bool: ...
def run_columns_build(
    positions: NDArray[np.int64],
    codes: NDArray[np.uint8],
    n_inputs: int,
    n_outputs: int,
    n_bits: int,
    starts: NDArray[np.uint32],
    entries: NDArray[np.uint16],
    /,
) -> int: ...
def run_columns(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    is_rectified: bool,
    starts: NDArray[np.uint32],
    entries: NDArray[np.uint16],
    values: NDArray[np.float32],
    n_rows: int,
    n_inputs: int,
    n_outputs: int,
    n_bits: int,
    has_codes: bool,
    isa: int,
    /,
) -> int: ...
def run_columns_expand(
    starts: NDArray[np.uint32],
    entries: NDArray[np.uint16],
    values: NDArray[np.float32],
    n_inputs: int,
    n_outputs: int,
    n_bits: int,
    has_codes: bool,
    isa: int,
    first: int,
    n: int,
    out: NDArray[np.float32],
    /,
) -> int: ...
def run_columns_rows(
    starts: NDArray[np.uint32],
    entries: NDArray[np.uint16],
    values: NDArray[np.float32],
    n_inputs: int,
    n_outputs: int,
    n_bits: int,
    has_codes: bool,
    rows: NDArray[np.int64],
    out: NDArray[np.float32],
    /,
) -> int: ...
def run_tiles_count(
    positions: NDArray[np.int64],
    codes: NDArray[np.uint8],
    n_inputs: int,
    n_outputs: int,
    code_bits: int,
    counts: _Counts,
    n_rest: _Counts,
    /,
) -> int: ...
def run_tiles_build(
    positions: NDArray[np.int64],
    codes: NDArray[np.uint8],
    n_inputs: int,
    n_outputs: int,
    code_bits: int,
    depths: NDArray[np.uint8],
    words: NDArray[np.uint32],
    rest_starts: NDArray[np.uint32],
    rest: NDArray[np.uint32],
    /,
) -> int: ...
def run_tiles(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    is_rectified: bool,
    words: NDArray[np.uint32],
    depths: NDArray[np.uint8],
    rest_starts: NDArray[np.uint32],
    rest: NDArray[np.uint32],
    table: NDArray[np.float32],
    n_rows: int,
    n_inputs: int,
    n_outputs: int,
    code_bits: int,
    isa: int,
    /,
) -> int: ...
def run_tiles_expand(
    words: NDArray[np.uint32],
    depths: NDArray[np.uint8],
    rest_starts: NDArray[np.uint32],
    rest: NDArray[np.uint32],
    table: NDArray[np.float32],
    n_inputs: int,
    n_outputs: int,
    code_bits: int,
    isa: int,
    first: int,
    n: int,
    out: NDArray[np.float32],
    /,
) -> int: ...
def run_codes(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    is_rectified: bool,
    codes: NDArray[np.uint8],
    codebook: NDArray[np.float32],
    n_rows: int,
    n_inputs: int,
    n_outputs: int,
    width: int,
    code_bits: int,
    isa: int,
    /,
) -> int: ...
def run_codes_expand(
    codes: NDArray[np.uint8],
    codebook: NDArray[np.float32],
    n_inputs: int,
    n_outputs: int,
    width: int,
    code_bits: int,
    isa: int,
    first: int,
    n: int,
    out: NDArray[np.float32],
    /,
) -> int: ...
def run_patches(
    x: NDArray[np.float32],
    n_images: int,
    n_channels: int,
    geometry: NDArray[np.int64],
    out: NDArray[np.float32],
    /,
) -> int: ...
def run_pool(
    x: NDArray[np.float32],
    n_images: int,
    n_channels: int,
    geometry: NDArray[np.int64],
    is_mean: bool,
    out: NDArray[np.float32],
    /,
) -> int: ...
def run_convolve(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    is_rectified: bool,
    starts: NDArray[np.uint32],
    entries: NDArray[np.uint16],
    values: NDArray[np.float32],
    geometry: NDArray[np.int64],
    pooling: NDArray[np.int64],
    n_images: int,
    n_channels: int,
    n_filters: int,
    n_taps: int,
    n_bits: int,
    has_codes: bool,
    isa: int,
    /,
) -> int: ...
def run_chain_build(links: tuple[tuple[Any, ...], ...], isa: int, /) -> Any: ...
def run_chain(
    chain: Any,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    n_rows: int,
    /,
) -> int: ...
