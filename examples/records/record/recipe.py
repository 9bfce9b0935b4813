"""What a recipe says: a training of the dense net, and levels of fewer weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np

from .batches import Batches, varied


@dataclass(frozen=True)
class Level:
    """A training that leaves fewer weights.

    Attributes:
        n_weights: Weights that are left, biases not counted.
        epochs: Epochs of pruning and retraining.
        is_point: Whether its weights are shared afterwards, and files written.
    """

    n_weights: int
    epochs: int
    is_point: bool = False


@dataclass(frozen=True)
class Recipe:
    """How one net is compressed.

    Attributes:
        build: Returns the untrained net.
        dense_epochs: Epochs of the dense net.
        levels: The levels, one after the other.
        sharing_epochs: Epochs of training the centroids.
        batch_size: Images in a batch.
        rate: The highest learning rate.
        sharing_rate: The highest learning rate of the centroids.
        bits: Bits of a code of the weights.
        bias_bits: Bits of a code of the biases.
        mantissa_bits: Binary digits of a shared value.
        filters: The share of filters that goes before the first level, by pattern;
            what is left trains in a fraction of the time.
        filter_epochs: Epochs in which they go.
        batches: Takes images and labels, and returns what makes batches of them.
    """

    build: Callable[[], keras.Model]
    dense_epochs: int
    levels: tuple[Level, ...]
    sharing_epochs: int
    batch_size: int = 64
    rate: float = 1e-3
    sharing_rate: float = 1e-4
    bits: int = 4
    bias_bits: int = 3
    mantissa_bits: int = 3
    filters: Mapping[str, float] | None = None
    filter_epochs: int = 0
    batches: Callable[[np.ndarray, np.ndarray], Batches] = varied
