"""Convolutions without patches: slabs of images, each for a kernel's call."""

from functools import lru_cache
from math import prod

import numpy as np

from deepcompress._threads import map_in_threads
from deepcompress.runtime.filters import FilterMatrix
from deepcompress.runtime.steps.windows import Window, geometry_of

# Floats of an image, with its padding, that a call takes: they stay in a cache.
SLAB = 1 << 17
# Where even the least slab has more, patches take less room.
_MOST = 1 << 22
# Multiply-adds from which several threads share slabs, and of the slabs then.
_THREADED, _LEAST = 1 << 26, 1 << 23


def fits(shape: tuple[int, ...], window: Window) -> bool:
    """Whether images of a shape, channels last, can be convolved so."""
    sizes = window.output_sizes(shape[:-1])
    return 0 not in sizes and _row(shape, window) * window.extent[0] <= _MOST


def fits_whole(shape: tuple[int, ...], window: Window) -> bool:
    """Whether whole images of a shape are one slab."""
    sizes = window.output_sizes(shape[:-1])
    n = sizes[0] - 1 + window.extent[0]
    return 0 not in sizes and _row(shape, window) * n <= SLAB


def convolve(
    x: np.ndarray,
    window: Window,
    filters: FilterMatrix,
    bias: np.ndarray | None,
    y: np.ndarray,
    *,
    relu: bool,
) -> bool:
    """Convolves images, unless a number of them is not finite.

    Args:
        x: float32 array of shape `(n_images, ..., channels)`, in C order.
        window: A window that moves by one.
        filters: What slides.
        bias: float32 array of shape `(n_filters,)`, or `None`.
        y: float32 array for the outputs, in C order.
        relu: Whether what is below 0 becomes 0 at last.

    Returns:
        Whether it has.
    """
    work = filters.n_multiplied * prod(y.shape[1:-1])
    is_threaded = len(x) * work >= _THREADED and filters.n_threads != 1
    if fits_whole(x.shape[1:], window) and not is_threaded:
        _, geometry = geometry_of(x.shape[1:-1], window)
        return filters.convolve(x, geometry, y, bias, relu=relu)
    least = -(-_LEAST * y.shape[1] // max(work, 1)) if is_threaded else y.shape[1]
    cuts = _slabs(x.shape[1:], window, least)

    def run(task: tuple[int, tuple[slice, slice, np.ndarray]]) -> bool:
        image, (taken, made, geometry) = task
        some, out = x[image : image + 1, taken], y[image : image + 1, made]
        return filters.convolve(some, geometry, out, bias, relu=relu)

    tasks = [(image, cut) for image in range(len(x)) for cut in cuts]
    return all(map_in_threads(run, tasks, filters.n_threads if is_threaded else 1))


def _row(shape: tuple[int, ...], window: Window) -> int:
    """Floats along the first axis of an image, with its padding."""
    sizes = window.output_sizes(shape[:-1])
    others = zip(sizes[1:], window.extent[1:], strict=True)
    return shape[-1] * prod(n - 1 + extent for n, extent in others)


@lru_cache(256)  # images of one model mostly have one size
def _slabs(
    shape: tuple[int, ...], window: Window, least: int
) -> list[tuple[slice, slice, np.ndarray]]:
    """Cuts an image along its first axis: what is taken, what is made, the geometry."""
    inner, extent = shape[:-1], window.extent[0]
    sizes, whole = geometry_of(inner, window)
    before = window.padded(inner)[0][0]
    n = max(1, min(least, SLAB // max(_row(shape, window), 1) - extent + 1))
    cuts = []
    for begin in range(0, sizes[0], n):
        end = min(begin + n, sizes[0])
        first = min(max(begin - before, 0), inner[0])
        last = max(min(end - 1 - before + extent, inner[0]), first)
        geometry = whole.copy().reshape(6, -1)
        geometry[0, 0], geometry[1, 0] = last - first, end - begin
        geometry[5, 0] = max(before - begin, 0)
        cuts.append((slice(first, last), slice(begin, end), geometry.reshape(-1)))
    return cuts
