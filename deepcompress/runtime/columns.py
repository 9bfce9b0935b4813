"""A sparse matrix as columns: a list of the outputs that each input reaches."""

from collections.abc import Callable

import numpy as np

from deepcompress import _native
from deepcompress.runtime.product import CompressedMatrix, aligned, check_indices
from deepcompress.runtime.stored import Stored

MAX_VALUES = 256
# An entry has sixteen bits: the output within its block, and which value it is. Of
# values that are not shared there is one block.
_BITS = 16
_MIN_PLACE_BITS, _MAX_PLACE_BITS = 8, 11
MAX_OUTPUTS = 1 << _BITS


_run_rows: Callable[..., int] = _native.run_columns_rows


class ColumnMatrix(CompressedMatrix):
    """For each input the outputs that it reaches: inputs of 0 cost nothing.

    Args:
        stored: What is not zero: at most 256 values that are shared; or any that are
            not, and then at most 65,536 outputs.
        isa_number: The instructions that kernels may use.
        n_threads: Threads at most, or `None`.
    """

    form = "columns"
    _link = _native.DC_LINK_COLUMNS
    _multiplier = staticmethod(_native.run_columns)
    _expander = staticmethod(_native.run_columns_expand)

    def __init__(
        self, stored: Stored, isa_number: int, n_threads: int | None = None
    ) -> None:
        assert stored.positions is not None
        n_inputs, n_outputs = stored.shape
        if stored.codes is not None:
            code_bits = max(len(stored.values) - 1, 1).bit_length()
            n_bits = min(_BITS - code_bits, _MAX_PLACE_BITS)
            values = np.zeros(1 << (_BITS - n_bits), np.float32)
            values[: len(stored.values)] = stored.values
            codes = stored.codes
        else:
            n_bits = max((n_outputs - 1).bit_length(), _MIN_PLACE_BITS)
            values, codes = stored.values, np.empty(0, np.uint8)
        n_blocks = -(-n_outputs // (1 << n_bits))
        starts = np.empty(n_blocks * n_inputs + 1, np.uint32)
        entries = aligned(len(stored.positions), np.uint16)
        _native.run_columns_build(
            stored.positions, codes, n_inputs, n_outputs, n_bits, starts, entries
        )
        arrays, facts = (starts, entries, values), (n_bits, stored.codes is not None)
        n = len(entries)
        super().__init__(
            stored.shape, n, arrays, facts, isa_number=isa_number, n_threads=n_threads
        )

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows of the matrix."""
        indices = check_indices(indices, self.shape)
        out = np.empty((len(indices), self.shape[1]), np.float32)
        facts = self._facts[:-1]
        _run_rows(*self._arrays, *facts, np.ascontiguousarray(indices, np.int64), out)
        return out
