import keras
import numpy as np
import pytest

from deepcompress.search import data

A, B = np.ones((6, 2), "float32"), np.zeros((6, 3), "float32")


def arguments(given, n_inputs=1):
    return data.arguments("train", given, 2, n_inputs=n_inputs)


@pytest.mark.parametrize(
    ("given", "n_inputs", "names"),
    [
        ((A, B), 1, "x y"),
        ([A, B], 1, "x y"),
        ((A, B, A), 1, "x y sample_weight"),
        (([A, B], A), 2, "x y"),
        (({"a": A, "b": B}, A), 2, "x y"),
        (A, 1, "x"),
        ((A,), 1, "x"),
        ({"a": A, "b": B}, 2, "x"),
        ([A, B], 2, "x"),
        ((A, B, A), 3, "x"),
    ],
)
def test_arrays_come_with_labels_or_without(given, n_inputs, names):
    found = arguments(given, n_inputs)
    assert list(found) == [*names.split(), "batch_size"]


def test_inputs_alone_are_what_was_given():
    assert arguments((A,))["x"] is A
    both = [A, B]
    assert arguments(both, 2)["x"] is both


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.arrays


class Loader:
    """Reads again and again, and tells nothing before it does."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def __iter__(self):
        return iter([self.arrays] * 3)


@pytest.mark.parametrize("kind", [Batches, Loader])
def test_a_dataset_brings_its_own_batches_and_weights(kind):
    assert "batch_size" not in arguments(kind(A, B))
    assert data.has_sample_weights(arguments(kind(A, B, A)))
    assert not data.has_sample_weights(arguments(kind(A, B)))


def test_what_is_read_once_is_refused():
    with pytest.raises(ValueError, match="read again and again"):
        arguments(iter([(A, B)]))
    with pytest.raises(ValueError, match="Received: 4 elements"):
        arguments((A, B, A, B))
