"""The convolutional net of Keras' MNIST example, and a student of it."""

import keras
from keras import layers


def mnist_cnn() -> keras.Model:
    """Returns the net of Keras' MNIST example: 1,199,882 parameters.

    The input is images of shape `(28, 28, 1)`, the output logits of shape `(10,)`,
    where the example ends in a softmax.

    References:
        `examples/mnist_cnn.py` of Keras 2.

    Example:

    >>> mnist_cnn().count_params()
    1199882
    """
    hidden = [
        layers.Dense(128, activation="relu", name="fc1"),
        layers.Dropout(0.5, name="drop2"),
    ]
    return keras.Sequential([*_features(), *hidden, _logits()], name="mnist_cnn")


def mnist_student() -> keras.Model:
    """Returns `mnist_cnn` with 6 hidden units in place of 128: 74,188 parameters.

    It is a student for distillation. The input is images of shape `(28, 28, 1)`, the
    output logits of shape `(10,)`. So narrow a layer has no dropout behind it.

    References:
        Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network".

    Example:

    >>> mnist_student().count_params()
    74188
    """
    hidden = [layers.Dense(6, activation="relu", name="fc1")]
    return keras.Sequential([*_features(), *hidden, _logits()], name="mnist_student")


def _features() -> list[layers.Layer]:
    return [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu", name="conv1"),
        layers.Conv2D(64, 3, activation="relu", name="conv2"),
        layers.MaxPooling2D(name="pool"),
        layers.Dropout(0.25, name="drop1"),
        layers.Flatten(name="flatten"),
    ]


def _logits() -> layers.Layer:
    return layers.Dense(10, name="fc2")
