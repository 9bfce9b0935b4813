"""What of a model goes, what stays, and what the smaller one keeps of it."""

import keras
import numpy as np
import pytest
from helpers.nets import dense_net, regression
from helpers.sparse_nets import (
    check_equal,
    images,
    lenet_300_100,
    make_sparse,
    outputs,
    sequential,
    sizes,
)
from keras import layers

import deepcompress as dc


def set_constant(layer, unit):
    """Lets nothing reach a unit; its bias is left."""
    kernel = layer.kernel.numpy()
    kernel[..., unit] = 0
    layer.kernel.assign(kernel)
    bias = layer.bias.numpy()
    bias[unit] = 0.7
    layer.bias.assign(bias)


def test_a_constant_stays_where_the_border_is_padded():
    for padding, n in (("valid", 4), ("same", 5)):
        model = sequential(
            keras.Input((6, 6, 1)),
            layers.Conv2D(5, 3, name="first"),
            layers.Conv2D(3, 3, padding=padding, name="second"),
        )
        set_constant(model.get_layer("first"), 2)
        small = dc.shrink(model)
        assert sizes(small) == {"first": n, "second": 3}
        check_equal(model, small)


def test_a_constant_stays_where_there_is_no_bias_to_fold_it_into():
    model = sequential(
        keras.Input((6,)),
        layers.Dense(5, activation="tanh", name="first"),
        layers.Dense(3, use_bias=False, name="second"),
    )
    set_constant(model.get_layer("first"), 2)
    small = dc.shrink(model)
    assert sizes(small) == {"first": 5, "second": 3}
    check_equal(model, small)


def test_a_constant_output_stays():
    model = sequential(
        keras.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dense(3)
    )
    model.layers[0].kernel.assign(np.zeros((6, 5)))
    small = dc.shrink(model)
    assert [layer.units for layer in small.layers] == [1, 3]
    check_equal(model, small)


def test_what_two_layers_read_goes_only_if_neither_does():
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, name="hidden")(inputs)
    parts = [layers.Dense(2, name=name)(hidden) for name in ("first", "second")]
    model = make_sparse(keras.Model(inputs, parts), 1.0, 3, n_dead=0)
    for name, rows in (("first", [0, 1, 2]), ("second", [1, 2, 3])):
        kernel = model.get_layer(name).kernel.numpy()
        kernel[rows] = 0
        model.get_layer(name).kernel.assign(kernel)
    small = dc.shrink(model)
    assert sizes(small)["hidden"] == 3
    check_equal(model, small)


def test_nothing_to_drop_gives_the_same_weights():
    model = sequential(
        keras.Input((6,)), layers.Dense(5, activation="relu"), layers.Dense(3)
    )
    small = dc.shrink(model, sort=False)
    assert small is not model
    for weight, other in zip(model.get_weights(), small.get_weights(), strict=True):
        assert weight.tobytes() == other.tobytes()
    check_equal(model, dc.shrink(model))


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def test_training_goes_on_as_it_was_compiled():
    model = dense_net(optimizer=keras.optimizers.Adam(0.01), loss=own_loss)
    x, y = regression()
    model.fit(x, y, verbose=0, callbacks=[dc.PruningCallback(0.9, layers="hidden")])
    model.optimizer.learning_rate = 0.005
    small = dc.shrink(model)
    assert small.layers[0].units < 20
    assert isinstance(small.optimizer, keras.optimizers.Adam)
    assert float(small.optimizer.learning_rate) == pytest.approx(0.005)
    losses = [each.evaluate(x, y, verbose=0) for each in (model, small)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    small.fit(x, y, epochs=3, verbose=0, callbacks=[dc.PruningCallback(0.5)])
    assert small.evaluate(x, y, verbose=0) < losses[1]
    large = dense_net()
    dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(small), large)
    np.testing.assert_allclose(
        large.predict(x, verbose=0), small.predict(x, verbose=0), atol=1e-5
    )


def test_a_frozen_layer_stays_frozen():
    model = sequential(
        keras.Input((6,)), layers.Dense(5, name="first"), layers.Dense(3)
    )
    model.get_layer("first").trainable = False
    assert len(dc.shrink(model).trainable_variables) == 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_other_precisions(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = make_sparse(lenet_300_100(), 0.3, 1)
    finally:
        keras.config.set_dtype_policy("float32")
    small = dc.shrink(model)
    assert small.count_params() < model.count_params()
    assert [w.dtype for w in small.weights] == [w.dtype for w in model.weights]
    x = images(model)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.cast(small(x), "float32")),
        keras.ops.convert_to_numpy(keras.ops.cast(model(x), "float32")),
        atol=0.05,
    )


def test_what_is_derived_from_weights_is_derived_again():
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(3, 5, (64, 6)))
    model = keras.Sequential(
        [keras.Input((6,)), normalization, layers.Dense(5), layers.Dense(3)]
    )
    model.layers[1].kernel.assign(np.eye(6, 5) * (np.arange(5) < 3))
    small = dc.shrink(model)
    assert small.layers[1].units == 3
    check_equal(model, small)


def test_several_inputs_and_outputs_by_name():
    inputs = {name: keras.Input((4,), name=name) for name in ("b", "a")}
    joined = layers.Concatenate()([inputs["b"], inputs["a"]])
    hidden = layers.Dense(9, activation="relu")(joined)
    parts = {name: layers.Dense(2, name=name)(hidden) for name in ("p", "q")}
    model = make_sparse(keras.Model(inputs, parts), 0.3, 1)
    small = dc.shrink(model)
    assert small.count_params() < model.count_params()
    x = {"a": np.full((2, 4), 0.3), "b": np.full((2, 4), -0.7)}
    for first, second in zip(outputs(model, x), outputs(small, x), strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-5)


def test_a_sequential_without_an_input():
    model = keras.Sequential([layers.Dense(9, activation="relu"), layers.Dense(3)])
    model.build((None, 7))
    make_sparse(model, 0.3, 1)
    small = dc.shrink(model)
    assert small.count_params() < model.count_params()
    check_equal(model, small)


def test_units_are_sorted_by_the_number_of_their_weights():
    model = make_sparse(lenet_300_100(20, 9), 0.3, 1, n_dead=0)
    kernel = dc.shrink(model).get_layer("ip1").kernel.numpy()
    assert (np.diff((kernel != 0).sum(axis=0)) >= 0).all()
    unsorted = dc.shrink(model, sort=False).get_layer("ip1").kernel.numpy()
    assert sorted(map(bytes, kernel.T.copy())) == sorted(map(bytes, unsorted.T.copy()))


def test_folded_statistics_are_those_of_no_training(rng):
    model = sequential(
        keras.Input((8, 8, 3)),
        layers.Conv2D(6, 3, use_bias=False),
        layers.BatchNormalization(name="normalized"),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    )
    for variable in model.get_layer("normalized").weights:
        variable.assign(rng.uniform(0.5, 2, size=6))
    model.layers[0].kernel.assign(model.layers[0].kernel.numpy() * (np.arange(6) != 2))
    before = model.get_weights()
    small = dc.shrink(model, fold=True)
    check_equal(model, small)
    normalized = small.get_layer("normalized")
    assert not np.any(normalized.moving_mean.numpy())
    assert np.all(normalized.moving_variance.numpy() == 1)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    plain = dc.HuffmanSerializer().dumps(dc.shrink(model))
    assert len(dc.HuffmanSerializer().dumps(small)) < len(plain)
