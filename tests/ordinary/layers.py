"""Small nets with layers of one's own, and with layers that keep more than weights."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from ordinary.cases import ordinary


def chain(*parts):
    """A functional net of some layers between dense ones."""
    inputs = keras.Input((6,))
    x = L.Dense(9, activation="relu")(inputs)
    for part in parts:
        x = part(x)
    return keras.Model(inputs, L.Dense(2)(L.Dense(9, activation="relu")(x)))


@ordinary(backends=("tensorflow",))
def lookups():
    words = L.StringLookup(output_mode="one_hot", name="words")
    words.adapt(["a", "b", "c"])
    scale, bins = L.Normalization(), L.Discretization(num_bins=4, output_mode="one_hot")
    for layer, width in ((scale, 2), (bins, 1)):
        layer.adapt(np.random.default_rng(0).normal(3, 4, (50, width)))
    inputs = {
        "word": keras.Input((1,), dtype="string", name="word"),
        "scale": keras.Input((2,), name="scale"),
        "bin": keras.Input((1,), name="bin"),
    }
    parts = [words(inputs["word"]), scale(inputs["scale"]), bins(inputs["bin"])]
    x = L.Dense(9, activation="relu")(L.Concatenate()(parts))
    return keras.Model(inputs, L.Dense(2)(x))


@ordinary(backends=("tensorflow",))
def vectorizer():
    text = L.TextVectorization(output_sequence_length=4)
    text.adapt(["red green", "blue sky red"])
    inputs = keras.Input((1,), dtype="string")
    x = L.GlobalAveragePooling1D()(L.Embedding(9, 4)(text(inputs)))
    return keras.Model(inputs, L.Dense(1)(L.Dense(9, activation="relu")(x)))


class Halves(L.Layer):
    """One half is trained; its inner layers have automatic names."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.second = L.Dense(units), L.Dense(units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def build(self, shape):
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x):
        return self.first(x) + self.second(x)


@ordinary(own=[Halves])
def frozen_inside():
    model = chain(Halves(4))
    model.layers[2].first.trainable = False
    return model


@ordinary(
    refuses=dict.fromkeys(
        ("save", "load elsewhere", "command"), "has a lambda as its `activation`"
    )
)
def lambda_as_activation():
    return chain(L.Dense(8, activation=lambda t: ops.relu(t) * 2))


@ordinary(
    refuses=dict.fromkeys(
        ("save", "load elsewhere", "command"),
        "The file holds Python code: the lambda of the layer 'lambda'",
    )
)
def lambda_that_reads_around():
    scale = 3.0
    return chain(L.Lambda(lambda t: ops.tanh(t) * scale))


@ordinary(
    refuses={
        **dict.fromkeys(("save", "load elsewhere"), "Two functions are named"),
        "command": "Keras does not know the function 'activation' of the layer",
    }
)
def activations_of_one_name():
    def make(scale):
        def activation(x):
            return scale * ops.relu(x)

        return activation

    return chain(*(L.Dense(8, activation=make(scale)) for scale in (2.0, 3.0)))


class Cell(L.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1] + self.units, self.units))

    def call(self, x, states):
        y = ops.tanh(ops.matmul(ops.concatenate([x, states[0]], -1), self.w))
        return y, [y]


@ordinary(own=[Cell])
def own_cells():
    return chain(L.Reshape((3, 3)), L.RNN([Cell(5), Cell(4)]))


class OwnInit(keras.Model):
    """A functional model with a constructor of its own."""

    def __init__(self, units=4, **kwargs):
        inputs = keras.Input((9,))
        outputs = L.Dense(units)(L.Dense(9, activation="relu")(inputs))
        super().__init__(inputs, outputs, **kwargs)
        self.units = units


@ordinary(own=[OwnInit])
def own_model_inside():
    return chain(OwnInit())


class Table(L.Layer):
    """Keeps something that is no weight, and saves it as Keras asks it to."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factor = 1.0

    def call(self, x):
        return self.factor * x

    def save_assets(self, folder):
        with open(f"{folder}/factor.txt", "w") as file:
            file.write(str(self.factor))

    def load_assets(self, folder):
        with open(f"{folder}/factor.txt") as file:
            self.factor = float(file.read())


@ordinary(own=[Table])
def table():
    layer = Table()
    layer.factor = 3.0
    return chain(layer)


class Odd(L.Layer):
    """Has attributes with names that Keras' layers have, and other things in them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.activation, self.data_format = {"a": 1}, [1]

    def call(self, x):
        return 2 * x


def odd():
    return chain(Odd())


def arrays_as_settings():
    inputs = keras.Input((6,))
    x = ops.pad(L.Dense(9)(inputs), ((0, 0), (1, 2)))
    x = L.Flatten()(ops.reshape(x, (-1, np.int64(4), np.int64(3))))
    return keras.Model(inputs, L.Dense(2)(L.Dense(9, activation="relu")(x)))


def a_number_as_output():
    inputs = keras.Input((6,))
    x = L.Dense(9, activation="relu")(inputs)
    return keras.Model(inputs, [ops.mean(x), L.Dense(2)(x)])


@ordinary()
def structures():
    inputs = {
        "a": {name: keras.Input((3,), name=name) for name in ("q", "p")},
        "b": [keras.Input((2,)), keras.Input((2,))],
    }
    x = L.Concatenate()(keras.tree.flatten(inputs))
    x = L.Dense(9, activation="relu")(x)
    return keras.Model(inputs, {"o": [L.Dense(2)(x), x], "e": {"z": L.Dense(1)(x)}})


@ordinary()
def spectral():
    inputs = keras.Input((3, 8, 8, 1))
    x = L.TimeDistributed(L.SpectralNormalization(L.Conv2D(3, 3)))(inputs)
    x = L.Bidirectional(L.SimpleRNN(4), merge_mode="sum")(
        L.TimeDistributed(L.Flatten())(x)
    )
    return keras.Model(inputs, L.Dense(2)(L.Dense(9, activation="relu")(x)))


@ordinary()
def slices():
    inputs = keras.Input((6, 4))
    x = L.Dense(8, activation="relu")(inputs)
    return keras.Model(inputs, L.Dense(2)(x[:, -1]) + L.Dense(2)(x[:, 0, ::2]))
