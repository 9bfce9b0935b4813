import keras
import numpy as np
import pytest
from helpers.nets import dense_net, image_net
from keras import layers

from deepcompress.network.variables import choose, named_variables


def names(model):
    return [named.name for named in named_variables(model)]


def test_names_are_paths_of_layers_also_in_nested_models():
    assert names(image_net()) == [
        "conv1/kernel",
        "conv1/bias",
        "block/conv2/kernel",
        "block/conv2/bias",
        "block/norm/gamma",
        "block/norm/beta",
        "block/norm/moving_mean",
        "block/norm/moving_variance",
        "head/kernel",
        "head/bias",
    ]


def test_every_weight_has_one_name_in_the_order_of_the_model():
    model = image_net()
    variables = [named.variable for named in named_variables(model)]
    assert [id(v) for v in variables] == [id(v) for v in model.weights]


def test_names_are_the_same_in_a_model_built_again():
    model = image_net()
    assert names(keras.models.model_from_json(model.to_json())) == names(model)


def test_layers_of_one_name_get_numbers():
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.a = layers.Dense(2, name="same")
            self.b = layers.Dense(2, name="same")

        def call(self, x):
            return self.b(self.a(x))

    model = Twins()
    model(np.zeros((1, 2), "float32"))
    assert names(model) == [
        "same/kernel",
        "same/bias",
        "same_1/kernel",
        "same_1/bias",
    ]


def test_names_that_would_collide_with_numbered_ones_are_told_apart():
    class Colliding(layers.Layer):
        def build(self, shape):
            for name in ("w", "w", "w_1"):
                self.add_weight(shape=(2, 2), name=name)
            self.ready = True

        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((2,)), Colliding(name="c")])
    assert names(model) == ["c/w", "c/w_1", "c/w_1_1"]


def test_a_layer_used_twice_is_listed_once():
    layer = layers.Dense(4, name="both")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(layer(inputs)))
    assert names(model) == ["both/kernel", "both/bias"]


def compressible(model):
    return [named.name for named in named_variables(model) if named.is_compressible]


def test_kernels_are_compressible_and_the_rest_is_not():
    assert compressible(image_net()) == [
        "conv1/kernel",
        "block/conv2/kernel",
        "head/kernel",
    ]
    model = image_net()
    model.get_layer("block").trainable = False
    assert compressible(model) == ["conv1/kernel", "head/kernel"]


def test_compressible_parts_of_compound_layers():
    inputs = keras.Input((5, 8))
    x = layers.Bidirectional(layers.LSTM(4, name="rnn"), name="bi")(inputs)
    x = layers.Reshape((1, 8))(x)
    x = layers.MultiHeadAttention(2, 3, name="mha")(x, x)
    x = layers.LayerNormalization(axis=(1, 2))(x)
    assert compressible(keras.Model(inputs, x)) == [
        "bi/forward_rnn/lstm_cell/kernel",
        "bi/forward_rnn/lstm_cell/recurrent_kernel",
        "bi/backward_rnn/lstm_cell/kernel",
        "bi/backward_rnn/lstm_cell/recurrent_kernel",
        "mha/query/kernel",
        "mha/key/kernel",
        "mha/value/kernel",
        "mha/attention_output/kernel",
    ]


def chosen(model, settings, layers=None):
    return {named.name: s for named, s in choose(model, settings, layers)}


def test_one_setting_holds_for_all():
    assert set(chosen(image_net(), 7).values()) == {7}


def test_the_most_specific_pattern_wins_in_any_order():
    expected = {"conv1/kernel": 2, "block/conv2/kernel": 3, "head/kernel": 1}
    patterns = {"*": 1, "*conv*": 2, "block/conv*": 3}
    assert chosen(image_net(), patterns) == expected
    assert chosen(image_net(), dict(reversed(patterns.items()))) == expected
    assert chosen(image_net(), {"conv?": 4, "conv1": 5}) == {"conv1/kernel": 5}


def test_a_pattern_covers_what_is_inside_a_layer():
    assert chosen(image_net(), {"block": 1}) == {"block/conv2/kernel": 1}


def test_layers_limits_the_choice():
    assert chosen(image_net(), 1, "conv*") == {"conv1/kernel": 1}
    assert set(chosen(image_net(), 1, ["conv*", "head"])) == {
        "conv1/kernel",
        "head/kernel",
    }


@pytest.mark.parametrize(
    ("settings", "layers"), [({"dense*": 1}, None), (1, "dense*"), (1, ["norm"])]
)
def test_a_pattern_that_matches_nothing_lists_the_layers(settings, layers):
    with pytest.raises(ValueError, match="'conv1', 'block/conv2', 'head'"):
        choose(image_net(), settings, layers)


def test_patterns_that_exclude_each_other_are_refused():
    with pytest.raises(ValueError, match="matches both"):
        choose(image_net(), {"conv1": 1}, "head")


@pytest.mark.parametrize("pattern", [3, layers.Dense(2)])
def test_a_pattern_that_is_no_string_is_refused(pattern):
    with pytest.raises(TypeError, match="A pattern is a string"):
        choose(image_net(), 1, [pattern])


@pytest.mark.parametrize(("settings", "layers"), [({}, None), (1, [])])
def test_no_pattern_at_all_is_refused(settings, layers):
    with pytest.raises(ValueError, match="no pattern"):
        choose(image_net(), settings, layers)


def test_a_name_with_brackets_is_a_name():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a[1]")])
    assert chosen(model, {"a[1]": 4}) == {"a[1]/kernel": 4}


def test_an_unbuilt_model_is_refused():
    model = keras.Sequential([layers.Dense(3)])
    with pytest.raises(ValueError, match="has not been built"):
        named_variables(model)


def test_a_model_without_kernels_is_refused():
    model = keras.Sequential([keras.Input((3,)), layers.ReLU()])
    with pytest.raises(ValueError, match="no weights that can be compressed"):
        choose(model, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_named(bad):
    model = dense_net()
    kernel = model.get_layer("out").kernel
    value = kernel.numpy().copy()
    value[1, 1] = bad
    kernel.assign(value)
    (named,) = (n for n in named_variables(model) if n.name == "out/kernel")
    with pytest.raises(ValueError, match="'out/kernel' holds NaN or infinity"):
        named.numpy()
