"""The forms besides arrays in which people have their data, each in two parts."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from ordinary.cases import N_TRAIN

N_BATCH = 16


class Batches(keras.utils.PyDataset):
    """Batches of arrays; the last one is smaller where they do not fit."""

    def __init__(self, *data: Any, size: int = N_BATCH) -> None:
        super().__init__()
        self._data, self._size = data, size

    def __len__(self) -> int:
        return math.ceil(len(keras.tree.flatten(self._data)[0]) / self._size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return _cut(self._data, index * self._size, (index + 1) * self._size)


def py_datasets(*data: Any, size: int = N_BATCH) -> tuple[Any, Any]:
    """Returns the parts as `keras.utils.PyDataset`."""
    return _parts(lambda part: Batches(*part, size=size), data)


def tf_datasets(*data: Any, size: int = N_BATCH) -> tuple[Any, Any]:
    """Returns the parts as `tf.data.Dataset`."""
    import tensorflow as tf

    def dataset(part: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(part).batch(size).prefetch(1)

    return _parts(dataset, data)


def loaders(*data: Any, size: int = N_BATCH) -> tuple[Any, Any]:
    """Returns the parts as `torch.utils.data.DataLoader`."""
    from torch.utils.data import DataLoader, TensorDataset

    def loader(part: Any) -> Any:
        tensors = map(keras.ops.convert_to_tensor, part)
        return DataLoader(TensorDataset(*tensors), batch_size=size, shuffle=False)

    return _parts(loader, data)


def generators(*data: Any, size: int = N_BATCH) -> tuple[Any, Any]:
    """Returns functions that begin a generator of a part."""

    def begin(part: Any) -> Callable[[], Iterator[Any]]:
        batches = Batches(*part, size=size)
        return lambda: (batches[i] for i in range(len(batches)))

    return _parts(begin, data)


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns normal numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def whole(most: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Returns whole numbers below `most`."""
    return np.random.default_rng(seed).integers(0, most, shape).astype("int32")


def _parts(form: Callable[[Any], Any], data: tuple[Any, ...]) -> tuple[Any, Any]:
    return form(_cut(data, 0, N_TRAIN)), form(_cut(data, N_TRAIN, None))


def _cut(data: Any, begin: int, end: int | None) -> Any:
    return keras.tree.map_structure(lambda each: each[begin:end], data)
