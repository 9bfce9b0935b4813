"""A sparse matrix of few values in tiles, for processors with AVX-512."""

import numpy as np

from deepcompress import _native
from deepcompress.runtime import isa
from deepcompress.runtime.product import CompressedMatrix, aligned
from deepcompress.runtime.stored import Stored, count

INPUTS, OUTPUTS = 32, 16
MAX_VALUES = _native.DC_TILE_TABLE - 1
MAX_OUTPUTS = 1 << 20
# What a slot of a tile and an entry of the rest take, in the same unit of time.
_SLOT, _ENTRY = 2.0, 3.0
# Codes take five bits rather than six if no more than this part of the weights are then
# of the rest, for having another value than the 31 most frequent.
_RARE = 0.02


def suits(stored: Stored, isa_number: int) -> bool:
    """Whether tiles can be made, and are fast here."""
    return (
        isa_number >= isa.ISAS["avx512"]
        and stored.codes is not None
        and stored.n_values <= MAX_VALUES
        and stored.shape[1] <= MAX_OUTPUTS
    )


class TileMatrix(CompressedMatrix):
    """Tiles of 32 inputs and 16 outputs with room for a few weights an output.

    How many depends on the 32 inputs: so many that one slot more would take longer than
    what it saves. Weights that find no room are the rest, and done one by one.

    Args:
        stored: What is not zero, with at most 127 values, and 2**20 outputs.
        isa_number: The instructions that kernels may use.
        n_threads: Threads at most, or `None`.
    """

    form = "tiles"
    _link = _native.DC_LINK_TILES
    _multiplier = staticmethod(_native.run_tiles)
    _expander = staticmethod(_native.run_tiles_expand)

    def __init__(
        self, stored: Stored, isa_number: int, n_threads: int | None = None
    ) -> None:
        assert stored.codes is not None
        assert stored.positions is not None
        (n_inputs, n_outputs), n = stored.shape, len(stored.codes)
        frequencies = count(stored.codes, len(stored.values))
        order = np.argsort(-frequencies, kind="stable")
        n_common = frequencies[order[: 2**5 - 1]].sum()
        code_bits = 5 if n - n_common <= _RARE * n else 6
        table = np.zeros(_native.DC_TILE_TABLE, np.float32)
        table[1 : len(order) + 1] = stored.values[order]
        renamed = np.zeros(len(order), np.uint8)
        renamed[order] = np.arange(1, len(order) + 1)
        codes = renamed[stored.codes]

        n_blocks, n_tiles = -(-n_inputs // INPUTS), -(-n_outputs // OUTPUTS)
        counts = np.empty((n_blocks, _native.DC_MAX_DEPTH + 1), np.int64)
        n_rare = np.empty(n_blocks, np.int64)
        what = stored.positions, codes, n_inputs, n_outputs, code_bits
        _native.run_tiles_count(*what, counts, n_rare)
        numbers = np.arange(_native.DC_MAX_DEPTH + 1)
        left_over = np.maximum(numbers[:, None] - numbers, 0)  # by count and depth
        n_rest = counts @ left_over
        cost = _SLOT * n_tiles * numbers + _ENTRY * n_rest
        depths = np.argmin(cost, axis=1).astype(np.uint8)
        n_rest = np.take_along_axis(n_rest, depths[:, None].astype(np.intp), 1)

        n_slots = 3 if code_bits == 5 else 2
        n_words = (
            OUTPUTS * n_tiles * int((-(-depths.astype(np.int64) // n_slots)).sum())
        )
        words = aligned(n_words, np.uint32)
        rest_starts = np.empty(n_blocks + 1, np.uint32)
        rest = np.empty(int(n_rest.sum() + n_rare.sum()), np.uint32)
        _native.run_tiles_build(*what, depths, words, rest_starts, rest)
        arrays = words, depths, rest_starts, rest, table
        facts = (code_bits,)
        super().__init__(
            stored.shape, n, arrays, facts, isa_number=isa_number, n_threads=n_threads
        )
