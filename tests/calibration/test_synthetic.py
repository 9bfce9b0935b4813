"""Images that are made up, where none are at hand."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import deepcompress as dc
from deepcompress.calibration import calibrate, statistics
from deepcompress.calibration.calibrate import Calibration
from deepcompress.calibration.statistics import scale_for
from deepcompress.calibration.synthetic import synthetic_inputs
from deepcompress.network.variables import named_variables


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Digits of 16 by 16 pixels from 0 to 255, and what they are."""
    images, labels = load_digits(return_X_y=True)
    large = np.kron(images.reshape(-1, 8, 8), np.ones((2, 2)))[..., None]
    return (255 / 16 * large).astype("float32"), labels


def net(*, first: list[keras.Layer], is_normalized: bool) -> keras.Model:
    """A net that has learnt digits."""
    keras.utils.set_random_seed(0)
    body = []
    for filters in (12, 24):
        body.append(layers.Conv2D(filters, 3, padding="same"))
        body += [layers.BatchNormalization(momentum=0.8)] * is_normalized
        body += [layers.ReLU(), layers.MaxPooling2D()]
    model = keras.Sequential(
        [keras.Input((16, 16, 1)), *first, *body, layers.Flatten(), layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    x, y = digits()
    model.fit(x[:1200], y[:1200], epochs=4, verbose=0)
    return model


def moved(model: keras.Model, change) -> float:
    """How far the outputs of a changed net are from those that it had."""
    x = digits()[0][1200:]
    weights, before = model.get_weights(), model.predict(x, verbose=0)
    change(model)
    after = model.predict(x, verbose=0)
    model.set_weights(weights)
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


@pytest.mark.parametrize("is_normalized", [True, False])
def test_nets_bear_more_than_without_any_inputs(is_normalized):
    model = net(first=[layers.Rescaling(1 / 255)], is_normalized=is_normalized)

    def shared(data):
        return lambda m: dc.WeightSharingQuantizer(2).quantize(m, data=data)

    def pruned(data):
        return lambda m: dc.prune(m, 0.6, scope="global", data=data)

    for change in (shared, pruned):
        assert moved(model, change("synthetic")) < 0.7 * moved(model, change(None))


def test_pixels_are_as_large_as_normalization_says():
    """Of a net that takes pixels up to 255, and does not say so."""
    model = net(first=[], is_normalized=True)

    def shared(data):
        return lambda m: dc.WeightSharingQuantizer(2).quantize(m, data=data)

    assert moved(model, shared("synthetic")) < 0.7 * moved(model, shared(None))
    recorder = Calibration(model, "synthetic")._recorder
    (normalization, _) = [
        layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)
    ]
    assert scale_for(normalization, recorder.record) == 1  # by now


@pytest.mark.parametrize(
    ("first", "least", "most"),
    [
        ([], 0, 1),
        ([layers.Rescaling(1 / 255)], 0, 255),
        ([layers.Rescaling(1 / 127.5, -1)], 0, 255),
    ],
)
def test_pixels_are_as_large_as_a_model_says(first, least, most):
    model = keras.Sequential([keras.Input((9, 8, 3)), *first, layers.Flatten()])
    images = synthetic_inputs(model, 300)
    assert images.shape == (300, 9, 8, 3)
    assert images.dtype == "float32"
    assert (images.min(), images.max()) == pytest.approx((least, most))


def test_pixels_are_such_as_a_model_has_been_adapted_to():
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(50, 7, (100, 6, 6, 1)))
    model = keras.Sequential([keras.Input((6, 6, 1)), normalization])
    images = synthetic_inputs(model, 300)
    assert images.mean() == pytest.approx(50, abs=2)
    assert images.std() == pytest.approx(7, rel=0.1)


def test_neighbours_are_alike_and_channels_are_not():
    with_data_format = layers.Conv2D(4, 3, data_format="channels_first")
    for shape, after, spatial in (
        ((12, 12, 5), layers.Flatten(), (1, 2)),
        ((5, 12, 12), layers.Conv2D(2, 3, data_format="channels_first"), (2, 3)),
    ):
        if keras.backend.backend() == "tensorflow" and shape[0] == 5:
            model = keras.Sequential([keras.Input(shape), layers.Flatten()])
            model.layers[0].data_format = with_data_format.data_format
        else:
            model = keras.Sequential([keras.Input(shape), after])
        images = synthetic_inputs(model, 200)
        images = images - images.mean(spatial, keepdims=True)
        for axis in (1, 2, 3):
            ahead = np.take(images, range(1, images.shape[axis]), axis)
            here = np.take(images, range(images.shape[axis] - 1), axis)
            alike = np.corrcoef(ahead.ravel(), here.ravel())[0, 1]
            assert (alike > 0.6) == (axis in spatial), (shape, axis, alike)


def test_two_images_are_made_up_for_two_inputs():
    one, other = keras.Input((6, 6, 1)), keras.Input((4, 4, 3))
    shared = layers.Dense(8)
    sides = [layers.Dense(8)(layers.Flatten()(side)) for side in (one, other)]
    model = keras.Model([one, other], shared(layers.Add()(sides)))
    assert [x.shape[1:] for x in synthetic_inputs(model, 5)] == [(6, 6, 1), (4, 4, 3)]
    dc.prune(model, 0.5, data="synthetic")
    assert np.mean(shared.get_weights()[0] == 0) == 0.5


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (keras.Sequential([keras.Input((5,)), layers.Dense(2)]), r"\(5,\)"),
        (
            keras.Sequential(
                [keras.Input((8, 8, 1), dtype="int32"), layers.Embedding(3, 2)]
            ),
            "integers",
        ),
        (keras.Sequential([keras.Input((None, 8, 1)), layers.Conv2D(2, 1)]), "None"),
    ],
    ids=["vectors", "words", "any size"],
)
def test_what_is_no_image_cannot_be_made_up(model, said):
    before = model.get_weights()
    with pytest.raises(ValueError, match=said) as error:
        dc.prune(model, 0.5, data="synthetic")
    assert "Give some real inputs as `data`" in str(error.value)
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_other_words_are_refused():
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 1)])
    with pytest.raises(ValueError, match="synthetic"):
        dc.prune(model, 0.5, data="noise")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failing_in_the_midst_leaves_statistics_as_they_were(monkeypatch, error):
    model = net(first=[], is_normalized=True)
    before = model.get_weights()
    n_seen = []

    def fail(*args):
        n_seen.append(args)
        if len(n_seen) > 2:
            raise error("in the midst")
        return known(*args)

    known = calibrate.problem_of
    monkeypatch.setattr(calibrate, "problem_of", fail)
    with pytest.raises(error, match="in the midst"):
        dc.prune(model, 0.5, data="synthetic")
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours.view("uint32"), theirs.view("uint32"))


def test_looking_changes_nothing():
    model = net(first=[], is_normalized=True)
    before = model.get_weights()
    kernels = [v for v in named_variables(model) if v.variable.path.endswith("kernel")]
    Calibration(model, "synthetic").shared_out(kernels, 100)
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours.view("uint32"), theirs.view("uint32"))


def test_statistics_that_have_not_moved_are_the_same_to_the_bit():
    own = np.array([1e-10, 3.0]), np.array([1e-12, 2.0])
    seen = np.array([100.0, 0.3]), np.array([7.0, 0.1])
    layer = keras.layers.BatchNormalization()
    found = statistics.moved(layer, own, seen, seen)
    for ours, theirs in zip(found, own, strict=True):
        np.testing.assert_array_equal(ours, theirs)
