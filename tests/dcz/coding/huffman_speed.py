"""Huffman coding of symbols: deepcompress against Zstandard and zlib.

One table in one run, for what a compressed network consists of:

- idx16, idx32: for each weight that pruning 90 % of a Laplace distribution leaves, the
  nearest of 16 or 32 evenly spaced centroids;
- gap4: the zeros before each weight where one in ten is left, as gap symbols of 4 bits.

The coders, each from symbols of one byte and back:

- deepcompress: counting, the code, its table and the streams; then reading them;
- `zstandard` at level 1, if it is installed: `pip install zstandard`;
- zlib of the standard library, with the strategy `Z_HUFFMAN_ONLY`.

MB/s are millions of symbols a second of CPU time, that of all threads together, the
best of `--repeats`; all coders take turns. "ours" is how many times as fast
deepcompress is. The size is given over the entropy of the symbols and over the best
Huffman code without a limit plus the table in which deepcompress stores its own.

It stands among the tests, as it measures the coder inside the package: `dc.write` and
`dc.read` look for codebooks and positions too.

Run it with:

    python tests/dcz/coding/huffman_speed.py
    python tests/dcz/coding/huffman_speed.py --size 1000000 --repeats 20
"""

from __future__ import annotations

import argparse
import heapq
import importlib
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepcompress.dcz.coding import gaps
from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.dcz.coding.huffman import HuffmanCode, count_symbols


def indices(n: int, n_centroids: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    # What lies beyond a threshold of a Laplace distribution is distributed as before.
    values = (np.log(10) + rng.exponential(1, n)) * rng.choice([-1, 1], n)
    centroids = np.linspace(values.min(), values.max(), n_centroids)
    borders = (centroids[1:] + centroids[:-1]) / 2
    return np.searchsorted(borders, values).astype(np.uint8)


def gap_symbols(n: int) -> np.ndarray:
    gap = np.random.default_rng(0).geometric(0.1, n)
    return gaps.encode(np.cumsum(gap) - 1, 4)[:n]


# The symbols by their number, and the size of their alphabet.
SYMBOLS: dict[str, tuple[Callable[[int], np.ndarray], int]] = {
    "idx16": (lambda n: indices(n, 16), 16),
    "idx32": (lambda n: indices(n, 32), 32),
    "gap4": (gap_symbols, 16),
}


def ours(symbols: np.ndarray, n_symbols: int) -> bytes:
    counts = count_symbols(symbols, n_symbols)
    return HuffmanCode.from_counts(counts).encode(symbols)


def ours_back(data: bytes, n_symbols: int, n: int) -> np.ndarray:
    reader = ByteReader(data)
    return HuffmanCode.read(reader, n_symbols).decode(reader, n)


def zstandard(symbols: np.ndarray, n_symbols: int) -> bytes:
    module = importlib.import_module("zstandard")
    return module.ZstdCompressor(level=1).compress(symbols.data)


def zstandard_back(data: bytes, n_symbols: int, n: int) -> bytes:
    module = importlib.import_module("zstandard")
    return module.ZstdDecompressor().decompress(data)


def zlib_huffman(symbols: np.ndarray, n_symbols: int) -> bytes:
    coder = zlib.compressobj(wbits=-15, strategy=zlib.Z_HUFFMAN_ONLY)
    return coder.compress(symbols.data) + coder.flush()


def zlib_back(data: bytes, n_symbols: int, n: int) -> bytes:
    return zlib.decompress(data, wbits=-15, bufsize=n)


# Each with the package it needs.
CODERS: dict[str, tuple[Callable[..., bytes], Callable[..., Any], str]] = {
    "deepcompress": (ours, ours_back, "deepcompress"),
    "zstandard -1": (zstandard, zstandard_back, "zstandard"),
    "zlib, Huffman only": (zlib_huffman, zlib_back, "zlib"),
}


@dataclass
class Result:
    """A coder's size and its best seconds."""

    size: int = 0
    encoding: float = np.inf
    decoding: float = np.inf

    def measure(self, name: str, symbols: np.ndarray, n_symbols: int) -> None:
        """Run the coder once more."""
        encode, decode, _ = CODERS[name]
        start = time.process_time()
        data = encode(symbols, n_symbols)
        middle = time.process_time()
        decoded = decode(data, n_symbols, len(symbols))
        end = time.process_time()
        if not np.array_equal(np.frombuffer(decoded, np.uint8), symbols):
            raise AssertionError(f"{name} does not give the symbols back.")
        self.size = len(data)
        self.encoding = min(self.encoding, middle - start)
        self.decoding = min(self.decoding, end - middle)


def is_installed(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def entropy_size(counts: np.ndarray) -> float:
    used = counts[counts > 0]
    return float(used @ np.log2(counts.sum() / used)) / 8


def huffman_size(counts: np.ndarray) -> float:
    """Return the bytes of the best Huffman code: what all its joints weigh together."""
    heap = [int(count) for count in counts if count]
    heapq.heapify(heap)
    n_bits = 0
    while len(heap) > 1:
        joint = heapq.heappop(heap) + heapq.heappop(heap)
        n_bits += joint
        heapq.heappush(heap, joint)
    return n_bits / 8


def report(name: str, counts: np.ndarray, results: dict[str, Result | None]) -> None:
    n = counts.sum()
    table = len(HuffmanCode.from_counts(counts).table)
    own = results["deepcompress"]
    assert own is not None
    for coder, result in results.items():
        if result is None:
            print(f"{name:<6} {coder:<18} not installed")
            continue
        print(
            f"{name:<6} {coder:<18} {result.size:>9} "
            f"{result.size / entropy_size(counts):9.4f} "
            f"{result.size / (huffman_size(counts) + table):9.6f} "
            f"{n / result.encoding / 1e6:8.0f} {result.encoding / own.encoding:6.2f} "
            f"{n / result.decoding / 1e6:8.0f} {result.decoding / own.decoding:6.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()

    print(
        f"{'':<6} {'':<18} {'bytes':>9} {'x entropy':>9} {'x Huffman':>9} "
        f"{'encode':>8} {'ours':>6} {'decode':>8} {'ours':>6}"
    )
    for name, (make, n_symbols) in SYMBOLS.items():
        symbols = make(arguments.size)
        results = {
            coder: Result() if is_installed(package) else None
            for coder, (_, _, package) in CODERS.items()
        }
        for _ in range(arguments.repeats):
            for coder, result in results.items():
                if result is not None:
                    result.measure(coder, symbols, n_symbols)
        report(name, count_symbols(symbols, n_symbols), results)


if __name__ == "__main__":
    main()
