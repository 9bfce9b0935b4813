"""Chains of steps: the bits of steps alone, and when there is no chain."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import layers as L

import deepcompress as dc
from deepcompress.runtime import isa
from deepcompress.runtime.chain import Chain
from deepcompress.runtime.opening import run

SHAPE = (12, 11, 2)


def compressed(model):
    dc.prune(model, 0.7)
    dc.WeightSharingQuantizer(bits=4).quantize(model)
    return dc.HuffmanSerializer().dumps(model)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(7, 3, activation="relu", padding="same"),
            L.Conv2D(9, (2, 3), dilation_rate=(2, 1)),
            L.MaxPooling2D(3, strides=2),
            L.Conv2D(33, 2, activation="relu", use_bias=False),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(40, activation="relu"),
            L.Dense(5),
        ]
    )


@pytest.fixture(scope="module")
def data(model):
    return compressed(model)


@pytest.fixture(scope="module")
def x():
    x = np.random.default_rng(0).normal(size=(70, *SHAPE)).astype("float32")
    return np.maximum(x, 0)


def alone(net, x):
    """What the steps make one by one."""
    values = net._values.copy()
    values[0] = x
    run(net._steps, values)
    return values[net.program.outputs[0]]


@pytest.mark.parametrize("isa_name", isa.available())
def test_a_chain_has_the_bits_of_its_steps(model, data, x, isa_name, monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, isa_name)
    net = dc.CompressedModel(data)
    (chain,) = net._running
    assert isinstance(chain, Chain)
    expected = model.predict(x, verbose=0)
    for n in (1, 2, 3, 15, 16, 17, 31, 70):
        some = x[:n]
        for found in (net(some), net(some), net.predict(some, batch_size=99)):
            np.testing.assert_array_equal(found, alone(net, some))
        np.testing.assert_allclose(found, expected[:n], rtol=1e-5, atol=1e-5)
    assert chain.quickly(x[:1]) is not None
    strided = x[:2].transpose(0, 3, 1, 2).copy().transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(net(strided), alone(net, x[:2]))
    np.testing.assert_array_equal(net(x[:2].astype("f8")), alone(net, x[:2]))
    assert net(x[:0]).shape == (0, 5)


def test_a_table_has_a_row_for_each_step_of_a_chain(data, x):
    net = dc.CompressedModel(data)
    kinds = ("conv", "conv", "pool", "conv", "pool", "flatten", "dense", "dense")
    assert tuple(row.kind for row in net.summary().rows) == kinds
    assert net.profile(x[:2], repeats=1).kinds == kinds


def test_a_chain_gives_way_where_a_number_is_not_finite(data, x):
    net = dc.CompressedModel(data)
    net(x[:3])
    spoilt = x[:3].copy()
    spoilt[1, 3, 4, 0] = np.nan
    assert net._whole.quickly(spoilt) is None
    found = net(spoilt)
    np.testing.assert_array_equal(found, alone(net, spoilt))
    assert np.isfinite(found[[0, 2]]).all()
    huge = x[:1] * np.float32(1e38)
    np.testing.assert_array_equal(net(huge), alone(net, huge))


def test_wrong_inputs_are_refused_after_right_ones(data, x):
    net = dc.CompressedModel(data)
    net(x[:1])
    for wrong in (x[:1, 1:], x[0], x[:1, ..., :1], np.zeros((1, *SHAPE), complex)):
        with pytest.raises((ValueError, TypeError)):
            net(wrong)
    np.testing.assert_array_equal(net(x[:1]), alone(net, x[:1]))


def test_threads_and_copies_share_nothing_that_changes(data, x):
    net = pickle.loads(pickle.dumps(dc.CompressedModel(data)))
    expected = [alone(net, x[i : i + 3]) for i in range(60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: net(x[i : i + 3]), range(60)))
    np.testing.assert_array_equal(found, expected)


def test_images_of_any_size_and_many_at_once(x, monkeypatch):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, None, 2))
    y = L.Conv2D(6, 3, activation="relu")(inputs)
    y = L.MaxPooling2D()(y)
    net = dc.CompressedModel(
        compressed(keras.Model(inputs, L.Conv2D(4, 2, activation="relu")(y)))
    )
    assert isinstance(net._whole, Chain)
    for some in (x[:2], x[:2, :7], x[:3, :, :5], x[:2]):
        np.testing.assert_array_equal(net(some), alone(net, some))
    with pytest.raises(ValueError, match="batch, any, any, 2"):
        net(x[:2, 0])
    monkeypatch.setattr("deepcompress.runtime.chain._THREADED", 1)
    net._whole._ready = None
    np.testing.assert_array_equal(net(x), alone(net, x))
    assert net._whole.quickly(x) is None


def test_values_that_others_need_end_a_chain(x):
    keras.utils.set_random_seed(2)
    inputs = keras.Input(SHAPE)
    first = L.Conv2D(6, 3, activation="relu", padding="same")(inputs)
    second = L.Conv2D(6, 3, padding="same")(first)
    summed = L.Add()([first, second])
    third = L.Conv2D(6, 3)(summed)
    pooled = L.MaxPooling2D()(third)
    last = L.Dense(3, activation="relu")(L.Flatten()(pooled))
    model = keras.Model(inputs, [last, third])
    data = compressed(model)
    net = dc.CompressedModel(data)
    chains = [each for each in net._running if isinstance(each, Chain)]
    assert [[s.kind for s in each.steps] for each in chains] == [["flatten", "dense"]]
    expected = model.predict(x[:5], verbose=0)
    for found, right in zip(net(x[:5]), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)
