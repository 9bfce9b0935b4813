"""The background of a tensor: the bit pattern that most of its elements have.

It is 0 as a rule, but -0.0 where a mask was multiplied with negative weights, the zero
point in quantized tensors, or a token that fills up. Coders leave out zeros; so they
code the difference from the background, in which it is zero.
"""

import numpy as np

from deepcompress.dcz.coding.codebook import SharedValues

# Each element that is stored takes a bit of its gap at least. Where values are shared,
# leaving out fewer than one element in so many never makes up for that.
_RAREST = 8
_N_TRIED = 1 << 12
_GOLDEN = 0.6180339887498949  # its multiples fall everywhere, and into no period


def background_of(values: np.ndarray, shared: SharedValues | None, n_zeros: int) -> int:
    """Returns the pattern that may be worth leaving out instead of 0, or 0.

    Args:
        values: The patterns of a tensor that are not 0, an array of shape `(n,)`.
        shared: The same as a codebook and codes, or `None` where they are too many.
        n_zeros: How many other elements the tensor has.

    Example:

    >>> import numpy as np
    >>> from deepcompress.dcz.coding.codebook import shared_values
    >>> tokens = np.array([7, 7, 7, 2, 7], np.uint8)
    >>> background_of(tokens, shared_values(tokens, limit=9), n_zeros=2)
    7
    """
    if len(values) <= n_zeros:
        return 0
    if shared is not None:
        index = int(np.argmax(shared.counts))
        pattern, count = int(shared.codebook[index]), int(shared.counts[index])
        is_worth = _RAREST * count >= len(values) + n_zeros
    else:
        pattern, count = _most_frequent(values)
        is_worth = 8 * values.itemsize * count >= len(values) + n_zeros - count
    return pattern if is_worth and count > n_zeros else 0


def _most_frequent(values: np.ndarray) -> tuple[int, int]:
    """Returns the most frequent of many distinct values, and how often it occurs.

    It is looked for in a few thousand places; what is not seen there again and again is
    too rare to matter, and counts as never.
    """
    places = np.arange(_N_TRIED) * _GOLDEN % 1 * len(values)
    tried, counts = np.unique(values[places.astype(np.int64)], return_counts=True)
    index = np.argmax(counts)
    if 16 * values.itemsize * counts[index] < _N_TRIED:
        return 0, 0
    return int(tried[index]), int(np.count_nonzero(values == tried[index]))
