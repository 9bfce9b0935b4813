"""Trainings that several tests watch."""

import keras
import numpy as np

import deepcompress as dc
from helpers.nets import BACKEND, dense_net, kernels, regression, zeros


class Recorder(keras.callbacks.Callback):
    """The kernels after every batch."""

    def on_train_begin(self, logs=None):
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        if BACKEND == "jax":
            self.model.jax_state_sync()  # else the variables are empty inside an epoch
        self.steps.append(kernels(self.model))


def fit(model, *callbacks, epochs=2, **arguments):
    x, y = regression()
    return model.fit(
        x, y, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments
    )


def fit_with_backup(folder, *callbacks):
    """Five epochs of pruning that go on from what is in a folder.

    Returns:
        The sparsities in the logs, and the zeros of each kernel afterwards.
    """
    model = dense_net()
    pruning = dc.PruningCallback(dc.PolynomialDecay(0.9, end=0.8, frequency=1))
    backup = keras.callbacks.BackupAndRestore(folder)
    history = fit(model, pruning, backup, *callbacks, epochs=5)
    return history.history["sparsity"], [*map(zeros, kernels(model).values())]


def reference_step(weights, x, y, rate):
    """Gradient descent on the mean squared error of the dense net, in NumPy."""
    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    error = 2 * (hidden @ w2 + b2 - y) / y.size
    back = (error @ w2.T) * (hidden > 0)
    gradients = x.T @ back, back.sum(0), hidden.T @ error, error.sum(0)
    return [w - rate * g for w, g in zip(weights, gradients, strict=True)]
