"""What every policy keeps to. Another one joins `POLICIES`."""

import dataclasses

import pytest
from helpers.searches import point, state

from deepcompress.search.policy import Clock, Policy, Step, Stop
from deepcompress.search.state import Budget

BUDGET = Budget("accuracy", baseline=0.9, bound=0.8)
PLENTY = Clock(left=1000.0, epoch_seconds=1.0, spent=500.0)
POLICIES = [Policy]


def searched(policy, enough, *, n_weights=100_000, seconds=1000.0, n_fails=0):
    """Searches on a net that is within its budget with `enough` weights."""
    known = policy.after_measuring(
        state(n_good=n_weights, curve=[]), measured(policy.budget, n_weights, enough)
    )
    left, steps = seconds, []
    while isinstance(
        step := policy.next(known, Clock(left, 0.1, seconds - left)), Step
    ):
        assert len(steps) < 1000, "it never ends"
        steps.append(step)
        left -= 0.1 * (step.n_pruning + step.n_sharing) + 1.0
        if len(steps) <= n_fails:
            known = policy.after_divergence(known, step)
        else:
            found = measured(policy.budget, step.n_weights, enough)
            known = policy.after_level(known, step, found)
            known = dataclasses.replace(known, overhead=1.0)
    return known, steps, step, left


def measured(budget, n_weights, enough):
    """Of a net whose accuracy falls ever faster the fewer weights it has."""
    value = budget.baseline - (budget.baseline - budget.bound) * enough / n_weights
    return point(
        value=value,
        is_accurate=budget.is_accurate(value),
        n_weights=n_weights,
        size=100 + n_weights,
        ratio=400_000 / (100 + n_weights),
    )


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("enough", [3, 100, 2_345, 50_000, 99_000])
@pytest.mark.parametrize("seconds", [5.0, 100.0, 10_000.0])
def test_whatever_the_policy_it_finds_the_bound_in_time(policy, enough, seconds):
    known, steps, why, left = searched(policy(BUDGET), enough, seconds=seconds)
    n_good = [p.n_weights for p in known.curve if p.is_accurate]
    assert min(n_good) >= enough * 0.999
    assert known.curve[known.best].n_weights == known.n_good == min(n_good)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert left > -3.0
    if why is Stop.CONVERGED:
        assert known.n_bad < enough <= known.n_good
        assert known.n_good <= max(1.1 * known.n_bad, known.n_bad + 1)
    else:
        assert why is Stop.NO_TIME
        assert seconds < 10_000.0 or enough == 3


@pytest.mark.parametrize("policy", POLICIES)
def test_whatever_the_policy_no_step_leaves_its_bounds(policy):
    known, steps, *_ = searched(policy(BUDGET), 2_345)
    n_good, n_bad, epochs_bad = 100_000, 0, 0
    for step, found in zip(steps, known.curve[1:], strict=True):
        n_epochs = step.n_pruning + step.n_sharing
        # What trains much longer may succeed where another failed.
        assert step.is_rescue or n_bad < step.n_weights or n_epochs > epochs_bad
        assert not step.is_rescue or step.n_weights == n_bad
        assert step.n_weights < n_good
        assert min(step.n_pruning, step.n_sharing) >= 1
        if found.is_accurate:
            n_good = found.n_weights
        else:
            n_bad, epochs_bad = found.n_weights, n_epochs


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("ratio", [5.0, 20.0, 100.0])
def test_whatever_the_policy_it_stops_at_the_target(policy, ratio):
    target = dataclasses.replace(BUDGET, target_ratio=ratio)
    known, _, why, _ = searched(policy(target), 2_345)
    assert why is Stop.TARGET
    assert known.curve[-1].ratio >= ratio
    assert all(each.ratio < ratio for each in known.curve[:-1])
    assert known.curve[-1].ratio < 1.3 * ratio


@pytest.mark.parametrize("policy", POLICIES)
def test_whatever_the_policy_divergence_is_borne_for_a_while(policy):
    known, steps, *_ = searched(policy(BUDGET), 2_345, n_fails=2)
    assert known.n_good < 1.1 * 2_345
    assert [step.rate for step in steps[:3]] == sorted(
        {step.rate for step in steps[:3]}, reverse=True
    )
    known, _, why, _ = searched(policy(BUDGET), 2_345, n_fails=1000)
    assert why is Stop.DIVERGING
    assert len(known.curve) == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_whatever_the_policy_it_changes_nothing_that_it_is_given(policy):
    policy, known = policy(BUDGET), state()
    before = repr(known)
    step = policy.next(known, PLENTY)
    policy.after_level(known, step, point())
    policy.after_measuring(known, point())
    policy.after_divergence(known, step)
    assert repr(known) == before
    assert policy.next(known, PLENTY) == step
