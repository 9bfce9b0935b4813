"""Statistics that are measured anew, and all else as it was."""

import keras
import numpy as np
import pytest
from keras import layers

from deepcompress.network.normalization import fold_statistics, renew_statistics


def net():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, use_bias=False, name="convolution")(inputs)
    x = layers.BatchNormalization(name="outer")(x)
    inside = keras.Input((6, 6, 4))
    y = layers.Dropout(0.3, seed=1)(layers.ReLU()(inside))
    y = layers.BatchNormalization(name="inner", momentum=0.5)(y)
    x = keras.Model(inside, y, name="block")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def batches(rng, n=4):
    return [rng.normal(2, 3, size=(16, 8, 8, 3)).astype("float32") for _ in range(n)]


def values(model):
    return {v.path: np.array(v.numpy()) for v in model.variables}


def test_statistics_are_the_means_over_the_batches(rng):
    model, data = net(), batches(rng)
    assert renew_statistics(model, data)
    convolution, normalization = map(model.get_layer, ("convolution", "outer"))
    seen = [keras.ops.convert_to_numpy(convolution(x)) for x in data]
    axes = (0, 1, 2)
    for found, expected in (
        (normalization.moving_mean, [x.mean(axes) for x in seen]),
        (normalization.moving_variance, [x.var(axes) for x in seen]),
    ):
        np.testing.assert_allclose(
            found.numpy(), np.mean(expected, 0), rtol=1e-4, atol=1e-4
        )


def test_nothing_else_changes(rng):
    model = net()
    before = values(model)
    renew_statistics(model, batches(rng))
    after = values(model)
    changed = {k for k in before if not np.array_equal(before[k], after[k])}
    assert {path.rpartition("/")[2] for path in changed} == {
        "moving_mean",
        "moving_variance",
    }
    assert len(changed) == 4
    assert model.get_layer("outer").momentum == 0.99
    assert model.get_layer("block").get_layer("inner").momentum == 0.5


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_what_stops_it_leaves_all_as_it_was(rng, error):
    def stopped():
        yield from batches(rng, 2)
        raise error

    model = net()
    before = values(model)
    with pytest.raises(error):
        renew_statistics(model, stopped())
    for path, value in values(model).items():
        np.testing.assert_array_equal(value, before[path])
    assert model.get_layer("outer").momentum == 0.99


def test_what_is_frozen_stays(rng):
    model = net()
    model.get_layer("outer").trainable = False
    before = values(model)
    assert renew_statistics(model, batches(rng))
    outer = model.get_layer("outer").moving_mean
    np.testing.assert_array_equal(outer.numpy(), before[outer.path])


class Trained(keras.Model):
    """Is trained in a way of its own, and never called."""

    def __init__(self):
        super().__init__()
        self.inside = net()

    def train_step(self, data):
        return {"loss": 0.0}


def test_what_cannot_be_called_stays(rng):
    model = Trained()
    before = values(model.inside)
    assert not renew_statistics(model, batches(rng))
    for path, value in values(model.inside).items():
        np.testing.assert_array_equal(value, before[path])


def test_nothing_is_computed_without_normalization():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    assert not renew_statistics(model, iter(()))
    assert not renew_statistics(net(), iter(()))


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_folded_statistics_leave_what_is_computed(rng, options):
    normalization = layers.BatchNormalization(**options)
    model = keras.Sequential([keras.Input((4, 5)), normalization])
    for variable in normalization.weights:
        variable.assign(rng.uniform(0.5, 3, size=5))
    x = rng.normal(2, 3, size=(16, 4, 5)).astype("float32")
    before = model.predict(x, verbose=0)
    assert fold_statistics(model)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), before, rtol=1e-5, atol=1e-5
    )
    is_mean_gone = not np.any(normalization.moving_mean.numpy())
    is_variance_gone = np.all(normalization.moving_variance.numpy() == 1)
    assert is_mean_gone == ("center" not in options)
    assert is_variance_gone == ("scale" not in options)


def test_where_nothing_can_be_folded_nothing_changes(rng):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.BatchNormalization(center=False, scale=False),
            layers.Dense(2),
        ]
    )
    before = values(model)
    assert not fold_statistics(model)
    for path, value in values(model).items():
        np.testing.assert_array_equal(value, before[path])
