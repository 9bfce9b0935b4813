"""Models pruned and shared with a few inputs in view."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import deepcompress as dc
from deepcompress.calibration.calibrate import Calibration
from deepcompress.network.variables import choose, named_variables

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch):
    """Lets no test depend on which others ran before."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(0))


def images(n=96):
    base = RNG.normal(size=(n, 4)) @ RNG.normal(size=(4, 192))
    return (base.reshape(n, 8, 8, 3) + 0.1 * RNG.normal(size=(n, 8, 8, 3))).astype("f4")


def words(n=96):
    return RNG.integers(1, 50, size=(n, 12))


def convolutional():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    y = layers.SeparableConv2D(16, 3, padding="same")(y)
    x = layers.Add()([x, y])
    x = layers.Conv2DTranspose(8, 2, strides=2, activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D(4)(x))
    return keras.Model(inputs, layers.Dense(5)(x))


def attentive():
    tokens = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 16)(tokens)
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 8)(x, x) + x)
    x = layers.Dense(16, activation="gelu")(x)
    return keras.Model(tokens, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def recurrent():
    tokens = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 16, mask_zero=True)(tokens)
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(8, activation="relu"))(x)
    return keras.Model(tokens, layers.Dense(3)(layers.GRU(8)(x)))


def stateful():
    inputs = keras.Input(batch_shape=(8, 5, 4))
    return keras.Model(inputs, layers.Dense(2)(layers.LSTM(6, stateful=True)(inputs)))


class Noisy(layers.Layer):
    """Adds noise, also where nothing is trained."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.numbers = keras.random.SeedGenerator(0)

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs), seed=self.numbers)


def noisy():
    inputs = keras.Input((5, 4))
    return keras.Model(inputs, layers.Dense(2)(layers.LSTM(6)(Noisy()(inputs))))


def generative(*, tie_weights=True, is_reversed=True):
    tokens = keras.Input((12,), dtype="int32")
    table = layers.ReversibleEmbedding(50, 16, tie_weights=tie_weights)
    x = layers.LayerNormalization()(table(tokens))
    x = x + layers.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)
    x = layers.LayerNormalization()(x + layers.Dense(16, activation="gelu")(x))
    return keras.Model(tokens, table(x, reverse=True) if is_reversed else x)


class Tower(keras.Model):
    """Nested, subclassed, a layer that is used twice, and its names made by Keras."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.Sequential([layers.Conv2D(8, 3), layers.ReLU()])
        self.twice = layers.Conv2D(8, 3, padding="same", activation="relu")
        self.last = layers.Dense(4)

    def call(self, inputs):
        x = self.twice(self.twice(self.inner(inputs)))
        return self.last(keras.ops.mean(x, axis=(1, 2)))


def tower():
    model = Tower()
    model(np.zeros((1, 8, 8, 3), "f4"))
    return model


NETS = {
    "convolutional": (convolutional, images),
    "attentive": (attentive, words),
    "recurrent": (recurrent, words),
    "nested and shared": (tower, images),
    "with a tied table": (generative, words),
    "with two tables": (lambda: generative(tie_weights=False), words),
}


def moved(model, x, before):
    return float(np.mean(np.square(model.predict(x, verbose=0) - before)))


@pytest.mark.parametrize("name", NETS)
def test_outputs_stay_nearer_than_by_magnitude(name):
    make, data = NETS[name]
    keras.utils.set_random_seed(0)
    model, x = make(), data(256)
    others = x[128:]
    before, weights = model.predict(others, verbose=0), model.get_weights()

    def error(with_data):
        model.set_weights(weights)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            dc.prune(model, 0.6, data=x[:128] if with_data else None)
            dc.WeightSharingQuantizer(3, init="optimal").quantize(
                model, data=x[:128] if with_data else None
            )
        return moved(model, others, before)

    # A table that has to be good for two things can make up for less.
    assert error(True) < (0.9 if "tied" in name else 0.8) * error(False)
    for named, _ in choose(model, None):
        value = named.numpy()
        assert np.count_nonzero(value) == value.size - round(0.6 * value.size)
        assert len(np.unique(value)) <= 8


@pytest.mark.parametrize("name", NETS)
def test_weights_are_shared_out_among_layers(name):
    make, data = NETS[name]
    keras.utils.set_random_seed(0)
    model, x = make(), data()
    n_weights = dc.count_weights(model)
    dc.prune(model, 0.7, scope="global", data=x)
    assert dc.count_weights(model) == n_weights - round(0.7 * n_weights)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "mixed_bfloat16"])
def test_weights_are_of_any_dtype(dtype):
    if keras.backend.backend() == "jax" and dtype == "float64":
        pytest.skip("JAX has no float64 unless it is asked for it")
    keras.utils.set_random_seed(0)
    kinds = [
        layers.Conv2D(8, 3, dtype=dtype),
        layers.SeparableConv2D(8, 3, dtype=dtype),
        layers.Flatten(),
        layers.Dense(4, dtype=dtype),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3)), *kinds])
    x, n_all = images(64), dc.count_weights(model, zeros=True)
    dc.prune(model, 0.5, scope="global", data=x)
    dc.WeightSharingQuantizer(3).quantize(model, data=x)
    assert dc.count_weights(model) == n_all - round(0.5 * n_all)
    for named, _ in choose(model, None):
        assert len(np.unique(named.numpy())) <= 8


def test_statistics_and_biases_follow():
    keras.utils.set_random_seed(0)
    model, x = convolutional(), images(256)
    normalized = model.layers[2]
    first = keras.Model(model.inputs, normalized.output)
    # As they would be after a training.
    values = keras.ops.convert_to_numpy(model.layers[1](x))
    normalized.moving_mean.assign(values.mean((0, 1, 2)))
    normalized.moving_variance.assign(values.var((0, 1, 2)))
    bias = model.layers[-1].bias.numpy()
    dc.prune(model, 0.6, data=x)
    after = first.predict(x, verbose=0)
    np.testing.assert_allclose(after.mean((0, 1, 2)), 0, atol=0.05)
    np.testing.assert_allclose(after.std((0, 1, 2)), 1, atol=0.1)
    assert not np.array_equal(model.layers[-1].bias.numpy(), bias)


def test_n_of_m_and_channels():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16,)), layers.Dense(8), layers.Dense(4)])
    x = RNG.normal(size=(64, 16)).astype("f4")
    dc.prune(model, 0.5, structure=(2, 4), data=x)
    groups = model.layers[0].kernel.numpy().T.reshape(8, 4, 4)
    assert (np.count_nonzero(groups, axis=-1) == 2).all()
    dc.prune(
        model,
        {"dense*": 0.75},
        layers=model.layers[0].name,
        structure="channel",
        data=x,
    )
    assert (model.layers[0].kernel.numpy() == 0).all(0).sum() == 4


FORMS_OF_DATA = {
    "array": lambda x: x,
    "generator": lambda x: (x[i : i + 32] for i in range(0, len(x), 32)),
    "generator with labels": lambda x: ((x[i : i + 32], x[0]) for i in (0, 32)),
}


@pytest.mark.parametrize("form", FORMS_OF_DATA)
def test_data_come_in_many_forms(form):
    keras.utils.set_random_seed(0)
    model, x = convolutional(), images()
    dc.prune(model, 0.5, data=FORMS_OF_DATA[form](x))
    assert dc.count_weights(model) < 0.51 * dc.count_weights(model, zeros=True)


def test_several_inputs_come_by_name_or_in_order():
    left, right = keras.Input((4,), name="left"), keras.Input((5,), name="right")
    x = layers.Concatenate()([layers.Dense(6)(left), layers.Dense(6)(right)])
    model = keras.Model({"left": left, "right": right}, layers.Dense(2)(x))
    data = {"left": RNG.normal(size=(40, 4)), "right": RNG.normal(size=(40, 5))}
    dc.prune(model, 0.5, data=data)
    assert dc.count_weights(model) == dc.count_weights(model, zeros=True) // 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.full((4, 8, 8, 3), np.nan, "f4"), "NaN or infinity"),
        (np.zeros((0, 8, 8, 3), "f4"), "no sample"),
        (np.zeros((4, 9), "f4"), "cannot be called on the data"),
        ([], "no sample"),
        (3, "`data` must be inputs"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, "as many samples"),
    ],
)
def test_data_that_do_not_fit_are_refused_and_change_nothing(data, said):
    model = convolutional()
    before = model.get_weights()
    with pytest.raises(ValueError, match=said):
        dc.prune(model, 0.5, data=data)
    with pytest.raises(ValueError, match=said):
        dc.WeightSharingQuantizer(4).quantize(model, data=data)
    for own, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize(
    "x", [np.ones((1, 8, 8, 3), "f4"), np.zeros((50, 8, 8, 3), "f4")]
)
def test_single_sample_and_dead_inputs_do(x):
    keras.utils.set_random_seed(0)
    model = convolutional()
    dc.prune(model, 0.5, data=x)
    dc.WeightSharingQuantizer(4).quantize(model, data=x)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_failing_in_the_midst_leaves_the_model_as_it_was(error):
    keras.utils.set_random_seed(0)
    model, x = convolutional(), images()
    before = model.get_weights()
    left = [3]

    def treat(named, kernel):
        kernel.prune(5, lambda scores, n: scores >= np.sort(scores, axis=None)[-n])
        left[0] -= 1
        if not left[0]:
            raise error("here")

    with pytest.raises(error, match="here"):
        Calibration(model, x).change([named for named, _ in choose(model, None)], treat)
    for own, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, other)
    assert all("call" not in vars(layer) for layer in model.layers)


class Odd(keras.layers.Layer):
    """Multiplies by a kernel of its own."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")

    def call(self, inputs):
        return inputs @ self.kernel


def test_kernel_of_an_unknown_layer_is_pruned_by_magnitude_and_named():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), Odd(name="odd"), layers.Dense(2)])
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    with pytest.warns(UserWarning, match="odd/kernel"):
        dc.prune(model, 0.5, data=RNG.normal(size=(20, 6)))
    dc.prune(other, 0.5)
    np.testing.assert_array_equal(
        model.layers[0].kernel.numpy(), other.layers[0].kernel.numpy()
    )


def test_words_that_do_not_occur_go_first():
    keras.utils.set_random_seed(0)
    model = attentive()
    x = np.tile(np.arange(1, 13), (20, 1))
    dc.prune(model, 0.8, layers="embedding*", data=x)
    table = next(v for v in named_variables(model) if "embedding" in v.name).numpy()
    assert np.count_nonzero(table[1:13]) > 0.9 * np.count_nonzero(table)


def test_what_is_large_is_cut_into_blocks(monkeypatch):
    monkeypatch.setattr("deepcompress.calibration.matrices._WIDEST", 24)
    keras.utils.set_random_seed(0)
    model, x = convolutional(), images(256)
    before, weights = model.predict(x, verbose=0), model.get_weights()
    dc.prune(model, 0.6, data=x[:128])
    error = moved(model, x, before)
    model.set_weights(weights)
    dc.prune(model, 0.6)
    assert error < 0.8 * moved(model, x, before)


def test_states_are_as_they_were_and_batches_of_their_size():
    keras.utils.set_random_seed(0)
    model = stateful()
    x = RNG.normal(size=(50, 5, 4)).astype("f4")
    for state in model.layers[1].states:
        state.assign(RNG.normal(size=state.shape))
    states = [state.numpy() for state in model.layers[1].states]
    dc.prune(model, 0.0, data=x)
    dc.prune(model, 0.5, scope="global", data=x)
    for state, own in zip(model.layers[1].states, states, strict=True):
        np.testing.assert_array_equal(state.numpy(), own)
    with pytest.raises(ValueError, match="takes batches of 8"):
        dc.prune(model, 0.5, data=x[:7])


@pytest.mark.parametrize("make", [stateful, noisy])
def test_each_look_at_the_inputs_begins_with_the_same_states(make):
    keras.utils.set_random_seed(0)
    model = make()
    before = model.get_weights()
    # What makes the same of the same inputs has nothing to make up for.
    dc.prune(model, 0.0, data=RNG.normal(size=(64, 5, 4)).astype("f4"))
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_kernel_of_no_inputs_has_nothing_to_change():
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((0,)), keras.Input((8,))]
    parts = [layers.Dense(4)(each) for each in inputs]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(parts)))
    x = [np.zeros((32, 0), "f4"), RNG.normal(size=(32, 8)).astype("f4")]
    dc.prune(model, 0.5, scope="global", data=x)
    assert dc.count_weights(model) == (8 * 4 + 8 * 2) / 2
    model.layers[3].kernel.assign(np.zeros((8, 4)))
    dc.prune(model, 0.5, scope="global", data=x)
    assert 0 < dc.count_weights(model) <= 8


def test_a_table_that_nothing_is_multiplied_by_is_looked_up_in():
    keras.utils.set_random_seed(0)
    model, x = generative(is_reversed=False), words()
    n_weights = dc.count_weights(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        dc.prune(model, 0.7, scope="global", data=x)
    assert dc.count_weights(model) == n_weights - round(0.7 * n_weights)
