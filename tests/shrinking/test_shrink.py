"""Smaller models that compute the same, and their files in the larger ones."""

import re

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net, regression
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import layers

import deepcompress as dc
from deepcompress.dcz import container
from deepcompress.shrinking.graph import Graph

# JAX compiles each operation anew for every shape.
FEW = settings(max_examples=3 if BACKEND == "jax" else 12)
SEEDS = st.integers(0, 2**32 - 1)
DENSITIES = st.sampled_from([0.0, 0.02, 0.1, 0.3, 1.0])
SIZES = st.integers(1, 9)


def lenet_300_100(a=12, b=8):
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Flatten(),
            layers.Dense(a, activation="tanh", name="ip1"),
            layers.Dense(b, activation="relu", name="ip2"),
            layers.Dense(4, name="ip3"),
        ]
    )


def lenet5(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Conv2D(a, 3, name="conv1"),
            layers.MaxPooling2D(),
            layers.Conv2D(b, 3, name="conv2"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(c, activation="relu", name="ip1"),
            layers.Dense(4, name="ip2"),
        ]
    )


def mnist_cnn(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            layers.Conv2D(a, 3, activation="relu", name="conv1"),
            layers.Conv2D(b, 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(c, activation="relu", name="hidden"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax", name="out"),
        ]
    )


def vgg(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(a, 3, padding="same", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(),
            layers.Conv2D(b, 3, padding="same", use_bias=False, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.Activation("sigmoid"),
            layers.AveragePooling2D(3, 2, padding="same"),
            layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise"),
            layers.Conv2D(c, 1, padding="same", activation="elu", name="conv3"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, name="out"),
        ]
    )


def conv1d(a=4, b=6, c=8):
    return keras.Sequential(
        [
            keras.Input((12, 3)),
            layers.ZeroPadding1D(1),
            layers.Conv1D(a, 3, activation="leaky_relu", name="conv1"),
            layers.ZeroPadding1D(1),
            layers.Conv1D(b, 3, padding="causal", name="conv2"),
            layers.LeakyReLU(),
            layers.Cropping1D(1),
            layers.Reshape((-1, b)),
            layers.Dense(c, activation="gelu", name="each"),
            layers.AveragePooling1D(2),
            layers.Reshape((6 * c,)),
            layers.Dense(2, name="out"),
        ]
    )


def two_branches(a=4, b=6, c=8):
    """Concatenated and added branches, a tensor with two readers and two outputs."""
    inputs = keras.Input((8, 8, 1), name="image")
    stem = layers.Conv2D(a, 3, activation="relu", name="stem")(inputs)
    left = layers.Conv2D(b, 3, padding="same", activation="tanh", name="left")(stem)
    right = layers.Conv2D(b, 1, name="right")(stem)
    right = layers.BatchNormalization(name="norm")(right)
    added = layers.Add()([left, right])
    joined = layers.Concatenate()([added, stem])
    flat = layers.Flatten()(layers.MaxPooling2D()(joined))
    hidden = layers.Dense(c, activation="relu", name="hidden")(flat)
    other = layers.GlobalMaxPooling2D()(added)
    joined = layers.Concatenate()([hidden, other])
    outputs = [
        layers.Dense(3, name="first")(joined),
        layers.Dense(2, activation="softmax", name="second")(hidden),
    ]
    return keras.Model(inputs, outputs)


def nested(a=4, b=6, c=8):
    block = keras.Sequential(
        [
            keras.Input((7, 7, a)),
            layers.Conv2D(b, 3, activation="relu", name="conv2"),
            layers.BatchNormalization(name="norm"),
        ],
        name="block",
    )
    inner = keras.Input((5, 5, b))
    x = layers.Conv2D(c, 3, activation="relu", name="conv3")(inner)
    head = keras.Model(inner, layers.GlobalMaxPooling2D()(x), name="head")
    inputs = keras.Input((9, 9, 1))
    x = layers.Conv2D(a, 3, activation="tanh", name="conv1")(inputs)
    x = head(block(x, training=False))
    return keras.Model(inputs, layers.Dense(3, name="out")(x))


NETS = {
    each.__name__: each
    for each in (lenet5, mnist_cnn, vgg, conv1d, two_branches, nested)
}


def make_sparse(model, density, seed, n_dead=0.3, constants=True):
    """Gives a model random weights, of which few are not zero, and dead units."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if weight.name == "kernel":
            value = rng.standard_normal(shape) / np.sqrt(
                np.prod(shape[:-1]) * density + 1
            )
            value[..., rng.random(shape[-2:]) >= density] = 0
            value[..., rng.random(shape[-2]) < n_dead, :] = 0
            value[..., rng.random(shape[-1]) < n_dead] = 0
        elif weight.name == "moving_variance":
            value = rng.uniform(0.5, 2, shape)
        else:  # biases, beta, gamma and means
            value = rng.standard_normal(shape) * (rng.random(shape) < 0.7)
            if not constants and weight.name != "gamma":
                value[:] = 0
        weight.assign(value)
    return model


def images(model, n=5, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n, *model.inputs[0].shape[1:])
    if any(isinstance(layer, layers.Embedding) for layer in model.layers):
        return rng.integers(0, 9, shape)
    return rng.standard_normal(shape).astype("float32")


def outputs(model, x):
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(model(x))]


def check_equal(model, other):
    x = images(model)
    for first, second in zip(outputs(model, x), outputs(other, x), strict=True):
        assert first.shape == second.shape
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-5)


def sizes(model):
    """The units of each dense layer and convolution, by path."""
    return {rule.path: len(rule.made()) for rule in Graph(model).makers}


def check(build, arguments, density, seed):
    """Shrinks a net, and loads the file of the small one into the large one."""
    model = make_sparse(build(*arguments), density, seed)
    before = [weight.copy() for weight in model.get_weights()]
    small = dc.shrink(model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    check_equal(model, small)
    assert [w.path for w in small.weights] == [w.path for w in model.weights]
    assert dc.shrink(small).count_params() == small.count_params()
    large = build(*arguments)
    data = dc.HuffmanSerializer(include_architecture=False).dumps(small)
    dc.HuffmanSerializer().loads(data, large)
    check_equal(model, large)
    assert sizes(dc.shrink(large)) == sizes(small)


@FEW
@given(SIZES, SIZES, DENSITIES, SEEDS)
@example(9, 9, 0.0, 0)
def test_dense_nets(a, b, density, seed):
    check(lenet_300_100, (a, b), density, seed)


@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
@FEW
@given(st.tuples(SIZES, SIZES, SIZES), DENSITIES, SEEDS)
@example((9, 9, 9), 0.0, 0)
@example((9, 9, 9), 0.1, 1)
def test_nets(build, units, density, seed):
    check(build, units, density, seed)


def positive(model):
    """Returns a linear model in which nothing cancels out and nothing saturates."""
    clone = keras.models.clone_model(model)
    for layer, old in zip(clone.layers, model.layers, strict=True):
        layer.set_weights([weight != 0 for weight in old.get_weights()])
        if hasattr(layer, "activation"):
            layer.activation = keras.activations.linear
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
    return clone


def count_by_trying(model):
    """Counts what has to stay of a Sequential, by changing one unit after the other.

    A unit stays if the input changes it and it changes the output. All constants have
    to be foldable.
    """
    model = positive(model)
    xs = [np.abs(images(model, seed=seed)) + 0.1 for seed in (1, 2)]
    counts = {}
    for at, layer in enumerate(model.layers):
        xs = [keras.ops.convert_to_numpy(layer(x)) for x in xs]
        if not isinstance(layer, (layers.Dense, layers.Conv2D, layers.Conv1D)):
            continue

        def rest(x, layers=tuple(model.layers[at + 1 :])):
            for layer in layers:
                x = layer(x)
            return keras.ops.convert_to_numpy(x)

        output, stay = rest(xs[0]), 0
        for unit in range(xs[0].shape[-1]):
            changed = xs[0].copy()
            changed[..., unit] += 1000
            is_read = (rest(changed) != output).any()
            is_reached = (xs[0][..., unit] != xs[1][..., unit]).any()
            stay += bool(is_read and is_reached)
        counts[layer.name] = max(1, stay)
    counts[layer.name] = model.output_shape[-1]
    return counts


@pytest.mark.parametrize(
    ("build", "constants"),
    [(lenet5, True), (mnist_cnn, True), (vgg, False), (conv1d, False)],
)
@FEW
@given(st.tuples(SIZES, SIZES, SIZES), DENSITIES, SEEDS)
@example((9, 9, 9), 0.1, 1)
@example((9, 9, 9), 0.3, 2)
def test_just_the_units_that_do_nothing_go(build, constants, units, density, seed):
    model = make_sparse(build(*units), density, seed, constants=constants)
    assert sizes(dc.shrink(model)) == count_by_trying(model)


def sequential(*parts):
    model = keras.Sequential(parts)
    make_sparse(model, 1.0, 3, n_dead=0)
    return model


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


def around(*middle):
    """A net with something between its convolution and its output."""
    before = layers.Conv2D(4, 3, padding="same", name="before")
    return keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            before,
            *middle,
            layers.GlobalMaxPooling2D(),
            layers.Dense(2),
        ]
    )


def own_activation(x):
    return keras.ops.flip(x, -1)


def shared():
    inputs = keras.Input((4,))
    layer = layers.Dense(4, name="shared")
    x = layer(layer(layers.Dense(4)(inputs)))
    return keras.Model(inputs, layers.Dense(2)(x))


def reshaped_twice():
    inputs = keras.Input((2, 3))
    layer = layers.Reshape((6,), name="twice")
    parts = [layer(layers.Dense(3)(inputs)) for _ in range(2)]
    return keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(parts)))


def dropout_that_drops():
    inputs = keras.Input((4,))
    x = layers.Dropout(1e-9, name="drop")(layers.Dense(4)(inputs), training=True)
    return keras.Model(inputs, layers.Dense(2)(x))


def operation():
    inputs = keras.Input((4,))
    x = layers.Dense(4)(inputs)
    return keras.Model(inputs, layers.Dense(2)(x * 2))


def words():
    inputs = keras.Input((5,))
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(inputs)
    x = layers.Dense(4, name="masked")(x)
    x = layers.LSTM(4, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def inner_twice():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="inner")
    inputs = keras.Input((4,))
    x = inner(inner(layers.Dense(4)(inputs)))
    return keras.Model(inputs, layers.Dense(2)(x))


NOT_FOLLOWED = {
    "grouped": lambda: around(layers.Conv2D(4, 3, groups=2, name="grouped")),
    "norm": lambda: around(layers.LayerNormalization(name="norm")),
    "axis": lambda: around(layers.BatchNormalization(axis=1, name="axis")),
    "prelu": lambda: around(layers.PReLU(name="prelu")),
    "transposed": lambda: around(layers.Conv2DTranspose(3, 3, name="transposed")),
    "permute": lambda: around(layers.Permute((3, 2, 1), name="permute")),
    "reshape": lambda: around(layers.Reshape((8, 6, 3), name="reshape")),
    "own": lambda: around(layers.Conv2D(4, 3, activation=own_activation, name="own")),
    "lambda": lambda: around(layers.Lambda(lambda x: 2 * x, name="lambda")),
    "shared": shared,
    "twice": reshaped_twice,
    "drop": dropout_that_drops,
    "multiply": operation,
    "embedding, masked, lstm": words,
    "inner": inner_twice,
}


@pytest.mark.parametrize("path", NOT_FOLLOWED)
def test_what_cannot_be_followed_is_left_alone_and_named(path):
    model = make_sparse(NOT_FOLLOWED[path](), 0.5, 4)
    with pytest.warns(UserWarning, match="Left alone") as caught:
        small = dc.shrink(model)
    messages = [str(each.message) for each in caught if each.category is UserWarning]
    assert len(messages) == 1
    # Keras numbers the operations that have no name.
    assert re.search(rf": {path}(_\d+)?\.$", messages[0])
    check_equal(model, small)


def test_channels_first_is_left_alone():
    model = keras.Sequential(
        [
            keras.Input((4, 6, 6)),
            layers.Conv2D(4, 3, data_format="channels_first", name="conv"),
            layers.Flatten(data_format="channels_first", name="flatten"),
            layers.Dense(5, name="hidden"),
            layers.Dense(2),
        ]
    )
    make_sparse(model, 0.3, 4)
    with pytest.warns(UserWarning, match=": conv.$"):
        small = dc.shrink(model)
    assert small.get_layer("conv").filters == 4
    assert small.get_layer("hidden").units < 5
    if BACKEND == "tensorflow":
        return  # which has no such convolution on a CPU
    check_equal(model, small)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x):
        return self.inner(x)


class Trained(keras.Model):
    """A functional model with a training step, but not the constructor, of its own."""

    def __init__(self):
        inputs = keras.Input((4,))
        super().__init__(inputs, layers.Dense(3)(inputs))

    def train_step(self, *arguments):
        raise NotImplementedError


@pytest.mark.parametrize("build", [Subclassed, Trained])
def test_a_model_of_its_own_class_is_returned_as_it_is(build):
    model = build()
    model(np.zeros((1, 4), "float32"))
    with pytest.warns(UserWarning, match="returned as it is"):
        assert dc.shrink(model) is model


def test_what_is_no_built_model_is_refused():
    with pytest.raises(ValueError, match="has not been built"):
        dc.shrink(keras.Sequential([layers.Dense(3)]))
    with pytest.raises(TypeError, match=r"must be a keras\.Model"):
        dc.shrink("model")


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


@pytest.mark.parametrize(
    "weights",
    [
        [(10, 20), (20,), (20, 4), (4,)],
        [(10, 30), (20,), (20, 3), (3,)],
        [(9, 20), (20,), (20, 3), (3,)],
        [(10, 10), (10,), (20, 3), (3,)],
        [(10, 0), (0,), (0, 3), (3,)],
        [(), (20,), (20, 3), (3,)],
        [(10, 40), (40,), (40, 3), (3,)],
    ],
    ids=str,
)
def test_the_file_of_another_net_is_still_refused(weights, tmp_path):
    names = ["hidden/kernel", "hidden/bias", "out/kernel", "out/bias"]
    arrays = [np.ones(shape, "float32") for shape in weights]
    container.write(tmp_path / "a.dcz", dict(zip(names, arrays, strict=True)))
    model = dense_net()
    before = model.get_weights()
    with pytest.raises(ValueError, match="in the file"):
        dc.HuffmanSerializer().load(tmp_path / "a.dcz", model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_a_small_model_is_saved_and_loaded_by_itself(tmp_path):
    model = make_sparse(vgg(), 0.3, 1)
    small = dc.shrink(model)
    dc.HuffmanSerializer().save(small, tmp_path / "small.dcz")
    loaded = dc.load_model(tmp_path / "small.dcz")
    for weight, other in zip(small.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    check_equal(model, loaded)


def test_units_that_are_not_there_leave_normalization_finite():
    large = vgg(9, 9, 9)
    small = dc.shrink(make_sparse(vgg(9, 9, 9), 0.1, 1))
    dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(small), large)
    n = small.get_layer("norm1").gamma.shape[0]
    assert n < 9
    for weight, empty in zip(
        large.get_layer("norm1").weights, (0, 0, 0, 1), strict=True
    ):
        np.testing.assert_array_equal(weight.numpy()[n:], empty)


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


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
def test_a_quantized_model_is_left_alone():
    model = dense_net()
    dc.prune(model, 0.9)
    model.quantize("int8")
    with pytest.warns(UserWarning, match=": hidden, out.$"):
        small = dc.shrink(model)
    check_equal(model, small)


def test_a_large_net_of_keras():
    model = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None, classes=5
    )
    dc.prune(model, 0.5, structure="channel")
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name in ("gamma", "beta"):
            value = weight.numpy()
            weight.assign(value * (rng.random(value.shape) < 0.7))
    small = dc.shrink(model)
    assert small.count_params() < 0.6 * model.count_params()
    check_equal(model, small)


def test_units_are_sorted_by_the_number_of_their_weights():
    model = make_sparse(lenet_300_100(20, 9), 0.3, 1, n_dead=0)
    kernel = dc.shrink(model).get_layer("ip1").kernel.numpy()
    assert (np.diff((kernel != 0).sum(axis=0)) >= 0).all()
    unsorted = dc.shrink(model, sort=False).get_layer("ip1").kernel.numpy()
    assert sorted(map(bytes, kernel.T.copy())) == sorted(map(bytes, unsorted.T.copy()))


def test_no_warning_where_all_is_followed():
    for build in NETS.values():
        dc.shrink(build())  # warnings are errors here
