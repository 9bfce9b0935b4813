"""The policy alone, with numbers for nets. Another one joins `POLICIES`."""

import dataclasses
import math
import subprocess
import sys

import pytest
from helpers.searches import point, state

from deepcompress.search.policy import Clock, Policy, Step, Stop
from deepcompress.search.state import Budget

BUDGET = Budget("accuracy", baseline=0.9, bound=0.8)
TARGET = Budget("accuracy", baseline=0.9, bound=0.8, target_ratio=10.0)
LOSS = Budget("loss", baseline=1.0, bound=1.5, is_less_better=True)
PLENTY = Clock(left=1000.0, epoch_seconds=1.0)
POLICIES = [Policy]


@pytest.mark.parametrize(
    ("used", "n_weights"),
    [
        (0.0, 250), (0.1, 250),
        (0.11, 400), (0.3, 400),
        (0.31, 600), (0.6, 600),
        (0.61, 800), (1.0, 800),
    ],
)  # fmt: skip
def test_a_level_is_smaller_the_more_of_the_budget_is_used(used, n_weights):
    step = Policy(BUDGET).next(state(n_good=1000, used=used), PLENTY)
    assert step.n_weights == n_weights


@pytest.mark.parametrize(
    ("n_good", "n_bad", "n_weights"),
    [(1000, 250, 500), (500, 250, 354), (1000, 900, 949), (100, 1, 10)],
)
def test_after_a_failure_a_level_between_is_tried(n_good, n_bad, n_weights):
    step = Policy(BUDGET).next(state(n_good=n_good, n_bad=n_bad), PLENTY)
    assert step.n_weights == n_weights


@pytest.mark.parametrize(
    ("ratio", "n_weights"),
    # A tenth more than in proportion, but no larger step than without a target.
    [(1.0, 250), (4.0, 360), (8.0, 720), (9.9, 891)],
)
def test_no_level_goes_far_beyond_the_ratio_asked_for(ratio, n_weights):
    known = state(n_good=1000, curve=[point(ratio=ratio)])
    assert Policy(TARGET).next(known, PLENTY).n_weights == n_weights


def test_a_best_file_out_of_bounds_does_not_hold_back():
    known = state(n_good=1000, curve=[point(ratio=8.0, is_accurate=False)])
    assert Policy(TARGET).next(known, PLENTY).n_weights == 250


@pytest.mark.parametrize(
    ("budget", "known", "clock", "why"),
    [
        (TARGET, {"curve": [point(ratio=10.0)]}, PLENTY, Stop.TARGET),
        (TARGET, {"curve": [point(ratio=2.0), point(ratio=11.0)], "best": 1}, PLENTY,
         Stop.TARGET),
        (TARGET, {"curve": [point(ratio=10.0)], "n_bad": 999}, Clock(0, 1),
         Stop.TARGET),
        (BUDGET, {"rate_factor": 0.0625}, PLENTY, Stop.DIVERGING),
        (BUDGET, {}, Clock(0.0, 1.0), Stop.NO_TIME),
        (BUDGET, {}, Clock(-1.0, 1.0), Stop.NO_TIME),
        (BUDGET, {"n_levels": 1}, Clock(0.9, 1.0), Stop.NO_TIME),
        (BUDGET, {"n_levels": 1, "overhead": 2.0}, Clock(2.9, 1.0), Stop.NO_TIME),
        (BUDGET, {"n_levels": 1}, Clock(100.0, math.inf), Stop.NO_TIME),
        (BUDGET, {"n_bad": 950}, PLENTY, Stop.CONVERGED),
        (BUDGET, {"n_bad": 1000}, PLENTY, Stop.CONVERGED),
        (BUDGET, {"n_good": 1}, PLENTY, Stop.NOTHING_LEFT),
        (TARGET, {"curve": [point(ratio=9.99)], "n_good": 2, "n_bad": None}, PLENTY,
         Stop.NOTHING_LEFT),
    ],
)  # fmt: skip
def test_a_search_ends(budget, known, clock, why):
    assert Policy(budget).next(state(**known), clock) is why


@pytest.mark.parametrize(
    ("budget", "known", "clock"),
    [
        (TARGET, {"curve": [point(ratio=9.99)]}, PLENTY),
        (TARGET, {"curve": [point(ratio=11.0, is_accurate=False)]}, PLENTY),
        (BUDGET, {"curve": [point(ratio=11.0)]}, PLENTY),
        (BUDGET, {"rate_factor": 0.125}, PLENTY),
        # One level is tried in whatever time there is.
        (BUDGET, {"overhead": 2.0}, Clock(0.1, 1.0)),
        (BUDGET, {}, Clock(0.1, math.inf)),
        (BUDGET, {"n_levels": 1, "overhead": 2.0}, Clock(3.0, 1.0)),
        (BUDGET, {"n_bad": 940}, PLENTY),
        (BUDGET, {"n_good": 2}, PLENTY),
    ],
)
def test_a_search_goes_on(budget, known, clock):
    assert isinstance(Policy(budget).next(state(**known), clock), Step)


@pytest.mark.parametrize(
    ("n_levels", "left", "overhead", "epoch", "expected"),
    [
        # A tenth of the time, halved for the first two levels; a quarter for centroids.
        (0, 1000.0, 0.0, 1.0, (38, 12)),
        (1, 900.0, 0.0, 1.0, (38, 12)),
        (2, 800.0, 0.0, 1.0, (75, 25)),
        # What is no training is no time for epochs.
        (2, 800.0, 20.0, 1.0, (60, 20)),
        (2, 800.0, 0.0, 10.0, (8, 2)),
        # The last two share what is left, for ever.
        (8, 100.0, 0.0, 1.0, (38, 12)),
        (9, 100.0, 0.0, 1.0, (38, 12)),
        (30, 100.0, 0.0, 1.0, (38, 12)),
        # One epoch each, however little time there is.
        (0, 0.1, 0.0, 1.0, (1, 1)),
        (0, 100.0, 0.0, math.inf, (1, 1)),
        (5, 100.0, 90.0, 1.0, (1, 1)),
    ],
)
def test_the_time_is_shared_out(n_levels, left, overhead, epoch, expected):
    known = state(n_levels=n_levels, overhead=overhead)
    step = Policy(BUDGET).next(known, Clock(left, epoch))
    assert (step.n_pruning, step.n_sharing) == expected
    assert step.number == n_levels + 1
    assert step.reserve == overhead


@pytest.mark.parametrize(
    ("n_levels", "seconds"), [(0, 5.0), (1, 5 + 5 / 9), (2, 12.5), (9, 50.0)]
)
def test_a_tenth_of_a_level_may_measure_bits(n_levels, seconds):
    step = Policy(BUDGET).next(state(n_levels=n_levels), PLENTY)
    assert step.bits_seconds == pytest.approx(seconds)


def test_a_level_trains_at_the_rate_that_is_left():
    policy, known = Policy(BUDGET), state()
    for rate in (1.0, 0.5, 0.25, 0.125):
        step = policy.next(known, PLENTY)
        assert step.rate == rate
        assert step.number == known.n_levels + 1
        known = policy.after_divergence(known, step)
    assert policy.next(known, PLENTY) is Stop.DIVERGING
    assert (known.n_good, known.n_bad, len(known.curve)) == (1000, None, 1)


@pytest.mark.parametrize(
    ("budget", "value", "trials", "bits"),
    [
        # A fifth of the budget is 0.02 below what the net has without sharing.
        (BUDGET, 0.9, [(3, 0.9), (4, 0.9), (5, 0.9), (6, 0.9), (8, 0.9)], 3),
        (BUDGET, 0.9, [(3, 0.87), (4, 0.879), (5, 0.881), (6, 0.9), (8, 0.9)], 5),
        (BUDGET, 0.85, [(3, 0.82), (4, 0.831), (5, 0.84), (6, 0.84), (8, 0.85)], 4),
        # Fewer bits that are better by chance are taken.
        (BUDGET, 0.9, [(3, 0.9), (4, 0.1), (5, 0.1), (6, 0.1), (8, 0.1)], 3),
        (BUDGET, 0.9, [(3, 0.1), (4, 0.1), (5, 0.1), (6, 0.1), (8, 0.1)], 8),
        (LOSS, 1.0, [(3, math.nan), (4, 1.11), (5, 1.09), (6, 1.0), (8, 1.0)], 5),
    ],
)  # fmt: skip
def test_a_layer_gets_the_fewest_bits_that_cost_little(budget, value, trials, bits):
    trials = [("a", bits, value) for bits, value in trials]
    for given in (trials, trials[::-1], iter(trials)):
        chosen = Policy(budget).bits(iter(["a", "b"]), value, given)
        assert chosen == {"a": bits, "b": 8}


def test_bits_that_are_not_measured_are_those_of_before():
    policy = Policy(BUDGET)
    assert policy.unmeasured_bits(iter(["a", "b"]), {}) == {"a": 5, "b": 5}
    assert policy.unmeasured_bits(["a", "b"], {"a": 3, "b": 4}) == {"a": 3, "b": 4}


@pytest.mark.parametrize(
    ("value", "left", "is_trained"),
    # Shared weights may take a quarter of the budget: 0.025.
    [(0.9, 100, False), (0.876, 100, False), (0.874, 100, True), (0.1, 100, True),
     (math.nan, 100, True), (0.1, 1.0, False), (0.1, 1.1, True)],
)  # fmt: skip
def test_shared_weights_are_trained_where_they_cost_much(value, left, is_trained):
    clock = Clock(left, epoch_seconds=1.0)
    assert Policy(BUDGET).is_worth_training(value, clock) is is_trained


@pytest.mark.parametrize(
    ("before", "after", "is_kept"),
    [(0.85, 0.89, True), (0.85, 0.81, True), (0.85, 0.79, False), (0.7, 0.75, True),
     (0.7, 0.65, False), (math.nan, 0.65, True), (0.7, math.nan, False)],
)  # fmt: skip
def test_training_is_kept_unless_it_leaves_the_budget(before, after, is_kept):
    assert Policy(BUDGET).is_training_kept(before, after) is is_kept


@pytest.mark.parametrize(
    ("budget", "points", "best"),
    [
        (BUDGET, [point(size=9)], 0),
        (BUDGET, [point(size=9), point(size=8), point(size=8)], 1),
        (BUDGET, [point(size=9), point(size=1, is_accurate=False)], 0),
        (BUDGET, [point(size=1, is_accurate=False), point(size=9)], 1),
        # Out of bounds the most accurate is the best.
        (BUDGET, [point(value=v, is_accurate=False) for v in (0.5, 0.7, 0.6)], 1),
        (LOSS, [point(value=v, is_accurate=False) for v in (2.5, 1.7, 1.6)], 2),
    ],
)
def test_the_best_point_is_known(budget, points, best):
    known = state(curve=[])
    for each in points:
        known = Policy(budget).after_measuring(known, each)
    assert known.curve == points
    assert known.best == best


@pytest.mark.parametrize(
    ("known", "measured", "expected"),
    [
        ({}, point(value=0.86, n_weights=250), (250, None, 0.4)),
        # Zeros that training has made count, weights that came back do not.
        ({}, point(value=0.86, n_weights=240), (240, None, 0.4)),
        ({}, point(value=0.86, n_weights=300), (250, None, 0.4)),
        ({"n_bad": 100}, point(value=0.86, n_weights=250), (250, 100, 0.4)),
        ({}, point(is_accurate=False), (1000, 250, 0.0)),
        ({"n_bad": 100}, point(is_accurate=False), (1000, 250, 0.0)),
        ({"n_bad": 300, "used": 0.2}, point(is_accurate=False), (1000, 300, 0.2)),
    ],
)
def test_a_level_moves_one_of_the_bounds(known, measured, expected):
    policy, known = Policy(BUDGET), state(**known)
    step = dataclasses.replace(policy.next(known, PLENTY), n_weights=250)
    after = policy.after_level(known, step, measured)
    n_good, n_bad, used = expected
    assert (after.n_good, after.n_bad) == (n_good, n_bad)
    assert after.used == pytest.approx(used, abs=1e-4)
    assert after.n_levels == step.number
    assert after.curve == [*known.curve, measured]


def searched(policy, enough, *, n_weights=100_000, seconds=1000.0, n_fails=0):
    """Searches on a net that is within its budget with `enough` weights."""
    known = policy.after_measuring(
        state(n_good=n_weights, curve=[]), measured(policy.budget, n_weights, enough)
    )
    left, steps = seconds, []
    while isinstance(step := policy.next(known, Clock(left, 0.1)), Step):
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
        assert known.n_good <= 1.1 * known.n_bad
    else:
        assert why is Stop.NO_TIME
        assert seconds < 10_000.0 or enough == 3


@pytest.mark.parametrize("policy", POLICIES)
def test_whatever_the_policy_no_step_leaves_its_bounds(policy):
    known, steps, *_ = searched(policy(BUDGET), 2_345)
    n_good, n_bad = 100_000, 0
    for step, found in zip(steps, known.curve[1:], strict=True):
        assert n_bad < step.n_weights < n_good
        assert min(step.n_pruning, step.n_sharing) >= 1
        if found.is_accurate:
            n_good = found.n_weights
        else:
            n_bad = max(n_bad, found.n_weights)


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


def test_a_policy_needs_no_keras():
    program = (
        "import sys, deepcompress.search.policy; "
        "print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
