import itertools

import keras
import numpy as np
from helpers.searches import blobs, classifier

import deepcompress as dc
from deepcompress.search import milestones as module
from deepcompress.search.milestones import Milestones


class Noting(keras.callbacks.Callback):
    """Keeps the weights after every step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.weights.append(self.model.get_weights())


def trained(model, *, part=0.5, sparsity=0.9):
    milestones, noting = Milestones(model, part=part), Noting()
    schedule = dc.PolynomialDecay(sparsity, end=0.8, frequency=1)
    pruning = dc.PruningCallback(schedule, scope="global")
    model.fit(
        *blobs(), batch_size=10, epochs=3, verbose=0,
        callbacks=[pruning, milestones, noting],
    )  # fmt: skip
    return milestones.weights, noting.weights


def n_nonzero(weights):
    return sum(np.count_nonzero(w) for w in weights if w.ndim > 1)


def test_weights_are_kept_each_time_that_a_part_is_gone():
    model = classifier()
    n_weights = dc.count_weights(model)
    kept, _ = trained(model)
    counts = [n_weights, *map(n_nonzero, kept)]
    assert len(counts) >= 3  # a half and a quarter
    assert all(after <= before / 2 for before, after in itertools.pairwise(counts))


def test_they_are_averages_of_what_is_left(monkeypatch):
    monkeypatch.setattr(module, "_FREQUENCY", 1)
    kept, steps = trained(classifier(), part=0.5)
    counts = [n_nonzero(weights) for weights in steps]
    at = next(i for i, n in enumerate(counts) if n <= n_nonzero(kept[0]))
    for i, weight in enumerate(kept[0]):
        mean = steps[0][i].astype("float64")
        for step in steps[1 : at + 1]:
            mean += 0.1 * (step[i] - mean)
        np.testing.assert_allclose(
            weight, np.where(steps[at][i] != 0, mean, 0), rtol=1e-4, atol=1e-6
        )


def test_where_less_is_pruned_nothing_is_kept():
    kept, _ = trained(classifier(), part=0.05)
    assert kept == []
