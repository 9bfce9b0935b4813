"""Type stubs of the compiled kernels; native.h documents them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DC_MAX_CODE_LENGTH: int
DC_MAX_ALPHABET: int
DC_MAX_GAP_WIDTH: int

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
def gaps_decode(
    symbols: NDArray[Any], width: int, n_elements: int, positions: NDArray[Any]
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
