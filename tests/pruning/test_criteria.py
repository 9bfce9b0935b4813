import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net, kernels, regression, zeros

import deepcompress as dc

OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(0.01),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.001),
    "SGD": lambda: keras.optimizers.SGD(0.05),
    "Lion": lambda: keras.optimizers.Lion(0.001),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.05)
    ),
}


def gradients(weights, x, y):
    """The gradient of the mean squared error of the dense net, in NumPy."""
    w1, b1, w2, b2 = (w.astype("float64") for w in weights)
    hidden = np.maximum(x @ w1 + b1, 0)
    error = 2 * (hidden @ w2 + b2 - y) / y.size
    back = (error @ w2.T) * (hidden > 0)
    return {"hidden": x.T @ back, "out": hidden.T @ error}


class Recorder(keras.callbacks.Callback):
    """All weights after every batch, and those before the first."""

    def on_train_begin(self, logs=None):
        self.steps = [self.model.get_weights()]

    def on_train_batch_end(self, batch, logs=None):
        if BACKEND == "jax":
            self.model.jax_state_sync()  # else the variables are empty inside an epoch
        self.steps.append(self.model.get_weights())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_weights_that_cost_least_go(name):
    model = dense_net(optimizer=OPTIMIZERS[name]())
    x, y = regression(64)
    recorder = Recorder()
    pruning = dc.PruningCallback(
        dc.ConstantSparsity(0.6, begin=30), criterion="saliency", scope="global"
    )
    model.fit(
        x, y, batch_size=64, epochs=31, verbose=0, callbacks=[recorder, pruning]
    )  # fmt: skip
    decay = 0.9 if name == "RMSprop" else 0.999
    moments = {"hidden": np.zeros((10, 20)), "out": np.zeros((20, 3))}
    for weights in recorder.steps[:30]:
        for layer, gradient in gradients(weights, x, y).items():
            moments[layer] = decay * moments[layer] + (1 - decay) * gradient**2
    before = recorder.steps[30]
    saliency = np.concatenate(
        [
            (before[0] ** 2 * moments["hidden"]).ravel(),
            (before[2] ** 2 * moments["out"]).ravel(),
        ]
    )
    after = kernels(model)
    kept = np.concatenate([after["hidden"].ravel(), after["out"].ravel()]) != 0
    assert kept.sum() == 260 - 156
    # But for rounding, every weight that is left is worth more than any that is gone.
    assert saliency[kept].min() > saliency[~kept].max() * (1 - 1e-3)
    # It is not what the magnitude would have chosen.
    magnitude = np.concatenate([np.abs(before[0]).ravel(), np.abs(before[2]).ravel()])
    assert magnitude[kept].min() < magnitude[~kept].max()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_nothing_is_pruned_before_gradients_are_known(optimizer):
    model = dense_net(optimizer=optimizer)
    recorder = Recorder()
    model.fit(
        *regression(64), batch_size=4, epochs=2, verbose=0,
        callbacks=[dc.PruningCallback(0.5, criterion="saliency"), recorder],
    )  # fmt: skip
    # 32 steps: after a quarter of them.
    n_zeros = [zeros(weights[0]) for weights in recorder.steps]
    assert n_zeros[:8] == [0] * 8
    assert n_zeros[8:] == [100] * 25


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_rows_of_a_table_have_a_saliency_where_gradients_are_sparse(optimizer):
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(20, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    model.compile(optimizer, "mse")
    # Rows are looked up more than once in a batch, and the last ten never.
    x = np.arange(96).reshape(32, 3) % 10
    pruning = dc.PruningCallback(0.5, layers="embedding*", criterion="saliency")
    model.fit(x, x[:, :2], batch_size=8, epochs=2, verbose=0, callbacks=[pruning])
    table = model.layers[0].get_weights()[0]
    assert zeros(table) == 40
    assert not table[10:].any()


def test_a_model_that_goes_on_with_its_optimizer_needs_no_warm_up():
    model = dense_net()
    x, y = regression()
    model.fit(x, y, batch_size=4, verbose=0)
    recorder = Recorder()
    pruning = dc.PruningCallback(0.5, criterion="saliency")
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[pruning, recorder])
    assert zeros(recorder.steps[1][0]) == 100


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_fit_of_one_step_is_pruned_all_the_same(optimizer):
    model = dense_net(optimizer=optimizer)
    x, y = regression(64)
    pruning = dc.PruningCallback(0.5, criterion="saliency")
    model.fit(x, y, batch_size=64, verbose=0, callbacks=[pruning])
    assert zeros(kernels(model)["hidden"]) == 100


def test_the_optimizer_is_put_back():
    model = dense_net(optimizer="sgd")
    n_variables = len(model.optimizer.variables)
    pruning = dc.PruningCallback(0.5, criterion="saliency")
    model.fit(*regression(64), verbose=0, callbacks=[pruning])
    assert "apply" not in vars(model.optimizer)
    assert len(model.optimizer.variables) == n_variables


def test_gradients_that_are_nan_are_named():
    model = dense_net(optimizer="sgd")
    x, y = regression()
    y[:] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        model.fit(
            x, y, verbose=0,
            callbacks=[dc.PruningCallback(0.5, criterion="saliency")],
        )  # fmt: skip


def test_an_unknown_criterion_is_refused():
    with pytest.raises(ValueError, match="`criterion` must be one of"):
        dc.PruningCallback(0.5, criterion="gradient")


def test_accumulated_gradients_are_counted():
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=2)
    model = dense_net(optimizer=optimizer)
    for _ in range(2):  # a second time with an optimizer that has stepped
        pruning = dc.PruningCallback(0.5, criterion="saliency")
        model.fit(*regression(64), batch_size=4, verbose=0, callbacks=[pruning])
        assert zeros(kernels(model)["hidden"]) == 100
