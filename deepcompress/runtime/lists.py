"""A sparse matrix as lists: what each input reaches, or what reaches each output."""

from typing import ClassVar

import numpy as np

from deepcompress import _native
from deepcompress.runtime.product import CompressedMatrix
from deepcompress.runtime.stored import Stored

# Bits of an entry that tell the place, within a block of so many; those that are left
# tell the value.
_MAX_PLACE_BITS = 11
_MIN_PLACE_BITS = 8
_MAX_BITS = 16
# Of values that are not shared there is one block of places.
MAX_PLACES = 1 << _MAX_BITS


class ListMatrix(CompressedMatrix):
    """Lists of the outputs for each input, or of the inputs for each output.

    Args:
        stored: What is not zero: at most 256 values that are shared; or any, and then
            with at most 65,536 places.
        isa_number: The instructions that kernels may use.
        n_threads: Threads at most, or `None`.
    """

    of_inputs: ClassVar[bool]

    def __init__(
        self, stored: Stored, isa_number: int, n_threads: int | None = None
    ) -> None:
        assert stored.positions is not None
        n_places = stored.shape[1 if self.of_inputs else 0]
        n_lists = stored.shape[0 if self.of_inputs else 1]
        self._has_codes = stored.codes is not None
        if stored.codes is not None:
            bits = _MAX_BITS - max(len(stored.values) - 1, 1).bit_length()
            self._n_bits = min(bits, _MAX_PLACE_BITS)
            values = np.zeros(1 << (_MAX_BITS - self._n_bits), np.float32)
            values[: len(stored.values)] = stored.values
        else:
            self._n_bits = max((n_places - 1).bit_length(), _MIN_PLACE_BITS)
            values = stored.values
        n_blocks = -(-n_places // (1 << self._n_bits))
        starts = np.empty(n_blocks * n_lists + 1, np.uint32)
        entries = np.empty(len(stored.positions), np.uint16)
        codes = np.empty(0, np.uint8) if stored.codes is None else stored.codes
        _native.run_lists_build(
            stored.positions,
            codes,
            *stored.shape,
            self.of_inputs,
            self._n_bits,
            starts,
            entries,
        )
        super().__init__(
            stored.shape,
            len(entries),
            isa_number,
            n_threads,
            starts=starts,
            entries=entries,
            values=values,
        )

    def _run(self, x: np.ndarray, y: np.ndarray) -> int:
        starts, entries, values = self._arrays
        return _native.run_lists(
            x,
            y,
            starts,
            entries,
            values,
            len(x),
            *self.shape,
            self.of_inputs,
            self._n_bits,
            self._has_codes,
            self._isa,
        )

    def _expand(self, first: int, out: np.ndarray) -> None:
        starts, entries, values = self._arrays
        _native.run_lists_expand(
            starts,
            entries,
            values,
            *self.shape,
            self.of_inputs,
            self._n_bits,
            self._has_codes,
            first,
            len(out),
            out,
        )


class ColumnMatrix(ListMatrix):
    """For each input the outputs that it reaches: inputs of 0 cost nothing."""

    form = "columns"
    of_inputs = True


class RowMatrix(ListMatrix):
    """For each output the inputs that reach it: fast without any vectors."""

    form = "rows"
    of_inputs = False
