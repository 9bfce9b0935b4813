"""A net with its weights as Caffe has them, and what Caffe computes."""

import keras
import numpy as np
from keras import layers

from helpers.caffe_twin import conv, inner_product


def image_net(between=()):
    """Two convolutions, one of them grouped, and two dense layers."""
    return keras.Sequential(
        [
            keras.Input((6, 7, 2)),
            layers.Conv2D(4, (3, 2), activation="relu", name="conv1"),
            layers.Conv2D(6, 2, groups=2, activation="relu", name="conv2"),
            *between,
            layers.Flatten(name="flatten"),
            *between,
            layers.Dense(5, activation="relu", name="fc1"),
            layers.Dense(3, use_bias=False, name="fc2"),
        ]
    )


IN_CAFFE = {
    "conv1": [(4, 2, 3, 2), (4,)],
    "conv2": [(6, 2, 2, 2), (6,)],
    "fc1": [(5, 6 * 3 * 5), (5,)],
    "fc2": [(3, 5)],
}


def weights_in_caffe(rng):
    return {
        name: [rng.standard_normal(shape).astype("float32") for shape in shapes]
        for name, shapes in IN_CAFFE.items()
    }


def forward(weights, x):
    """What Caffe's net makes of channels-first images."""
    x = np.maximum(conv(x, *weights["conv1"]), 0)
    x = np.maximum(conv(x, *weights["conv2"], groups=2), 0)
    x = np.maximum(inner_product(x, *weights["fc1"]), 0)
    return inner_product(x, *weights["fc2"], np.zeros(3))


def check_outputs(model, weights, rng):
    x = rng.standard_normal((2, 2, 6, 7))
    outputs = model.predict(x.transpose(0, 2, 3, 1), verbose=0)
    expected = forward(weights, x)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
