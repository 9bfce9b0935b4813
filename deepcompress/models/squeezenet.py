"""SqueezeNet, as its authors published it for Caffe."""

from typing import Any, NamedTuple

import keras
from keras import layers

from deepcompress import _checks


class _Version(NamedTuple):
    """What sets one version apart."""

    filters: int  # of conv1
    size: int
    pools: tuple[int, ...]  # the fire modules that a pool follows
    padding: int  # of conv10


_VERSIONS = {
    "1.0": _Version(filters=96, size=7, pools=(4, 8), padding=1),
    "1.1": _Version(filters=64, size=3, pools=(3, 5), padding=0),
}
# Filters of the squeeze layer, and of each of the two expand layers.
_FIRES = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}


def squeezenet(version: str = "1.0", n_classes: int = 1000) -> keras.Model:
    """Returns SqueezeNet: 26 convolutions, 1,248,424 parameters.

    The input is images of shape `(227, 227, 3)`, the output logits of shape
    `(n_classes,)`: as published the last convolution has a ReLU, so that none of them
    is negative. The layers carry Caffe's names with an underscore for the slash, which
    Keras does not allow: `fire2_squeeze1x1`.

    The published weights were trained on images of 0 to 255, BGR, less
    (104, 117, 123).

    Args:
        version: `"1.0"`, or `"1.1"`, which has 1,235,496 parameters and needs less
            than half the multiplications. Defaults to `"1.0"`.
        n_classes: Classes to tell apart. Defaults to `1000`.

    Raises:
        ValueError: There is no such version.

    References:
        Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer 2016, "SqueezeNet:
        AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
        table 1 and section 3.3.

    Example:

    >>> squeezenet().count_params(), squeezenet("1.1").count_params()
    (1248424, 1235496)
    """
    _checks.one_of("version", version, _VERSIONS)
    filters, size, pools, padding = _VERSIONS[version]
    x = inputs = keras.Input((227, 227, 3))
    x = layers.Conv2D(filters, size, strides=2, activation="relu", name="conv1")(x)
    x = _pool(x, "pool1")
    for number, (squeeze, expand) in _FIRES.items():
        x = _fire(x, f"fire{number}", squeeze, expand)
        if number in pools:
            x = _pool(x, f"pool{number}")
    x = layers.Dropout(0.5, name="drop9")(x)
    if padding:
        x = layers.ZeroPadding2D(padding, name="pad10")(x)
    x = layers.Conv2D(n_classes, 1, activation="relu", name="conv10")(x)
    x = layers.GlobalAveragePooling2D(name="pool10")(x)
    return keras.Model(inputs, x, name="squeezenet")


def _fire(x: Any, name: str, squeeze: int, expand: int) -> Any:
    def conv(x: Any, filters: int, size: int, kind: str) -> Any:
        return layers.Conv2D(
            filters, size, padding="same", activation="relu", name=f"{name}_{kind}"
        )(x)

    x = conv(x, squeeze, 1, "squeeze1x1")
    both = [conv(x, expand, 1, "expand1x1"), conv(x, expand, 3, "expand3x3")]
    return layers.Concatenate(name=f"{name}_concat")(both)


def _pool(x: Any, name: str) -> Any:
    # Caffe rounds up: a window that begins inside the image may end outside it. On an
    # even length that is Keras' padding, on an odd one the windows end with the image.
    padding = "valid" if x.shape[1] % 2 else "same"
    return layers.MaxPooling2D(3, strides=2, padding=padding, name=name)(x)
