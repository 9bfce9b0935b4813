"""A few inputs, out of data in any form."""

import keras
import numpy as np
import pytest

from deepcompress.network.inputs import (
    is_arrays,
    n_elements_of,
    some_inputs,
    within,
)

A, B = np.arange(8.0).reshape(4, 2), np.arange(12.0).reshape(4, 3)


class Batches(keras.utils.PyDataset):
    """Two batches of two samples, with labels."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        at = slice(2 * index, 2 * index + 2)
        return A[at], B[at]


class Loader:
    """Such as a data loader of PyTorch."""

    def __iter__(self):
        yield from ((A[i : i + 2], B[i : i + 2]) for i in (0, 2))


@pytest.mark.parametrize("data", [Batches(), Loader(), iter(Loader())])
def test_labels_of_a_dataset_are_left_out(data):
    assert not is_arrays(data)
    np.testing.assert_array_equal(np.concatenate(some_inputs(data, 10)), A)


def test_no_more_is_read_than_is_asked_for():
    def endless():
        while True:
            yield A

    batches = some_inputs(endless(), 6, batch_size=3)
    assert [len(batch) for batch in batches] == [3, 1, 2]


@pytest.mark.parametrize("data", [A, [A, B], (A, B), {"a": A, "b": [B, A]}])
def test_arrays_keep_their_structure(data):
    assert is_arrays(data)
    batches = some_inputs(data, 3, batch_size=2)
    sizes = [len(keras.tree.flatten(batch)[0]) for batch in batches]
    assert sizes == [2, 1]
    keras.tree.assert_same_structure(batches[0], data)


def test_samples_are_chosen_by_chance_and_are_the_same_again():
    x = np.repeat(np.arange(10), 100)[:, None]
    (batch,) = some_inputs(x, 50, batch_size=50)
    assert len(np.unique(batch)) > 5
    np.testing.assert_array_equal(batch, some_inputs(x, 50, batch_size=50)[0])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.full((2, 2), np.inf), "NaN or infinity"),
        (np.zeros((0, 2)), "no sample"),
        ([], "no sample"),
        (None, "`data` must be inputs"),
        ("inputs.npy", "`data` must be inputs"),
        ([A, A[:2]], "as many samples"),
        (np.float32(1), "as many samples"),
    ],
)
def test_what_cannot_be_inputs_is_refused(data, said):
    with pytest.raises(ValueError, match=said):
        some_inputs(data, 4)


def test_tensors_are_taken_as_arrays_are():
    tensor = keras.ops.convert_to_tensor(A)
    batches = some_inputs({"a": tensor}, 3, batch_size=2)
    assert [len(batch["a"]) for batch in batches] == [2, 1]
    assert all(isinstance(batch["a"], np.ndarray) for batch in batches)


def test_the_elements_of_an_input_are_those_of_all_its_tensors():
    inputs = [keras.Input((4, 3)), keras.Input((5,)), keras.Input(())]
    model = keras.Model(inputs, keras.ops.sum(inputs[0]))
    assert n_elements_of(model) == 18
    assert n_elements_of(keras.Sequential([keras.Input((None, 3))])) is None
    assert n_elements_of(keras.Sequential([keras.layers.Dense(2)])) is None
    assert [within((2, 4), number) for number in (1, 3, 9)] == [2, 3, 4]
