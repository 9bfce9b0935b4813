"""The smaller model is compiled as the old one was, with what the user gave."""

import keras
import numpy as np
import pytest
from helpers.nets import dense_net, regression
from keras import layers, ops

import deepcompress as dc
from deepcompress.network import internals


def scaled_loss(scale):
    def loss(y, predicted):
        return scale * ops.mean(ops.square(y - predicted), axis=-1)

    return loss


class OwnLoss(keras.losses.Loss):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def call(self, y, predicted):
        return self.scale * ops.mean(ops.abs(y - predicted), axis=-1)


class OwnMetric(keras.metrics.Metric):
    def __init__(self, name="own"):
        super().__init__(name=name)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y, predicted, sample_weight=None):
        self.total.assign_add(ops.sum(ops.abs(y - predicted)))

    def result(self):
        return ops.convert_to_tensor(self.total)


class OwnSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01


COMPILED = {
    "closure": {"loss": scaled_loss(3.0)},
    "class": {"loss": OwnLoss(2.0)},
    "metric without a config": {"loss": "mse", "metrics": [OwnMetric()]},
    "two metrics of one name": {
        "loss": "mse",
        "metrics": [
            keras.metrics.MeanMetricWrapper(scaled_loss(2.0), name="twice"),
            keras.metrics.MeanMetricWrapper(scaled_loss(5.0), name="five times"),
        ],
    },
    "function": {"loss": "mse", "metrics": [scaled_loss(4.0)]},
    "weighted": {"loss": ["mae"], "weighted_metrics": ["mse"], "loss_weights": [3.0]},
    "schedule without a config": {
        "loss": "mse",
        "optimizer": keras.optimizers.SGD(OwnSchedule()),
    },
    "a loss alone": {"loss": "mse", "optimizer": None},
    "eager": {"loss": "mse", "run_eagerly": True},
}


@pytest.mark.parametrize("name", COMPILED)
def test_what_the_user_gave_is_used(name):
    x, y = regression(64)
    model = dense_net()
    model.compile(**{"optimizer": "sgd", **COMPILED[name]})
    dc.prune(model, 0.9)
    small = dc.shrink(model)  # warnings are errors here
    assert small.count_params() < model.count_params()
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    found = small.evaluate(x, y, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)
    assert small.run_eagerly == model.run_eagerly
    if model.optimizer is not None:
        assert small.optimizer is not model.optimizer
        small.fit(x, y, verbose=0)
        assert int(model.optimizer.iterations) == 0


def test_a_metric_has_a_state_of_its_own():
    model = dense_net()
    model.compile("sgd", "mse", metrics=[keras.metrics.MeanAbsoluteError("mean")])
    x, y = regression(64)
    model.evaluate(x, y, verbose=0)
    before = [variable.numpy() for variable in model.metrics_variables]
    small = dc.shrink(model)
    small.evaluate(10 * x, y, verbose=0)
    for variable, value in zip(model.metrics_variables, before, strict=True):
        assert variable.numpy() == value


def test_a_schedule_goes_on_being_the_users():
    schedule = OwnSchedule()
    model = dense_net(optimizer=keras.optimizers.SGD(schedule))
    assert internals.learning_rate(dc.shrink(model).optimizer) is schedule


def test_the_loss_of_a_float16_model_stays_scaled():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dense_net()
        for is_scaled in (True, False):
            model.compile("sgd", "mse", auto_scale_loss=is_scaled)
            kind = type(dc.shrink(model).optimizer)
            assert (kind is keras.optimizers.LossScaleOptimizer) == is_scaled
    finally:
        keras.config.set_dtype_policy("float32")


def test_two_outputs_keep_their_losses():
    inputs = keras.Input((8,))
    hidden = layers.Dense(9, activation="relu")(inputs)
    parts = {name: layers.Dense(2, name=name)(hidden) for name in ("a", "b")}
    model = keras.Model(inputs, parts)
    losses = {"a": scaled_loss(2.0), "b": OwnLoss(3.0)}
    model.compile(
        "adam", losses, metrics={"b": ["mae"]}, loss_weights={"a": 2.0, "b": 1.0}
    )
    dc.prune(model, 0.7)
    x, _ = regression(64)
    y = {"a": np.ones((64, 2)), "b": np.zeros((64, 2))}
    x = np.resize(x, (64, 8))
    results = [
        each.evaluate(x, y, verbose=0, return_dict=True)
        for each in (model, dc.shrink(model))
    ]
    assert results[1] == pytest.approx(results[0], rel=1e-4)
    assert "b_mae" in results[0]


class Adversarial(keras.Model):
    """A functional model that is compiled with two optimizers."""

    def compile(self, first, second):
        super().compile(loss="mse")
        self.first, self.second = first, second


class Restored(Adversarial):
    def get_compile_config(self):
        return {"first": "sgd", "second": "adam"}

    def compile_from_config(self, config):
        self.compile(**config)


def test_what_is_compiled_in_a_way_of_its_own_says_so():
    inputs = keras.Input((8,))
    outputs = layers.Dense(2)(layers.Dense(9, activation="relu")(inputs))
    model = Adversarial(inputs, outputs)
    model.compile("sgd", "adam")
    with pytest.warns(UserWarning, match="`compile` of its own.*before you train it"):
        small = dc.shrink(model)
    assert not small.compiled
    model = Restored(inputs, outputs)
    model.compile("sgd", "adam")
    assert dc.shrink(model).second == "adam"


class OwnOptimizer(keras.optimizers.SGD):
    """An optimizer whose config does not tell what it was made with."""

    def __init__(self, momentum_of_its_own=0.5):
        super().__init__(0.1)


class ScaledMetric(OwnMetric):
    """A metric whose config does not tell what it was made with."""

    def __init__(self, scale=1.0):
        super().__init__()


@pytest.mark.parametrize(
    "given", [{"optimizer": OwnOptimizer(0.9)}, {"metrics": [ScaledMetric(3.0)]}]
)
def test_what_cannot_be_made_anew_leaves_the_model_uncompiled(given):
    model = dense_net()
    model.compile(**{"optimizer": "sgd", "loss": "mse", **given})
    with pytest.warns(UserWarning, match=r"cannot be compiled.*has no `get_config`"):
        small = dc.shrink(model)
    assert not small.compiled
    assert model.compiled
