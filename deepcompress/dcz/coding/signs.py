"""Signs apart from what they belong to.

A mask that is multiplied with weights leaves zeros of either sign. Which one it is
takes a bit; positions and codebook need not know of it.
"""

from dataclasses import replace
from math import prod

import numpy as np

from deepcompress.dcz.coding.bytestream import ByteReader, Located
from deepcompress.dcz.coding.patterns import pattern_dtype
from deepcompress.dcz.coding.planes import BytePlanes
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.coding.weights import Weights, smallest_codes
from deepcompress.errors import CorruptFileError

_BYTE = np.dtype(np.uint8)
# Fewer zeros of either sign than one element in so many are values like others.
_RAREST = 16


def has_both_zeros(patterns: np.ndarray, dtype: np.dtype) -> bool:
    """Whether many elements are zeros, of either sign.

    Args:
        patterns: Unsigned integers of any shape.
        dtype: What they are patterns of.
    """
    if dtype.kind in "biuc":
        return False
    n_zeros = patterns.size - np.count_nonzero(patterns)
    if _RAREST * n_zeros < patterns.size:
        return False
    n_negative = np.count_nonzero(patterns == _sign_of(patterns.dtype))
    return bool(_RAREST * n_negative >= patterns.size > 0)


def split_signs(patterns: np.ndarray) -> tuple[np.ndarray, BytePlanes]:
    """Returns patterns with a highest bit of 0, and these bits, eight to a byte.

    Example:

    >>> import numpy as np
    >>> rest, signs = split_signs(np.array([0, 128, 130, 3], np.uint8))
    >>> rest, signs.planes
    (array([0, 0, 2, 3], dtype=uint8), array([[6]], dtype=uint8))
    """
    sign = _sign_of(patterns.dtype)
    bits = np.packbits(patterns >= sign, bitorder="little")
    return patterns & ~sign, BytePlanes.of(bits, _BYTE)


def read_signs(reader: ByteReader, n: int) -> BytePlanes:
    """Returns the signs of `n` elements that come next.

    Raises:
        CorruptFileError: What comes next are not the signs of so many.
    """
    with Located(reader.offset):
        signs = BytePlanes.read(reader, _BYTE, -(-n // 8))
        if n % 8 and signs.planes[0, -1] >> n % 8:
            raise CorruptFileError("There are more signs than elements.", Rule.SIGNS)
    return signs


def turn_signs(patterns: np.ndarray, signs: BytePlanes) -> np.ndarray:
    """Returns patterns with the highest bit of those turned that have a sign.

    Args:
        patterns: Unsigned integers of any shape, C-contiguous.
        signs: As many, as `split_signs` makes them.
    """
    bits = np.unpackbits(signs.planes[0], count=patterns.size, bitorder="little")
    turned: np.ndarray = patterns ^ bits.reshape(patterns.shape) * _sign_of(
        patterns.dtype
    )
    return turned


def with_signs(weights: Weights, signs: BytePlanes) -> Weights:
    """Returns weights with the signs that stood apart from them.

    A background has either sign then, so that all elements are stored.

    Args:
        weights: Real numbers without signs.
        signs: As many as the weights have elements.
    """
    if weights.codebook is None or weights.codes is None:
        array = weights.to_array()
        turned = turn_signs(array.view(pattern_dtype(weights.dtype)), signs)
        values = turned.reshape(-1).view(weights.dtype)
        return replace(weights, positions=None, values=values)
    patterns = weights.codebook.view(pattern_dtype(weights.dtype))
    if weights.positions is None:
        codes = weights.codes.astype(np.uint32)
    else:
        background = weights.background.view(patterns.dtype)
        patterns = np.append(patterns, background)
        codes = np.full(prod(weights.shape), len(patterns) - 1, np.uint32)
        codes[weights.positions] = weights.codes
    bits = np.unpackbits(signs.planes[0], count=codes.size, bitorder="little")
    codes += bits * np.uint32(len(patterns))
    codebook = np.concatenate((patterns, patterns ^ _sign_of(patterns.dtype)))
    return replace(
        weights,
        positions=None,
        codebook=codebook.view(weights.dtype),
        codes=smallest_codes(codes, len(codebook)),
    )


def _sign_of(items: np.dtype) -> np.unsignedinteger:
    """Returns the highest bit of a pattern."""
    sign: np.unsignedinteger = items.type(1 << 8 * items.itemsize - 1)
    return sign
