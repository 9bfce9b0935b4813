"""Data in every form that Keras takes, as arguments of `fit` and `evaluate`."""

from typing import Any

from deepcompress.network.evaluating import is_endless, read_again
from deepcompress.network.inputs import batches_of, is_arrays


def arguments(
    name: str, data: Any, batch_size: int, *, n_inputs: int = 1
) -> dict[str, Any]:
    """Returns data as arguments of `fit` or `evaluate`.

    Args:
        name: What the user calls it.
        data: `(x, y)` or `(x, y, sample_weight)`; inputs alone, as an array, a dict, or
            a list of as many arrays as the model has inputs; or a dataset.
        batch_size: Samples of a batch of arrays.
        n_inputs: Inputs of the model. Defaults to `1`.

    Raises:
        ValueError: There are none, or they can be read but once.

    Example:

    >>> import numpy as np
    >>> sorted(arguments("train", (np.ones((4, 2)), np.ones(4)), 2))
    ['batch_size', 'x', 'y']
    >>> sorted(arguments("train", [np.ones(4), np.ones(4)], 2, n_inputs=2))
    ['batch_size', 'x']
    """
    if data is None:
        raise ValueError(
            f"`{name}` is needed: a tuple of arrays `(x, y)`, or a dataset. Keep the "
            "validation data apart from the training data and from the test data."
        )
    read_again(name, data)
    size = {"batch_size": batch_size}
    if isinstance(data, tuple | list):
        if _is_inputs_alone(data, n_inputs):
            return {"x": data[0] if len(data) == 1 else data, **size}
        if len(data) not in {2, 3}:
            raise ValueError(
                f"`{name}` must be `(x, y)` or `(x, y, sample_weight)` if it is a "
                f"tuple. Received: {len(data)} elements"
            )
        return {**dict(zip(("x", "y", "sample_weight"), data, strict=False)), **size}
    return {"x": data, **(size if is_arrays(data) else {})}


def of_known_length(data: Any) -> Any:
    """Counts the batches of a `tf.data.Dataset` that does not know how many it has."""
    if not hasattr(data, "cardinality") or is_endless(data):
        return data
    import tensorflow as tf  # noqa: PLC0415  (only where the data is of its making)

    if int(data.cardinality()) == tf.data.UNKNOWN_CARDINALITY:
        n_batches = sum(1 for _ in data)
        return data.apply(tf.data.experimental.assert_cardinality(n_batches))
    return data


def has_sample_weights(data: dict[str, Any]) -> bool:
    """Whether samples are weighted.

    Args:
        data: What `arguments` has returned.
    """
    if "batch_size" in data:
        return data.get("sample_weight") is not None
    batches = data["x"]
    # The structure of a batch is known, or told by the first one.
    batch = getattr(batches, "element_spec", None) or next(batches_of(batches))
    return isinstance(batch, tuple | list) and len(batch) == 3


def _is_inputs_alone(data: tuple[Any, ...] | list[Any], n_inputs: int) -> bool:
    """Whether there are no labels: several inputs of `(x, y)` are one list."""
    return len(data) == 1 or (
        len(data) == n_inputs and not isinstance(data[0], tuple | list | dict)
    )
