"""Whatever people have: it shrinks, or comes back as it is, with a word."""

import warnings

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND
from keras import layers
from ordinary.cases import data_of
from ordinary.layers import chain
from ordinary.nets import MODELS, prune_units

import deepcompress as dc

# What cannot be built from its config, by the layer that is to be named.
NOT_BUILT = {"tied": "tied"}
OF_TENSORFLOW = {"lookups", "vectorizer"}


def computed(model, x):
    results = keras.tree.flatten(model(x, training=False))
    return [
        keras.ops.convert_to_numpy(keras.ops.cast(each, "float32")) for each in results
    ]


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_the_same_and_its_file_loads(name):
    if name in OF_TENSORFLOW and BACKEND != "tensorflow":
        pytest.skip("strings are tensors of TensorFlow alone")
    model = prune_units(MODELS[name]())
    x = keras.tree.map_structure(keras.ops.convert_to_tensor, data_of(model))
    expected = computed(model, x)
    weights = [weight.numpy().tobytes() for weight in model.weights]
    flags = [weight.trainable for weight in model.weights]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small = dc.shrink(model)
    messages = [str(each.message) for each in caught if each.category is UserWarning]
    assert [weight.numpy().tobytes() for weight in model.weights] == weights
    assert all("\n" not in each for each in messages)
    if name in NOT_BUILT:
        assert small is model
        assert f"the layer '{NOT_BUILT[name]}" in messages[0]
        return
    assert small is not model
    assert all(each.startswith("Left alone, with all") for each in messages)
    assert [weight.trainable for weight in small.weights] == flags
    assert small.trainable == model.trainable
    atol = 0.05 if name == "mixed_precision" else 1e-5
    for first, second in zip(expected, computed(small, x), strict=True):
        np.testing.assert_allclose(second, first, atol=atol)
    data = dc.HuffmanSerializer(include_architecture=False).dumps(small)
    dc.HuffmanSerializer().loads(data, model)
    for first, second in zip(expected, computed(model, x), strict=True):
        np.testing.assert_allclose(second, first, atol=atol)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("xception", 0.8),
        ("separable_1d", 0.5),
        ("mobile_net", 0.7),
        ("dicts_inside", 0.6),
        ("masked_sequential", 0.95),
        ("unet", 0.8),
    ],
)
def test_what_is_followed_gets_smaller(name, most):
    model = prune_units(MODELS[name]())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert dc.shrink(model).count_params() < most * model.count_params()


class Forgetful(layers.Layer):
    """Its config does not tell how many weights it has."""

    def __init__(self, n=2, **kwargs):
        super().__init__(**kwargs)
        self.n = n

    def get_config(self):
        return super().get_config()

    def build(self, shape):
        self.w = self.add_weight(shape=(self.n,), name="w")

    def call(self, x):
        return x + keras.ops.sum(self.w)


class Untold(Forgetful):
    """Its config cannot be had."""

    def get_config(self):
        raise RuntimeError("No config here. Nor there.")


class Sharing(layers.Layer):
    """Makes the layer whose kernel it reads anew from its config."""

    def __init__(self, other, **kwargs):
        super().__init__(**kwargs)
        self.other = other

    def get_config(self):
        other = keras.saving.serialize_keras_object(self.other)
        return {**super().get_config(), "other": other}

    @classmethod
    def from_config(cls, config):
        other = keras.saving.deserialize_keras_object(config.pop("other"))
        return cls(other, **config)

    def call(self, x):
        return keras.ops.matmul(x, self.other.kernel)


def shared():
    inputs = keras.Input((4,))
    other = layers.Dense(4)
    return keras.Model(inputs, Sharing(other, name="sharing")(other(inputs)))


def holds_more():
    model = chain()
    model.extra = layers.Dense(3)
    model.extra.build((None, 4))
    return model


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: chain(Forgetful(5, name="n")), "'n' has other weights"),
        (lambda: chain(Untold(name="u")), "'u' cannot be .* No config here.$"),
        (shared, "'sharing' shares a weight"),
        (holds_more, "weights that no layer in its graph has"),
    ],
    ids=["forgetful", "untold", "shared", "holds more"],
)
def test_what_cannot_be_built_anew_comes_back_with_a_word(build, message):
    model = build()
    with pytest.warns(UserWarning, match=message) as caught:
        assert dc.shrink(model) is model
    assert sum(each.category is UserWarning for each in caught) == 1


def test_ctrl_c_is_not_taken_for_an_error():
    class Interrupted(Forgetful):
        def get_config(self):
            raise KeyboardInterrupt

    model = chain(Interrupted())
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        dc.shrink(model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
