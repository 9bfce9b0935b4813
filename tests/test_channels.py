"""Units on their way through layers: their numbers, constants and readers."""

import keras
import numpy as np
import pytest
from keras import layers

from deepcompress.channels import Graph, graph_of


def graph_and(tensor_of):
    """Returns the graph of a net of two inputs, and the channels at its end."""
    inputs = [keras.Input((2, 3, 2)), keras.Input((2, 3, 2))]
    model = keras.Model(inputs, tensor_of(*inputs))
    graph = Graph(model)
    return graph, graph.tensors[id(model.outputs[0])]


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
    _, channels = graph_and(tensor_of)
    np.testing.assert_array_equal(channels.units, units)
    np.testing.assert_array_equal(channels.blocks, blocks)


def test_units_that_are_added_twice_are_one():
    def tensor_of(a, b):
        first, second = (layers.Dense(2)(x) for x in (a, b))
        return layers.Add()([layers.Add()([first, b]), layers.Multiply()([second, a])])

    graph, channels = graph_and(tensor_of)
    np.testing.assert_array_equal(channels.units, [0, 1])
    assert all(set(step.outputs[0].units) == {0, 1} for step in graph.steps)


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


def test_a_layer_of_the_users_own_is_not_taken_for_its_parent():
    class Own(layers.Dense):
        def call(self, inputs):
            return super().call(keras.ops.flip(inputs, -1))

    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Own(2, name="own")])
    graph = Graph(model)
    assert graph.left_alone() == ["own"]
    assert graph.is_pinned.all()


def test_what_is_read_from_the_input_alone_is_not_reported():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Rescaling(0.5), layers.Dense(3), layers.Softmax()]
    )
    assert Graph(model).left_alone() == []


def test_only_models_of_layers_have_a_graph():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    assert graph_of(Own()) is None
    assert graph_of(layers.Dense(3)) is None
    assert graph_of(keras.Sequential([layers.Dense(3)])) is None  # not built
