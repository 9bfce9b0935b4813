import keras
import numpy as np
import pytest
from helpers.fitting import Recorder, fit, reference_step
from helpers.nets import (
    BACKEND,
    dense_net,
    distinct,
    image_net,
    kernels,
    regression,
    zeros,
)

import deepcompress as dc


def reference_centers(weights, codes, before, gradient):
    """Moves every centroid by the mean, or the sum, of its members' updates."""
    centers = {}
    for code in np.unique(codes[codes >= 0]):
        updates = weights[codes == code] - before[codes == code]
        centers[code] = before[codes == code][0] + getattr(np, gradient)(updates)
    return centers


@pytest.mark.parametrize("gradient", ["mean", "sum"])
@pytest.mark.parametrize("sparsity", [0.0, 0.6])
def test_every_step_is_that_of_a_reference_in_numpy(gradient, sparsity):
    rate = 0.1 if gradient == "mean" else 0.01
    model = dense_net(optimizer=keras.optimizers.SGD(rate))
    dc.prune(model, sparsity)
    x, y = regression(64)
    recorder = Recorder()
    sharing = dc.WeightSharingQuantizer(bits=3, gradient=gradient, init="optimal")
    sharing.quantize(model)
    weights = [w.astype("float64") for w in model.get_weights()]
    codes = []
    for which in (0, 2):
        values, inverse = np.unique(weights[which], return_inverse=True)
        code = inverse.reshape(weights[which].shape)
        code[weights[which] == 0] = -1
        codes.append(code)
        assert len(values) == 8
    model.fit(
        x, y, batch_size=64, epochs=10, verbose=0, callbacks=[sharing, recorder]
    )  # fmt: skip
    for actual in recorder.steps:
        before = weights
        weights = reference_step(before, x, y, rate)
        for which, code, name in zip((0, 2), codes, ("hidden", "out"), strict=True):
            centers = reference_centers(weights[which], code, before[which], gradient)
            for value, center in centers.items():
                weights[which][code == value] = center
            weights[which][code == -1] = 0
            np.testing.assert_allclose(actual[name], weights[which], atol=2e-5)
            assert distinct(actual[name]) == 8


def test_the_mean_is_what_moves_a_centroid_under_adam_too():
    """One step, with the plain net's own update as the reference."""
    plain, shared = dense_net(), dense_net()
    sharing = dc.WeightSharingQuantizer(bits=2)
    for model in (plain, shared):
        sharing.quantize(model)
    before = kernels(shared)
    x, y = regression(64)
    plain.fit(x, y, batch_size=64, verbose=0)
    shared.fit(x, y, batch_size=64, verbose=0, callbacks=[sharing])
    for name, kernel in kernels(shared).items():
        for value in np.unique(before[name]):
            members = before[name] == value
            np.testing.assert_allclose(
                kernel[members], kernels(plain)[name][members].mean(), rtol=1e-5
            )


def test_kernels_have_so_many_values_and_the_rest_is_untouched():
    model = image_net()
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 8, 8, 1)), rng.standard_normal((32, 5))
    sharing = dc.WeightSharingQuantizer(bits={"conv*": 4, "*": 3})
    model.fit(x, y, verbose=0, epochs=2, callbacks=[sharing])
    counts = {v.path: distinct(v.numpy()) for v in model.weights}
    assert counts["conv1/kernel"] == 16
    assert counts["block/conv2/kernel"] == 8
    assert counts["head/kernel"] == 8
    assert counts["head/bias"] > 1
    assert all(v.constraint is None for v in model.weights)


@pytest.mark.parametrize("init", ["linear", "density", "random", "kmeans++", "optimal"])
def test_zeros_are_kept_and_cost_one_code(init):
    model = dense_net()
    dc.prune(model, 0.5)
    masks = {name: kernel != 0 for name, kernel in kernels(model).items()}
    sharing = dc.WeightSharingQuantizer(bits=3, init=init, seed=0)
    sharing.quantize(model)
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel != 0, masks[name])
        assert distinct(kernel) == 8
    fit(model, sharing)
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel != 0, masks[name])
        assert distinct(kernel) == 8


def test_optimal_shares_with_the_least_error():
    errors = {}
    for init in ("linear", "optimal"):
        model = dense_net()
        before = kernels(model)["hidden"]
        dc.WeightSharingQuantizer(bits=3, init=init).quantize(model)
        errors[init] = ((kernels(model)["hidden"] - before) ** 2).sum()
    assert errors["optimal"] < errors["linear"]
    result = dc.kmeans1d(before, 8)
    assert errors["optimal"] == pytest.approx(result.inertia, rel=1e-5)


def test_n_clusters_is_the_number_of_values_zero_included():
    model = dense_net()
    dc.prune(model, 0.5, layers="hidden")
    dc.WeightSharingQuantizer(n_clusters={"hidden": 5, "out": 7}).quantize(model)
    assert distinct(kernels(model)["hidden"]) == 5
    assert distinct(kernels(model)["out"]) == 7


def test_a_second_fit_goes_on_with_the_clusters_there_are():
    model = dense_net()
    fit(model, dc.WeightSharingQuantizer(bits=2))
    codes = np.unique(kernels(model)["hidden"], return_inverse=True)[1]
    fit(model, dc.WeightSharingQuantizer(bits=5, layers="hidden"))
    assert distinct(kernels(model)["hidden"]) == 4
    again = np.unique(kernels(model)["hidden"], return_inverse=True)[1]
    np.testing.assert_array_equal(codes, again)


def test_weights_are_free_again_after_the_fit():
    model = dense_net()
    fit(model, dc.WeightSharingQuantizer(bits=2))
    fit(model)
    assert distinct(kernels(model)["hidden"]) > 100


@pytest.mark.parametrize(
    ("arguments", "optimizer"),
    [
        ({"run_eagerly": True}, {}),
        ({"jit_compile": True}, {}),
        ({"steps_per_execution": 3}, {}),
        ({}, {"use_ema": True}),
        ({}, {"clipnorm": 0.1}),
        ({}, {"gradient_accumulation_steps": 2}),
    ],
)
@pytest.mark.parametrize("gradient", ["mean", "sum"])
def test_values_are_exact_however_the_model_is_trained(arguments, optimizer, gradient):
    if BACKEND == "torch" and set(arguments) & {"steps_per_execution", "jit_compile"}:
        pytest.skip("Keras has no such argument on torch")
    model = dense_net(optimizer=keras.optimizers.Adam(1e-4, **optimizer), **arguments)
    dc.prune(model, 0.5, layers="hidden")
    fit(model, dc.WeightSharingQuantizer(bits=3, gradient=gradient), epochs=3)
    assert distinct(kernels(model)["hidden"]) == 8
    assert distinct(kernels(model)["out"]) == 8
    assert zeros(kernels(model)["hidden"]) == 100


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_dtypes_are_shared(dtype):
    if BACKEND == "jax" and dtype == "float64":
        pytest.skip("JAX has no float64 unless it is asked for it")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(64, dtype=dtype, name="d")]
    )
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    x = np.random.default_rng(0).standard_normal((64, 10))
    model.fit(x, x @ np.ones((10, 64)), verbose=0,
              callbacks=[dc.WeightSharingQuantizer(bits=3)])  # fmt: skip
    kernel = model.get_layer("d").kernel.numpy()
    assert distinct(kernel.astype("float64")) == 8


def test_a_layer_with_too_few_weights_is_left_alone_and_named():
    model = dense_net()
    before = kernels(model)["out"]
    with pytest.warns(UserWarning, match="out/kernel"):
        dc.WeightSharingQuantizer(bits=7).quantize(model)
    np.testing.assert_array_equal(kernels(model)["out"], before)
    assert distinct(kernels(model)["hidden"]) == 128


def test_an_all_zero_layer_is_left_alone():
    model = dense_net()
    model.get_layer("out").kernel.assign(np.zeros((20, 3)))
    dc.WeightSharingQuantizer(bits=2).quantize(model)
    assert not kernels(model)["out"].any()


@pytest.mark.skipif(BACKEND == "jax", reason="Keras loses the weights of a failed fit")
def test_a_fit_that_failed_before_its_first_step_can_be_repeated():
    model = dense_net()
    for callback in (dc.PruningCallback(0.5), dc.WeightSharingQuantizer(bits=3)):
        with pytest.raises(Exception, match=r"shape|match|size"):
            model.fit(np.zeros((8, 10)), np.zeros((8, 7)), verbose=0,
                      callbacks=[callback])  # fmt: skip
        fit(model, callback)
    assert distinct(kernels(model)["hidden"]) == 8
    assert zeros(kernels(model)["hidden"]) == 100


def test_pruning_and_sharing_in_one_fit_is_refused():
    model = dense_net()
    with pytest.raises(ValueError, match="Prune in one fit and share in the next"):
        fit(model, dc.PruningCallback(0.5), dc.WeightSharingQuantizer(bits=3))
    assert all(v.constraint is None for v in model.weights)
    fit(model, dc.PruningCallback(0.5))
    fit(model, dc.WeightSharingQuantizer(bits=3))
    assert distinct(kernels(model)["hidden"]) == 8


def test_zeros_of_a_layer_with_fewer_weights_than_codes_stay_zero():
    model = dense_net()
    fit(model, dc.PruningCallback({"hidden": 0.5, "out": 0.9}))
    fit(model, dc.WeightSharingQuantizer(bits=5))
    assert zeros(kernels(model)["out"]) == 54
    assert distinct(kernels(model)["out"]) <= 7
    assert distinct(kernels(model)["hidden"]) == 32


def test_a_layer_that_was_emptied_stays_empty():
    model = dense_net()
    model.get_layer("out").kernel.assign(np.zeros((20, 3)))
    fit(model, dc.WeightSharingQuantizer(bits=2))
    assert not kernels(model)["out"].any()


def test_nan_is_refused_before_anything_changes():
    model = dense_net()
    model.get_layer("out").kernel.assign(np.full((20, 3), np.nan))
    before = kernels(model)["hidden"]
    with pytest.raises(ValueError, match="'out/kernel' holds NaN"):
        fit(model, dc.WeightSharingQuantizer(bits=2))
    np.testing.assert_array_equal(kernels(model)["hidden"], before)


def test_verbose_prints_what_was_shared(capsys):
    model = dense_net()
    dc.WeightSharingQuantizer(bits=2, verbose=1).quantize(model)
    assert capsys.readouterr().out.splitlines() == [
        "hidden/kernel: 200 weights share 4 values",
        "out/kernel: 60 weights share 4 values",
    ]


@pytest.mark.parametrize("bits", [0, 17, -1])
def test_bits_out_of_range_are_refused(bits):
    with pytest.raises(ValueError, match="`bits` must be in 1 to 16"):
        dc.WeightSharingQuantizer(bits=bits)
    with pytest.raises(ValueError, match="`bits` must be in 1 to 16"):
        dc.WeightSharingQuantizer(bits={"*": 4, "conv*": bits})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bits": 2.5}, TypeError, "must be an integer"),
        ({"bits": True}, TypeError, "must be an integer"),
        ({"n_clusters": 1}, ValueError, "2 to 65,536"),
        ({"bits": 4, "n_clusters": 9}, ValueError, "not both"),
        ({"init": "forgy"}, ValueError, "'linear', 'density', 'random'"),
        ({"gradient": "max"}, ValueError, "'mean', 'sum'"),
        ({"entropy_weight": -1e-9}, ValueError, r"must be a number in \[0, inf\)"),
        ({"entropy_weight": np.nan}, ValueError, r"must be a number in \[0, inf\)"),
        ({"sample_weight": "hessian"}, ValueError, "'curvature'"),
        ({"bias_bits": 0}, ValueError, "`bias_bits` must be in 1 to 16"),
        ({"bias_bits": 17}, ValueError, "`bias_bits` must be in 1 to 16"),
        ({"bias_bits": {"*": 4}}, TypeError, "must be an integer"),
        ({"mantissa_bits": 0}, ValueError, "`mantissa_bits` must be in 1 to 23"),
        ({"mantissa_bits": 24}, ValueError, "`mantissa_bits` must be in 1 to 23"),
        ({"mantissa_bits": 4.0}, TypeError, "must be an integer"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        dc.WeightSharingQuantizer(**arguments)


def test_a_pattern_that_matches_nothing_lists_the_layers():
    with pytest.raises(ValueError, match="'hidden', 'out'"):
        dc.WeightSharingQuantizer(bits={"conv*": 4}).quantize(dense_net())
