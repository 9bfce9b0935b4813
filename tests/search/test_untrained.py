"""Which bits and sparsities are tried without training."""

import math

import pytest

from deepcompress.search.untrained import (
    ALONE,
    BEFORE_FEW_INPUTS,
    BEFORE_TRAINING,
    Trial,
)


def tried(plan, bears, *, power=1.5, most=100):
    """What is tried on a net that at such densities uses all of its budget."""
    trials = []
    while chosen := plan.next(trials, 0.0):
        assert len(trials) < most, "it never ends"
        bits, sparsity, _ = chosen
        trials.append(Trial(bits, sparsity, (bears[bits] / (1 - sparsity)) ** power))
    return trials


@pytest.mark.parametrize("plan", [ALONE, BEFORE_FEW_INPUTS, BEFORE_TRAINING])
@pytest.mark.parametrize("density", [0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01])
@pytest.mark.parametrize("power", [0.8, 1.5, 4.0])
def test_few_trials_find_about_the_least_weights_that_do(plan, density, power):
    trials = tried(plan, dict.fromkeys((4, 3, 2), density), power=power)
    first = [trial for trial in trials if trial.bits == 4]
    least = min(1 - trial.sparsity for trial in first if trial.is_accurate)
    assert density <= least < density / plan.step**1.01
    assert len(first) <= 9
    assert trials == sorted(trials, key=lambda trial: -trial.bits)


def test_the_fourth_is_within_a_tenth_where_use_grows_as_a_power():
    trials = tried(ALONE, dict.fromkeys((4, 3, 2), 0.13))[:4]
    borne = [1 - trial.sparsity for trial in trials if trial.is_accurate]
    assert min(borne) < 1.1 * 0.13


@pytest.mark.parametrize("used", [0.0, 0.5, 1.0])
def test_a_net_that_bears_all_is_pruned_to_hardly_any_weights(used):
    trials = []
    while chosen := ALONE.next(trials, 0.0):
        assert len(trials) < 100, "it never ends"
        trials.append(Trial(*chosen[:2], used))
    assert max(trial.sparsity for trial in trials) > 0.997
    assert {trial.bits for trial in trials} == {4, 3, 2}


@pytest.mark.parametrize("used", [1.1, 1e9, math.inf, math.nan])
def test_a_net_that_bears_nothing_is_soon_let_alone(used):
    trials = []
    while chosen := ALONE.next(trials, 0.0):
        assert len(trials) < 100, "it never ends"
        trials.append(Trial(*chosen[:2], used))
    assert not any(trial.is_accurate for trial in trials)
    assert {trial.bits for trial in trials} == {4, 5, 6}
    assert len(trials) <= 30
    assert min(trial.sparsity for trial in trials) == 0


def test_more_bits_are_tried_where_few_do_not_even_bear_to_be_shared():
    bears = {4: 1.2, 5: 1.1, 6: 0.5}
    trials = tried(BEFORE_FEW_INPUTS, bears)
    assert [t.bits for t in trials] == sorted(t.bits for t in trials)
    (first, *others) = [t for t in trials if t.bits == 6]
    assert not first.sparsity
    least = min(1 - t.sparsity for t in others if t.is_accurate)
    assert 0.5 <= least < 0.5 / BEFORE_FEW_INPUTS.step**1.01
    assert {t.bits for t in tried(ALONE, dict.fromkeys((4, 5, 6), 1.5))} == {4, 5, 6}


@pytest.mark.parametrize("plan", [ALONE, BEFORE_TRAINING])
@pytest.mark.parametrize("density", [0.9, 0.3, 0.05])
def test_weights_give_way_at_last_from_more_of_them(plan, density):
    trials = []
    while chosen := plan.next(trials, 0.0, has_price=True):
        assert len(trials) < 100, "it never ends"
        bits, sparsity, is_priced = chosen
        borne = density * (1.5 if is_priced else 1.0)
        used = (borne / (1 - sparsity)) ** 1.5
        trials.append(Trial(bits, sparsity, used, is_priced))
    plain = [trial for trial in trials if not trial.is_priced]
    assert plain == tried(plan, dict.fromkeys((4, 3, 2), density))
    priced = trials[len(plain) :]
    assert all(trial.is_priced for trial in priced)
    assert {trial.bits for trial in priced} == set(plan.bits)
    for bits in plan.bits:
        own = [trial for trial in priced if trial.bits == bits]
        assert len(own) <= 7
        borne = [1 - trial.sparsity for trial in own if trial.is_accurate]
        if 1.5 * density < 1:
            assert 1.5 * density <= min(borne) < 1.5 * density / plan.step**1.01


def test_nothing_is_begun_late():
    assert BEFORE_TRAINING.next([], BEFORE_TRAINING.time + 0.01) is None
    assert BEFORE_TRAINING.next([], BEFORE_TRAINING.time) is not None


@pytest.mark.parametrize(("used", "is_safe"), [(0.9, True), (1.1, False)])
def test_where_time_is_up_before_anything_is_borne_sharing_alone_is_tried(
    used, is_safe
):
    trials = [Trial(4, 0.95, used)]
    late = ALONE.time + 0.01
    chosen = ALONE.next(trials, late)
    assert chosen == (None if is_safe else (4, 0.0, False))
    if chosen is not None:
        trials.append(Trial(*chosen[:2], 1.1))
        assert ALONE.next(trials, late) is None
