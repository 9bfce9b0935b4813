import dataclasses

import keras
import numpy as np
import pytest
from helpers.searches import blobs, classifier, levels_of

import deepcompress as dc
from deepcompress.search.oneshot import OneShot
from deepcompress.search.policy import Step
from deepcompress.search.state import Budget
from deepcompress.search.stopwatch import Stopwatch
from deepcompress.search.trainer import quiet

BUDGET = Budget("accuracy", baseline=0.9, bound=0.5)
STEP = Step(
    number=1, n_weights=200, n_pruning=2, n_sharing=1,
    bits_seconds=10.0, reserve=0.0, rate=1.0,
)  # fmt: skip


def test_a_level_prunes_to_so_many_weights_and_writes_the_file():
    model = classifier()
    before = model.get_weights()
    levels = levels_of(model, BUDGET)
    shown = []
    net, (data, point, _), overhead, earlier = levels.run(model, STEP, shown.append)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert dc.count_weights(net) <= 200
    loaded = dc.HuffmanSerializer().loads(data)
    assert dc.count_weights(loaded) == point.n_weights <= 200
    assert point.size == len(data)
    metrics = loaded.evaluate(*blobs(300, seed=2), verbose=0, return_dict=True)
    assert metrics["accuracy"] == pytest.approx(point.value)
    assert point.bits == levels.bits
    for kernel in (layer.get_weights()[0] for layer in loaded.layers[1:]):
        assert len(np.unique(kernel)) <= 2 ** max(point.bits.values())
    # The net goes on without shared weights.
    assert n_distinct(net) > n_distinct(loaded)
    assert shown[:2] == [1, 2]
    assert overhead >= 0
    assert earlier is None


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_what_sharing_has_spoilt_is_shared_nearer_or_with_more_bits(is_calibrated):
    levels = levels_of(classifier(), BUDGET, bits={"wide": 3, "out": 3})
    levels._one_shot.is_calibrated = is_calibrated
    ways = [(4, 0.02), (5, 0.02), (6, 0.02), (7, 0.02), (8, 0.02)]
    if is_calibrated:
        ways = [(3, 0.005), (4, 0.02), (4, 0.005), *ways[1:]]
    expected = [({"wide": bits, "out": bits}, price) for bits, price in ways]
    assert list(levels._nearer(levels.bits, 0.6)) == expected
    assert list(levels._nearer(levels.bits, 0.4)) == []
    assert list(levels._nearer({"wide": 8, "out": 8}, 0.6)) == []


def test_biases_are_folded_and_shared_once_kernels_are():
    model = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(8), keras.layers.Dense(40)]
    )
    for layer in model.layers:
        layer.bias.assign(np.linspace(0.5, 1, layer.units))
    x, _ = blobs()
    kernels = keras.models.clone_model(model)
    kernels.set_weights(model.get_weights())
    settings = {"init": "optimal", "mantissa_bits": 4}
    sharing = dc.WeightSharingQuantizer(3, entropy_weight=0.02, **settings)
    sharing.quantize(kernels, data=x)
    expected = kernels.predict(x, verbose=0)
    OneShot(x, 60, pytest.fail).share(model, 3, price=0.02, bias_bits=4, **settings)
    for ours, theirs in zip(model.layers, kernels.layers, strict=True):
        np.testing.assert_array_equal(ours.kernel.numpy(), theirs.kernel.numpy())
    first, last = (layer.bias.numpy() for layer in model.layers)
    assert not first.any()
    assert 8 < len(np.unique(last)) <= 16
    distance = np.abs(model.predict(x, verbose=0) - expected)
    assert distance.max() < 0.1 < np.ptp(expected)


def test_without_training_the_smallest_files_are_written():
    model = classifier()
    before = model.get_weights()
    levels = levels_of(model, BUDGET)
    assert levels.untrained_seconds == 0
    written = list(levels.untrained(model))
    assert 0 < levels.untrained_seconds < levels.stopwatch.spent
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # Of so many bits, as near as can be, and with weights that gave way.
    bits = [set(each.point.bits.values()) for each in written]
    assert bits == [{3}, {3}, {4}, {4}]
    for data, point, _ in written:
        assert point.is_accurate
        loaded = dc.HuffmanSerializer().loads(data)
        metrics = loaded.evaluate(*blobs(300, seed=2), verbose=0, return_dict=True)
        assert metrics["accuracy"] == pytest.approx(point.value)
        assert dc.count_weights(loaded) == point.n_weights < dc.count_weights(model)
    few, more = (each.point for each in written[::2])
    assert few.n_weights >= more.n_weights


def n_distinct(net):
    return len(np.unique(np.concatenate([w.ravel() for w in net.get_weights()])))


def forms():
    """Every form of validation data that `compress` accepts, of the same samples."""

    class Batches(keras.utils.PyDataset):
        def __init__(self, *arrays):
            super().__init__()
            self.arrays = arrays

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return tuple(a[100 * index : 100 * (index + 1)] for a in self.arrays)

    arrays = blobs(300, seed=2)
    weighted = (*arrays, np.ones(300, "float32"))
    yield "arrays", arrays
    yield "a list", list(arrays)
    yield "weights", weighted
    yield "a PyDataset", Batches(*arrays)
    yield "a PyDataset with weights", Batches(*weighted)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for name, each in (("a dataset", arrays), ("one with weights", weighted)):
            yield name, tf.data.Dataset.from_tensor_slices(each).batch(100)


def bits_of(model, budget, validation=None, *, seconds=10.0, before=None):
    levels = levels_of(model, budget, validation=validation, is_trained=False)
    levels.bits = before or {}
    with quiet():
        return levels.choose_bits(model, seconds)[0]


@pytest.mark.long
def test_bits_are_measured_on_every_form_of_validation_data():
    model = classifier()
    bits = {name: bits_of(model, BUDGET, data) for name, data in forms()}
    assert len(bits) >= 5
    # Where there is no time to measure, there are five.
    assert set(bits["arrays"].values()) == {3}
    assert all(each == bits["arrays"] for each in bits.values()), bits


def test_samples_that_do_not_count_do_not_choose_bits():
    model = classifier()
    x, y = blobs(300, seed=2)
    noise = np.random.default_rng(0).integers(0, 3, 900)
    many = np.concatenate([x, x, x, x]), np.concatenate([y, noise])
    weight = np.repeat([1.0, 0.0], [300, 900]).astype("float32")
    bits = []
    for validation in ((x, y), (*many, weight)):
        loss, _ = model.evaluate(
            *validation[:2], sample_weight=(*validation, None)[2], verbose=0
        )
        budget = Budget("loss", loss, 1.2 * loss, is_less_better=True)
        bits.append(bits_of(model, budget, validation))
    assert bits[0] == bits[1]
    # Where all cost too much, there are eight.
    assert max(bits[0].values()) < 8


def test_without_time_bits_are_not_measured():
    model = classifier()
    assert bits_of(model, BUDGET, seconds=0.0) == {"wide": 5, "out": 5}
    before = {"wide": 4, "out": 6}
    assert bits_of(model, BUDGET, seconds=0.0, before=before) == before


@pytest.mark.parametrize("is_trained", [False, True])
def test_a_net_that_sharing_has_spoilt_gets_more_bits(is_trained, monkeypatch):
    model = classifier()
    baseline = model.evaluate(*blobs(300, seed=2), verbose=0)[1]
    levels = levels_of(model, Budget("accuracy", baseline, baseline - 0.02))
    levels.bits = {"wide": 1, "out": 1}
    policy = levels.policy
    monkeypatch.setattr(policy, "is_at_once", True)
    monkeypatch.setattr(policy, "is_worth_training", lambda value, clock: is_trained)
    monkeypatch.setattr(policy, "finer_bits", lambda bits, value: {"wide": 8, "out": 8})
    share, fit, trained = levels._one_shot.share, levels._trainer.fit, []

    def spoilt(net, bits, **settings):
        share(net, bits, **settings)
        if bits["wide"] == 1:
            net.set_weights([np.zeros_like(weight) for weight in net.get_weights()])

    def watched(net, *args, **settings):
        trained.append(n_distinct(net))
        return fit(net, *args, **settings)

    monkeypatch.setattr(levels._one_shot, "share", spoilt)
    monkeypatch.setattr(levels._trainer, "fit", watched)
    step = dataclasses.replace(STEP, n_weights=900, bits_seconds=0.0)
    with quiet():
        _, (_, point, loaded), *_ = levels.run(model, step)
    assert point.is_accurate
    assert point.bits == levels.bits == {"wide": 8, "out": 8}
    assert n_distinct(loaded) > 16
    # What training cannot win back is not trained.
    assert len(trained) == 1 + is_trained
    assert min(trained) > 16


def test_a_net_that_is_poor_before_it_is_shared_tells_so(monkeypatch):
    model, trained = classifier(), []
    impossible = Budget("accuracy", baseline=2.0, bound=1.9)
    levels = levels_of(model, impossible, is_at_once=True)
    levels.bits = {"wide": 3, "out": 3}
    fit = levels._trainer.fit

    def watched(net, *args, **settings):
        trained.append(net)
        return fit(net, *args, **settings)

    monkeypatch.setattr(levels._trainer, "fit", watched)
    with quiet():
        _, (_, point, _), *_ = levels.run(model, STEP)
    # Not what so few bits take besides, and the next level begins with them again.
    assert point.bits == {"wide": 5, "out": 5}
    assert levels.bits == {"wide": 3, "out": 3}
    assert len(trained) == 1


def test_a_net_that_is_late_is_not_shared_over_and_over(monkeypatch):
    model, shared = classifier(), []
    levels = levels_of(model, BUDGET, is_at_once=True)
    levels.bits = {"wide": 3, "out": 3}
    step = dataclasses.replace(STEP, n_weights=900)
    share = levels._one_shot.share

    def spoilt(net, bits, **settings):
        share(net, bits, **settings)
        shared.append(bits)
        net.set_weights([np.zeros_like(weight) for weight in net.get_weights()])

    monkeypatch.setattr(levels._one_shot, "share", spoilt)
    monkeypatch.setattr(levels.policy, "is_worth_training", lambda value, clock: False)
    with quiet():
        assert not levels.run(model, step).written.point.is_accurate
        n_in_time = len(shared)
        monkeypatch.setattr(levels, "stopwatch", Stopwatch(0.0))
        shared.clear()
        assert not levels.run(model, step).written.point.is_accurate
    assert n_in_time > 5
    assert len(shared) == 1


def test_where_the_last_net_is_not_good_an_earlier_one_on_its_way_is():
    model = classifier()
    before = model.get_weights()
    baseline = model.evaluate(*blobs(300, seed=2), verbose=0)[1]
    levels = levels_of(model, Budget("accuracy", baseline, baseline - 0.02))
    step = dataclasses.replace(STEP, n_weights=4, n_pruning=12)
    with quiet():
        net, written, _, earlier = levels.run(model, step)
    assert not written.point.is_accurate
    assert dc.count_weights(net) <= 4
    net, (data, point, _) = earlier
    assert point.is_accurate
    assert 4 < point.n_weights <= dc.count_weights(net) < dc.count_weights(model)
    loaded = dc.HuffmanSerializer().loads(data)
    metrics = loaded.evaluate(*blobs(300, seed=2), verbose=0, return_dict=True)
    assert metrics["accuracy"] == pytest.approx(point.value)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("fold", [False, True])
def test_files_hold_folded_statistics_where_it_is_asked_for(fold):
    model = classifier(normalize=True)
    levels = levels_of(model, BUDGET, fold=fold)
    net, (_, point, loaded), *_ = levels.run(model, STEP)
    assert point.is_accurate
    statistics = [
        np.all(each.get_layer("norm").moving_variance.numpy() == 1)
        for each in (net, loaded)
    ]
    assert statistics == [False, fold]  # training goes on with those of the data


def test_the_fewest_bits_borne_without_training_are_the_first_guess():
    levels = levels_of(classifier(), BUDGET)
    assert levels.bits == {}
    list(levels.untrained(classifier()))
    assert levels.bits == {"wide": 3, "out": 3}
