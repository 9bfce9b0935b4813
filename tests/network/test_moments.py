import keras
import numpy as np
import pytest
from helpers.nets import dense_net, regression

from deepcompress.network.moments import second_moments

OPTIMIZERS = ["Adam", "AdamW", "Nadam", "RMSprop"]


def trained(optimizer, **arguments):
    model = dense_net(optimizer=optimizer, **arguments)
    x, y = regression(64)
    model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    return model


def squared_gradients(x, y):
    """Of the kernel of the layer `out` of a new net, in NumPy."""
    hidden, bias, out, out_bias = dense_net().get_weights()
    active = np.maximum(x @ hidden + bias, 0)
    gradient = active.T @ (active @ out + out_bias - y) * 2 / y.size
    return gradient**2


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_after_a_step_they_are_a_part_of_the_squared_gradients(name):
    model = trained(getattr(keras.optimizers, name)())
    expected = squared_gradients(*regression(64))
    moments = second_moments(model, model.get_layer("out").kernel)
    assert moments.dtype == np.float32
    decay = 0.9 if name == "RMSprop" else 0.999
    np.testing.assert_allclose(moments, (1 - decay) * expected, rtol=1e-3, atol=1e-9)


def test_behind_a_loss_scale_optimizer():
    inner = keras.optimizers.Adam()
    model = trained(keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0))
    expected = squared_gradients(*regression(64))
    moments = second_moments(model, model.get_layer("out").kernel)
    np.testing.assert_allclose(moments, 1e-3 * expected, rtol=1e-3, atol=1e-9)


def test_with_gradients_that_are_accumulated():
    model = dense_net(optimizer=keras.optimizers.Adam(gradient_accumulation_steps=2))
    x, y = regression(64)
    kernel = model.get_layer("hidden").kernel
    model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    assert second_moments(model, kernel) is None
    model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    assert second_moments(model, kernel).any()


def test_there_are_none_without_a_step_or_an_optimizer_that_keeps_them():
    model = dense_net()
    kernel = model.get_layer("hidden").kernel
    assert second_moments(model, kernel) is None
    model.optimizer.build(model.trainable_variables)
    assert second_moments(model, kernel) is None
    model = trained("sgd")
    assert second_moments(model, model.get_layer("hidden").kernel) is None
    copy = keras.models.clone_model(model)
    assert second_moments(copy, copy.get_layer("hidden").kernel) is None


def test_there_are_none_of_a_variable_that_is_not_trained():
    model = dense_net()
    model.get_layer("hidden").trainable = False
    model.compile("adam", "mse")
    x, y = regression(64)
    model.fit(x, y, verbose=0)
    assert second_moments(model, model.get_layer("hidden").kernel) is None
    assert second_moments(model, model.get_layer("out").kernel) is not None
