"""What cannot be followed stays as it is, and is named."""

import re

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net
from helpers.sparse_nets import check_equal, make_sparse
from keras import layers

import deepcompress as dc


def around(*middle):
    """A net with something between its convolution and its output."""
    before = layers.Conv2D(4, 3, padding="same", name="before")
    return keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            before,
            *middle,
            layers.GlobalMaxPooling2D(),
            layers.Dense(2),
        ]
    )


def own_activation(x):
    return keras.ops.flip(x, -1)


def shared():
    inputs = keras.Input((4,))
    layer = layers.Dense(4, name="shared")
    x = layer(layer(layers.Dense(4)(inputs)))
    return keras.Model(inputs, layers.Dense(2)(x))


def reshaped_twice():
    inputs = keras.Input((2, 3))
    layer = layers.Reshape((6,), name="twice")
    parts = [layer(layers.Dense(3)(inputs)) for _ in range(2)]
    return keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(parts)))


def dropout_that_drops():
    inputs = keras.Input((4,))
    x = layers.Dropout(1e-9, name="drop")(layers.Dense(4)(inputs), training=True)
    return keras.Model(inputs, layers.Dense(2)(x))


def operation():
    inputs = keras.Input((4,))
    x = layers.Dense(4)(inputs)
    return keras.Model(inputs, layers.Dense(2)(x * 2))


def words():
    inputs = keras.Input((5,))
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(inputs)
    x = layers.Dense(4, name="masked")(x)
    x = layers.LSTM(4, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def inner_twice():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="inner")
    inputs = keras.Input((4,))
    x = inner(inner(layers.Dense(4)(inputs)))
    return keras.Model(inputs, layers.Dense(2)(x))


NOT_FOLLOWED = {
    "grouped": lambda: around(layers.Conv2D(4, 3, groups=2, name="grouped")),
    "norm": lambda: around(layers.LayerNormalization(name="norm")),
    "axis": lambda: around(layers.BatchNormalization(axis=1, name="axis")),
    "prelu": lambda: around(layers.PReLU(name="prelu")),
    "transposed": lambda: around(layers.Conv2DTranspose(3, 3, name="transposed")),
    "permute": lambda: around(layers.Permute((3, 2, 1), name="permute")),
    "reshape": lambda: around(layers.Reshape((8, 6, 3), name="reshape")),
    "own": lambda: around(layers.Conv2D(4, 3, activation=own_activation, name="own")),
    "lambda": lambda: around(layers.Lambda(lambda x: 2 * x, name="lambda")),
    "shared": shared,
    "twice": reshaped_twice,
    "drop": dropout_that_drops,
    "multiply": operation,
    "embedding, masked, lstm": words,
    "inner": inner_twice,
}


@pytest.mark.parametrize("path", NOT_FOLLOWED)
def test_what_cannot_be_followed_is_left_alone_and_named(path):
    model = make_sparse(NOT_FOLLOWED[path](), 0.5, 4)
    with pytest.warns(UserWarning, match="Left alone") as caught:
        small = dc.shrink(model)
    messages = [str(each.message) for each in caught if each.category is UserWarning]
    assert len(messages) == 1
    # Keras numbers the operations that have no name.
    assert re.search(rf": {path}(_\d+)?\.$", messages[0])
    check_equal(model, small)


def test_channels_first_is_left_alone():
    model = keras.Sequential(
        [
            keras.Input((4, 6, 6)),
            layers.Conv2D(4, 3, data_format="channels_first", name="conv"),
            layers.Flatten(data_format="channels_first", name="flatten"),
            layers.Dense(5, name="hidden"),
            layers.Dense(2),
        ]
    )
    make_sparse(model, 0.3, 4)
    with pytest.warns(UserWarning, match=": conv.$"):
        small = dc.shrink(model)
    assert small.get_layer("conv").filters == 4
    assert small.get_layer("hidden").units < 5
    if BACKEND == "tensorflow":
        return  # which has no such convolution on a CPU
    check_equal(model, small)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x):
        return self.inner(x)


class Trained(keras.Model):
    """A functional model with a training step, but not the constructor, of its own."""

    def __init__(self):
        inputs = keras.Input((4,))
        super().__init__(inputs, layers.Dense(3)(inputs))

    def train_step(self, *arguments):
        raise NotImplementedError


@pytest.mark.parametrize("build", [Subclassed, Trained])
def test_a_model_of_its_own_class_is_returned_as_it_is(build):
    model = build()
    model(np.zeros((1, 4), "float32"))
    with pytest.warns(UserWarning, match="returned as it is"):
        assert dc.shrink(model) is model


class Unsaved(keras.regularizers.Regularizer, keras.constraints.Constraint):
    """Of which nobody thought that it would be saved: it has no `get_config`."""

    def __call__(self, x):
        return 0.1 * keras.ops.mean(x)

    def get_config(self):
        raise NotImplementedError


@pytest.mark.filterwarnings("ignore:Left alone")
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (layers.Dense, ["kernel_regularizer", "bias_regularizer"]),
        (layers.Dense, ["activity_regularizer", "kernel_constraint"]),
        (layers.LSTM, ["kernel_regularizer", "recurrent_constraint"]),
    ],
)
def test_regularizers_of_ones_own_are_used_as_they_are(make, names):
    own = Unsaved()
    model = keras.Sequential(
        [keras.Input((4, 4)), make(5, **dict.fromkeys(names, own))]
    )
    model.add(layers.Dense(2))
    kernel = model.layers[1].kernel.numpy()
    kernel[::2] = 0
    model.layers[1].kernel.assign(kernel)
    small = dc.shrink(model)
    assert all(getattr(small.layers[0], name) is own for name in names)
    assert all(getattr(model.layers[0], name) is own for name in names)
    check_equal(model, small)


@keras.saving.register_keras_serializable()
class Part(keras.Model):
    """A functional model with a constructor of its own."""

    def __init__(self, units=6, **kwargs):
        inputs = keras.Input((8,))
        outputs = layers.Dense(3)(layers.Dense(units, activation="relu")(inputs))
        super().__init__(inputs, outputs, **kwargs)
        self.units = units

    def get_config(self):
        return {"name": self.name, "units": self.units}


def test_a_model_of_its_own_class_inside_another_stays_one():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(9, activation="relu"),
            layers.Dense(8, activation="relu"),
            Part(name="part"),
        ]
    )
    for layer in (model.layers[0], model.layers[2].layers[1]):
        kernel = layer.kernel.numpy()
        kernel[:, ::2] = 0
        layer.kernel.assign(kernel)
    with pytest.warns(UserWarning, match=": part.$"):
        small = dc.shrink(model)
    assert type(small.layers[2]) is Part
    assert small.layers[2].layers[1].units == 6
    assert small.layers[0].units < 9
    check_equal(model, small)


def test_what_is_no_built_model_is_refused():
    with pytest.raises(ValueError, match="has not been built"):
        dc.shrink(keras.Sequential([layers.Dense(3)]))
    with pytest.raises(TypeError, match=r"must be a keras\.Model"):
        dc.shrink("model")


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
def test_a_quantized_model_is_left_alone():
    model = dense_net()
    dc.prune(model, 0.9)
    model.quantize("int8")
    with pytest.warns(UserWarning, match=": hidden, out.$"):
        small = dc.shrink(model)
    check_equal(model, small)
