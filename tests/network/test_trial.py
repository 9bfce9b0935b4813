import keras
import numpy as np
import pytest
from helpers.nets import bits, dense_net
from keras import layers

from deepcompress.network.outputs import outputs_of
from deepcompress.network.trial import Trial


class Restless(layers.Layer):
    """Changes a variable of every kind whenever it is called."""

    def build(self, shape):
        self.count = self.add_weight(
            name="count", shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        self.shift = self.add_weight(name="shift", shape=(), initializer="zeros")
        self.seed = keras.random.SeedGenerator(3)

    def call(self, x):
        self.count.assign(self.count + 1)
        self.shift.assign(self.shift + 0.5)
        return x + self.shift + keras.random.normal((), seed=self.seed)


def restless_net():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 3), batch_size=8),
            layers.LSTM(5, stateful=True),
            Restless(),
            layers.Dense(2, name="out"),
        ]
    )
    model.compile("adam", "mse")
    return model


def test_what_measuring_changes_is_put_back():
    model = restless_net()
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 4, 3)), rng.standard_normal((16, 2))
    model.evaluate(x, y, batch_size=8, verbose=0)  # neither state nor seed is new
    variables = [*model.variables, *model.layers[0].states]
    before = [variable.numpy().tobytes() for variable in variables]
    trial = Trial(
        model, lambda: model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    )
    first = trial()
    kernel = model.get_layer("out").kernel
    assert trial([(kernel, np.zeros((5, 2), "float32"))]) != first
    assert trial() == first
    for variable, old in zip(variables, before, strict=True):
        assert variable.numpy().tobytes() == old, variable.path


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["changes", "measure"])
def test_everything_is_put_back_whatever_goes_wrong(error, where):
    model = dense_net()
    before = bits(model)

    def changes():
        for variable in model.trainable_variables:
            yield variable, variable.numpy() + 1
        if where == "changes":
            raise error

    def measure():
        raise error

    trial = Trial(model, measure)
    with pytest.raises(error):
        trial(changes())
    assert bits(model) == before


def test_an_interrupt_while_values_are_put_back_does_not_stop_that():
    model = dense_net()
    before = bits(model)
    kernel = model.get_layer("out").kernel
    trial = Trial(model, lambda: None)
    assign, interrupts = kernel.assign, iter([False, True, True])

    def assign_slowly(value):
        if next(interrupts, False):
            raise KeyboardInterrupt
        return assign(value)

    kernel.assign = assign_slowly
    with pytest.raises(KeyboardInterrupt):
        trial([(v, v.numpy() + 1) for v in model.trainable_variables])
    assert bits(model) == before


def test_bits_that_are_no_numbers_come_back():
    model = dense_net()
    odd = np.array([0x7FC0_1234, 0xFF80_0000, 0x8000_0000], "uint32").view("float32")
    model.get_layer("out").bias.assign(odd)
    before = bits(model)
    Trial(model, lambda: model.set_weights([w + 1 for w in model.get_weights()]))()
    assert bits(model) == before


class Noisy(layers.Layer):
    """Adds noise, also where nothing is trained, and noise to that."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = [keras.random.SeedGenerator(n) for n in range(2)]

    def call(self, x):
        for seed in self.seeds:
            x = x + keras.random.normal(keras.ops.shape(x), seed=seed)
        return x


def test_outputs_differ_by_weights_and_not_by_states_or_chance():
    keras.utils.set_random_seed(0)
    model, copy = (
        keras.Sequential(
            [keras.Input((4, 3), batch_size=8), layers.LSTM(5, stateful=True), Noisy()]
        )
        for _ in range(2)
    )
    copy.set_weights(model.get_weights())
    x = np.random.default_rng(0).standard_normal((16, 4, 3))
    model.predict(x, batch_size=8, verbose=0)
    states = [*model.layers[0].states, *(seed.state for seed in model.layers[1].seeds)]
    before = [state.numpy() for state in states]
    first = outputs_of(model, x)
    np.testing.assert_array_equal(outputs_of(copy, x), first)
    np.testing.assert_array_equal(outputs_of(model, x), first)
    for state, old in zip(states, before, strict=True):
        np.testing.assert_array_equal(state.numpy(), old)
    copy.set_weights([2 * weight for weight in model.get_weights()])
    assert np.abs(outputs_of(copy, x) - first).max() > 1e-3
