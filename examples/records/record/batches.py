"""Batches of images that differ from epoch to epoch."""

from collections.abc import Callable
from functools import partial
from math import ceil

import keras
import numpy as np

import deepcompress as dc

# Takes the images in a batch and a seed, and returns batches for a training.
Batches = Callable[..., keras.utils.PyDataset]


def varied(images: np.ndarray, labels: np.ndarray) -> Batches:
    """Makes batches of images that are turned, scaled and moved.

    There is a pool of the images, and of five versions of each.
    """
    vary = keras.Sequential(
        [
            keras.layers.RandomRotation(0.03, fill_mode="constant", seed=1),
            keras.layers.RandomZoom((-0.1, 0.1), (-0.1, 0.1), "constant", seed=2),
        ]
    )
    versions = [images.astype("float16")]
    for _ in range(5):
        for part in np.array_split(images, max(1, len(images) // 1000)):
            version = keras.ops.convert_to_numpy(vary(part, training=True))
            versions.append(version.astype("float16"))
    return partial(
        VariedImages, np.concatenate(versions), np.tile(labels, 6), n_images=len(images)
    )


class VariedImages(dc.models.ShiftedImages):
    """Batches of moved images; an epoch draws `n_images` of them from a pool."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        *,
        n_images: int,
        seed: int,
    ) -> None:
        super().__init__(images, labels, batch_size, seed=seed)
        self.n_images = n_images

    def __len__(self) -> int:
        return ceil(self.n_images / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = super().__getitem__(index)
        return images.astype("float32"), labels


def moved(images: np.ndarray, labels: np.ndarray) -> Batches:
    """Makes batches of images that are moved by up to a pixel."""
    return partial(dc.models.ShiftedImages, images, labels)
