"""A net that a search takes seconds for."""

import keras
import numpy as np
from keras import layers

import deepcompress as dc


def blobs(n=600, seed=0):
    """Points of three classes, apart but for a few."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    centers = np.random.default_rng(1).normal(size=(3, 16)) * 1.5
    x = centers[y] + rng.normal(size=(n, 16))
    return x.astype("float32"), y.astype("int32")


def classifier(activation=None, *, normalize=False):
    """A functional net that has learnt the points."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((16,))
    x = layers.Dense(64, activation="relu", name="wide")(x)
    if normalize:
        x = layers.BatchNormalization(name="norm")(x)
    outputs = layers.Dense(3, activation=activation, name="out")(x)
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(*blobs(), epochs=5, verbose=0)
    return model


def compress(model, **arguments):
    arguments = {
        "max_accuracy_drop": 0.05,
        "time_budget": 15,
        "verbose": 0,
        **arguments,
    }
    return dc.compress(model, blobs(), blobs(300, seed=2), **arguments)
