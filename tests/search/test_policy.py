"""The policy alone, with numbers for nets."""

import dataclasses
import math
import subprocess
import sys

import pytest
from helpers.searches import point, state

from deepcompress.search.policy import Clock, Policy, Step, Stop
from deepcompress.search.state import Budget
from deepcompress.search.untrained import ALONE, Trial

BUDGET = Budget("accuracy", baseline=0.9, bound=0.8)
TARGET = Budget("accuracy", baseline=0.9, bound=0.8, target_ratio=10.0)
LOSS = Budget("loss", baseline=1.0, bound=1.5, is_less_better=True)
# More than a quarter of the time is spent, so that it is no longer that of a shorter
# search.
PLENTY = Clock(left=1000.0, epoch_seconds=1.0, spent=500.0)


@pytest.mark.parametrize(
    ("used", "n_weights"),
    [
        (0.0, 250), (0.1, 250), (0.225, 250),
        (0.27, 300), (0.45, 500), (0.6, 666),
        (0.73, 800), (1.0, 800),
    ],
)  # fmt: skip
def test_a_level_is_smaller_the_more_of_the_budget_is_used(used, n_weights):
    known = state(n_good=1000, used=used, epochs_good=100)
    assert Policy(BUDGET).next(known, PLENTY).n_weights == n_weights


@pytest.mark.parametrize(("epochs", "n_weights"), [(200, 600), (25, 300), (4, 250)])
def test_a_level_is_smaller_if_it_is_trained_longer(epochs, n_weights):
    known = state(n_good=1000, used=0.54, epochs_good=epochs)
    assert Policy(BUDGET).next(known, PLENTY).n_weights == n_weights


def test_a_level_of_few_epochs_does_not_prune_far():
    policy, known = Policy(BUDGET), state()
    clocks = [Clock(left, 1.0, spent=500.0) for left in (1, 5, 8, 1000)]
    kept = [policy.next(known, clock).n_weights for clock in clocks]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == int(1000 / (1 + 2 / 14) ** 2.5)
    assert kept[-1] == 250


@pytest.mark.parametrize(
    ("n_good", "n_bad", "used_bad", "n_weights"),
    [
        # Twice the weights lose a quarter: where nine tenths of the budget are used.
        (1000, 250, 3.6, 500),
        (1000, 250, 1.8, 354),
        (1000, 250, 7.2, 707),
        # Not next to either, however little or much was lost.
        (1000, 250, 1.01, 354),
        (1000, 250, 1e9, 707),
        (1000, 250, math.inf, 707),
        (500, 250, 1.8, 354),
        (1000, 900, 1.0, 949),
        (100, 1, 90.0, 10),
    ],
)
def test_after_a_failure_a_level_between_is_tried(n_good, n_bad, used_bad, n_weights):
    known = state(n_good=n_good, n_bad=n_bad, used_bad=used_bad, epochs_bad=100)
    step = Policy(BUDGET).next(known, PLENTY)
    assert step.n_weights == n_weights


@pytest.mark.parametrize(
    ("untrained", "n_weights"), [(100, 25), (500, 125), (1000, 250)]
)
def test_the_first_level_goes_on_from_what_is_borne_without_training(
    untrained, n_weights
):
    policy, known = Policy(BUDGET), state(n_good=1000)
    known = policy.after_measuring(known, point(n_weights=untrained))
    assert policy.next(known, PLENTY).n_weights == n_weights


@pytest.mark.parametrize(
    ("ratio", "n_weights"),
    # A tenth more than in proportion, but no larger step than without a target.
    [(1.0, 250), (4.0, 360), (8.0, 720), (9.9, 891)],
)
def test_no_level_goes_far_beyond_the_ratio_asked_for(ratio, n_weights):
    known = state(n_good=1000, curve=[point(ratio=ratio, n_weights=500)])
    assert Policy(TARGET).next(known, PLENTY).n_weights == n_weights


def test_a_best_file_out_of_bounds_does_not_hold_back():
    known = state(n_good=1000, n_levels=1, curve=[point(ratio=8.0, is_accurate=False)])
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
        (BUDGET, {"n_bad": 950, "epochs_bad": 700}, PLENTY, Stop.CONVERGED),
        (BUDGET, {"n_bad": 1000, "epochs_bad": 700}, PLENTY, Stop.CONVERGED),
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
        # A tenth of the time, a quarter of it for centroids.
        (0, 1000.0, 0.0, 1.0, (75, 25)),
        (1, 900.0, 0.0, 1.0, (75, 25)),
        (2, 800.0, 0.0, 1.0, (75, 25)),
        # What is no training is no time for epochs.
        (2, 800.0, 20.0, 1.0, (60, 20)),
        (2, 800.0, 0.0, 10.0, (8, 2)),
        # The last two share what is left, for ever.
        (8, 100.0, 0.0, 1.0, (38, 12)),
        (9, 100.0, 0.0, 1.0, (38, 12)),
        (30, 100.0, 0.0, 1.0, (38, 12)),
        # Where epochs are dear there are few levels, of eight epochs at least, and
        # three quarters of the time are the most that one takes.
        (0, 170.0, 0.0, 10.0, (6, 2)),
        (1, 110.0, 0.0, 10.0, (6, 2)),
        (2, 50.0, 0.0, 10.0, (3, 1)),
        # One epoch each, however little time there is.
        (0, 0.1, 0.0, 1.0, (1, 1)),
        (0, 100.0, 0.0, math.inf, (1, 1)),
        (5, 100.0, 90.0, 1.0, (1, 1)),
    ],
)
def test_the_time_is_shared_out(n_levels, left, overhead, epoch, expected):
    known = state(n_levels=n_levels, overhead=overhead)
    step = Policy(BUDGET).next(known, Clock(left, epoch, spent=left / 2))
    assert (step.n_pruning, step.n_sharing) == expected
    assert step.number == n_levels + 1
    assert step.reserve == overhead


def test_levels_that_prune_at_once_are_more_and_shorter():
    clock = Clock(left=14.0, epoch_seconds=1.0, spent=14.0)
    steps = [
        Policy(BUDGET, is_at_once=is_at_once).next(state(n_levels=1), clock)
        for is_at_once in (False, True)
    ]
    # Three quarters of the time, and a third of it.
    assert [step.n_pruning + step.n_sharing for step in steps] == [10, 5]
    known = state(n_good=1000, used=1.0, n_levels=1, epochs_good=10_000)
    kept = [
        Policy(BUDGET, is_at_once=is_at_once).next(known, PLENTY).n_weights
        for is_at_once in (False, True)
    ]
    assert kept == [800, 900]


@pytest.mark.parametrize(
    ("n_levels", "seconds"), [(0, 10.0), (1, 100 / 9), (2, 12.5), (9, 50.0)]
)
def test_a_tenth_of_a_level_may_measure_bits(n_levels, seconds):
    step = Policy(BUDGET).next(state(n_levels=n_levels), PLENTY)
    assert step.bits_seconds == pytest.approx(seconds)


def untrained(bears, *, seconds=0.0):
    """What is tried on a net that bears such a sparsity with so many bits."""
    trials = []
    while chosen := Policy(BUDGET).next_untrained(
        trials, Clock(100 - len(trials) * seconds, 1.0, spent=len(trials) * seconds)
    ):
        assert len(trials) < 100, "it never ends"
        bits, sparsity, _ = chosen
        is_borne = sparsity <= bears.get(bits, -1)
        trials.append(Trial(bits, sparsity, 0.5 if is_borne else 2.0))
    best = {}
    for trial in trials:
        if trial.is_accurate:
            best[trial.bits] = max(best.get(trial.bits, 0.0), trial.sparsity)
    return best, trials


@pytest.mark.parametrize(
    ("bears", "expected"),
    [
        # The parts of the weights are powers of 0.75.
        ({4: 0.7, 3: 0.3}, {4: 4, 3: 1}),
        ({4: 0.98, 3: 0.98}, {4: 13, 3: 13}),
        ({4: 0.3, 3: 0.0}, {4: 1, 3: 0}),
        ({4: 0.0}, {4: 0}),
        ({}, {}),
        # By chance: fewer bits are not tried at more than what more bits have borne.
        ({4: 0.3, 3: 0.6}, {4: 1, 3: 1}),
    ],
)
def test_without_training_the_greatest_sparsity_is_sought(bears, expected):
    best, trials = untrained(bears)
    found = {bits: math.log(1 - part, 0.75) for bits, part in best.items()}
    assert found == pytest.approx(expected)
    assert len(trials) <= 12
    assert len(set(trials)) == len(trials)


def test_without_training_all_the_time_is_there_for_finer_steps():
    policy, trials = Policy(BUDGET, is_training=False, untrained=ALONE), []
    while chosen := policy.next_untrained(trials, Clock(10, math.inf, spent=90)):
        bits, sparsity, _ = chosen
        is_borne = sparsity <= 0.75 - 0.05 * (4 - bits)
        trials.append(Trial(bits, sparsity, 0.5 if is_borne else math.inf))
    borne = [trial.sparsity for trial in trials if trial.is_accurate]
    assert max(borne) > 0.735
    assert {trial.bits for trial in trials} == {4, 3, 2}
    assert policy.next(state(), PLENTY) is Stop.UNTRAINED
    assert "training set" in policy.ending(state(), Stop.UNTRAINED)


def test_without_training_little_time_is_taken():
    _, trials = untrained({4: 0.5, 3: 0.3}, seconds=8)
    assert len(trials) == 4
    # As none of three was borne, the last one prunes nothing.
    assert [trial.sparsity == 0 for trial in trials] == [False, False, False, True]
    assert len(untrained({4: 0.99, 3: 0.3}, seconds=8)[1]) == 3


def test_a_level_trains_at_the_rate_that_is_left():
    policy, known = Policy(BUDGET), state()
    for rate in (1.0, 0.5, 0.25, 0.125):
        step = policy.next(known, PLENTY)
        assert step.rate == rate
        assert step.number == known.n_levels + 1
        known = policy.after_divergence(known, step)
    assert policy.next(known, PLENTY) is Stop.DIVERGING
    assert (known.n_good, known.n_bad, len(known.curve)) == (1000, None, 1)


@pytest.mark.parametrize(("left", "is_tried"), [(29, True), (31, False)])
def test_what_is_no_time_to_train_is_for_what_needs_none(left, is_tried):
    # Three epochs of ten seconds are the least that is trained.
    policy, clock = Policy(BUDGET), Clock(left, epoch_seconds=10, spent=50)
    assert (policy.next_untrained([], clock) is not None) is is_tried
    known = state(curve=[point(), point()], best=1)
    assert (policy.next(known, clock) is Stop.NO_TIME) is is_tried
    assert policy.next_untrained([], Clock(10, epoch_seconds=10, spent=50)) is None


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
    before = {"a": 3, "b": 5}
    assert policy.unmeasured_bits(["a", "b"], before) == before
    # Or one fewer, but not fewer than the net bears.
    for fewest, expected in ((3, (3, 4)), (4, (3, 4)), (5, (3, 5))):
        found = policy.unmeasured_bits(["a", "b"], before, fewest)
        assert found == dict(zip("ab", expected, strict=True))


def test_more_bits_help_a_net_that_only_sharing_has_spoilt():
    policy = Policy(BUDGET)
    assert policy.finer_bits({"a": 3, "b": 8}, 0.81) == {"a": 4, "b": 8}
    assert policy.finer_bits({"a": 3, "b": 8}, 0.79) is None
    assert policy.finer_bits({"a": 3}, math.nan) is None
    assert policy.finer_bits({"a": 8, "b": 8}, 0.9) is None


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
    ("value", "is_trained"),
    [(0.874, False), (0.801, False), (0.799, True), (0.751, True), (0.749, False),
     (math.nan, False)],
)  # fmt: skip
def test_those_of_nets_pruned_at_once_are_trained_where_they_cost_too_much(
    value, is_trained
):
    policy, clock = Policy(BUDGET, is_at_once=True), Clock(100, epoch_seconds=1.0)
    assert policy.is_worth_training(value, clock) is is_trained


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
        ({"n_bad": 200, "used": 0.2}, point(is_accurate=False), (1000, 250, 0.2)),
        # Such a failure was of a shorter training.
        ({"n_bad": 300, "used": 0.2}, point(is_accurate=False), (1000, 250, 0.2)),
        ({"n_bad": 300}, point(value=0.86, n_weights=250), (250, None, 0.4)),
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


@pytest.mark.parametrize(
    ("why", "known", "said"),
    [
        (Stop.TARGET, {}, ""),
        (Stop.DIVERGING, {}, ""),
        (Stop.NOTHING_LEFT, {}, ""),
        (Stop.CONVERGED, {"n_bad": 990}, " More time is likely to bring little."),
        (Stop.NO_TIME, {"used": 0.9}, " More time is likely to bring little."),
        (Stop.NO_TIME, {"n_bad": 990}, " More time is likely to bring little."),
        (Stop.NO_TIME, {"used": 0.45}, " 1,000 weights are left, which have used 45% "
         "of the drop allowed: with more time about 500 may be enough."),
        (Stop.INTERRUPTED, {"used": 0.0}, " 1,000 weights are left, which have used 0% "
         "of the drop allowed: with more time about 250 may be enough."),
        (Stop.NO_TIME, {"n_bad": 800}, " 1,000 weights are left, which have used 0% "
         "of the drop allowed: with more time about 800 may be enough."),
        (Stop.NO_TIME, {"curve": [point(is_accurate=False)]},
         " More time may bring a file within the budget."),
    ],
)  # fmt: skip
def test_what_more_time_would_bring_is_said(why, known, said):
    ending = Policy(BUDGET).ending(state(**known), why)
    assert ending == f"The search is over: {why.value}.{said}"


def test_a_net_that_has_just_failed_is_trained_on_once():
    policy, known = Policy(BUDGET), state(used=0.5)
    step = policy.next(known, PLENTY)
    slightly, badly = (point(value=value, is_accurate=False) for value in (0.76, 0.74))
    assert not policy.next(policy.after_level(known, step, badly), PLENTY).is_rescue
    failed = policy.after_level(known, step, slightly)
    rescue = policy.next(failed, PLENTY)
    assert rescue.is_rescue
    assert rescue.n_weights == step.n_weights
    again = policy.next(policy.after_level(failed, rescue, slightly), PLENTY)
    assert not again.is_rescue
    assert again.n_weights > step.n_weights
    saved = policy.after_level(failed, rescue, point(n_weights=step.n_weights))
    assert (saved.n_good, saved.n_bad) == (step.n_weights, None)
    assert not policy.next(saved, PLENTY).is_rescue
    assert not policy.after_divergence(failed, rescue).is_to_rescue


def test_a_policy_needs_no_keras():
    program = (
        "import sys, deepcompress.search.policy; "
        "print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
