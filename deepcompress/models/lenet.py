"""The two LeNets that the paper compresses, for images of handwritten digits."""

import keras
from keras import layers


def lenet_300_100(n_classes: int = 10) -> keras.Model:
    """Returns LeNet-300-100: two hidden layers, 266,610 parameters.

    The input is images of shape `(28, 28, 1)`, the output logits of shape
    `(n_classes,)`. The layers carry the names of the paper's Table 2.

    Args:
        n_classes: Classes to tell apart. Defaults to `10`.

    References:
        LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to
        document recognition"; Han, Mao, Dally 2016, "Deep Compression", table 2.

    Example:

    >>> lenet_300_100().count_params()
    266610
    """
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(name="flatten"),
            layers.Dense(300, activation="relu", name="ip1"),
            layers.Dense(100, activation="relu", name="ip2"),
            layers.Dense(n_classes, name="ip3"),
        ],
        name="lenet_300_100",
    )


def lenet5(n_classes: int = 10) -> keras.Model:
    """Returns Caffe's LeNet-5: two convolutions, 431,080 parameters.

    The input is images of shape `(28, 28, 1)`, the output logits of shape
    `(n_classes,)`. The layers carry the names of the paper's Table 3. As in Caffe,
    the convolutions have no activation; only the hidden layer has one.

    Args:
        n_classes: Classes to tell apart. Defaults to `10`.

    References:
        LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to
        document recognition"; Han, Mao, Dally 2016, "Deep Compression", table 3.

    Example:

    >>> lenet5().count_params()
    431080
    """
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(20, 5, name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(50, 5, name="conv2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(500, activation="relu", name="ip1"),
            layers.Dense(n_classes, name="ip2"),
        ],
        name="lenet5",
    )
