"""What each kind of layer does to units and to constants."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers

from deepcompress.shrinking.graph import Graph
from deepcompress.shrinking.kinds import RULES
from deepcompress.shrinking.rules import HasWeights, MakesUnits, Rule


@pytest.mark.parametrize(
    ("tensor_of", "units", "blocks"),
    [
        (lambda a, b: layers.Dropout(0.5)(b), [2, 3], [0, 0]),
        (lambda a, b: layers.MaxPooling2D(2)(b), [2, 3], [0, 0]),
        (lambda a, b: layers.Flatten()(b), [2, 3] * 6, np.repeat(range(6), 2)),
        (lambda a, b: layers.Reshape((2, 6))(b), [2, 3] * 3, np.repeat(range(3), 2)),
        (lambda a, b: layers.Concatenate()([b, a]), [2, 3, 0, 1], [0, 0, 1, 1]),
        (lambda a, b: layers.Add()([b, a]), [0, 1], [0, 0]),
        (lambda a, b: layers.DepthwiseConv2D(1, depth_multiplier=2)(b), [2, 2, 3, 3],
         [0] * 4),
        (lambda a, b: layers.Dense(3)(b), [4, 5, 6], [0] * 3),
        (lambda a, b: layers.Concatenate(axis=1)([b, a]), [4, 5], [0, 0]),
    ],
    ids=["dropout", "pooling", "flatten", "reshape", "concatenate", "add", "depthwise",
         "dense", "other axis"],
)  # fmt: skip
def test_channels_know_their_units(tensor_of, units, blocks):
    inputs = [keras.Input((2, 3, 2)), keras.Input((2, 3, 2))]
    model = keras.Model(inputs, tensor_of(*inputs))
    channels = Graph(model).tensors[id(model.outputs[0])]
    np.testing.assert_array_equal(channels.units, units)
    np.testing.assert_array_equal(channels.blocks, blocks)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), [0.0, 2.0]),
        (layers.LeakyReLU(negative_slope=0.5), [-0.5, 2.0]),
        (layers.Activation("exponential"), np.exp([-1.0, 2.0])),
        (layers.AveragePooling2D(2, padding="same"), [-1.0, 2.0]),
        (layers.AveragePooling2D(3, 1, padding="same"), [-1.0, 2.0]),
        (layers.MaxPooling2D(2, 1, padding="same"), [-1.0, 2.0]),
        (layers.GlobalAveragePooling2D(), [-1.0, 2.0]),
        (layers.ZeroPadding2D(1), [np.nan, np.nan]),
        (layers.Softmax(), [np.nan, np.nan]),
        (layers.Activation("softmax"), [np.nan, np.nan]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_constants_are_what_the_layer_makes_of_them(layer, expected):
    inputs = keras.Input((5, 4, 3))
    before = layers.Dense(2)
    model = keras.Model(inputs, layer(before(inputs)))
    before.set_weights([np.zeros((3, 2)), np.array([-1.0, 2.0])])
    graph = Graph(model)
    graph.needed_units()
    constants = graph.tensors[id(model.outputs[0])].constants
    np.testing.assert_allclose(constants, expected, rtol=1e-6)
    if np.isfinite(constants).all():
        y = keras.ops.convert_to_numpy(model(np.ones((1, 5, 4, 3), "float32")))
        np.testing.assert_allclose(y, np.broadcast_to(constants, y.shape), rtol=1e-6)


@pytest.mark.parametrize(
    ("rule", "method"),
    [
        (rule, method)
        for rule in (Rule, HasWeights, MakesUnits)
        for method in sorted(rule.__abstractmethods__)
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_rule_that_forgets_a_method_is_noticed(rule, method):
    methods = {
        name: lambda self: None for name in rule.__abstractmethods__ if name != method
    }
    with pytest.raises(TypeError, match=rf"\b{method}\b"):
        type("Forgetful", (rule,), methods)(layers.Dense(3), "dense", [])


def test_every_layer_of_the_table_has_a_whole_rule():
    assert [kind for kind, rule in RULES.items() if inspect.isabstract(rule)] == []
    must = {"demand", "fits", "infer", "pinned", "units"}
    assert must <= Rule.__abstractmethods__
    assert {"axes"} | must <= HasWeights.__abstractmethods__
    assert {"axes", "fan_in", "made", "settings"} | must <= (
        MakesUnits.__abstractmethods__
    )
