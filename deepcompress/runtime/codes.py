"""A matrix with few values, most of which are not zero: a code for each element."""

import numpy as np

from deepcompress import _native
from deepcompress.runtime import costs
from deepcompress.runtime.product import CompressedMatrix, aligned, check_indices

LANES, MAX_PANEL = 16, 64
MAX_VALUES = 256


class CodeMatrix(CompressedMatrix):
    """A byte for each element, in panels of up to 64 outputs.

    Args:
        codes: uint8 array of shape `(n_inputs, n_outputs)`.
        values: float32 array of at most 256 values.
        isa_number: The instructions that kernels may use.
        n_threads: Threads at most, or `None`.
    """

    form = "codes"
    _link = _native.DC_LINK_CODES
    _multiplier = staticmethod(_native.run_codes)
    _expander = staticmethod(_native.run_codes_expand)

    def __init__(
        self,
        codes: np.ndarray,
        values: np.ndarray,
        isa_number: int,
        n_threads: int | None = None,
    ) -> None:
        n_inputs, n_outputs = codes.shape
        if not costs.are_always_looked_up(len(values), isa_number):
            self._panel_rows = costs.MANY
        self._width = min(MAX_PANEL, max(1, -(-n_outputs // LANES)) * LANES)
        code_bits = max(len(values) - 1, 1).bit_length()
        n_panels = -(-n_outputs // self._width)
        panels = aligned(n_panels * n_inputs * self._width, np.uint8)
        panels = panels.reshape(n_panels, n_inputs, self._width)
        for panel, begin in zip(panels, range(0, n_outputs, self._width), strict=True):
            part = codes[:, begin : begin + self._width]
            panel[:, : part.shape[1]] = part
            panel[:, part.shape[1] :] = 0
        codebook = np.zeros(MAX_VALUES, np.float32)
        codebook[: len(values)] = values
        arrays, facts = (panels, codebook), (self._width, code_bits)
        shape = n_inputs, n_outputs
        super().__init__(
            shape, codes.size, arrays, facts, isa_number=isa_number, n_threads=n_threads
        )

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows of the matrix."""
        indices = check_indices(indices, self.shape)
        codes, codebook = self._arrays
        panels = codebook[np.moveaxis(codes[:, indices], 0, 1)]
        rows: np.ndarray = panels.reshape(len(indices), len(codes) * self._width)[
            :, : self.shape[1]
        ]
        return np.ascontiguousarray(rows)
