"""What becomes of bytes: an array, of which dtype, or a part of the rest."""

import lzma
from collections.abc import Callable

import numpy as np

from deepcompress.dcz.coding.bytestream import ByteWriter
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.dcz.coding.patterns import pattern_dtype
from deepcompress.dcz.coding.planes import BytePlanes
from deepcompress.dcz.directory import DTYPES, dtype_of

Read = Callable[[int, int], np.ndarray]

# What bytes are tried as that nobody knows the dtype of.
_GUESSED = ("uint8", "float16", "int16", "float32", "int32", "float64")
# Planes of float16 and bfloat16 are the same, but an exponent fills one of the latter.
_BFLOAT16 = 0.75
_SAMPLE = 1 << 12  # bytes that are looked at, at least,
_SHARE = 1 << 6  # or one in so many,
_MOST = 1 << 17  # at most
_N_PLACES = 8
# Up to so many bytes, what is best is found by doing it.
_TRIED = 1 << 18


def dtype_named(name: str) -> np.dtype:
    """Returns a dtype, little-endian."""
    return dtype_of(DTYPES.index(name))


def guess(read: Read, size: int) -> str:
    """Returns the dtype as which bytes take the least room, by a sample of them.

    Args:
        read: Returns bytes at an offset, so many.
        size: How many there are.
    """
    sample = _sample(read, size, 4 * _SAMPLE)
    best, best_size = "uint8", float(len(sample))
    for name in _GUESSED:
        dtype = dtype_named(name)
        patterns = sample[: len(sample) // 8 * 8].view(pattern_dtype(dtype))
        cost = BytePlanes.of(patterns, dtype).size
        if cost < 0.99 * best_size:
            best, best_size = name, cost
    is_bfloat16 = best == "float16" and best_size < _BFLOAT16 * len(sample)
    return "bfloat16" if is_bfloat16 else best


def is_rest(read: Read, size: int, dtype: np.dtype, is_swapped: bool) -> bool:
    """Whether bytes take less room in the rest than as an array.

    LZMA finds what repeats, arrays are coded by how frequent their values are. It is
    tried on a sample; small arrays are tried as a whole where that leaves a doubt.

    Args:
        read: Returns bytes at an offset, so many.
        size: How many there are.
        dtype: What they are elements of.
        is_swapped: Whether these are big-endian.
    """
    sample = _sample(read, size, min(max(_SAMPLE, size // _SHARE), _MOST))
    if _is_noise(sample, size, dtype) or not _is_smaller_in_rest(
        sample, dtype, is_swapped, 0
    ):
        return False
    if size > _TRIED:
        return True
    return _is_smaller_in_rest(read(0, size), dtype, is_swapped, 6)


def _is_noise(sample: np.ndarray, size: int, dtype: np.dtype) -> bool:
    """Whether these are floats that become planes, of which none occur again."""
    words = sample.view(pattern_dtype(dtype))
    if dtype.kind != "f" or dtype.itemsize < 4 or size < 1024 * dtype.itemsize:
        return False
    return len(np.unique(words)) > 0.9 * len(words)


def elements(data: np.ndarray, dtype: np.dtype, is_swapped: bool) -> np.ndarray:
    """Returns bytes as the elements that they are, of shape `(n,)`.

    Args:
        data: Bytes, as uint8. They are changed where elements are big-endian.
        dtype: What they are elements of.
        is_swapped: Whether these are big-endian.
    """
    if is_swapped:
        data.view(pattern_dtype(dtype)).byteswap(inplace=True)
    return data.view(dtype)


def _is_smaller_in_rest(
    data: np.ndarray, dtype: np.dtype, is_swapped: bool, preset: int
) -> bool:
    filters = [
        {
            "id": lzma.FILTER_LZMA2,
            "preset": preset,
            "dict_size": max(len(data), 1 << 12),
        }
    ]
    in_rest = len(lzma.compress(data.tobytes(), lzma.FORMAT_RAW, filters=filters))
    tensor = HuffmanTensor.encode(elements(data, dtype, is_swapped), ByteWriter())
    return in_rest < tensor.n_bytes


def _sample(read: Read, size: int, n: int) -> np.ndarray:
    """Returns about `n` bytes from all over, whole elements of any dtype."""
    if n >= size:
        return read(0, size // 16 * 16)
    part = max(n // _N_PLACES // 16 * 16, 16)
    places = [size * i // _N_PLACES // 16 * 16 for i in range(_N_PLACES)]
    return np.concatenate([read(p, min(part, size - p)) for p in places])
