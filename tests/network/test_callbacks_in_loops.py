"""Trainings that are not `model.fit`, and what the optimizer tracks meanwhile."""

import keras
import numpy as np
import pytest
from helpers.fitting import fit
from helpers.nets import BACKEND, dense_net, kernels, regression, zeros
from keras import layers

import deepcompress as dc


def loop(model, callback, step, epochs=3, n_batches=4):
    """A training loop of the user's own, as the guide has it."""
    x, y = regression()
    callbacks = keras.callbacks.CallbackList(
        [callback], model=model, epochs=epochs, steps=n_batches
    )
    callbacks.on_train_begin()
    for epoch in range(epochs):
        callbacks.on_epoch_begin(epoch)
        for batch in range(n_batches):
            part = slice(64 * batch, 64 * batch + 64)
            step(x[part], y[part])
            callbacks.on_train_batch_end(batch)
        callbacks.on_epoch_end(epoch)
    callbacks.on_train_end()


def test_train_on_batch():
    model = dense_net()
    schedule = dc.PolynomialDecay(0.8, frequency=1)
    loop(model, dc.PruningCallback(schedule), model.train_on_batch)
    assert zeros(kernels(model)["hidden"]) == 160
    loop(model, dc.WeightSharingQuantizer(bits=3), model.train_on_batch)
    assert zeros(kernels(model)["hidden"]) == 160
    assert len(np.unique(kernels(model)["hidden"])) == 8


@pytest.mark.skipif(BACKEND != "jax", reason="others track no variables of ours")
def test_the_optimizer_tracks_what_every_fit_adds_and_nothing_afterwards():
    """A mask that the optimizer does not track is a constant of the step."""
    model = dense_net()
    fit(model)
    own = [id(v) for v in model.optimizer.variables]
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(len(model.optimizer.variables))
    )
    for _ in range(3):
        fit(model, dc.PruningCallback(0.5), watch)
        assert [id(v) for v in model.optimizer.variables] == own
    assert seen == [len(own) + 2] * 3


@pytest.mark.skipif(BACKEND != "jax", reason="others need no compiled model")
def test_a_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4)])
    with pytest.raises(ValueError, match="is not compiled"):
        loop(model, dc.PruningCallback(0.5), None)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a GradientTape is TensorFlow's")
def test_a_gradient_tape():
    import tensorflow as tf

    model = dense_net()

    def make_step():
        @tf.function
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply(gradients, model.trainable_variables)

        return step

    loop(model, dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1)), make_step())
    assert zeros(kernels(model)["hidden"]) == 160
    loop(model, dc.WeightSharingQuantizer(bits=3), make_step())
    assert zeros(kernels(model)["hidden"]) == 160
    assert len(np.unique(kernels(model)["hidden"])) == 8


def test_one_callback_in_two_trainings_at_once_is_refused():
    callback = dc.PruningCallback(0.5)
    inner = dense_net()

    class Interleave(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                keras.callbacks.CallbackList([callback], model=inner, epochs=1, steps=8)

    outer = dense_net()
    with pytest.raises(RuntimeError, match="two trainings at once"):
        outer.fit(*regression(), verbose=0, callbacks=[callback, Interleave()])
