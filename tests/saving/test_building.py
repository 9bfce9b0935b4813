"""How a model is built from its file: with its values, or as ever, and never twice."""

import io
import json

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, bits
from keras import layers

import deepcompress as dc
from deepcompress.dcz import container
from deepcompress.models import zoo
from deepcompress.network import internals

register = keras.saving.register_keras_serializable("tests")


@register
class Recorder(keras.initializers.Initializer):
    """Counts the values that it makes."""

    n = 0

    def __call__(self, shape, dtype=None):
        Recorder.n += 1
        return keras.ops.full(shape, 0.5, dtype)

    def get_config(self):
        return {}


@register
class Counted(layers.Dense):
    """Counts how often it is deserialized."""

    n = 0

    @classmethod
    def from_config(cls, config):
        Counted.n += 1
        return super().from_config(config)


@pytest.fixture(autouse=True)
def _from_zero():
    Recorder.n = Counted.n = 0


def n_values(data, **options):
    """Loads a file; returns the model, and how many values initializers made."""
    Recorder.n = 0
    model = dc.HuffmanSerializer().loads(data, **options)
    return model, Recorder.n


def sequential(*parts):
    return keras.Sequential(parts)


def attention():
    inputs = keras.Input((5, 4))
    layer = layers.MultiHeadAttention(2, 2, kernel_initializer=Recorder())
    return keras.Model(inputs, layer(inputs, inputs))


def dense(units=3, **arguments):
    return layers.Dense(units, kernel_initializer=Recorder(), **arguments)


BUILT_IN = {
    "dense": lambda: sequential(keras.Input((4,)), dense()),
    "convolution": lambda: sequential(
        keras.Input((8, 8, 2)), layers.Conv2D(3, 3, kernel_initializer=Recorder())
    ),
    "depthwise": lambda: sequential(
        keras.Input((8, 8, 2)),
        layers.DepthwiseConv2D(3, depthwise_initializer=Recorder()),
    ),
    "separable": lambda: sequential(
        keras.Input((8, 8, 2)),
        layers.SeparableConv2D(3, 3, pointwise_initializer=Recorder()),
    ),
    "transposed": lambda: sequential(
        keras.Input((8, 8, 2)),
        layers.Conv2DTranspose(3, 3, kernel_initializer=Recorder()),
    ),
    "batch normalization": lambda: sequential(
        keras.Input((8, 8, 2)), layers.BatchNormalization(gamma_initializer=Recorder())
    ),
    "layer normalization": lambda: sequential(
        keras.Input((8,)), layers.LayerNormalization(gamma_initializer=Recorder())
    ),
    "prelu": lambda: sequential(
        keras.Input((8,)), layers.PReLU(alpha_initializer=Recorder())
    ),
    "embedding": lambda: sequential(
        keras.Input((5,)), layers.Embedding(9, 4, embeddings_initializer=Recorder())
    ),
    "einsum": lambda: sequential(
        keras.Input((5, 4)),
        layers.EinsumDense("abc,cd->abd", (None, 3), kernel_initializer=Recorder()),
    ),
    "attention": attention,
    "lstm": lambda: sequential(
        keras.Input((5, 4)), layers.LSTM(3, recurrent_initializer=Recorder())
    ),
    "time distributed": lambda: sequential(
        keras.Input((5, 4)), layers.TimeDistributed(dense())
    ),
    "spectral": lambda: sequential(
        keras.Input((4,)), layers.SpectralNormalization(dense())
    ),
    "random": lambda: sequential(
        keras.Input((8, 8, 3)),
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.Flatten(),
        layers.Dropout(0.5),
        dense(),
    ),
    "nested": lambda: sequential(
        keras.Input((4,)), sequential(keras.Input((4,)), dense()), layers.Dense(2)
    ),
    "regularized": lambda: sequential(
        keras.Input((4,)),
        dense(kernel_regularizer="l2", kernel_constraint="non_neg"),
    ),
}


@pytest.mark.parametrize("build", BUILT_IN.values(), ids=BUILT_IN)
def test_no_value_is_made_only_to_be_replaced(build):
    model = build()
    model.compile("adam", "mse", metrics=["mae"])
    data = dc.HuffmanSerializer().dumps(model)
    loaded, n = n_values(data)
    assert n == 0
    assert bits(loaded) == bits(model)
    assert loaded.compiled
    # A file that may hold code is loaded as ever.
    assert n_values(data, safe_mode=False)[1] > 0


def recorded(config):
    """Returns a config with the recorder in the place of every initializer."""
    if isinstance(config, list):
        return [recorded(each) for each in config]
    if not isinstance(config, dict):
        return config
    if config.get("module") == "keras.initializers":
        return keras.saving.serialize_keras_object(Recorder())
    return {key: recorded(value) for key, value in config.items()}


@pytest.mark.parametrize("name", zoo.entries())
def test_the_zoo_is_built_with_its_values(name):
    model = dc.models.load(name)
    file = io.BytesIO()
    with container.read(dc.HuffmanSerializer().dumps(model)) as weights:
        config = recorded(json.loads(weights.architecture))
        container.write(file, weights, architecture=json.dumps(config))
    loaded, n = n_values(file.getvalue())
    assert n == 0
    assert bits(loaded) == bits(model)
    assert n_values(file.getvalue(), safe_mode=False)[1] > 0


@register
class Scaled(layers.Layer):
    """Makes a variable from a value, and looks at another one as it is built."""

    def build(self, input_shape):
        self.scale = keras.Variable(np.full(input_shape[-1], 0.5, "float32"))
        self.shift = self.add_weight(shape=(input_shape[-1],), name="shift")
        self.shift.assign(np.ones(input_shape[-1]))
        self.seen = self.shift.numpy().sum()

    def call(self, inputs):
        return inputs * self.scale + self.shift


@register
class MadeAtOnce(layers.Layer):
    """Makes a variable from a value in its constructor, whose errors Keras wraps."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.scale = keras.Variable(np.full(3, 0.5, "float32"))

    def call(self, inputs):
        return inputs * self.scale


@register
class OfTensorFlow(layers.Layer):
    """Takes what only a variable of TensorFlow has."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), name="scale")
        self.handle = self.scale.handle

    def call(self, inputs):
        return inputs * self.scale


@register
class Own(keras.Model):
    """A model whose `build` fails, of which Keras says nothing but in a warning."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.dense, self.scaled = dense(), Scaled()

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.scaled.build((*input_shape[:-1], 3))

    def call(self, inputs):
        return self.scaled(self.dense(inputs))


def own():
    model = Own()
    model(np.zeros((1, 4), "float32"))
    return model


@register
class Keeping(layers.Layer):
    """Keeps the value that a variable has as it is built, and computes with it."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        self.kept = self.scale.value

    def call(self, inputs):
        return inputs * self.kept


def test_a_value_that_a_layer_keeps_is_one_of_its_variable():
    model = sequential(keras.Input((4,)), dense(), Keeping())
    loaded, n = n_values(dc.HuffmanSerializer().dumps(model))
    assert n > 0
    assert isinstance(loaded.layers[-1].kept, type(model.layers[-1].kept))
    x = np.ones((2, 4), "float32")
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def stateful(*cells):
    inputs = keras.Input(batch_shape=(2, 5, 4))
    return keras.Model(inputs, layers.RNN(list(cells), stateful=True)(dense()(inputs)))


NEEDS_VALUES = {
    "variable": lambda: sequential(keras.Input((4,)), dense(), Scaled()),
    "constructor": lambda: sequential(keras.Input((4,)), dense(), MadeAtOnce()),
    "stateful": lambda: sequential(
        keras.Input(batch_shape=(2, 5, 4)), dense(), layers.LSTM(3, stateful=True)
    ),
    # Their configs are empty once they have been used.
    "within a model": lambda: sequential(
        keras.Input((4,)), dense(), sequential(keras.Input((3,)), Scaled())
    ),
    "within a layer": lambda: sequential(
        keras.Input((5, 4)), dense(), layers.TimeDistributed(Scaled())
    ),
    "cells": lambda: sequential(
        keras.Input(batch_shape=(2, 5, 4)),
        dense(),
        layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], stateful=True),
    ),
    "functional": lambda: stateful(layers.LSTMCell(3), layers.GRUCell(2)),
    "functional within a model": lambda: sequential(
        keras.Input(batch_shape=(2, 5, 4)), stateful(layers.LSTMCell(3))
    ),
    "own model": own,
}
if BACKEND == "tensorflow":
    NEEDS_VALUES["of tensorflow"] = lambda: sequential(
        keras.Input((4,)), dense(), OfTensorFlow()
    )


@pytest.mark.parametrize("build", NEEDS_VALUES.values(), ids=NEEDS_VALUES)
def test_a_layer_that_needs_values_as_it_is_built_is_built_as_ever(build):
    model = build()
    model.compile("sgd", "mse")
    model.set_weights([weight + 1 for weight in model.get_weights()])
    loaded, n = n_values(dc.HuffmanSerializer().dumps(model))
    assert n > 0
    assert bits(loaded) == bits(model)
    assert loaded.compiled


def test_a_layer_that_needs_values_as_it_is_built_comes_back():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Scaled()])
    model.compile("sgd", "mse")
    model.layers[-1].shift.assign([1.0, 2.0, 3.0])
    data = dc.HuffmanSerializer().dumps(model)
    custom = {"Scaled": Scaled}
    loaded = dc.HuffmanSerializer().loads(data, custom_objects=custom)
    assert bits(loaded) == bits(model)
    assert loaded.layers[-1].seen == 3
    assert loaded.compiled


def test_a_damaged_file_is_decoded_once():
    model = sequential(keras.Input((99,)), Counted(99))
    data = bytearray(dc.HuffmanSerializer().dumps(model))
    data[len(data) // 2] ^= 4
    with pytest.raises(dc.CorruptFileError, match="checksum"):
        dc.HuffmanSerializer().loads(bytes(data))
    assert Counted.n == 1


def test_values_are_given_in_the_order_of_the_model(monkeypatch):
    # As processes that share a model must do, however fast each of them decodes.
    model = sequential(keras.Input((9,)), layers.Dense(8), layers.Dense(7))
    decode, begin_with = container.Container.decode, internals.begin_with
    monkeypatch.setattr(
        container.Container, "decode", lambda file: reversed(list(decode(file)))
    )
    given = []
    monkeypatch.setattr(
        internals,
        "begin_with",
        lambda variable, make: (given.append(variable), begin_with(variable, make)),
    )
    file = dc.HuffmanSerializer().dumps(model)
    dc.HuffmanSerializer().loads(file, model=model)
    assert [id(variable) for variable in given] == [id(v) for v in model.weights]


class Unknown(layers.Dense):
    pass


@register
class Failing(layers.Dense):
    """Fails for a reason of its own."""

    error = None

    def build(self, input_shape):
        if Failing.error:
            raise Failing.error
        super().build(input_shape)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: Unknown(2), "custom_objects"),
        (lambda: layers.Lambda(lambda x: x * 2), "safe_mode"),
    ],
    ids=["class", "code"],
)
def test_what_cannot_be_deserialized_is_tried_once(layer, message):
    model = sequential(keras.Input((4,)), Counted(3), layer())
    data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match=message):
        dc.HuffmanSerializer().loads(data)
    assert Counted.n == 1


@pytest.mark.parametrize("error", [ValueError("mine"), KeyError("mine")], ids=repr)
def test_an_error_of_a_layers_own_comes_at_once(error, monkeypatch):
    data = dc.HuffmanSerializer().dumps(
        sequential(keras.Input((4,)), Counted(3), Failing(2))
    )
    monkeypatch.setattr(Failing, "error", error)
    with pytest.raises(type(error), match="mine"):
        dc.HuffmanSerializer().loads(data)
    assert Counted.n == 1


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred))


def test_a_loss_that_keras_does_not_know_is_asked_for():
    model = sequential(keras.Input((4,)), Counted(3))
    model.compile("adam", own_loss)
    data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match="compile=False"):
        dc.HuffmanSerializer().loads(data)
    assert Counted.n == 1
    assert not dc.HuffmanSerializer().loads(data, compile=False).compiled
    custom = {"own_loss": own_loss}
    assert dc.HuffmanSerializer().loads(data, custom_objects=custom).compiled
