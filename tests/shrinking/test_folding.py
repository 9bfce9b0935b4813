"""Biases that go into what comes after them, and those that have to stay."""

import keras
import numpy as np
import pytest
from helpers.sparse_nets import check_equal, lenet5, make_sparse, sequential
from keras import layers

import deepcompress as dc
from deepcompress.shrinking.folding import fold_biases, fold_scales

IMAGE = (6, 6, 2)


def biased(model, seed=3):
    """Gives every weight some value, so that no bias is 0."""
    rng = np.random.default_rng(seed)
    make_sparse(model, 1.0, seed, n_dead=0)
    for weight in model.weights:
        if weight.name in {"bias", "beta", "moving_mean"}:
            weight.assign(rng.uniform(0.5, 1, tuple(weight.shape)))
    return model


def folded(model):
    """The names of the layers whose biases have become 0, computing the same."""
    before = [weight.copy() for weight in model.get_weights()]
    other = keras.models.clone_model(model)
    other.set_weights(before)
    is_folded = fold_biases(other)
    check_equal(model, other)
    found = {
        layer.name
        for layer in other.layers
        for name in ("bias", "beta")
        if getattr(layer, name, None) is not None
        and not np.any(getattr(layer, name).numpy())
    }
    assert is_folded == bool(found)
    if not is_folded:
        for weight, old in zip(other.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, old)
    return found


def test_biases_of_caffes_lenet_go_through_pooling():
    model = biased(lenet5())
    assert folded(model) == {"conv1", "conv2"}
    small = dc.shrink(model, fold=True)
    check_equal(model, small)
    assert not small.get_layer("conv2").bias.numpy().any()
    assert dc.shrink(model).get_layer("conv2").bias.numpy().all()


@pytest.mark.parametrize(
    "between",
    [
        [],
        [layers.Dropout(0.5), layers.SpatialDropout2D(0.5)],
        [layers.AveragePooling2D(3, 1, padding="same")],
        [layers.MaxPooling2D(2, padding="same"), layers.UpSampling2D(2)],
        [layers.Cropping2D(1), layers.Identity()],
        [layers.Reshape((2, 8, 4))],
    ],
)
def test_what_computes_each_channel_the_same_everywhere_lets_biases_through(between):
    parts = [keras.Input(IMAGE), layers.Conv2D(4, 3, name="first"), *between]
    last = layers.Conv2D(3, 2, activation="relu", name="last")
    assert folded(biased(keras.Sequential([*parts, last]))) == {"first"}


@pytest.mark.parametrize(
    "between",
    [
        [layers.ReLU()],
        [layers.Activation("tanh")],
        [layers.ZeroPadding2D(1)],
        [layers.LayerNormalization()],
        [layers.Softmax()],
    ],
)
def test_what_does_not_lets_none_through(between):
    parts = [keras.Input(IMAGE), layers.Conv2D(4, 3), *between, layers.Conv2D(3, 2)]
    assert folded(biased(keras.Sequential(parts))) == set()


@pytest.mark.parametrize(
    ("options", "is_folded"),
    [
        ({}, True),
        ({"strides": 2}, True),
        ({"dilation_rate": 2}, True),
        ({"activation": "softmax"}, True),
        ({"padding": "same"}, False),
        ({"use_bias": False}, False),
        ({"groups": 2}, False),
    ],
)
def test_the_next_layer_must_have_a_bias_and_no_border(options, is_folded):
    model = biased(
        keras.Sequential(
            [
                keras.Input(IMAGE),
                layers.Conv2D(4, 2, name="first"),
                layers.Conv2D(2, 2, name="last", **options),
            ]
        )
    )
    assert folded(model) == ({"first"} if is_folded else set())


@pytest.mark.parametrize("kind", [layers.DepthwiseConv2D, layers.SeparableConv2D])
def test_layers_of_depthwise_kernels_take_biases_and_give_theirs(kind):
    settings = {"filters": 5} if kind is layers.SeparableConv2D else {}
    model = sequential(
        keras.Input(IMAGE),
        layers.Conv2D(3, 2, name="first"),
        kind(kernel_size=2, depth_multiplier=2, name="between", **settings),
        layers.Conv2D(2, 1, name="last"),
    )
    assert folded(biased(model)) == {"first", "between"}


def test_batch_normalization_takes_biases_into_its_means_and_gives_its_offsets():
    model = biased(
        keras.Sequential(
            [
                keras.Input(IMAGE),
                layers.Conv2D(4, 3, padding="same", name="first"),
                layers.BatchNormalization(name="norm"),
                layers.Conv2D(2, 2, activation="relu", name="second"),
                layers.Conv2D(3, 2, name="third"),
                layers.BatchNormalization(name="other"),
                layers.ReLU(),
                layers.Conv2D(2, 1, name="last"),
            ]
        )
    )
    assert folded(model) == {"first", "norm", "third"}
    # Where biases are not borne out, offsets stay: batches have means of their own.
    small = dc.shrink(model, fold=True)
    assert not small.get_layer("other").moving_mean.numpy().any()
    assert small.get_layer("other").beta.numpy().all()


@pytest.mark.parametrize(
    "before",
    [
        layers.Conv2D(4, 2, padding="same", name="before"),
        layers.Conv2D(4, 2, use_bias=False, name="before"),
        layers.Conv2D(4, 2, groups=2, name="before"),
        layers.DepthwiseConv2D(2, depth_multiplier=2, name="before"),
        layers.SeparableConv2D(4, 2, depth_multiplier=2, name="before"),
        layers.Dense(4, name="before"),
        layers.Dense(4, activation="relu", name="before"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
@pytest.mark.filterwarnings("ignore:Left alone")  # by `shrink`, where there are groups
def test_kernels_take_the_scales_that_come_after_them(before, options):
    before = type(before).from_config(before.get_config())
    norm = layers.BatchNormalization(name="norm", **options)
    model = sequential(keras.Input(IMAGE), before, norm, layers.ReLU(), layers.Dense(2))
    is_able = getattr(before, "groups", 1) == 1
    is_able &= before.activation is keras.activations.linear
    small = dc.shrink(model, fold=True)
    check_equal(model, small)
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    assert fold_scales(other) is is_able
    check_equal(model, other)
    found = other.get_layer("norm")
    assert np.all(found.moving_variance.numpy() == 1) == is_able
    if is_able and found.scale:
        np.testing.assert_allclose(found.gamma.numpy(), np.sqrt(1 + found.epsilon))


def test_kernels_that_others_read_too_or_that_share_their_weights_take_no_scales():
    inputs = keras.Input(IMAGE)
    x = layers.Conv2D(4, 3)(inputs)
    y = layers.BatchNormalization()(x)
    assert fold_scales(biased(keras.Model(inputs, y)))
    assert not fold_scales(biased(keras.Model(inputs, [x, y])))
    assert not fold_scales(biased(keras.Model(inputs, layers.Add()([x, y]))))
    model = biased(keras.Model(inputs, y))
    dc.WeightSharingQuantizer(2).quantize(model)
    before = model.get_weights()
    assert not fold_scales(model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    small = dc.shrink(model, fold=True)
    check_equal(model, small)
    assert len(np.unique(small.layers[1].kernel.numpy())) <= 4


def test_all_that_read_a_tensor_have_to_take_the_bias():
    inputs = keras.Input(IMAGE)
    x = layers.Conv2D(3, 2, name="first")(inputs)
    for is_second_able in (True, False):
        second = layers.Conv2D(2, 2, use_bias=is_second_able)(x)
        outputs = [layers.Conv2D(2, 2)(x), second]
        model = biased(keras.Model(inputs, outputs))
        assert folded(model) == ({"first"} if is_second_able else set())
    assert folded(biased(keras.Model(inputs, [layers.Conv2D(2, 2)(x), x]))) == set()


@pytest.mark.parametrize(
    ("merge", "is_folded"),
    [(layers.Add, True), (layers.Average, True), (layers.Concatenate, True),
     (layers.Multiply, False), (layers.Maximum, False)],
)  # fmt: skip
def test_sums_and_joints_let_biases_through(merge, is_folded):
    inputs = keras.Input((5,))
    parts = [layers.Dense(4, name=name)(inputs) for name in ("first", "second")]
    parts.append(layers.Dense(4, activation="relu", name="third")(inputs))
    outputs = layers.Dense(3)(merge()(parts))
    model = biased(keras.Model(inputs, outputs))
    assert folded(model) == ({"first", "second"} if is_folded else set())


def test_a_chain_of_kernels_hands_biases_on():
    model = sequential(
        keras.Input((5,)),
        layers.Dense(4, name="first"),
        layers.Dense(3, name="second"),
        layers.Dense(2, activation="relu", name="third"),
        layers.Dense(2, name="last"),
    )
    assert folded(biased(model)) == {"first", "second"}


def test_nothing_is_folded_where_fewer_biases_would_be_zero():
    model = biased(
        sequential(keras.Input((5,)), layers.Dense(2), layers.Dense(40, name="last"))
    )
    model.layers[1].bias.assign(np.zeros(40))
    before = model.get_weights()
    assert not fold_biases(model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_layers_that_share_weights_keep_them():
    inputs = keras.Input((4,))
    first, second = layers.Dense(4, name="first"), layers.Dense(4, name="second")
    model = keras.Model(inputs, layers.Dense(2)(second(first(inputs))))
    biased(model)
    vars(second)["bias"] = first.bias
    before = first.bias.numpy().copy()
    assert not fold_biases(model)
    np.testing.assert_array_equal(first.bias.numpy(), before)


def test_a_layer_that_is_called_twice_keeps_its_bias():
    inputs = keras.Input((4,))
    layer = layers.Dense(4, name="twice")
    model = keras.Model(inputs, layers.Dense(2)(layer(layer(inputs))))
    assert folded(biased(model)) == set()


def test_what_is_too_large_for_a_dtype_is_not_folded():
    model = sequential(
        keras.Input((4,)),
        layers.Dense(4, dtype="float16"),
        layers.Dense(2, dtype="float16"),
    )
    biased(model)
    model.layers[0].bias.assign(np.full(4, 60000.0))
    model.layers[1].kernel.assign(np.full((4, 2), 60000.0))
    before = model.get_weights()
    assert not fold_biases(model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_a_model_of_a_class_of_its_own_is_left_as_it_is():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = layers.Dense(2), layers.Dense(2)

        def call(self, x):
            return self.last(self.first(x))

    model = Own()
    model(np.ones((1, 2), "float32"))
    biased(model)
    assert not fold_biases(model)
