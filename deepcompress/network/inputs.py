"""A few inputs, out of data in any form that Keras takes."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np


def some_inputs(
    data: Any, n_samples: int, *, batch_size: int = 32, name: str = "data"
) -> list[Any]:
    """Returns batches of inputs, of so many samples together.

    Of arrays these are samples chosen by chance, of datasets the first ones. Labels
    that a dataset brings along are left out.

    Args:
        data: Inputs as `predict` takes them: an array, a list or a dict of arrays, a
            `tf.data.Dataset`, a `PyDataset`, a data loader, or a generator, of which
            no more is read than is needed.
        n_samples: The most samples.
        batch_size: Samples of a batch. Defaults to `32`.
        name: What the user calls the data. Defaults to `"data"`.

    Raises:
        ValueError: There are none, they do not go together, or one is not finite.

    Example:

    >>> batches = some_inputs({"a": np.ones((3, 2)), "b": np.ones(3)}, 2)
    >>> [(batch["a"].shape, batch["b"].shape) for batch in batches]
    [((2, 2), (2,))]
    """
    if is_arrays(data):
        batches = _of_arrays(data, n_samples, batch_size, name)
    else:
        batches = _of_dataset(data, n_samples, batch_size, name)
    found, n_found = [], 0
    for batch in batches:
        arrays = keras.tree.map_structure(_as_array, batch)
        for array in keras.tree.flatten(arrays):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(
                    f"`{name}` holds NaN or infinity, of which nothing can be learnt."
                )
        n_found += _n_samples(arrays, name)
        found.append(arrays)
    if not n_found:
        raise ValueError(f"`{name}` holds no sample. Received: {type(data).__name__}")
    return found


def is_arrays(data: Any) -> bool:
    """Whether data are arrays, alone or in a list or dict, and not a dataset."""
    if isinstance(data, dict):
        return True
    if isinstance(data, list | tuple):
        return bool(data) and all(_is_array(each) for each in keras.tree.flatten(data))
    return _is_array(data)


def batch_size_of(model: keras.Model) -> int | None:
    """Returns the only size of batches that a model takes, such as one with states.

    Args:
        model: A model.

    Returns:
        The size; `None` where any will do.
    """
    inputs = getattr(model, "inputs", None) or []
    return next((t.shape[0] for t in inputs if t.shape[0] is not None), None)


def n_elements_of(model: keras.Model) -> int | None:
    """Returns the elements of an input of a model; `None` where it does not tell.

    Args:
        model: A model.
    """
    shapes = [tensor.shape[1:] for tensor in getattr(model, "inputs", None) or []]
    if not shapes or any(None in shape for shape in shapes):
        return None
    n_elements: int = sum(math.prod(shape) for shape in shapes)
    return max(1, n_elements)


def within(bounds: tuple[int, int], number: int) -> int:
    """Returns the number between two others that is nearest to a number."""
    least, most = bounds
    return min(max(number, least), most)


def batches_of(dataset: Any) -> Iterator[Any]:
    """Yields the batches of a dataset of any kind, once through."""
    if isinstance(dataset, keras.utils.PyDataset):
        return (dataset[i] for i in range(dataset.num_batches or 0))
    return iter(dataset)


def _is_array(data: Any) -> bool:
    return hasattr(data, "shape") and hasattr(data, "dtype")


def _of_arrays(data: Any, n_samples: int, batch_size: int, name: str) -> Iterator[Any]:
    size = _n_samples(data, name)
    # Tensors do not all take an array of indices; what lies on a disk does, and stays.
    data = keras.tree.map_structure(
        lambda a: _as_array(a) if hasattr(a, "numpy") else a, data
    )
    chosen = np.arange(size)
    if size > n_samples:
        chosen = np.sort(np.random.default_rng(0).permutation(size)[:n_samples])
    for begin in range(0, len(chosen), batch_size):
        at = chosen[begin : begin + batch_size]
        yield keras.tree.map_structure(lambda a: np.asarray(a[at]), data)  # noqa: B023


def _of_dataset(data: Any, n_samples: int, batch_size: int, name: str) -> Iterator[Any]:
    is_text = isinstance(data, str | bytes)
    if is_text or not isinstance(data, Iterable | keras.utils.PyDataset):
        raise ValueError(
            f"`{name}` must be inputs as `predict` takes them: arrays or a dataset. "
            f"Received: {data!r}"
        )
    batches = batches_of(data)
    while n_samples > 0 and (batch := next(batches, None)) is not None:
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
        inputs = keras.tree.map_structure(_as_array, inputs)
        size = _n_samples(inputs, name)
        for begin in range(0, min(size, n_samples), batch_size):
            at = slice(begin, min(begin + batch_size, n_samples))
            yield keras.tree.map_structure(lambda a: a[at], inputs)  # noqa: B023
        n_samples -= size


def _as_array(data: Any) -> np.ndarray:
    if isinstance(data, np.ndarray):
        return data
    if hasattr(data, "to_tensor"):  # ragged
        data = data.to_tensor()
    if hasattr(data, "detach"):
        data = data.detach().cpu()
    return np.asarray(data)


def _n_samples(data: Any, name: str) -> int:
    sizes = {np.shape(array)[:1] for array in keras.tree.flatten(data)}
    if len(sizes) != 1 or sizes == {()}:
        raise ValueError(
            f"`{name}` must be arrays of as many samples each. Received shapes: "
            f"{[tuple(np.shape(array)) for array in keras.tree.flatten(data)]}"
        )
    return int(sizes.pop()[0])
