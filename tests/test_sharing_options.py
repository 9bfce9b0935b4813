"""The options of weight sharing: biases, few digits, bits in view, curvature."""

import functools

import keras
import numpy as np
import pytest
from helpers.fitting import fit
from helpers.nets import (
    BACKEND,
    dense_net,
    distinct,
    image_net,
    kernels,
    regression,
    zeros,
)
from keras import layers

import deepcompress as dc
from deepcompress.network.moments import second_moments


def trained(sparsity=0.5, **arguments):
    """A pruned net with biases that are not zero, and its optimizer."""
    model = dense_net(**arguments)
    if arguments:
        fit(model, dc.PruningCallback(sparsity), epochs=2)
        return model
    weights, state = as_adam_leaves_it(sparsity)
    model.set_weights(weights)
    model.optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, state, strict=True):
        variable.assign(value)
    return model


@functools.cache
def as_adam_leaves_it(sparsity):
    """The weights of the pruned net and the state of its optimizer: trained once."""
    model = dense_net()
    fit(model, dc.PruningCallback(sparsity), epochs=2)
    return model.get_weights(), [v.numpy() for v in model.optimizer.variables]


def bias(model, name):
    return model.get_layer(name).bias.numpy()


def lowest_digits(array, n_digits, n_own=23):
    """What lies behind so many digits of the floats' patterns."""
    return array.view(f"u{array.itemsize}") & ((1 << (n_own - n_digits)) - 1)


# ---- Biases ----------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["mean", "sum"])
def test_biases_are_shared_and_trained(gradient):
    model = trained(optimizer=keras.optimizers.SGD(1e-3))
    model.get_layer("hidden").bias.assign(np.linspace(-1, 1, 20) ** 3)
    sharing = dc.WeightSharingQuantizer(
        bits=3, bias_bits=2, gradient=gradient, init="optimal"
    )
    sharing.quantize(model)
    before = bias(model, "hidden")
    expected = dc.kmeans1d(np.linspace(-1, 1, 20) ** 3, 4)
    np.testing.assert_allclose(before, expected.centers[expected.labels], rtol=1e-6)
    fit(model, sharing, epochs=2)
    after = bias(model, "hidden")
    assert distinct(after) == 4
    assert (before != after).all()
    np.testing.assert_array_equal(
        np.unique(before, return_inverse=True)[1],
        np.unique(after, return_inverse=True)[1],
    )
    assert distinct(kernels(model)["hidden"]) == 8


def test_every_step_moves_the_biases_by_the_mean_of_their_updates():
    shared, plain = (trained(optimizer=keras.optimizers.SGD(0.1)) for _ in range(2))
    sharing = dc.WeightSharingQuantizer(bits=3, bias_bits=2)
    for model in (shared, plain):
        sharing.quantize(model)
    before = bias(shared, "hidden")
    x, y = regression(64)
    plain.fit(x, y, batch_size=64, verbose=0)
    shared.fit(x, y, batch_size=64, verbose=0, callbacks=[sharing])
    for value in np.unique(before):
        members = before == value
        np.testing.assert_allclose(
            bias(shared, "hidden")[members],
            bias(plain, "hidden")[members].mean(),
            rtol=1e-5,
        )


def test_biases_that_are_zero_stay_zero_and_cost_one_code():
    model = trained()
    value = np.linspace(-1, 1, 20)
    value[5:12] = 0
    model.get_layer("hidden").bias.assign(value)
    fit(model, dc.WeightSharingQuantizer(bits=3, bias_bits=2), epochs=2)
    np.testing.assert_array_equal(bias(model, "hidden") == 0, value == 0)
    assert distinct(bias(model, "hidden")) == 4
    # Fewer left than codes, of more biases than codes: their zeros stay too.
    value[2:] = 0
    model.get_layer("hidden").bias.assign(value)
    fit(model, dc.WeightSharingQuantizer(bits=3, bias_bits=3), epochs=2)
    np.testing.assert_array_equal(bias(model, "hidden") == 0, value == 0)


def test_no_more_biases_than_codes_are_left_alone_without_a_word():
    model = trained()
    before = bias(model, "out")
    zeroed = np.array([0.0, 0.5, 0.25])
    dc.WeightSharingQuantizer(bits=3, bias_bits=2).quantize(model)
    np.testing.assert_array_equal(bias(model, "out"), before)
    model.get_layer("out").bias.assign(zeroed)
    fit(model, dc.WeightSharingQuantizer(bits=3, bias_bits=2))
    assert distinct(bias(model, "out")) == 3
    assert zeros(bias(model, "out")) == 0
    assert distinct(bias(model, "hidden")) == 4


def test_biases_of_the_chosen_layers_alone_are_shared():
    model = image_net()
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 8, 8, 1)), rng.standard_normal((32, 5))
    for variable in model.weights:
        if variable.name == "bias":
            variable.assign(rng.standard_normal(variable.shape))
    block = model.get_layer("block")
    before = [v.numpy() for v in block.get_layer("norm").weights]
    dc.WeightSharingQuantizer({"block": 3}, bias_bits=1).quantize(model)
    assert distinct(block.get_layer("conv2").bias.numpy()) == 2
    assert distinct(bias(model, "conv1")) == 4
    assert distinct(bias(model, "head")) == 5
    for variable, value in zip(block.get_layer("norm").weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    fit_arguments = {"verbose": 0, "epochs": 2}
    sharing = dc.WeightSharingQuantizer(3, layers=["block", "head"], bias_bits=1)
    model.fit(x, y, callbacks=[sharing], **fit_arguments)
    assert distinct(block.get_layer("conv2").bias.numpy()) == 2
    assert distinct(bias(model, "head")) == 2
    assert distinct(bias(model, "conv1")) == 4


def test_biases_of_several_axes_are_shared():
    inputs = keras.Input((5, 8))
    x = layers.MultiHeadAttention(4, 3, name="mha")(inputs, inputs)
    model = keras.Model(inputs, layers.GRU(6, name="gru")(x))
    for variable in model.weights:
        if variable.name == "bias":
            variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    dc.WeightSharingQuantizer(bits=4, bias_bits=2).quantize(model)
    counts = {v.path: distinct(v.numpy()) for v in model.weights if v.name == "bias"}
    assert len(counts) == 5
    assert set(counts.values()) == {4}


def test_the_logs_count_and_verbose_prints_biases_too(capsys):
    model = trained(sparsity=0.0)
    history = fit(model, dc.WeightSharingQuantizer(bits=3, bias_bits=2, verbose=1))
    assert history.history["distinct_values"] == [8 + 8 + 4] * 2
    assert capsys.readouterr().out.splitlines() == [
        "hidden/kernel: 200 weights share 8 values",
        "out/kernel: 60 weights share 8 values",
        "hidden/bias: 20 weights share 4 values",
    ]


def test_biases_are_free_again_after_the_fit():
    model = trained()
    fit(model, dc.WeightSharingQuantizer(bits=3, bias_bits=2))
    assert all(v.constraint is None for v in model.weights)
    fit(model)
    assert distinct(bias(model, "hidden")) == 20


# ---- Few digits ------------------------------------------------------------------


@pytest.mark.parametrize("mantissa_bits", [1, 4, 10, 23])
def test_values_have_few_digits_at_the_start_and_at_the_end(mantissa_bits):
    model = trained()
    masks = {name: kernel != 0 for name, kernel in kernels(model).items()}
    sharing = dc.WeightSharingQuantizer(
        bits=4, bias_bits=3, mantissa_bits=mantissa_bits
    )
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(model.get_weights()),
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()),
    )
    model.fit(*regression(), epochs=2, verbose=0, callbacks=[sharing, watch])
    for weights in (seen[0], model.get_weights()):
        for value in weights:
            assert not lowest_digits(value, mantissa_bits).any()
    if mantissa_bits < 23:
        assert lowest_digits(seen[-1][0], mantissa_bits).any()
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel != 0, masks[name])
        assert distinct(kernel) <= 16
    # In between, the values move freely: the last ones are these, rounded.
    for last, value in zip(seen[-1], model.get_weights(), strict=True):
        np.testing.assert_allclose(value, last, rtol=2.0 ** -(mantissa_bits + 1))


def test_quantize_rounds_and_does_so_once():
    model = trained()
    sharing = dc.WeightSharingQuantizer(bits=3, bias_bits=2, mantissa_bits=5)
    sharing.quantize(model)
    first = model.get_weights()
    assert not any(lowest_digits(value, 5).any() for value in first)
    sharing.quantize(model)
    for one, other in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("dtype", "n_own"), [("float16", 10), ("bfloat16", 7)])
@pytest.mark.parametrize("mantissa_bits", [3, 8])
def test_digits_of_other_dtypes(dtype, n_own, mantissa_bits):
    model = keras.Sequential(
        [keras.Input((10,)), layers.Dense(64, dtype=dtype, name="d")]
    )
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    x = np.random.default_rng(0).standard_normal((64, 10))
    sharing = dc.WeightSharingQuantizer(bits=3, mantissa_bits=mantissa_bits)
    model.fit(x, x @ np.ones((10, 64)), verbose=0, callbacks=[sharing])
    kernel = model.get_layer("d").kernel.numpy()
    assert distinct(kernel.astype("float64")) <= 8
    kept = min(mantissa_bits, n_own)
    assert not lowest_digits(kernel, kept, n_own).any()


def test_averaged_weights_are_rounded_too():
    model = trained(optimizer=keras.optimizers.Adam(1e-3, use_ema=True))
    fit(model, dc.WeightSharingQuantizer(bits=3, mantissa_bits=4), epochs=2)
    for kernel in kernels(model).values():
        assert distinct(kernel) <= 8
        assert not lowest_digits(kernel, 4).any()


def test_each_weight_for_itself_is_rounded_too():
    """The values of a layer with fewer weights than codes are its centroids."""
    model = dense_net()
    fit(model, dc.PruningCallback({"hidden": 0.5, "out": 0.9}))
    fit(model, dc.WeightSharingQuantizer(bits=5, bias_bits=5, mantissa_bits=4))
    assert zeros(kernels(model)["out"]) == 54
    for value in model.get_weights():
        assert not lowest_digits(value, 4).any()


# ---- Bits in view ----------------------------------------------------------------


def bits(array):
    survivors = array[array != 0]
    share = np.unique(survivors, return_counts=True)[1] / survivors.size
    return -share @ np.log2(share)


@pytest.mark.parametrize("init", ["linear", "optimal"])
def test_the_bits_fall_with_their_price(init):
    found = []
    for entropy_weight in (0.0, 0.003, 0.3):
        model = trained()
        sharing = dc.WeightSharingQuantizer(
            bits=4, init=init, entropy_weight=entropy_weight
        )
        sharing.quantize(model)
        before = kernels(model)["hidden"]
        fit(model, sharing, epochs=2)
        kernel = kernels(model)["hidden"]
        assert zeros(kernel) == 100
        assert distinct(kernel) == distinct(before) <= 16
        assert bits(kernel) == bits(before)
        found.append(bits(kernel))
    assert (np.diff(found) < 0).all()


def test_one_price_serves_layers_of_any_scale():
    model = trained()
    kernel = model.get_layer("hidden").kernel
    sharing = dc.WeightSharingQuantizer(bits=4, init="optimal", entropy_weight=0.05)
    value = kernel.numpy()
    codes = []
    for factor in (1.0, 1024.0):
        kernel.assign(value * factor)
        sharing.quantize(model)
        codes.append(np.unique(kernel.numpy(), return_inverse=True)[1])
    np.testing.assert_array_equal(*codes)


# ---- Curvature -------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "Nadam", "RMSprop"])
def test_centroids_are_those_of_kmeans_weighted_by_the_optimizer(optimizer):
    model = trained(optimizer=getattr(keras.optimizers, optimizer)())
    kernel = model.get_layer("hidden").kernel
    value, moments = kernel.numpy(), second_moments(model, kernel)
    weights = moments[value != 0].astype("float64")
    weights = weights / weights.mean() + 1e-3
    expected = dc.kmeans1d(value[value != 0], 7, sample_weight=weights)
    sharing = dc.WeightSharingQuantizer(
        bits=3, init="optimal", sample_weight="curvature"
    )
    sharing.quantize(model)
    np.testing.assert_array_equal(
        kernel.numpy()[value != 0], expected.centers[expected.labels]
    )
    kernel.assign(value)
    fit(model, sharing, epochs=2)
    codes = np.unique(kernel.numpy()[value != 0], return_inverse=True)[1]
    np.testing.assert_array_equal(codes, expected.labels)


def test_weights_without_gradients_do_no_harm():
    model = dense_net()
    x, y = regression()
    x[:, :5] = 0
    model.fit(x, y, epochs=2, verbose=0)
    assert not second_moments(model, model.get_layer("hidden").kernel)[:5].any()
    sharing = dc.WeightSharingQuantizer(bits=3, sample_weight="curvature", bias_bits=2)
    model.fit(x, y, verbose=0, callbacks=[sharing])
    assert distinct(kernels(model)["hidden"]) == 8


@pytest.mark.parametrize("stage", ["quantize", "fit"])
@pytest.mark.parametrize("why", ["new", "sgd", "not compiled"])
def test_curvature_that_is_not_known_is_an_error_that_says_what_to_do(why, stage):
    model = dense_net(optimizer="sgd" if why == "sgd" else "adam")
    if why == "sgd":
        fit(model)
    if why == "not compiled":
        model = keras.models.clone_model(model)
    before = model.get_weights()
    sharing = dc.WeightSharingQuantizer(sample_weight="curvature")
    with pytest.raises(ValueError, match=r"'hidden/kernel' is not known.*with Adam"):
        if stage == "quantize" or why == "not compiled":
            sharing.quantize(model)
        else:
            fit(model, sharing)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_gradients_that_are_not_finite_are_an_error():
    model = trained()
    index = model.optimizer._get_variable_index(model.get_layer("out").kernel)
    model.optimizer._velocities[index].assign(np.full((20, 3), np.inf))
    sharing = dc.WeightSharingQuantizer(sample_weight="curvature")
    with pytest.raises(ValueError, match="'out/kernel' hold NaN"):
        sharing.quantize(model)


# ---- All at once -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "optimizer"),
    [
        ({}, {}),
        ({"run_eagerly": True}, {}),
        ({"jit_compile": True}, {}),
        ({"steps_per_execution": 3}, {}),
        ({}, {"use_ema": True}),
        ({}, {"gradient_accumulation_steps": 2}),
    ],
)
def test_all_options_at_once_are_exact(arguments, optimizer, tmp_path):
    if BACKEND == "torch" and set(arguments) & {"steps_per_execution", "jit_compile"}:
        pytest.skip("Keras has no such argument on torch")
    model = trained(optimizer=keras.optimizers.Adam(1e-3, **optimizer), **arguments)
    masks = {name: kernel != 0 for name, kernel in kernels(model).items()}
    sharing = dc.WeightSharingQuantizer(
        bits=4,
        bias_bits=3,
        mantissa_bits=5,
        entropy_weight=0.02,
        sample_weight="curvature",
        init="optimal",
    )
    history = fit(model, sharing, epochs=3)
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel != 0, masks[name])
        assert 2 < distinct(kernel) <= 16
    assert distinct(bias(model, "hidden")) <= 8
    assert not any(lowest_digits(value, 5).any() for value in model.get_weights())
    assert history.history["distinct_values"][-1] <= 16 + 16 + 8 + 3
    dc.HuffmanSerializer().save(model, tmp_path / "model.dcz")
    loaded = dc.load_model(tmp_path / "model.dcz")
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bits_and_clusters_exclude_each_other():
    for bits in (5, 4):
        with pytest.raises(ValueError, match="Give `bits` or `n_clusters`, not both"):
            dc.WeightSharingQuantizer(bits, n_clusters=8)
    assert dc.WeightSharingQuantizer().bits == 5
    assert dc.WeightSharingQuantizer(n_clusters=8).bits is None


def test_settings_can_be_read_and_changed():
    sharing = dc.WeightSharingQuantizer(
        {"hidden": 3, "*": 4}, layers=iter(["hidden", "out"]), entropy_weight=1
    )
    assert repr(sharing) == (
        "WeightSharingQuantizer(bits={'hidden': 3, '*': 4}, "
        "layers=['hidden', 'out'], entropy_weight=1.0)"
    )
    assert (sharing.init, sharing.gradient, sharing.seed) == ("linear", "mean", 0)
    model = dense_net()
    sharing.quantize(model)
    sharing.bits = 2
    sharing.quantize(model)
    assert distinct(kernels(model)["hidden"]) <= 4
