"""Small networks and data that several tests use."""

import keras
import numpy as np
from keras import layers

BACKEND = keras.backend.backend()


def dense_net(**compile_arguments):
    """Two dense layers on ten features, compiled."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(20, activation="relu", name="hidden"),
            layers.Dense(3, name="out"),
        ]
    )
    model.compile(**{"optimizer": "adam", "loss": "mse", **compile_arguments})
    return model


def image_net():
    """Convolutions, normalization, a nested model and an embedding-free head."""
    keras.utils.set_random_seed(2)
    block = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layers.Conv2D(8, 3, name="conv2"),
            layers.BatchNormalization(name="norm"),
        ],
        name="block",
    )
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, name="conv1")(inputs)
    x = block(x)
    x = layers.Flatten(name="flatten")(x)
    model = keras.Model(inputs, layers.Dense(5, name="head")(x), name="images")
    model.compile("adam", "mse")
    return model


def regression(n=256, seed=0):
    """Inputs of ten features and targets of three, related by a random net."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 10)).astype("float32")
    y = np.tanh(x @ rng.standard_normal((10, 3))).astype("float32")
    return x, y


def kernels(model):
    """The kernels of a model by the name of their layer."""
    return {
        layer.name: layer.kernel.numpy()
        for layer in model.layers
        if hasattr(layer, "kernel")
    }


def bits(model):
    """The bytes of every weight."""
    return [weight.tobytes() for weight in model.get_weights()]


def zeros(array):
    return int(array.size - np.count_nonzero(array))


def distinct(array):
    return len(np.unique(array))
