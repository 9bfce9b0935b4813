"""The count of weights that was asked for is the count that is left."""

import keras
import numpy as np
import pytest
from helpers.nets import dense_net, kernels, regression
from keras import layers

import deepcompress as dc
from deepcompress.network.variables import NamedVariable
from deepcompress.pruning.masks import Tensor, masks


def count(array):
    return int(np.count_nonzero(array))


def tensor(scores, **axes):
    return Tensor(NamedVariable("layer", "layer/kernel", None, True, **axes), scores)


def pruned_net():
    """A net of 1,024 and 128 weights, 80 % zero, of whose 32 inputs 20 are dead.

    It has an optimizer that has stepped, so that its saliencies are known.
    """
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((32,)),
            layers.Dense(32, activation="relu", name="hidden"),
            layers.Dense(4, name="out"),
        ]
    )
    model.compile("adam", "mse")
    dc.prune(model, 0.8)
    fit(model, dc.PruningCallback(0.8))
    return model


def fit(model, callback):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((256, 32)).astype("float32")
    x[:, :20] = 0
    y = np.tanh(x @ rng.standard_normal((32, 4)))
    model.fit(x, y, epochs=2, batch_size=16, verbose=0, callbacks=[callback])


@pytest.mark.parametrize("criterion", ["magnitude", "saliency"])
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize(
    ("sparsity", "structure", "left"),
    [(0.9, None, (102, 13)), (0.87, (1, 8), (133, 17))],
)
def test_a_pruned_net_is_pruned_on_to_the_count_asked_for(
    criterion, scope, sparsity, structure, left
):
    model = pruned_net()
    before = kernels(model)
    assert [count(kernel) for kernel in before.values()] == [205, 26]
    fit(
        model,
        dc.PruningCallback(
            sparsity, criterion=criterion, scope=scope, structure=structure
        ),
    )
    after = kernels(model)
    if scope == "layer":
        assert tuple(count(kernel) for kernel in after.values()) == left
    assert sum(map(count, after.values())) == sum(left)
    for name, kernel in after.items():
        assert not kernel[before[name] == 0].any()


@pytest.mark.parametrize("criterion", ["magnitude", "saliency"])
def test_a_pruned_net_is_brought_to_a_structure_and_what_that_costs_is_told(criterion):
    model = pruned_net()
    left = {
        name: int((kernel.reshape(4, 8, -1) != 0).any(1).sum())
        for name, kernel in kernels(model).items()
    }
    callback = dc.PruningCallback(0.875, criterion=criterion, structure=(1, 8))
    with pytest.warns(UserWarning, match="weights are left where") as log:
        fit(model, callback)
    told = [str(w.message).split(".")[0] for w in log if w.category is UserWarning]
    assert told == [
        f"'hidden': {left['hidden']} weights are left where 128 were asked for",
        f"'out': {left['out']} weights are left where 16 were asked for",
    ]
    assert {name: count(kernel) for name, kernel in kernels(model).items()} == left


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("criterion", ["magnitude", "saliency"])
def test_filters_of_a_pruned_net_go_until_the_count_asked_for(criterion, scope):
    model = pruned_net()
    before = kernels(model)
    fit(
        model,
        dc.PruningCallback(0.9, criterion=criterion, scope=scope, structure="channel"),
    )
    after = kernels(model)
    left = {"hidden": 102, "out": 13} if scope == "layer" else {"both": 115}
    found = {name: count(kernel) for name, kernel in after.items()}
    largest = {name: (k != 0).sum(axis=0).max() for name, k in before.items()}
    if scope == "global":
        found, largest = {"both": sum(found.values())}, {"both": max(largest.values())}
    for name, asked in left.items():
        assert abs(found[name] - asked) <= largest[name] / 2
    for name, kernel in after.items():
        gone = ~kernel.any(axis=0)
        np.testing.assert_array_equal(
            kernel[:, ~gone] != 0, before[name][:, ~gone] != 0
        )


def test_of_weights_that_score_alike_those_that_are_zero_go_first():
    scores = np.array([[0.0, 0.0, -1.0], [3.0, -1.0, 2.0]])
    (kept,) = masks([tensor(scores)], 3, None)
    np.testing.assert_array_equal(kept, [[False, True, False], [True, False, True]])


def test_of_filters_that_score_alike_those_that_are_zero_go_first():
    scores = np.array([[0.0, -1.0, 3.0, 2.0], [0.0, -1.0, 3.0, -1.0]])
    (kept,) = masks([tensor(scores)], 3, "channel")
    np.testing.assert_array_equal(kept[0], [True, False, True, True])
    np.testing.assert_array_equal(kept[1], [True, False, True, False])
    (kept,) = masks([tensor(scores)], 5, "channel")
    assert not kept[:, :2].any()


def test_groups_with_too_few_weights_keep_what_they_have():
    scores = np.array([[-1.0], [-1.0], [-1.0], [4.0], [1.0], [2.0], [3.0], [4.0]])
    (kept,) = masks([tensor(scores)], 4, (2, 4))
    np.testing.assert_array_equal(np.flatnonzero(kept), [3, 6, 7])
    (kept,) = masks([tensor(scores)], 3, (2, 4))
    np.testing.assert_array_equal(np.flatnonzero(kept), [3, 4, 5, 6, 7])


def test_a_net_that_has_more_zeros_than_a_structure_asks_for_is_brought_to_it():
    model = dense_net()
    kernel = model.get_layer("out").kernel
    value = kernel.numpy()
    value[:16] = 0
    kernel.assign(value)
    with pytest.warns(UserWarning, match="'out': 6 weights are left where 12 were"):
        dc.prune(model, 0.5, layers="out", structure=(2, 4))
    after = kernel.numpy()
    assert not after[:16].any()
    assert (np.count_nonzero(after[16:], axis=0) == 2).all()


class Kill(keras.callbacks.Callback):
    """Makes weights zero in the midst of a training, as what kills units does."""

    def on_train_begin(self, logs=None):
        self.kernel = self.model.get_layer("hidden").kernel

    def on_epoch_end(self, epoch, logs=None):
        value = self.kernel.numpy()
        value[:, :5] = 0
        self.kernel.assign(value)


def test_where_units_have_died_the_counts_are_told():
    model = dense_net()
    x, y = regression()
    pruning = dc.PruningCallback(0.5, scope="global")
    with pytest.warns(UserWarning, match=r"'hidden': (\d+) weights .* 130 were") as log:
        model.fit(x, y, verbose=0, callbacks=[pruning, Kill()])
    left = sum(map(count, kernels(model).values()))
    assert any(f": {left} weights" in str(each.message) for each in log)
