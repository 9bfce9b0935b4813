"""Every layer of Keras that has weights goes through a `.weights.h5` file."""

import keras
import numpy as np
import pytest
from keras import layers

import deepcompress as dc
from deepcompress.importers import compress_h5

ROW, STEPS, IMAGE, VIDEO = (6,), (6, 8), (8, 8, 4), (3, 8, 8, 4)


def attending(layer):
    return lambda x: layer(x, x)


def attending_pair(layer):
    return lambda x: layer([x, x])


def nested():
    inner = keras.Sequential([layers.Dense(6), layers.Normalization()])
    return keras.Sequential(
        [layers.Dense(6), layers.BatchNormalization(scale=False), inner]
    )


LAYERS = {
    "Dense": (ROW, lambda: layers.Dense(6)),
    "Dense, no bias": (ROW, lambda: layers.Dense(6, use_bias=False)),
    "EinsumDense": (
        STEPS,
        lambda: layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"),
    ),
    "Normalization": (ROW, layers.Normalization),
    "BatchNormalization": (ROW, layers.BatchNormalization),
    "BatchNormalization, no gamma": (
        ROW,
        lambda: layers.BatchNormalization(scale=False),
    ),
    "BatchNormalization, no beta": (
        ROW,
        lambda: layers.BatchNormalization(center=False),
    ),
    "BatchNormalization, neither": (
        ROW,
        lambda: layers.BatchNormalization(center=False, scale=False),
    ),
    "LayerNormalization": (ROW, layers.LayerNormalization),
    "LayerNormalization, no gamma": (
        ROW,
        lambda: layers.LayerNormalization(scale=False),
    ),
    "LayerNormalization, no beta": (
        ROW,
        lambda: layers.LayerNormalization(center=False),
    ),
    "GroupNormalization": (ROW, lambda: layers.GroupNormalization(2)),
    "GroupNormalization, no gamma": (
        ROW,
        lambda: layers.GroupNormalization(2, scale=False),
    ),
    "RMSNormalization": (ROW, layers.RMSNormalization),
    "SpectralNormalization": (
        ROW,
        lambda: layers.SpectralNormalization(layers.Dense(4)),
    ),
    "SpectralNormalization of images": (
        IMAGE,
        lambda: layers.SpectralNormalization(layers.Conv2D(4, 3)),
    ),
    "Attention": (STEPS, lambda: attending_pair(layers.Attention(use_scale=True))),
    "Attention, concat": (
        STEPS,
        lambda: attending_pair(layers.Attention(score_mode="concat")),
    ),
    "AdditiveAttention": (STEPS, lambda: attending_pair(layers.AdditiveAttention())),
    "MultiHeadAttention": (STEPS, lambda: attending(layers.MultiHeadAttention(2, 4))),
    "MultiHeadAttention, no bias": (
        STEPS,
        lambda: attending(layers.MultiHeadAttention(2, 4, use_bias=False)),
    ),
    "GroupQueryAttention": (
        STEPS,
        lambda: attending(layers.GroupQueryAttention(4, 2, 1)),
    ),
    "SimpleRNN": (STEPS, lambda: layers.SimpleRNN(3)),
    "LSTM": (STEPS, lambda: layers.LSTM(3)),
    "LSTM, no bias": (STEPS, lambda: layers.LSTM(3, use_bias=False)),
    "GRU": (STEPS, lambda: layers.GRU(3)),
    "GRU, reset before": (STEPS, lambda: layers.GRU(3, reset_after=False)),
    "RNN": (STEPS, lambda: layers.RNN(layers.GRUCell(3))),
    "RNN, named cell": (STEPS, lambda: layers.RNN(layers.GRUCell(3, name="mine"))),
    "StackedRNNCells": (
        STEPS,
        lambda: layers.RNN(
            [layers.LSTMCell(3), layers.GRUCell(3), layers.SimpleRNNCell(3)]
        ),
    ),
    "Bidirectional": (STEPS, lambda: layers.Bidirectional(layers.GRU(3))),
    "Bidirectional, unlike": (
        STEPS,
        lambda: layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.GRU(3, go_backwards=True)
        ),
    ),
    "TimeDistributed": (STEPS, lambda: layers.TimeDistributed(layers.Dense(3))),
    "TimeDistributed images": (
        VIDEO,
        lambda: layers.TimeDistributed(layers.Conv2D(3, 3)),
    ),
    "TimeDistributed model": (
        STEPS,
        lambda: layers.TimeDistributed(
            keras.Sequential([layers.Dense(3), layers.Dense(3)])
        ),
    ),
    "ConvLSTM1D": ((3, 8, 4), lambda: layers.ConvLSTM1D(3, 3)),
    "ConvLSTM2D": (VIDEO, lambda: layers.ConvLSTM2D(3, 3)),
    "ConvLSTM3D": ((2, 4, 4, 4, 2), lambda: layers.ConvLSTM3D(2, 2)),
    "Conv1D": (STEPS, lambda: layers.Conv1D(3, 3)),
    "Conv2D": (IMAGE, lambda: layers.Conv2D(3, 3)),
    "Conv3D": ((4, 4, 4, 2), lambda: layers.Conv3D(3, 3)),
    "Conv1DTranspose": (STEPS, lambda: layers.Conv1DTranspose(3, 3)),
    "Conv2DTranspose": (IMAGE, lambda: layers.Conv2DTranspose(3, 3)),
    "Conv3DTranspose": ((4, 4, 4, 2), lambda: layers.Conv3DTranspose(3, 3)),
    "DepthwiseConv1D": (STEPS, lambda: layers.DepthwiseConv1D(3)),
    "DepthwiseConv2D": (IMAGE, lambda: layers.DepthwiseConv2D(3)),
    "SeparableConv1D": (STEPS, lambda: layers.SeparableConv1D(3, 3)),
    "SeparableConv2D": (IMAGE, lambda: layers.SeparableConv2D(3, 3)),
    "SeparableConv2D, no bias": (
        IMAGE,
        lambda: layers.SeparableConv2D(3, 3, use_bias=False),
    ),
    "PReLU": (IMAGE, lambda: layers.PReLU(shared_axes=[1, 2])),
    "Embedding": ((5,), lambda: layers.Embedding(9, 4)),
    "Sequential": (ROW, nested),
}


def bits(model):
    return [weight.tobytes() for weight in model.get_weights()]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_goes_through_a_weights_file(name, tmp_path, rng):
    shape, make = LAYERS[name]

    def build():
        # Twice, so that weights could be taken for those of the other.
        inputs = keras.Input(shape)
        return keras.Model(inputs, [make()(inputs), make()(inputs)])

    model = build()
    for weight in model.weights:
        weight.assign(rng.standard_normal(weight.shape))
    model.save_weights(tmp_path / "a.weights.h5")
    compress_h5(tmp_path / "a.weights.h5", tmp_path / "a.dcz")
    # One with the names of the first, and one whose layers Keras counts on.
    for other in (keras.models.clone_model(model), build()):
        assert np.any([a != b for a, b in zip(bits(other), bits(model), strict=True)])
        dc.HuffmanSerializer().load(tmp_path / "a.dcz", model=other)
        assert bits(other) == bits(model)


class Misnamed(keras.Model):
    """Attributes that are not of the class whose name they have."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Dense(3, use_bias=False)
        self.dense = layers.Embedding(3, 3)
        self.blocks = [layers.Dense(3, use_bias=False) for _ in range(2)]

    def build(self, shape):
        for layer in (self.embedding, self.dense, *self.blocks):
            layer.build((None, 3))
        self.factor = self.add_weight(shape=(3,), name="factor")
        self.built = True


def test_an_attribute_is_not_taken_for_a_class(tmp_path, rng):
    first, second = Misnamed(), Misnamed()
    for model in (first, second):
        model.build((None, 3))
        for weight in model.weights:
            weight.assign(rng.standard_normal(weight.shape))
    first.save_weights(tmp_path / "a.weights.h5")
    compress_h5(tmp_path / "a.weights.h5", tmp_path / "out.dcz")
    dc.HuffmanSerializer().load(tmp_path / "out.dcz", model=second)
    assert bits(second) == bits(first)


class Two(keras.Model):
    """Has an optimizer of its own beside that of `compile`."""

    def __init__(self, optimizer):
        super().__init__()
        self.teacher, self.student = (
            keras.Sequential([keras.Input((3,)), layers.Dense(2)]) for _ in range(2)
        )
        self.other = optimizer
        self.built = True

    def call(self, x):
        return self.teacher(x) + self.student(x)


KINDS = (
    "SGD Adam AdamW Adamax Nadam RMSprop Adagrad Adadelta Adafactor Ftrl Lion Lamb Muon"
).split()


@pytest.mark.parametrize("kind", KINDS)
def test_what_optimizers_within_a_model_keep_is_left_out(kind, tmp_path):
    # Keras gives a number to the second of a kind.
    model = Two([getattr(keras.optimizers, kind)() for _ in range(2)][1])
    x, y = np.ones((8, 3)), np.ones((8, 2))
    model.teacher.compile("adam", "mse")
    model.teacher.fit(x, y, verbose=0)
    model.other.build(model.student.trainable_variables)
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    before = [weight.tobytes() for weight in model.get_weights()]
    model.save_weights(tmp_path / "a.weights.h5")
    compress_h5(tmp_path / "a.weights.h5", tmp_path / "out.dcz")
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    dc.HuffmanSerializer().load(tmp_path / "out.dcz", model=model)
    assert [weight.tobytes() for weight in model.get_weights()] == before
