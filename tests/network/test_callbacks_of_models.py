"""Pruning and sharing together, over the layers and models that users have."""

import keras
import numpy as np
import pytest
from helpers.stages import check_both_stages
from keras import layers

LAYERS = {
    "Dense": ((8,), layers.Dense(6)),
    "Conv1D": ((9, 4), layers.Conv1D(6, 3)),
    "Conv2D": ((6, 6, 4), layers.Conv2D(6, 3)),
    "Conv2D grouped": ((6, 6, 4), layers.Conv2D(6, 3, groups=2)),
    "Conv3D": ((4, 4, 4, 2), layers.Conv3D(4, 2)),
    "Conv1DTranspose": ((9, 4), layers.Conv1DTranspose(6, 3)),
    "Conv2DTranspose": ((6, 6, 4), layers.Conv2DTranspose(6, 3)),
    "Conv3DTranspose": ((4, 4, 4, 2), layers.Conv3DTranspose(4, 2)),
    "DepthwiseConv1D": ((9, 4), layers.DepthwiseConv1D(3, depth_multiplier=2)),
    "DepthwiseConv2D": ((6, 6, 4), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "SeparableConv1D": ((9, 4), layers.SeparableConv1D(6, 3)),
    "SeparableConv2D": ((6, 6, 4), layers.SeparableConv2D(6, 3)),
    "EinsumDense": ((5, 4), layers.EinsumDense("abc,cde->abde", (None, 3, 2))),
    "LSTM": ((5, 4), layers.LSTM(6)),
    "GRU": ((5, 4), layers.GRU(6)),
    "SimpleRNN": ((5, 4), layers.SimpleRNN(6)),
    "Bidirectional": ((5, 4), layers.Bidirectional(layers.LSTM(4))),
    "TimeDistributed": ((5, 4), layers.TimeDistributed(layers.Dense(6))),
}


class Own(layers.Layer):
    """A user's layer with a weight of its own."""

    def build(self, shape):
        self.table = self.add_weight(shape=(shape[-1], 6), name="table")

    def call(self, x):
        return keras.ops.matmul(x, self.table)


class Tied(keras.Model):
    """An embedding that is the output's kernel too."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(12, 6, name="embedding")

    def call(self, x):
        hidden = keras.ops.mean(self.embedding(x), axis=1)
        table = keras.ops.convert_to_tensor(self.embedding.embeddings)
        return keras.ops.matmul(hidden, keras.ops.transpose(table))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(8, name=f"block{i}") for i in range(2)]
        self.head = layers.Dense(3, name="head")

    def call(self, x):
        for block in self.blocks:
            x = keras.ops.relu(block(x))
        return self.head(x)


def of_layer(name):
    shape, layer = LAYERS[name]
    layer = type(layer).from_config(layer.get_config())
    return keras.Sequential([keras.Input(shape), layer, layers.Flatten()]), shape


def data_for(model, shape, n=16, kind="normal"):
    rng = np.random.default_rng(0)
    if kind == "tokens":
        x = rng.integers(0, 12, (n, *shape))
    else:
        x = rng.standard_normal((n, *shape)).astype("float32")
    outputs = model(x[:1])
    outputs = outputs if isinstance(outputs, list) else [outputs]
    y = [rng.standard_normal((n, *o.shape[1:])).astype("float32") for o in outputs]
    return x, y if len(y) > 1 else y[0]


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    model, shape = of_layer(name)
    check_both_stages(model, *data_for(model, shape))


def test_multi_head_attention():
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4)(inputs, inputs))
    check_both_stages(model, *data_for(model, (5, 8)))


def test_embedding():
    model = keras.Sequential(
        [keras.Input((5,), dtype="int32"), layers.Embedding(12, 6), layers.Flatten()]
    )
    check_both_stages(model, *data_for(model, (5,), kind="tokens"))


def test_a_users_own_layer():
    model = keras.Sequential([keras.Input((8,)), Own()])
    check_both_stages(model, *data_for(model, (8,)))


def test_a_layer_used_twice():
    inputs = keras.Input((8,))
    layer = layers.Dense(8)
    model = keras.Model(inputs, layer(layer(inputs)))
    check_both_stages(model, *data_for(model, (8,)))


def test_tied_weights():
    model = Tied()
    check_both_stages(model, *data_for(model, (5,), kind="tokens"))


def test_a_subclassed_model():
    model = Subclassed()
    check_both_stages(model, *data_for(model, (8,)))


def test_a_model_nested_two_deep():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8)], name="inner")
    middle = keras.Sequential([keras.Input((8,)), inner, layers.Dense(6)], name="mid")
    model = keras.Sequential([keras.Input((8,)), middle, layers.Dense(4)])
    check_both_stages(model, *data_for(model, (8,)))


def test_several_outputs():
    inputs = keras.Input((8,))
    x = layers.Dense(8)(inputs)
    model = keras.Model(inputs, [layers.Dense(3)(x), layers.Dense(2)(x)])
    check_both_stages(model, *data_for(model, (8,)))


def test_a_frozen_backbone_is_left_alone():
    backbone = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )
    backbone.trainable = False
    model = keras.Sequential([keras.Input((8, 8, 3)), backbone, layers.Dense(4)])
    before = [weight.copy() for weight in backbone.get_weights()]
    check_both_stages(model, *data_for(model, (8, 8, 3), n=8))
    for weight, old in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
