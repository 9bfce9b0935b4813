"""What every coder of tensors offers, and the figures that it states of a tensor."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from deepcompress.dcz.coding.weights import Weights


@dataclass(frozen=True)
class TensorStats:
    """What became of a tensor: the figures behind one row of a report.

    Attributes:
        n_weights: Elements of the tensor.
        itemsize: Bytes of an element in memory.
        n_nonzero: Elements that are not zero; -0.0 is zero, as it is to pruning.
        n_stored: Elements stored: of a tensor with gaps those that are not its
            background, else all.
        n_bytes: Bytes in the file.
        is_coded: Whether the background is left out, or values shared; else the tensor
            is stored as it is, be it in planes of bytes.
        value_bits: Bits of the stored elements in the file, and of signs that stand
            apart, codebook and code tables aside; of context-coded ones with what goes
            with them, their positions above all.
        position_bits_fixed: Bits of the positions with gaps of fixed width, or with a
            bit for each element, zero or not, where the file has no gaps; and a bit
            for each sign that stands apart.
        codebook: Array of the shared values, or `None` for a tensor stored raw; without
            signs where they stand apart.
        code_counts: How often each shared value is stored, or `None`.
        code_bits: Bits of the coded codes; of context-coded ones with what goes with
            them, their positions above all.
        gap_width: Bits of a gap symbol; 0 without gaps.
        gap_counts: How often each gap symbol is stored, or `None`.
        gap_bits: Bits of the Huffman-coded gap symbols.
        table_bytes: Bytes of the code tables.
        is_context_coded: Whether the contexts of codes and positions tell their
            probability, in one stream of bits.
        background: The value that is left out where its bits are not all zero, an array
            without axes; else `None`.

    Example:

    >>> import io
    >>> import deepcompress as dc
    >>> kernel = np.array([[0.5, 0, 0, 0.5], [0, 0.25, 0, 0]] * 20, "float32")
    >>> stats = dc.write(io.BytesIO(), {"dense/kernel": kernel}).stats["dense/kernel"]
    >>> stats.n_weights, stats.n_nonzero, stats.codebook, stats.code_counts
    (160, 60, array([0.25, 0.5 ], dtype=float32), array([20, 40]))
    """

    n_weights: int
    itemsize: int
    n_nonzero: int
    n_stored: int
    n_bytes: int
    is_coded: bool
    value_bits: int
    position_bits_fixed: int
    codebook: np.ndarray | None = None
    code_counts: np.ndarray | None = None
    code_bits: int = 0
    gap_width: int = 0
    gap_counts: np.ndarray | None = None
    gap_bits: int = 0
    table_bytes: int = 0
    is_context_coded: bool = False
    background: np.ndarray | None = None


class CodedTensor(Protocol):
    """A tensor taken apart into what a file holds of it: a coder is such a class.

    Tensors are written one after the other to what `Writer` makes, whose `end` returns
    the bytes, and read in the same order from what `Reader` makes of these bytes, whose
    `end` refuses bytes that no tensor has taken. Whatever bytes a reader is given, its
    tensors come out, or `CorruptFileError` is raised.

    Attributes:
        coder: What users call the coder.
        Writer: Called without arguments, makes what tensors are written to.
        Reader: Called with bytes, makes what tensors are read from.
    """

    coder: ClassVar[str]
    Writer: ClassVar[Any]
    Reader: ClassVar[Any]

    @classmethod
    def encode(cls, array: np.ndarray, writer: Any) -> Self:
        """Writes a tensor in the way that takes the least room.

        Args:
            array: Any shape; a little-endian dtype of fixed size.
            writer: What the tensors before were written to.

        Returns:
            The tensor as it was taken apart.
        """
        ...

    @classmethod
    def decode(cls, reader: Any, dtype: np.dtype, shape: tuple[int, ...]) -> Self:
        """Takes apart the tensor that comes next.

        Args:
            reader: Stands where the tensor begins.
            dtype: The tensor's dtype, little-endian.
            shape: The tensor's shape; the caller has bounded its size.

        Raises:
            CorruptFileError: What comes next is not such a tensor.
        """
        ...

    def to_array(self) -> np.ndarray:
        """Returns the tensor, writeable and in C order.

        Raises:
            CorruptFileError: Its parts do not fit together.
        """
        ...

    def weights(self) -> Weights:
        """Returns the tensor as it is held compressed, without a dense copy.

        Raises:
            CorruptFileError: Its parts do not fit together.
        """
        ...

    def stats(self) -> TensorStats:
        """Returns the figures of the tensor."""
        ...
