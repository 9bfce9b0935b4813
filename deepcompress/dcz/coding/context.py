"""Context coding: arrays, numbers and text as one stream of predicted bits.

A range coder spends on a bit what its probability says; the probability is learnt from
the bits before. `docs/format.md` specifies the model, `_native/context/` is it.
"""

from typing import NamedTuple

import numpy as np

from deepcompress import _native

# Numbers that are alike are coded in the same context.
METHOD, RARITY, SHIFT, N_CODES, GEOMETRY, SIZE, LISTING = range(7)

_SMALL = 1 << 12  # bytes that any number takes with ease
_WORST = 48  # bytes that a codebook's pattern takes at most


class Matrix(NamedTuple):
    """How an array is seen as a matrix: its last axis is a row, all others count rows.

    Attributes:
        n_rows: Rows of the matrix.
        n_columns: Columns of the matrix.
        step: How many rows before a row its neighbour in a line is.
        stride: How many rows before a row its neighbour in the line before is; 0 for
            none.
    """

    n_rows: int
    n_columns: int
    step: int
    stride: int


class ContextCoder:
    """Writes or reads one section.

    The same methods, called in the same order, write and read: a writer is given what
    to write and gives it back, a reader is given zeros and gives what it has read.

    Args:
        data: The bytes to read. Defaults to `None`: this coder writes.
        text: What the texts to come are like; the same for writing and reading.
        room: Bytes of memory that a writer begins with; it takes more as it needs it.
    """

    def __init__(
        self,
        data: bytes | memoryview | None = None,
        text: bytes = b"",
        room: int = _SMALL,
    ) -> None:
        self.is_reader = data is not None
        self._data: np.ndarray | bytes | memoryview
        self._data = np.zeros(room, np.uint8) if data is None else data
        self._state = np.zeros(-(-_native.DC_CONTEXT_SIZE // 8), np.uint64)
        # Non-zeros in each column of the matrix before.
        self.side = np.zeros(0, np.uint32)
        _native.context_begin(self._state, self.is_reader)
        if text:
            _native.context_learn(self._state, self._data, text)

    def copy(self) -> "ContextCoder":
        """Returns a coder that goes on from here by itself."""
        other = object.__new__(ContextCoder)
        other.is_reader = self.is_reader
        other._data = self._data
        if isinstance(self._data, np.ndarray):
            other._data = self._data.copy()
        other._state = self._state.copy()
        other.side = self.side
        return other

    def go_on_from(self, other: "ContextCoder") -> None:
        """Takes over what a copy has done since."""
        self._data, self._state, self.side = other._data, other._state, other.side

    @property
    def n_bits(self) -> int:
        """The bits written or read so far, rounded up."""
        return _native.context_bits(self._state)

    def number(self, value: int, context: int) -> int:
        """Codes a number from 0 to 2**63 - 2."""
        self._make_room(_SMALL)
        return _native.context_number(self._state, self._data, value, context)

    def text(self, text: bytes) -> bytes:
        """Codes a text; a reader is given as many bytes."""
        coded = bytearray(text)
        self._make_room(16 * len(text))
        _native.context_text(self._state, self._data, coded)
        return bytes(coded)

    def codebook(self, patterns: np.ndarray, n_bits: int, n_top: int) -> int:
        """Codes ascending patterns of so many bits, uint64, in place.

        Returns:
            How many of them have a highest bit of 0.
        """
        self._make_room(_WORST * len(patterns))
        return _native.context_codebook(
            self._state, self._data, patterns, n_bits, n_top
        )

    def patterns(self, patterns: np.ndarray, n_bits: int, n_top: int) -> None:
        """Codes patterns of so many bits, uint64, in place."""
        self._make_room(_WORST * len(patterns))
        _native.context_patterns(self._state, self._data, patterns, n_bits, n_top)

    def codes(
        self, codes: np.ndarray, matrix: Matrix, n_codes: int, n_low: int, rarity: int
    ) -> None:
        """Codes a matrix of codes, 0 for zero, uint16, in place."""
        side = (
            self.side if self.side.size and not matrix.n_rows % self.side.size else ()
        )
        counts = np.empty(matrix.n_columns, np.uint32)
        arguments = (codes, *matrix, n_codes, n_low, rarity)
        side = np.array(side, np.uint32)
        while True:
            # A carry changes bytes that were written before, too.
            before = self.copy()
            done = _native.context_codes(
                self._state, self._data, *arguments, side, counts
            )
            if done >= 0:
                break
            self.go_on_from(before)
            self._make_room(2 * len(self._data))
        if matrix.n_columns > 1:
            self.side = counts

    def end(self) -> bytes:
        """Ends the section, and returns its bytes."""
        self._make_room(_SMALL)
        size = _native.context_end(self._state, self._data)
        return bytes(self._data[:size])

    def _make_room(self, size: int) -> None:
        if not self.is_reader and len(self._data) - self.n_bits // 8 < size:
            larger = np.zeros(2 * (len(self._data) + size), np.uint8)
            larger[: len(self._data)] = self._data
            self._data = larger
