"""How many weights each kernel keeps when so many are kept together."""

from collections.abc import Sequence

import numpy as np

#: Parts of the weights at which it is found out what pruning costs.
DENSITIES = (0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)
# Points on the curve of a kernel, evenly in the logarithm.
_N_POINTS = 400


def allocate(
    sizes: Sequence[int], losses: Sequence[Sequence[float]], n_kept: int
) -> list[int]:
    """Returns how many weights each kernel keeps, so that all lose least together.

    Each keeps so many that the next weight to go would cost as much anywhere.

    Args:
        sizes: Weights of each kernel that are not zero.
        losses: What each loses at `DENSITIES`.
        n_kept: Weights that all together keep, one for each at least.

    References:
        Frantar, Alistarh 2022, "Optimal brain compression", section 6, of sparsities
        that are not the same for all; here by Lagrange's multiplier.

    Example:

    >>> costly, cheap = np.geomspace(1, 100, 8), np.geomspace(0.01, 1, 8)
    >>> allocate([1000, 1000], [costly, cheap], 600)
    [490, 110]
    """
    grid = np.geomspace(1.0, min(DENSITIES) / 10, _N_POINTS)
    curves = [_slopes(own, size, grid) for own, size in zip(losses, sizes, strict=True)]
    every = np.unique(np.concatenate(curves))
    low, high = 0, len(every) - 1

    def kept(price: float) -> list[int]:
        return [
            max(1, round(size * grid[np.searchsorted(slopes, price, side="right")]))
            for slopes, size in zip(curves, sizes, strict=True)
        ]

    while low < high:  # the least price at which no more are kept
        middle = (low + high) // 2
        if sum(kept(every[middle])) <= n_kept:
            high = middle
        else:
            low = middle + 1
    numbers = kept(every[low])
    missing = n_kept - sum(numbers)
    for at in np.argsort([n - size for n, size in zip(numbers, sizes, strict=True)]):
        more = int(np.clip(missing, 1 - numbers[at], sizes[at] - numbers[at]))
        numbers[at] += more
        missing -= more
    return numbers


def _slopes(losses: Sequence[float], size: int, grid: np.ndarray) -> np.ndarray:
    """Returns what a weight costs between the points of the grid, never less."""
    known = np.log(np.array(DENSITIES))[::-1]
    values = np.log(np.maximum(np.array(losses, float), 1e-30))[::-1]
    at = np.log(grid)
    found = np.interp(at, known, values)
    # Beyond what is known, on as between the last two, and to nothing at the whole.
    last = (values[1] - values[0]) / (known[1] - known[0])
    found = np.where(at < known[0], values[0] + last * (at - known[0]), found)
    curve = np.exp(found)
    whole = grid > DENSITIES[0]
    curve[whole] = curve[~whole][0] * ((1 - grid[whole]) / (1 - DENSITIES[0])) ** 2
    slopes: np.ndarray = np.diff(curve) / (-np.diff(grid) * size)
    return np.maximum.accumulate(np.maximum(slopes, 1e-30))
