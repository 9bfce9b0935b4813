"""What the architecture of a model cannot tell is refused before it is written."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import deepcompress as dc


def scaled(scale):
    def activation(x):
        return scale * ops.relu(x)

    return activation


def net(*scales):
    parts = [layers.Dense(3, activation=scaled(scale)) for scale in scales]
    for number, layer in enumerate(parts):
        layer.name = f"d{number}"
    return keras.Sequential([keras.Input((3,)), *parts])


def test_two_functions_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"named 'activation', .*'d0' and .*'d1': a"):
        dc.HuffmanSerializer().dumps(net(2.0, 3.0))
    model = net(2.0, 2.0)
    x = np.ones((2, 3), "float32")
    known = {"activation": model.layers[0].activation}
    data = dc.HuffmanSerializer().dumps(model)
    loaded = dc.HuffmanSerializer().loads(data, custom_objects=known)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_losses_of_one_name_are_refused():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [layers.Dense(1)(inputs) for _ in range(2)])

    def power(n):
        def loss(y_true, y_pred):
            return ops.mean((y_true - y_pred) ** n)

        return loss

    model.compile("adam", [power(2), power(4)])
    with pytest.raises(ValueError, match="functions are named 'loss'"):
        dc.HuffmanSerializer().dumps(model)
    model.compile("adam", [model.loss[0], model.loss[0]])
    assert dc.HuffmanSerializer().dumps(model)


def test_a_layer_of_two_models_of_which_one_holds_the_other_is_refused():
    inputs = keras.Input((3,))
    encoder = keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="encoder")
    pair = keras.Model(inputs, encoder(inputs) + encoder(2 * inputs), name="pair")
    other = keras.Input((3,))
    model = keras.Model(other, pair(other) + encoder(other), name="whole")
    with pytest.raises(ValueError, match="'encoder' stands in 'whole' and in 'pair'"):
        dc.HuffmanSerializer().dumps(model)
    data = dc.HuffmanSerializer(include_architecture=False).dumps(model)
    before = model.get_weights()
    model.set_weights([np.zeros_like(weight) for weight in before])
    dc.HuffmanSerializer().loads(data, model=model)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # One that stands in one of them, however often, is built once.
    loaded = dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(pair))
    assert len(loaded.weights) == len(pair.weights)
