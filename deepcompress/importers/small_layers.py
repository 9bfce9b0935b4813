"""Layers of Caffe that have weights and no kernel: slopes, statistics and scales."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

# A variable with the value that it gets.
Value = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class Slopes:
    """A `PReLU` with one slope for each channel, or one for all.

    Attributes:
        name: Path of the layer.
        layer: The layer.
    """

    name: str
    layer: Any
    kinds = ("PReLU",)

    def values(self, blobs: Sequence[np.ndarray]) -> list[Value]:
        """Returns the slopes in Keras' layout.

        Args:
            blobs: Those of the layer in the file.

        Raises:
            ValueError: There are more or fewer slopes.
        """
        shape = tuple(self.layer.alpha.shape)
        if len(blobs) != 1 or (1,) * (len(shape) - 1) + (blobs[0].size,) != shape:
            raise ValueError(
                f"it has {_shapes(blobs)}, but the slopes of {self.name!r} have shape "
                f"{shape}. Caffe has one for each channel, which is "
                "`PReLU(shared_axes=[1, 2])`, or one for all, with `[1, 2, 3]`."
            )
        return [(self.layer.alpha, blobs[0].reshape(shape))]


@dataclass(frozen=True)
class Normalization:
    """A `BatchNormalization`: Caffe's `BatchNorm`, its `Scale`, or one after the other.

    Attributes:
        name: Path of the layer.
        layer: The layer.
    """

    name: str
    layer: Any
    kinds = ("BatchNorm", "BatchNorm and Scale", "Scale")

    def values(self, blobs: Sequence[np.ndarray]) -> list[Value]:
        """Returns the statistics, the factors and the offsets.

        Args:
            blobs: Those of `BatchNorm` (mean, variance, and what both are to be
                divided by), of `Scale` (factors, perhaps offsets), or of both.

        Raises:
            ValueError: They have other shapes, or the layer has no place for them.
        """
        layer = self.layer
        n = layer.moving_mean.shape[0]
        is_norm = len(blobs) >= 3
        sizes = [n, n, 1][: 3 * is_norm] + [n, n][: len(blobs) - 3 * is_norm]
        if [blob.size for blob in blobs] != sizes:
            raise ValueError(
                f"it has {_shapes(blobs)}, but {self.name!r} normalizes {n} channels."
            )
        flat = [blob.reshape(-1) for blob in blobs]
        if is_norm:
            mean, variance, (total,) = flat[:3]
            # Caffe keeps sums, and how much they are of.
            by = np.float32(0 if total == 0 else 1 / total)
            mean, variance = mean * by, variance * by
        else:
            mean = np.zeros(n, "float32")
            variance = np.full(n, 1 - layer.epsilon, "float32")
        values = [(layer.moving_mean, mean), (layer.moving_variance, variance)]
        scales = [*flat[3 * is_norm :], None, None][:2]
        for what, own, scale in zip(
            ("scale", "center"), (layer.gamma, layer.beta), scales, strict=True
        ):
            if own is not None:
                default = np.full(n, what == "scale", "float32")
                values.append((own, default if scale is None else scale))
            elif scale is not None:
                raise ValueError(
                    f"it scales or moves what it normalizes, and {self.name!r} does "
                    f"not. Build it with `{what}=True`."
                )
        return values


SMALL: dict[type[Any], Callable[[str, Any], Any]] = {
    keras.layers.PReLU: Slopes,
    keras.layers.BatchNormalization: Normalization,
}


def _shapes(blobs: Sequence[np.ndarray]) -> str:
    return " and ".join(str(blob.shape) for blob in blobs)
