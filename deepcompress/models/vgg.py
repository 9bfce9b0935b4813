"""VGG-16, from Keras' own applications."""

import keras


def vgg16(n_classes: int = 1000) -> keras.Model:
    """Returns VGG-16: thirteen convolutions, 138,357,544 parameters.

    It is `keras.applications.VGG16`, untrained and with logits for an output, so that
    the weights that Keras offers for it can be loaded. The input is images of shape
    `(224, 224, 3)`, the output logits of shape `(n_classes,)`.

    Args:
        n_classes: Classes to tell apart. Defaults to `1000`.

    References:
        Simonyan, Zisserman 2015, "Very deep convolutional networks for large-scale
        image recognition"; Han, Mao, Dally 2016, "Deep Compression", table 5.

    Example:

    >>> vgg16(n_classes=10).count_params()
    134301514
    """
    return keras.applications.VGG16(
        weights=None, classes=n_classes, classifier_activation=None
    )
