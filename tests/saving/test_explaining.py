"""What is said where Keras cannot build, compile or store a model, in one line."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import deepcompress as dc


class Shift(layers.Layer):
    def call(self, x):
        return x + 1


class Whole(keras.Model):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


class OwnLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred))


class OwnMetric(keras.metrics.Mean):
    pass


class OwnOptimizer(keras.optimizers.SGD):
    pass


class Warm(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, top):
        self.top = top

    def __call__(self, step):
        return self.top

    def get_config(self):
        return {"top": self.top}


def twice(x):
    return 2 * x


def own_loss(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred))


def sequential(*parts):
    return keras.Sequential([keras.Input((4,)), *parts])


def functional(part):
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2)(part(inputs)))


def subclassed():
    model = Whole()
    model(np.zeros((1, 4)))
    return model


def compiled(model=None, optimizer="sgd", loss="mse", **arguments):
    model = model or sequential(layers.Dense(3))
    model.compile(optimizer, loss, **arguments)
    return model


UNKNOWN = {
    "functional": (
        lambda: functional(Shift(name="s")),
        "class 'Shift' of the layer 's'",
    ),
    "sequential": (
        lambda: sequential(Shift(name="s"), layers.Dense(2)),
        "class 'Shift' of the layer 's'",
    ),
    "nested": (
        lambda: functional(keras.Sequential([Shift(name="s")], name="part")),
        "class 'Shift' of the layer 'part/s'",
    ),
    "wrapper": (
        lambda: keras.Sequential(
            [
                keras.Input((5, 4)),
                layers.TimeDistributed(Shift(name="s"), name="t"),
                layers.Dense(2),
            ]
        ),
        "class 'Shift' of the layer 't/s'",
    ),
    "subclassed": (subclassed, "class 'Whole' of the model 'Whole'"),
    "activation": (
        lambda: sequential(layers.Dense(2, activation=twice, name="d")),
        "function 'twice' of the layer 'd'",
    ),
    "function in a lambda": (
        lambda: sequential(layers.Dense(2), layers.Lambda(twice, name="l")),
        "function 'twice' of the layer 'l'",
    ),
    "loss": (lambda: compiled(loss=own_loss), "function 'own_loss' that the model"),
    "loss class": (lambda: compiled(loss=OwnLoss()), "class 'OwnLoss' that the model"),
    "metric": (
        lambda: compiled(metrics=[OwnMetric()]),
        "class 'OwnMetric' that the model",
    ),
    "optimizer": (
        lambda: compiled(optimizer=OwnOptimizer()),
        "class 'OwnOptimizer' that the model",
    ),
    "schedule": (
        lambda: compiled(optimizer=keras.optimizers.Adam(Warm(0.1))),
        "class 'Warm' that the model",
    ),
    "loss of a functional model": (
        lambda: compiled(functional(layers.Dense(3)), loss=own_loss),
        "function 'own_loss' that the model",
    ),
    "loss of a model inside": (
        lambda: compiled(
            functional(compiled(sequential(layers.Dense(3)), loss=own_loss))
        ),
        "function 'own_loss' that the model 'sequential",
    ),
}
OWN = {
    each.__name__: each
    for each in (Shift, Whole, OwnLoss, OwnMetric, OwnOptimizer, Warm, twice, own_loss)
}


@pytest.mark.parametrize(("build", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_keras_does_not_know_is_named_with_its_place(build, message):
    model = build()
    data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match="custom_objects=") as caught:
        dc.HuffmanSerializer().loads(data)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    loaded = dc.HuffmanSerializer().loads(data, custom_objects=OWN)
    assert loaded.compiled == model.compiled
    # What belongs to the compilation can be left out.
    assert ("compile=False" in text) == ("compiled with" in text)
    if "compiled with" in text:
        loaded = dc.HuffmanSerializer().loads(data, compile=False)
        assert not loaded.compiled
    for weight, expected in zip(loaded.weights, model.weights, strict=True):
        assert np.array_equal(weight, expected)


def test_all_that_is_unknown_is_named_at_once():
    data = dc.HuffmanSerializer().dumps(compiled(functional(Shift()), loss=own_loss))
    with pytest.raises(ValueError, match=r"\{'Shift': Shift, 'own_loss': own_loss\}"):
        dc.HuffmanSerializer().loads(data)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: sequential(layers.Lambda(lambda x: 2 * x, name="l")),
            "lambda of the layer 'l'",
        ),
        (
            lambda: compiled(loss=lambda y, p: ops.mean(y - p)),
            "lambda that the model 'seq.*compile=False",
        ),
    ],
    ids=["layer", "loss"],
)
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_lambda_is_named_with_its_place(build, message):
    model = build()
    data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match=message) as caught:
        dc.HuffmanSerializer().loads(data)
    assert "safe_mode=False" in str(caught.value)
    loaded = dc.HuffmanSerializer().loads(data, safe_mode=False)
    assert loaded.compiled == model.compiled


class Greedy(layers.Layer):
    def __init__(self, n, **arguments):
        super().__init__(**arguments)
        self.n = n

    def get_config(self):
        return super().get_config()

    def call(self, x):
        return x


def test_a_layer_that_cannot_be_made_from_its_config_is_named():
    data = dc.HuffmanSerializer().dumps(functional(Greedy(3, name="g")))
    with pytest.raises(
        ValueError, match=r"class 'Greedy' of the layer 'g'.*'n'"
    ) as one:
        dc.HuffmanSerializer().loads(data, custom_objects={"Greedy": Greedy})
    assert "\n" not in str(one.value)


class BadLoss(OwnLoss):
    def __init__(self, weight, **arguments):
        super().__init__(**arguments)


def test_a_compilation_that_fails_can_be_left_out():
    data = dc.HuffmanSerializer().dumps(compiled(loss=BadLoss(3)))
    with pytest.raises(ValueError, match="compile=False"):
        dc.HuffmanSerializer().loads(data, custom_objects={"BadLoss": BadLoss})
    assert not dc.HuffmanSerializer().loads(data, compile=False).compiled


class Odd(layers.Layer):
    def __init__(self, kept=None, **arguments):
        super().__init__(**arguments)
        self.kept = kept

    def get_config(self):
        return {**super().get_config(), "kept": {1, 2}}

    def call(self, x):
        return x


class Mute(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: functional(keras.Sequential([Odd(name="odd")], name="part")),
            "layer 'part/odd' of class 'Odd' cannot be stored",
        ),
        (
            lambda: compiled(optimizer=keras.optimizers.SGD(Mute())),
            "compiled with cannot be stored.*'Mute'",
        ),
        (
            lambda: sequential(layers.Dense(2, activation=lambda x: 2 * x, name="d")),
            "layer 'd' has a lambda as its `activation`",
        ),
    ],
    ids=["layer", "schedule", "lambda"],
)
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_what_cannot_be_stored_is_named_in_one_line(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        dc.HuffmanSerializer().dumps(build())
    assert "include_architecture=False" in str(caught.value)
    assert "\n" not in str(caught.value)
