"""Windows that slide over the axes between the batch and the channels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np

from deepcompress import _native
from deepcompress.runtime.program import Operation
from deepcompress.runtime.steps.room import contradiction, room_for


@dataclass(frozen=True)
class Window:
    """A window, and how it slides.

    Attributes:
        size: Elements along each axis.
        strides: How far it moves along each axis.
        dilation: How far its elements are apart.
        padding: `"valid"`, `"same"` or `"causal"`.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.size)

    @property
    def extent(self) -> tuple[int, ...]:
        """Elements from its first to its last along each axis."""
        sizes = zip(self.size, self.dilation, strict=True)
        return tuple((size - 1) * dilation + 1 for size, dilation in sizes)

    def output_sizes(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Returns how many places it takes along axes of so many elements."""
        ends = zip(sizes, self.extent, self.strides, self.padded(sizes), strict=True)
        return tuple(
            max(0, (n + before + after - extent) // stride + 1)
            for n, extent, stride, (before, after) in ends
        )

    def padded(self, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
        """Returns how much is added before and behind each axis."""
        if self.padding == "valid":
            return [(0, 0)] * self.rank
        ends = []
        for n, extent, stride in zip(sizes, self.extent, self.strides, strict=True):
            if self.padding == "causal":
                ends.append((extent - 1, 0))
                continue
            total = max(0, (-(-n // stride) - 1) * stride + extent - n)
            ends.append((total // 2, total - total // 2))
        return ends


def window_of(operation: Operation, size: tuple[int, ...]) -> Window:
    """Returns the window of an operation.

    Raises:
        CorruptFileError: Its fields do not fit each other.
    """
    ones = (1,) * len(size)
    strides = operation["strides"] or ones
    dilation = ones
    if operation.kind != "pool":
        dilation = operation["dilation"] or ones
    numbers = (*size, *strides, *dilation)
    if len(numbers) != 3 * len(size) or any(not 0 < n < 1 << 20 for n in numbers):
        raise contradiction(f"a window of {size} that moves by {strides}, {dilation}")
    return Window(size, tuple(strides), tuple(dilation), operation["padding"])


def pad(x: np.ndarray, window: Window, value: float = 0.0) -> np.ndarray:
    """Returns an array with what padding adds."""
    ends = window.padded(x.shape[1:-1])
    if not any(map(any, ends)):
        return x
    room_for((len(x), *(n + sum(e) for n, e in zip(x.shape[1:-1], ends, strict=True))))
    return np.pad(x, [(0, 0), *ends, (0, 0)], constant_values=np.float32(value))


def taps(
    x: np.ndarray, window: Window, sizes: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Yields for each element of a window what it meets, over a padded array.

    Args:
        x: The padded array.
        window: The window.
        sizes: How many places it takes along each axis.
    """
    for tap in product(*map(range, window.size)):
        index = [
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(
                tap, window.dilation, sizes, window.strides, strict=True
            )
        ]
        yield tap, x[(slice(None), *index)]


def patches(x: np.ndarray, window: Window) -> np.ndarray:
    """Returns what a window meets at each of its places, one row each.

    Args:
        x: float32 array of shape `(batch, ..., channels)`.
        window: The window.

    Returns:
        Array of shape `(places, elements * channels)`, in C order.
    """
    sizes, geometry = geometry_of(x.shape[1:-1], window)
    n_rows, n_channels = len(x) * prod(sizes), x.shape[-1]
    if prod(window.size) == 1 and window.strides == window.size:
        return x.reshape(n_rows, n_channels)
    out = np.empty((n_rows, prod(window.size) * n_channels), np.float32)
    _native.run_patches(x, len(x), n_channels, geometry, out)
    return out


@lru_cache(256)  # images of one model mostly have one size
def geometry_of(
    inner: tuple[int, ...], window: Window
) -> tuple[tuple[int, ...], np.ndarray]:
    """Returns the places of a window in images of a size, and what the kernels take."""
    sizes = window.output_sizes(inner)
    before = [first for first, _ in window.padded(inner)]
    geometry = np.array(
        [*inner, *sizes, *window.size, *window.strides, *window.dilation, *before]
    )
    geometry.flags.writeable = False
    return sizes, geometry


def pool(operation: Operation) -> Window:
    """Returns the window of a pooling operation, which moves by its own size."""
    size = operation["size"]
    window = window_of(operation, size)
    if not operation["strides"]:
        return Window(size, size, window.dilation, window.padding)
    return window


def pooled(x: np.ndarray, window: Window, *, is_mean: bool) -> np.ndarray:
    """Returns the largest, or the mean, of what a window meets, without padding."""
    sizes, geometry = geometry_of(x.shape[1:-1], window)
    out = np.empty((len(x), *sizes, x.shape[-1]), np.float32)
    x = np.ascontiguousarray(x)
    _native.run_pool(x, len(x), x.shape[-1], geometry, is_mean, out)
    return out
