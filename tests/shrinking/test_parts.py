"""Devices that share an axis of a weight go on sharing it in the smaller model."""

import keras
import pytest
from helpers.sparse_nets import check_equal, sequential, sizes
from keras import layers

import deepcompress as dc
from deepcompress.shrinking import kept


def share(monkeypatch, parts):
    """Lets devices share weights of layers, as Keras does on JAX alone."""

    def n_parts(variable):
        *_, layer, name = variable.path.split("/")
        return parts.get(f"{layer}/{name}", [1] * len(variable.shape))

    monkeypatch.setattr(kept, "n_parts", n_parts)


def empty(layer, *units):
    """Makes units that do nothing of some of a layer's."""
    for variable in layer.weights:
        value = variable.numpy()
        value[..., list(units)] = 0
        variable.assign(value)


@pytest.mark.parametrize(("n_dead", "parts", "left"), [
    (13, 1, 7), (13, 2, 8), (13, 4, 8), (13, 5, 10), (12, 2, 8), (19, 4, 4), (20, 2, 2)
])  # fmt: skip
def test_a_multiple_of_the_parts_is_left(monkeypatch, n_dead, parts, left):
    share(monkeypatch, {"hidden/kernel": [1, parts], "hidden/bias": [parts]})
    model = sequential(
        keras.Input((10,)),
        layers.Dense(20, activation="relu", name="hidden"),
        layers.Dense(3, name="out"),
    )
    empty(model.get_layer("hidden"), *range(n_dead))
    small = dc.shrink(model)
    assert sizes(small) == {"hidden": left, "out": 3}
    check_equal(model, small)


def test_the_parts_of_a_reader_count(monkeypatch):
    share(monkeypatch, {"head/kernel": [6, 1]})
    model = sequential(
        keras.Input((4, 4, 1)),
        layers.Conv2D(9, 3, padding="same", activation="relu", name="filters"),
        layers.Flatten(),
        layers.Dense(5, name="head"),
    )
    empty(model.get_layer("filters"), 0, 2, 3, 5)
    small = dc.shrink(model)
    # Sixteen positions of each, which six devices share where there are six filters.
    assert sizes(small) == {"filters": 6, "head": 5}
    check_equal(model, small)


def test_units_side_by_side_are_shared_together(monkeypatch):
    share(monkeypatch, {"out/kernel": [4, 1], "left/kernel": [1, 2]})
    inputs = keras.Input((5,))
    both = layers.Concatenate()(
        [
            layers.Dense(6, activation="relu", name="left")(inputs),
            layers.Dense(6, activation="relu", name="right")(inputs),
        ]
    )
    model = keras.Model(inputs, layers.Dense(2, name="out")(both))
    empty(model.get_layer("left"), 1, 3, 4)
    empty(model.get_layer("right"), 5)
    small = dc.shrink(model)
    # Three are not even, with four there are nine, and only all are a multiple of four.
    assert sizes(small) == {"left": 6, "right": 6, "out": 2}
    check_equal(model, small)
