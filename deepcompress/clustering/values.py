"""Numbers to cluster: checked, in order, and in the range of squares."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcompress import _native

_Array: TypeAlias = NDArray[Any]

# From so many values on, sorting by digits is faster than NumPy's sort.
_SORT_BY_DIGITS = 1 << 16
_SORT_ROOM = 1 << 24

# Squares of larger or smaller numbers leave the range of a float64.
_MAX_EXPONENT = 480


class Sorted(NamedTuple):
    """Ascending values and, in the same order, their positive weights."""

    values: _Array
    weights: _Array | None

    @property
    def shift(self) -> float:
        """The median: far outliers do not move it."""
        return float(self.values[self.values.size // 2])


def as_values(values: ArrayLike) -> tuple[_Array, tuple[int, ...]]:
    """Returns the values, flat, native float32 or float64, and their shape."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            "`values` must be real numbers: convert them to a float dtype first. "
            f"Received: values.dtype={array.dtype}"
        )
    if array.size == 0:
        raise ValueError(
            "`values` must hold at least one number. "
            f"Received: values.shape={array.shape}"
        )
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    dtype = np.float32 if single else np.float64
    return np.require(array, dtype, ("C", "A")).reshape(-1), array.shape


def sort_values(
    flat: _Array, shape: tuple[int, ...], sample_weight: ArrayLike | None
) -> tuple[Sorted, int, int]:
    """Returns the values that have weight, in order and in the range of squares.

    Args:
        flat: The values.
        shape: The shape that they came in, which is that of the weights.
        sample_weight: Their weights, or `None`.

    Returns:
        The sorted values, the power of two that undoes their scale, and that of the
        weights.
    """
    if sample_weight is None:
        ordered = _sorted(flat)
        weights, weight_exponent = None, 0
        _check_finite(ordered[[0, -1]])
    else:
        _check_finite(flat)
        weights, weight_exponent = _as_weights(sample_weight, shape)
        used = np.flatnonzero(weights)
        order = used[np.argsort(flat[used], kind="stable")]
        ordered, weights = flat[order], weights[order]
    exponent = _excess_exponent(ordered)
    scaled = np.ldexp(ordered, -exponent) if exponent else ordered
    return Sorted(scaled, weights), exponent, weight_exponent


def _sorted(flat: _Array) -> _Array:
    """Returns the values in ascending order, NaN before or behind all others."""
    if flat.dtype == np.float32 and flat.size >= _SORT_BY_DIGITS:
        ordered = np.empty_like(flat)
        for room in (flat.size // 8, flat.size):
            # The more alike the values are, the more room it takes.
            if room <= max(flat.size // 8, _SORT_ROOM):
                spare = np.empty(room, np.uint32)
                if _native.sort(flat, ordered, spare) >= 0:
                    return ordered
        del ordered
    return np.sort(flat)


def _check_finite(array: _Array) -> None:
    is_finite = np.isfinite(array)
    if not is_finite.all():
        raise ValueError(
            "`values` must be finite: remove or replace NaN and infinity, for example "
            f"with `numpy.nan_to_num`. Received: {array[~is_finite][0]} among them"
        )


def _as_weights(sample_weight: ArrayLike, shape: tuple[int, ...]) -> tuple[_Array, int]:
    """Returns flat weights of at most 1 and the power of two that undoes that."""
    array = np.asarray(sample_weight)
    if array.dtype.kind not in "iufb":
        raise TypeError(
            "`sample_weight` must be real numbers. "
            f"Received: sample_weight.dtype={array.dtype}"
        )
    if array.shape != shape:
        raise ValueError(
            f"`sample_weight` must hold one weight for each value, in the shape "
            f"{shape}. Received: sample_weight.shape={array.shape}"
        )
    weights = np.require(array, np.float64, ("C", "A")).reshape(-1)
    is_right = np.isfinite(weights) & (weights >= 0)
    if not is_right.all():
        raise ValueError(
            "`sample_weight` must be finite and not negative. "
            f"Received: {weights[~is_right][0]} among them"
        )
    if not weights.any():
        raise ValueError(
            "`sample_weight` must be positive for one value at least. "
            "Received: zero for all"
        )
    exponent = math.frexp(weights.max())[1]
    return np.ldexp(weights, -exponent), exponent


def _excess_exponent(data: _Array) -> int:
    """Returns the power of two to divide by for squares in the range of float64."""
    exponent = math.frexp(max(abs(float(data[0])), abs(float(data[-1]))))[1]
    return exponent - max(-_MAX_EXPONENT, min(exponent, _MAX_EXPONENT))
