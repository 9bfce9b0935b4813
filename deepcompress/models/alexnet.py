"""AlexNet as the paper compresses it: the grouped net of Caffe."""

from typing import Any

import keras
from keras import layers

# Krizhevsky's constants as Caffe takes them: the mean over 5 channels, not the sum.
_NEIGHBOURS, _ALPHA, _BETA = 5, 1e-4, 0.75


def alexnet(n_classes: int = 1000) -> keras.Model:
    """Returns AlexNet: five convolutions, 60,965,224 parameters.

    Three of the convolutions are in two groups, as in the original. The input is images
    of shape `(227, 227, 3)`, the output logits of shape `(n_classes,)`. The layers
    carry the names of the paper's Table 4, and have as many weights as there.

    Args:
        n_classes: Classes to tell apart. Defaults to `1000`.

    References:
        Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep
        convolutional neural networks"; Han, Mao, Dally 2016, "Deep Compression",
        table 4.

    Example:

    >>> alexnet(n_classes=10).count_params()
    56909194
    """
    x = inputs = keras.Input((227, 227, 3))
    x = layers.Conv2D(96, 11, strides=4, activation="relu", name="conv1")(x)
    x = _normalize(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = _padded("conv2", 256, 5, groups=2)(x)
    x = _normalize(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    x = _padded("conv3", 384, 3)(x)
    x = _padded("conv4", 384, 3, groups=2)(x)
    x = _padded("conv5", 256, 3, groups=2)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("6", "7"):
        x = layers.Dense(4096, activation="relu", name=f"fc{name}")(x)
        x = layers.Dropout(0.5, name=f"drop{name}")(x)
    x = layers.Dense(n_classes, name="fc8")(x)
    return keras.Model(inputs, x, name="alexnet")


def _padded(name: str, filters: int, size: int, groups: int = 1) -> layers.Layer:
    return layers.Conv2D(
        filters, size, padding="same", groups=groups, activation="relu", name=name
    )


def _normalize(x: Any) -> Any:
    """Divides by the activity of the neighbouring channels (section 3.3)."""
    # Of Keras' own parts, so that a file loads where only Keras is installed.
    squares = layers.Reshape((*x.shape[1:], 1))(keras.ops.square(x))
    squares = layers.ZeroPadding3D((0, 0, _NEIGHBOURS // 2))(squares)
    means = layers.AveragePooling3D((1, 1, _NEIGHBOURS), strides=1)(squares)
    means = layers.Reshape(x.shape[1:])(means)
    return x * keras.ops.power(1.0 + _ALPHA * means, -_BETA)
