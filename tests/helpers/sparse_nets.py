"""Small nets of many kinds, sparse weights for them, and what they compute."""

import keras
import numpy as np
from keras import layers

from deepcompress.shrinking.graph import Graph


def lenet_300_100(a=12, b=8):
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Flatten(),
            layers.Dense(a, activation="tanh", name="ip1"),
            layers.Dense(b, activation="relu", name="ip2"),
            layers.Dense(4, name="ip3"),
        ]
    )


def lenet5(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Conv2D(a, 3, name="conv1"),
            layers.MaxPooling2D(),
            layers.Conv2D(b, 3, name="conv2"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(c, activation="relu", name="ip1"),
            layers.Dense(4, name="ip2"),
        ]
    )


def mnist_cnn(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            layers.Conv2D(a, 3, activation="relu", name="conv1"),
            layers.Conv2D(b, 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(c, activation="relu", name="hidden"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax", name="out"),
        ]
    )


def vgg(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(a, 3, padding="same", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(),
            layers.Conv2D(b, 3, padding="same", use_bias=False, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.Activation("sigmoid"),
            layers.AveragePooling2D(3, 2, padding="same"),
            layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise"),
            layers.Conv2D(c, 1, padding="same", activation="elu", name="conv3"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, name="out"),
        ]
    )


def conv1d(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((12, 3)),
            layers.ZeroPadding1D(1),
            layers.Conv1D(a, 3, activation="leaky_relu", name="conv1"),
            layers.ZeroPadding1D(1),
            layers.Conv1D(b, 3, padding="causal", name="conv2"),
            layers.LeakyReLU(),
            layers.Cropping1D(1),
            layers.Reshape((-1, b)),
            layers.Dense(c, activation="gelu", name="each"),
            layers.AveragePooling1D(2),
            layers.Reshape((6 * c,)),
            layers.Dense(2, name="out"),
        ]
    )


def two_branches(a=4, b=6, c=8):
    """Concatenated and added branches, a tensor with two readers and two outputs."""
    inputs = keras.Input((8, 8, 1), name="image")
    stem = layers.Conv2D(a, 3, activation="relu", name="stem")(inputs)
    left = layers.Conv2D(b, 3, padding="same", activation="tanh", name="left")(stem)
    right = layers.Conv2D(b, 1, name="right")(stem)
    right = layers.BatchNormalization(name="norm")(right)
    added = layers.Add()([left, right])
    joined = layers.Concatenate()([added, stem])
    flat = layers.Flatten()(layers.MaxPooling2D()(joined))
    hidden = layers.Dense(c, activation="relu", name="hidden")(flat)
    other = layers.GlobalMaxPooling2D()(added)
    joined = layers.Concatenate()([hidden, other])
    outputs = [
        layers.Dense(3, name="first")(joined),
        layers.Dense(2, activation="softmax", name="second")(hidden),
    ]
    return keras.Model(inputs, outputs)


def nested(a=4, b=6, c=8):
    block = keras.Sequential(
        [
            keras.Input((7, 7, a)),
            layers.Conv2D(b, 3, activation="relu", name="conv2"),
            layers.BatchNormalization(name="norm"),
        ],
        name="block",
    )
    inner = keras.Input((5, 5, b))
    x = layers.Conv2D(c, 3, activation="relu", name="conv3")(inner)
    head = keras.Model(inner, layers.GlobalMaxPooling2D()(x), name="head")
    inputs = keras.Input((9, 9, 1))
    x = layers.Conv2D(a, 3, activation="tanh", name="conv1")(inputs)
    x = head(block(x, training=False))
    return keras.Model(inputs, layers.Dense(3, name="out")(x))


NETS = {
    each.__name__: each
    for each in (lenet5, mnist_cnn, vgg, conv1d, two_branches, nested)
}


def make_sparse(model, density, seed, n_dead=0.3, constants=True):
    """Gives a model random weights, of which few are not zero, and dead units."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if weight.name == "kernel":
            value = rng.standard_normal(shape) / np.sqrt(
                np.prod(shape[:-1]) * density + 1
            )
            value[..., rng.random(shape[-2:]) >= density] = 0
            value[..., rng.random(shape[-2]) < n_dead, :] = 0
            value[..., rng.random(shape[-1]) < n_dead] = 0
        elif weight.name == "moving_variance":
            value = rng.uniform(0.5, 2, shape)
        else:  # biases, beta, gamma and means
            value = rng.standard_normal(shape) * (rng.random(shape) < 0.7)
            if not constants and weight.name != "gamma":
                value[:] = 0
        weight.assign(value)
    return model


def images(model, n=5, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n, *model.inputs[0].shape[1:])
    if any(isinstance(layer, layers.Embedding) for layer in model.layers):
        return rng.integers(0, 9, shape)
    return rng.standard_normal(shape).astype("float32")


def outputs(model, x):
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(model(x))]


def check_equal(model, other):
    x = images(model)
    for first, second in zip(outputs(model, x), outputs(other, x), strict=True):
        assert first.shape == second.shape
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-5)


def sizes(model):
    """The units of each dense layer and convolution, by path."""
    return {rule.path: len(rule.made()) for rule in Graph(model).makers}


def sequential(*parts):
    model = keras.Sequential(parts)
    make_sparse(model, 1.0, 3, n_dead=0)
    return model
