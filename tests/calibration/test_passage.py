"""Models that run on from where an earlier run has come to."""

import keras
import numpy as np
import pytest
from keras import layers

import deepcompress as dc
from deepcompress.calibration import recording
from deepcompress.calibration.passage import Passage, Start
from deepcompress.calibration.recording import Recorder


def nested():
    """A model with another one inside, two branches, and an operation of none."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(6, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(4, 1),
        ]
    )
    inputs = keras.Input((8, 8, 4))
    x = inputs + inner(inputs, training=False)
    x = layers.Dropout(0.5)(x, training=True)
    left, right = layers.Conv2D(5, 3)(x), layers.DepthwiseConv2D(3)(x)
    x = layers.Concatenate()([left, right])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, [layers.Dense(3)(x), x])


def images(n=40):
    return np.random.default_rng(0).normal(size=(n, 8, 8, 4)).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_a_run_goes_on_from_everywhere():
    model, x = nested(), images()
    passage = Passage(model)
    wanted = model(x, training=False)
    places = range(1, 12)
    assert passage.cut(0, 11, np.inf, ()) == 11
    for place in places:
        kept = passage.made(x, 0, {}, place)
        assert kept
        for found in (
            passage.outputs(x, place, kept),
            passage.outputs(x, 11, passage.made(x, place, kept, 11)),
        ):
            for ours, theirs in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(*map(numbers, (ours, theirs)))


def test_a_run_begins_where_little_is_kept_and_no_layer_is_parted():
    passage = Passage(nested())
    sizes = [8 * 8 * n for n in (6, 6, 6, 4, 4, 4)]
    for place, size in enumerate(sizes, 1):
        assert passage.cut(place - 1, place, size, ()) == place
        assert passage.cut(place - 1, place, size - 1, ()) is None
    assert passage.cut(0, 6, 8 * 8 * 4, [(4, 5)]) == 6
    assert passage.cut(0, 6, 8 * 8 * 4, [(4, 6)]) == 4


def test_what_is_recorded_is_the_same_from_everywhere():
    model, x = nested(), images()
    batches = [x[:32], x[32:]]
    recorder = Recorder(model, batches)
    layer = model.layers[-1]
    assert recorder.order([layer]) == [layer]
    seen = []
    start = recorder.nearer(Start(), layer)
    assert start.at == 10
    for each in (Start(), start):
        recorder.record([layer], lambda *own: seen.append(own[2]), each)
    assert [len(rows) for rows in seen] == [32, 8, 32, 8]
    for ours, theirs in zip(seen[:2], seen[2:], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_kernels_are_changed_as_if_every_run_began_with_the_inputs(monkeypatch):
    found = []
    for is_followed in (True, False):
        if not is_followed:
            monkeypatch.setattr(recording, "_passage_of", lambda model, batch: None)
        model = nested()
        dc.prune(model, 0.5, data=images(), scope="global")
        dc.WeightSharingQuantizer(3).quantize(model, data=images())
        found.append(model.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_mask_goes_along():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(5, return_sequences=True),
            layers.LSTM(3),
        ]
    )
    x = np.random.default_rng(0).integers(0, 3, (20, 6))
    passage = Passage(model)
    kept = passage.made(x, 0, {}, 2)
    np.testing.assert_array_equal(
        numbers(passage.outputs(x, 2, kept)), numbers(model(x))
    )


def test_a_mask_goes_along_each_time():
    """Attention takes masks off the tensors that it reads, which are read again."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(tokens)
    x = x + layers.MultiHeadAttention(2, 3)(x, x)
    model = keras.Model(tokens, layers.Dense(2)(layers.LSTM(3)(x)))
    x = np.random.default_rng(0).integers(0, 3, (20, 6))
    passage = Passage(model)
    wanted = numbers(model(x))
    for place in range(1, 4):
        kept = passage.made(x, 0, {}, place)
        for _ in range(2):
            np.testing.assert_array_equal(
                numbers(passage.outputs(x, place, kept)), wanted
            )
    before = model.get_weights()
    dc.prune(model, 0.0, data=x)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("kind", ["states", "own"])
def test_what_cannot_run_on_is_run_as_it_is(kind):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x[:, 0])

    if kind == "own":
        model = Own()
        model(np.ones((1, 5, 4)))
    else:
        model = keras.Sequential(
            [keras.Input(batch_shape=(4, 5, 4)), layers.GRU(3, stateful=True)]
        )
    with pytest.raises(ValueError, match=r"functional|states"):
        Passage(model)
    dc.prune(model, 0.5, data=np.random.default_rng(0).normal(size=(8, 5, 4)))
