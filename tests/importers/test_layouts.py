import keras
import numpy as np
import pytest
from helpers.caffe_nets import (
    IN_CAFFE,
    check_outputs,
    image_net,
    weights_in_caffe,
)
from keras import layers

from deepcompress.importers.layouts import assign, caffe_layers


@pytest.mark.parametrize("between", [(), (layers.Dropout(0.5), layers.ReLU())])
def test_the_net_computes_what_caffe_computes(between, rng):
    model = image_net(between)
    found = caffe_layers(model)
    shapes = {
        layer.name: [layer.shape] + [layer.shape[:1]] * (layer.bias is not None)
        for layer in found
    }
    assert shapes == IN_CAFFE
    weights = weights_in_caffe(rng)
    assign(found, [(own[0], own[1] if own[1:] else None) for own in weights.values()])
    check_outputs(model, weights, rng)


def test_every_bit_of_a_weight_stays():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    patterns = np.array([[0x7FC00001, 0x80000000], [1, 0xFF800000]], "uint32")
    assign(caffe_layers(model), [(patterns.view("float32"), np.zeros(2, "float32"))])
    got = model.get_weights()[0].view("uint32")
    np.testing.assert_array_equal(got, patterns.T)


def volumes(model):
    return {layer.name: layer.volume for layer in caffe_layers(model)}


def test_what_is_not_flattened_is_left_in_its_order():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, name="a"),
        ]
    )
    assert volumes(model)["a"] is None
    flat = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="a")])
    assert volumes(flat) == {"a": None}


def test_a_reshape_flattens_too():
    model = keras.Sequential(
        [keras.Input((2, 3, 5)), layers.Reshape((30,)), layers.Dense(4, name="a")]
    )
    assert volumes(model) == {"a": (2, 3, 5)}


def test_layers_added_one_by_one_are_seen():
    model = keras.Sequential([keras.Input((2, 3, 5))])
    model.add(layers.Flatten())
    model.add(layers.Dense(4, name="a"))
    model.add(layers.Dense(3, name="b"))
    assert volumes(model) == {"a": (2, 3, 5), "b": None}
    assert volumes(keras.models.clone_model(model)) == volumes(model)


def test_nested_convolutions_are_found():
    block = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3)], name="block"
    )
    inputs = keras.Input((6, 6, 2))
    x = layers.Flatten()(block(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="a")(x))
    (conv_name, _), (dense_name, volume) = volumes(model).items()
    assert conv_name.startswith("block/")
    assert (dense_name, volume) == ("a", (4, 4, 3))


def permuted():
    inputs = keras.Input((4, 4, 2))
    x = layers.Flatten()(layers.Permute((3, 1, 2))(inputs))
    return keras.Model(inputs, layers.Dense(2, name="a")(x))


def flattened_outside():
    head = keras.Sequential([keras.Input((32,)), layers.Dense(2, name="a")], name="h")
    inputs = keras.Input((4, 4, 2))
    return keras.Model(inputs, head(layers.Flatten()(inputs)))


def merged():
    inputs = keras.Input((4, 4, 2))
    flat = layers.Flatten()(inputs)
    x = layers.Concatenate()([flat, flat])
    return keras.Model(inputs, layers.Dense(2, name="a")(x))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten = layers.Flatten()
        self.dense = layers.Dense(2, name="a")

    def call(self, x):
        return self.dense(self.flatten(x))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 4, 4, 2)))
    return model


@pytest.mark.parametrize("build", [permuted, flattened_outside, merged, subclassed])
def test_a_flattening_that_cannot_be_seen_is_refused(build):
    with pytest.raises(
        ValueError, match=r"inputs of '(h/)?a' were before .* flattened"
    ):
        caffe_layers(build())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.BatchNormalization(name="a"), "'a' is a BatchNormalization with gamma"),
        (layers.Conv2DTranspose(3, 3, name="a"), "'a' is a Conv2DTranspose"),
        (layers.SeparableConv2D(3, 3, name="a"), "'a' is a SeparableConv2D"),
        (layers.Conv2D(3, 3, data_format="channels_first", name="a"), "channels first"),
        (layers.ReLU(), "or none"),
    ],
)
def test_a_layer_that_cannot_be_loaded_is_refused(layer, message):
    model = keras.Sequential([keras.Input((4, 4, 4)), layer])
    with pytest.raises(ValueError, match=message):
        caffe_layers(model)


def test_a_quantized_layer_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="a")])
    model.get_layer("a").quantize("int8")
    with pytest.raises(ValueError, match="'a' is a Dense with"):
        caffe_layers(model)
