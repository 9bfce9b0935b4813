import keras
import numpy as np
import pytest
from helpers.fitting import Recorder, fit, reference_step
from helpers.nets import BACKEND, dense_net, image_net, kernels, regression, zeros

import deepcompress as dc
from deepcompress.network.ties import MaskTie


def reference_mask(weight, sparsity):
    """Keeps all but so many of the smallest magnitudes."""
    n_zeros = round(sparsity * weight.size)
    order = np.argsort(np.abs(weight), axis=None, kind="stable")
    mask = np.ones(weight.size, bool)
    mask[order[:n_zeros]] = False
    return mask.reshape(weight.shape)


def test_every_step_is_that_of_a_reference_in_numpy():
    model = dense_net(optimizer=keras.optimizers.SGD(0.1))
    x, y = regression(64)
    schedule = dc.PolynomialDecay(0.8, begin=1, end=10, frequency=3)
    recorder = Recorder()
    weights = [w.astype("float64") for w in model.get_weights()]
    masks = [np.ones(weights[i].shape, bool) for i in (0, 2)]
    model.fit(
        x, y, batch_size=64, epochs=15, verbose=0,
        callbacks=[dc.PruningCallback(schedule), recorder],
    )  # fmt: skip
    for step, actual in enumerate(recorder.steps, 1):
        weights = reference_step(weights, x, y, 0.1)
        for which, mask in zip((0, 2), masks, strict=True):
            weights[which][~mask] = 0
        if step in (1, 4, 7, 10):
            masks = [
                reference_mask(weights[i], schedule.sparsity(step, None))
                for i in (0, 2)
            ]
            for which, mask in zip((0, 2), masks, strict=True):
                weights[which][~mask] = 0
        np.testing.assert_allclose(actual["hidden"], weights[0], atol=1e-5)
        np.testing.assert_allclose(actual["out"], weights[2], atol=1e-5)
        assert zeros(actual["hidden"]) == (~masks[0]).sum()
        assert zeros(actual["out"]) == (~masks[1]).sum()
    assert zeros(actual["hidden"]) == 160
    assert zeros(actual["out"]) == 48


def test_zeros_stay_zeros_at_every_step_and_afterwards():
    model = dense_net()
    recorder = Recorder()
    fit(model, dc.PruningCallback(0.9), recorder)
    masks = [{n: k != 0 for n, k in step.items()} for step in recorder.steps]
    for mask in masks:
        assert {n: int((~m).sum()) for n, m in mask.items()} == {
            "hidden": 180,
            "out": 54,
        }
        for name in mask:
            np.testing.assert_array_equal(mask[name], masks[0][name])
    after = kernels(model)
    for name, mask in masks[-1].items():
        np.testing.assert_array_equal(after[name] != 0, mask)
    assert not np.signbit(after["out"][after["out"] == 0]).any()


def test_biases_and_normalization_are_left_alone():
    model = image_net()
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    x, y = rng.standard_normal((32, 8, 8, 1)), rng.standard_normal((32, 5))
    model.fit(x, y, verbose=0, callbacks=[dc.PruningCallback(0.75)])
    sparse = {v.path: zeros(v.numpy()) / np.prod(v.shape) for v in model.weights}
    for path, share in sparse.items():
        assert share == (0.75 if path.endswith("kernel") else 0), path


def test_patterns_give_layers_their_own_schedule():
    model = dense_net()
    schedule = dc.PolynomialDecay(0.95, end=0.5)
    fit(model, dc.PruningCallback({"hidden": 0.5, "o*": schedule}))
    assert zeros(kernels(model)["hidden"]) == 100
    assert zeros(kernels(model)["out"]) == 57


def test_layers_leaves_the_others_alone():
    model = dense_net()
    fit(model, dc.PruningCallback(0.5, layers="out"))
    assert zeros(kernels(model)["hidden"]) == 0
    assert zeros(kernels(model)["out"]) == 30


def test_global_scope_compares_all_weights():
    model = dense_net()
    x, y = regression()
    before = kernels(model)
    model.fit(
        x, y, verbose=0, epochs=1, batch_size=len(x),
        callbacks=[dc.PruningCallback(0.7, scope="global")],
    )  # fmt: skip
    everything = np.abs(np.concatenate([k.ravel() for k in before.values()]))
    threshold = np.sort(everything)[round(0.7 * everything.size)]
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel != 0, np.abs(before[name]) >= threshold)


def test_the_schedule_follows_fractions_of_the_fit():
    model = dense_net()
    history = fit(
        model,
        dc.PruningCallback(dc.PolynomialDecay(0.8, begin=0.25, end=0.75, frequency=1)),
        epochs=8,
    )
    sparsity = history.history["sparsity"]
    assert sparsity[0] == 0
    # The 260 weights round the target to half a weight in each tensor.
    assert sparsity[3] == pytest.approx(0.7, abs=0.005)
    assert sparsity[5:] == pytest.approx([0.8] * 3)


def test_a_second_fit_starts_where_the_first_ended():
    model = dense_net()
    fit(model, dc.PruningCallback(0.9))
    mask = kernels(model)["hidden"] != 0
    history = fit(model, dc.PruningCallback(dc.PolynomialDecay(0.5)))
    assert history.history["sparsity"] == pytest.approx([0.9, 0.9])
    np.testing.assert_array_equal(kernels(model)["hidden"] != 0, mask)


def test_the_same_callback_serves_two_fits():
    callback = dc.PruningCallback(dc.PolynomialDecay(0.6))
    for model in (dense_net(), dense_net()):
        fit(model, callback)
        fit(model, callback)
        assert zeros(kernels(model)["hidden"]) == 120


def test_a_kernel_that_starts_at_zero_is_trained():
    model = dense_net()
    model.get_layer("out").kernel.assign(np.zeros((20, 3)))
    fit(model, dc.PruningCallback(0.5))
    assert zeros(kernels(model)["out"]) == 30


@pytest.mark.parametrize(
    "jit_compile", [False, True] if BACKEND != "torch" else [False]
)
def test_a_model_that_was_fitted_before_is_pruned(jit_compile):
    model = dense_net(jit_compile=jit_compile)
    fit(model)
    fit(model, dc.PruningCallback(dc.PolynomialDecay(0.8)))
    assert zeros(kernels(model)["hidden"]) == 160
    trained = kernels(model)["hidden"]
    fit(model)
    assert zeros(kernels(model)["hidden"]) == 0, "the constraint was not taken off"
    assert zeros(trained) == 160


@pytest.mark.parametrize(
    "arguments",
    [
        {"run_eagerly": True},
        {"steps_per_execution": 3},
        {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)},
        {"optimizer": keras.optimizers.Adam(use_ema=True)},
        {"optimizer": keras.optimizers.AdamW(clipnorm=0.1)},
        {"optimizer": keras.optimizers.Adam(gradient_accumulation_steps=2)},
    ],
    ids=["eager", "steps_per_execution", "nesterov", "ema", "clipnorm", "accumulation"],
)
def test_the_zeros_are_exact_however_the_model_is_trained(arguments):
    if BACKEND == "torch" and "steps_per_execution" in arguments:
        pytest.skip("Keras has no steps_per_execution on torch")
    # Built anew: an optimizer belongs to one model.
    if "optimizer" in arguments:
        optimizer = arguments["optimizer"]
        arguments = {"optimizer": type(optimizer).from_config(optimizer.get_config())}
    model = dense_net(**arguments)
    callback = dc.PruningCallback(dc.PolynomialDecay(0.8, end=0.5, frequency=2))
    fit(model, callback, epochs=3)
    assert {n: zeros(k) for n, k in kernels(model).items()} == {
        "hidden": 160,
        "out": 48,
    }


def test_the_users_own_constraint_holds_and_comes_back():
    model = dense_net()
    layer = model.get_layer("hidden")
    own = keras.constraints.NonNeg()
    layer.kernel.constraint = own
    callback = dc.PruningCallback(0.5)
    fit(model, callback)
    kernel = kernels(model)["hidden"]
    assert zeros(kernel) >= 100
    assert kernel.min() == 0
    assert layer.kernel.constraint is own


def test_an_interrupted_training_can_be_taken_up_again():
    model = dense_net()

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    own = keras.constraints.MaxNorm(3)
    kernel = model.get_layer("hidden").kernel
    kernel.constraint = own
    callback = dc.PruningCallback(0.5)
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, Interrupt())
    assert isinstance(kernel.constraint, MaskTie)
    fit(model, callback)
    assert kernel.constraint is own
    assert zeros(kernels(model)["hidden"]) == 100


def test_resumption_at_an_epoch_continues_the_schedule():
    schedule = dc.PolynomialDecay(0.8, end=1.0, frequency=1)
    whole = fit(dense_net(), dc.PruningCallback(schedule), epochs=6)
    model = dense_net()
    fit(model, dc.PruningCallback(schedule), epochs=6, initial_epoch=0)
    resumed = fit(dense_net(), dc.PruningCallback(schedule), epochs=6, initial_epoch=3)
    assert resumed.history["sparsity"] == whole.history["sparsity"][3:]


def generator():
    x, y = regression()
    for begin in range(0, len(x), 32):
        yield x[begin : begin + 32], y[begin : begin + 32]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_generator_of_unknown_length_is_counted_in_the_first_epoch():
    import tensorflow as tf

    data = tf.data.Dataset.from_generator(
        generator,
        output_signature=(
            tf.TensorSpec((None, 10), tf.float32),
            tf.TensorSpec((None, 3), tf.float32),
        ),
    )
    model = dense_net()
    callback = dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1))
    history = model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[callback])
    assert history.history["sparsity"] == pytest.approx([0, 0.8, 0.8], abs=0.01)
    early = dc.PruningCallback(
        {"hidden": 0.9, "out": dc.PolynomialDecay(0.85, end=0.3)}
    )
    history = model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[early])
    assert zeros(kernels(model)["hidden"]) == 180
    assert zeros(kernels(model)["out"]) == 51
    at_once = dc.PruningCallback(0.95)
    model.fit(data, epochs=1, verbose=0, shuffle=False, callbacks=[at_once])
    assert zeros(kernels(model)["hidden"]) == 190
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit(data, epochs=1, verbose=0, shuffle=False, callbacks=[callback])
    in_steps = dc.PruningCallback(dc.PolynomialDecay(0.9, begin=2, end=6))
    fresh = dense_net()
    fresh.fit(data, epochs=1, verbose=0, shuffle=False, callbacks=[in_steps])
    assert zeros(kernels(fresh)["hidden"]) == 180


def test_verbose_prints_the_sparsity(capsys):
    fit(dense_net(), dc.PruningCallback(0.5, verbose=1), epochs=1)
    assert capsys.readouterr().out == "Epoch 1: sparsity 50.00%\n"


def test_a_checkpoint_is_sparse_and_plain(tmp_path):
    path = tmp_path / "model.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path)
    fit(dense_net(), dc.PruningCallback(0.9), checkpoint)
    loaded = keras.models.load_model(path)
    assert loaded.optimizer.iterations > 0
    assert zeros(kernels(loaded)["hidden"]) == 180
    assert loaded.get_layer("hidden").kernel.constraint is None


@pytest.mark.parametrize("sparsity", [1.0, -0.5, float("nan")])
def test_a_sparsity_outside_its_range_is_refused(sparsity):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
        dc.PruningCallback(sparsity)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
        dc.PruningCallback({"a": 0.5, "b": sparsity})
    with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
        dc.prune(dense_net(), sparsity)


@pytest.mark.parametrize("sparsity", ["0.5", None, [0.5], dc.PolynomialDecay])
def test_what_is_no_sparsity_is_refused(sparsity):
    with pytest.raises(TypeError, match="must be a number"):
        dc.PruningCallback(sparsity)


def test_a_schedule_that_ends_after_the_fit_is_warned_of():
    with pytest.warns(UserWarning, match="The fit has 16 steps"):
        fit(dense_net(), dc.PruningCallback(dc.ConstantSparsity(0.8, begin=1000)))


def test_a_scope_that_is_not_known_is_refused():
    with pytest.raises(
        ValueError, match=r"`scope` must be one of \('layer', 'global'\)"
    ):
        dc.PruningCallback(0.5, scope="model")
    with pytest.raises(
        ValueError, match=r"`scope` must be one of \('layer', 'global'\)"
    ):
        dc.prune(dense_net(), 0.5, scope="model")


def test_nothing_is_changed_where_a_pattern_matches_nothing():
    model = dense_net()
    before = model.get_weights()
    with pytest.raises(ValueError, match="'hidden', 'out'"):
        fit(model, dc.PruningCallback({"hidden": 0.5, "conv*": 0.5}))
    with pytest.raises(ValueError, match="'hidden', 'out'"):
        dc.prune(model, 0.5, layers="conv*")
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_one_shot_pruning_keeps_the_largest_weights():
    model = dense_net()
    before = kernels(model)
    dc.prune(model, {"hidden": 0.9, "out": 0.5})
    after = kernels(model)
    for name, sparsity in (("hidden", 0.9), ("out", 0.5)):
        mask = reference_mask(before[name], sparsity)
        np.testing.assert_array_equal(after[name], np.where(mask, before[name], 0))


def test_one_shot_pruning_of_the_whole_net():
    model = dense_net()
    dc.prune(model, 0.8, scope="global")
    assert sum(map(zeros, kernels(model).values())) == 208
    dc.prune(model, 0.5, scope="global")
    assert sum(map(zeros, kernels(model).values())) == 208


def test_nan_is_refused_before_anything_changes():
    model = dense_net()
    kernel = np.full((20, 3), np.nan, "float32")
    model.get_layer("out").kernel.assign(kernel)
    before = kernels(model)["hidden"]
    with pytest.raises(ValueError, match="'out/kernel' holds NaN"):
        dc.prune(model, 0.5)
    np.testing.assert_array_equal(kernels(model)["hidden"], before)


def test_an_unbuilt_model_is_refused():
    model = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="has not been built"):
        dc.prune(model, 0.5)


@pytest.mark.parametrize(
    ("scope", "left"), [("layer", [30, 30]), ("global", [60])], ids=["layer", "global"]
)
def test_a_schedule_can_end_at_a_count_of_weights(scope, left):
    model = dense_net()
    dc.prune(model, 0.5)
    n_weights = left[0]
    schedule = dc.PolynomialDecay(n_weights=n_weights, frequency=1)
    history = fit(model, dc.PruningCallback(schedule, scope=scope), epochs=4)
    counts = [kernel.size - zeros(kernel) for kernel in kernels(model).values()]
    assert counts == left if scope == "layer" else sum(counts) == n_weights
    assert dc.count_weights(model) == sum(left)
    assert history.history["sparsity"][0] >= 0.5
    assert dc.count_weights(model, zeros=True) == 10 * 20 + 20 * 3


def test_layers_compete_that_share_an_entry():
    def sparsities(schedule):
        model = dense_net()
        model.layers[0].kernel.assign(100 * model.layers[0].kernel)
        callback = dc.PruningCallback(schedule, scope="global")
        fit(model, callback, epochs=1)
        return {name: zeros(k) / k.size for name, k in kernels(model).items()}

    one = dc.ConstantSparsity(0.5)
    equal = {"hidden": dc.ConstantSparsity(0.5), "out": dc.ConstantSparsity(0.5)}
    apart = {"hidden": 0.5, "out": 0.5}
    # Whether the entries' schedules are one object means nothing.
    assert sparsities({"hidden": one, "out": one}) == sparsities(equal) == apart
    together = sparsities({"*": one})
    assert together["hidden"] < 0.5 < together["out"]


def test_settings_can_be_read_and_changed():
    callback = dc.PruningCallback(0.5, layers=iter(["hidden"]), scope="global")
    assert repr(callback) == (
        "PruningCallback(schedule=0.5, layers=['hidden'], scope='global')"
    )
    assert callback.structure is None
    assert callback.criterion == "magnitude"
    assert callback.verbose == 0
    callback.schedule = 0.75
    callback.layers = None
    model = dense_net()
    fit(model, callback, epochs=1)
    fit(model, callback, epochs=1)  # an iterator would be empty by now
    assert zeros(kernels(model)["out"]) + zeros(kernels(model)["hidden"]) == 195


@pytest.mark.parametrize("is_same", [True, False], ids=["same", "another"])
def test_an_interrupted_training_leaves_no_method_behind(is_same):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = dense_net(optimizer=keras.optimizers.SGD(0.01))
    callback = dc.PruningCallback(0.5, criterion="saliency")
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, Interrupt())
    other = dc.PruningCallback(0.5, criterion="saliency")
    fit(model, callback if is_same else other)
    assert "apply" not in vars(model.optimizer)
    assert "save_own_variables" not in vars(model.optimizer)
    assert all(variable.constraint is None for variable in model.trainable_variables)


def test_a_method_of_the_users_own_comes_back():
    model = dense_net(optimizer=keras.optimizers.SGD(0.01))
    apply, n_calls = model.optimizer.apply, []

    def counted(*arguments):
        n_calls.append(1)
        return apply(*arguments)

    model.optimizer.apply = counted
    fit(model, dc.PruningCallback(0.5, criterion="saliency"))
    assert vars(model.optimizer)["apply"] is counted
    assert n_calls


def test_what_goes_wrong_at_the_start_leaves_the_model_as_it_was():
    model = dense_net()
    model.layers[1].kernel.assign(np.full((20, 3), np.nan))
    with pytest.raises(ValueError, match="NaN"):
        fit(model, dc.PruningCallback(0.5))
    assert all(variable.constraint is None for variable in model.trainable_variables)
    assert "save_own_variables" not in vars(model.optimizer)
    model.layers[1].kernel.assign(np.ones((20, 3)))
    assert "loss" in fit(model).history
