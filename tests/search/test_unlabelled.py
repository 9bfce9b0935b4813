"""A search without labels, and one without training."""

import keras
import numpy as np
import pytest
from helpers.searches import blobs, classifier, compress
from keras import layers

import deepcompress as dc
from deepcompress.network.outputs import (
    decisions,
    distance,
    likely_decisions,
    outputs_of,
)


def _plain(model):
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    assert not copy.compiled
    return copy


def search(model, x, **arguments):
    arguments = {"max_change": 0.04, "time_budget": 300, "verbose": 0, **arguments}
    return dc.compress(model, x, **arguments)


@pytest.mark.parametrize("is_compiled", [True, False])
def test_decisions_are_kept_on_inputs_held_back(is_compiled, tmp_path):
    model = classifier("softmax")
    model = model if is_compiled else _plain(model)
    x, _ = blobs()
    before = model.get_weights()
    result = search(model, x, target_ratio=8.0)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert result.is_met
    assert result.budget.monitor == "change"
    assert result.best.ratio >= 8
    result.save(tmp_path / "small.dcz")
    loaded = dc.load_model(tmp_path / "small.dcz")
    assert loaded.compiled == is_compiled
    others, _ = blobs(2000, seed=3)
    changed = decisions(
        model.predict(others, verbose=0), loaded.predict(others, verbose=0)
    )
    assert changed < 0.1


def test_of_a_net_that_does_without_its_weights_some_are_left():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16,)), layers.Dense(8), layers.Dense(1)])
    x, _ = blobs()
    result = search(model, x, measure=lambda before, after: 0.0, epochs=0)
    assert result.is_met
    assert min(point.n_weights for point in result.curve) in (1, 2)


def test_what_is_measured_is_of_the_validation_inputs():
    model, (x, _), (held, _) = classifier("softmax"), blobs(), blobs(300, seed=2)
    result = search(model, x, validation_data=held, epochs=0)
    ours, theirs = (
        [net.predict(data, verbose=0) for data in (held, x)]
        for net in (model, result.model)
    )
    likely = likely_decisions(ours[0], theirs[0], ours[1])
    counted = decisions(np.concatenate(ours), np.concatenate(theirs))
    assert result.best.value == pytest.approx(max(likely, counted))
    assert counted <= 0.04
    assert all(point.epochs == 0 for point in result.curve)
    assert "without training" in result.ending


def regression():
    keras.utils.set_random_seed(0)
    left, right = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    x = layers.Concatenate()([left, right])
    x = layers.Dense(256, activation="relu")(x)
    return keras.Model([left, right], [layers.Dense(2)(x), layers.Dense(1)(x)])


def test_outputs_that_are_no_decisions_are_kept_near():
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(400, 6)), rng.normal(size=(400, 4))]
    result = search(regression(), x, max_change=0.1, target_ratio=3.0)
    assert result.is_met
    assert 0 < result.best.value <= 0.1


def test_texts_are_inputs_too():
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(200)]
    vectorized = layers.TextVectorization(20, output_sequence_length=6)
    vectorized.adapt(texts)
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            vectorized,
            layers.Embedding(20, 32),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    result = search(model, tf.constant(texts), measure="decisions", target_ratio=3.0)
    assert result.is_met


def test_a_model_with_states_takes_batches_of_its_size():
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(16, 5, 4)),
            layers.LSTM(16, stateful=True),
            layers.Dense(3),
        ]
    )
    x = np.random.default_rng(0).normal(size=(150, 5, 4)).astype("float32")
    result = search(model, x, measure="decisions", max_change=0.1, epochs=0)
    assert result.is_met
    np.testing.assert_array_equal(
        outputs_of(result.model, x[:144]), outputs_of(result.model, x[:144])
    )
    with pytest.raises(ValueError, match="batches of 16 samples, and `train` holds 15"):
        search(model, x[:15], measure="decisions")


def test_what_gives_its_inputs_back_decides_nothing():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(8, "relu"),
            layers.Dense(16, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    x, _ = blobs()
    result = search(model, x, epochs=0, max_change=0.1)
    before, after = (net.predict(x, verbose=0) for net in (model, result.model))
    assert result.best.value == pytest.approx(distance(before, after), rel=0.2)
    assert decisions(before, after) > 0.1


def test_a_measure_may_be_told_by_name_or_as_a_function():
    model, (x, _) = classifier("softmax"), blobs()
    seen = []

    def largest(before, after):
        seen.append(before.shape)
        return np.abs(before - after).max()

    result = search(model, x, measure=largest, max_change=0.3, epochs=0)
    assert result.is_met
    assert seen[0] == (150, 3)
    result = search(model, x, measure="distance", max_change=0.3, epochs=0)
    assert result.is_met


def test_what_was_pruned_is_reconstructed_as_long_as_is_said():
    model, (x, _) = classifier("softmax"), blobs()
    result = search(model, x, reconstruct=False)
    assert all(point.epochs == 0 for point in result.curve)
    result = search(model, x, reconstruct=7.9, time_budget=8.0)
    assert any(point.epochs > 0 for point in result.curve)


def test_labels_judge_without_training():
    result = compress(classifier(), epochs=0)
    assert result.is_met
    assert result.best.ratio > 4
    assert all(point.epochs == 0 for point in result.curve)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x": blobs(20)[0]}, "too few to hold some back"),
        ({"max_change": 0.0}, "max_change"),
        ({"max_change": 1.5}, "max_change"),
        ({"measure": "accuracy"}, "measure"),
        ({"epochs": 3}, "`epochs` must be None"),
        ({"x": np.full((100, 16), np.nan)}, "NaN or infinity"),
        ({"x": np.full((100, 16), 1e38)}, "outputs of .* hold NaN"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, said):
    arguments = {"x": blobs()[0], **arguments}
    model = classifier(None)
    model.layers[1].kernel.assign(1e3 * model.layers[1].kernel)
    with pytest.raises(ValueError, match=said):
        search(model, **arguments)


def test_a_model_without_a_compilation_needs_a_bound_on_what_changes():
    with pytest.raises(ValueError, match="max_change"):
        dc.compress(_plain(classifier()), blobs()[0], blobs()[0])
