"""How far outputs have moved, and what some hundred tell of thousands."""

import keras
import numpy as np
import pytest

from deepcompress.network import outputs
from deepcompress.network.outputs import decisions, distance, likely_decisions


def test_decisions_of_one_class_and_of_several_outputs():
    before = np.array([[0.2], [0.7], [0.9], [0.4]])
    after = np.array([[0.2], [0.4], [0.9], [0.4]])
    assert decisions(before, after) == 0.25
    assert decisions(before - 0.5, after - 0.5) == 0.25
    one_hot = np.eye(3)
    assert decisions([before, one_hot], [before, one_hot[::-1]]) == pytest.approx(2 / 3)


def test_distance_of_outputs_is_the_worst_of_several():
    ones = np.ones((4, 2))
    assert distance({"a": ones, "b": ones}, {"a": ones, "b": 1.5 * ones}) == 0.5
    assert distance(np.zeros(3), np.zeros(3)) == 0


def made(n, n_classes, seed=0):
    """Logits of a net, and those of one like it."""
    rng = np.random.default_rng(seed)
    before = rng.normal(0, 3, (n, n_classes))
    return before, before + rng.normal(0, 0.3, before.shape)


def softmax(logits):
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("form", [np.asarray, softmax])
def test_some_hundred_outputs_tell_what_thousands_show(n_classes, form):
    before, after = made(20_000, n_classes)
    share = decisions(before, after)
    found, counted = [], []
    for begin in range(0, 6400, 128):
        at = slice(begin, begin + 128)
        others = form(before[begin + 128 : begin + 512])
        found.append(likely_decisions(form(before[at]), form(after[at]), others))
        counted.append(decisions(before[at], after[at]))
    assert share < np.mean(found) < 1.6 * share
    assert np.mean(np.array(found) < 0.8 * share) < 0.1
    assert np.std(found) < 0.6 * np.std(counted)


@pytest.mark.parametrize("form", [np.asarray, lambda z: 1 / (1 + np.exp(-z))])
def test_outputs_of_a_single_class_have_leads_too(form):
    before, after = made(20_000, 1)
    share = decisions(before, after)
    found = [
        likely_decisions(
            form(before[i : i + 128]), form(after[i : i + 128]), form(before[:500])
        )
        for i in range(0, 6400, 128)
    ]
    assert share < np.mean(found) < 1.6 * share


def test_thousands_of_outputs_are_counted():
    before, after = made(outputs._MANY, 5)
    assert likely_decisions(before, after, before) == decisions(before, after) > 0


def test_outputs_that_are_the_same_are_likely_to_stay_so():
    before, _ = made(100, 4)
    tied = np.ones((50, 3))
    assert likely_decisions(before, before, before) == 0
    assert likely_decisions(tied, tied, tied) == 0
    assert likely_decisions([before, tied], [before, tied], [before, tied]) == 0


def test_outputs_that_are_not_numbers_are_likely_to_change():
    before, _ = made(100, 4)
    assert likely_decisions(before, np.full_like(before, np.nan), before) == 1.0


def test_of_sequences_each_element_is_a_decision():
    before, after = made(60, 4)
    stacked = (each.reshape(6, 10, 4) for each in (before, after, before))
    assert likely_decisions(*stacked) == likely_decisions(before, after, before)
