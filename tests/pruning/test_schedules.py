import numpy as np
import pytest

from deepcompress.pruning.schedules import (
    ConstantSparsity,
    PolynomialDecay,
    PruningSchedule,
)


class Linear(PruningSchedule):
    """What a user would write: only the curve."""

    def sparsity_at(self, progress):
        return 0.8 * progress


def test_the_polynomial_is_that_of_zhu_and_gupta():
    schedule = PolynomialDecay(0.9, initial_sparsity=0.3, begin=100, end=500, power=3)
    for step in range(100, 501, 50):
        expected = 0.9 + (0.3 - 0.9) * (1 - (step - 100) / 400) ** 3
        assert schedule.sparsity(step, None) == pytest.approx(expected)
    assert schedule.sparsity(99, None) is None
    assert schedule.sparsity(10_000, None) == 0.9


def test_fractions_are_those_of_the_fit():
    schedule = Linear(begin=0.25, end=0.75)
    assert schedule.sparsity(24, 100) is None
    assert schedule.sparsity(25, 100) == 0
    assert schedule.sparsity(50, 100) == pytest.approx(0.4)
    assert schedule.sparsity(75, 100) == pytest.approx(0.8)
    assert schedule.sparsity(50, None) is None
    assert schedule.needs_total
    assert not Linear(begin=3, end=9).needs_total


def test_the_masks_are_due_at_the_ends_and_every_so_many_steps():
    schedule = Linear(begin=10, end=75, frequency=30)
    assert [s for s in range(200) if schedule.is_due(s, None)] == [10, 40, 70, 75]


@pytest.mark.parametrize(
    ("begin", "end"), [(15, 0.7), (10, 0.3), (0.5, 5), (15, np.float32(0.25))]
)
def test_an_end_that_comes_out_before_the_beginning_is_a_jump(begin, end):
    schedule = PolynomialDecay(0.8, begin=begin, end=end)
    due = [step for step in range(21) if schedule.is_due(step, 20)]
    assert due == [15 if begin == 15 else 10]
    assert schedule.sparsity(due[0], 20) == 0.8


def test_numpy_numbers_are_numbers():
    assert PolynomialDecay(0.5, end=np.float32(0.5)).span(100) == (0, 50)
    assert PolynomialDecay(0.5, end=np.int64(50)).span(None) == (0, 50)


def test_a_short_way_gets_updates_enough():
    schedule = Linear(begin=0, end=60)
    assert [s for s in range(99) if schedule.is_due(s, None)] == list(range(0, 61, 3))
    long = Linear(begin=0, end=10_000)
    assert sum(long.is_due(s, None) for s in range(20_000)) == 101


def test_the_beginning_of_the_fit_needs_no_length():
    assert not ConstantSparsity(0.5).needs_total
    assert ConstantSparsity(0.5).sparsity(0, None) == 0.5


def test_constant_sparsity_is_due_once():
    schedule = ConstantSparsity(0.5, begin=0.5)
    assert [s for s in range(10) if schedule.is_due(s, 10)] == [5]
    assert schedule.sparsity(4, 10) is None
    assert schedule.sparsity(5, 10) == schedule.sparsity(9, 10) == 0.5


def test_an_end_at_the_beginning_is_a_jump():
    assert PolynomialDecay(0.7, begin=5, end=5).sparsity(5, None) == 0.7


@pytest.mark.parametrize(
    "schedule",
    [
        ConstantSparsity(0.5, begin=7),
        PolynomialDecay(0.9, initial_sparsity=0.1, begin=0.1, end=0.8, power=2.0),
    ],
)
def test_the_config_makes_an_equal_schedule(schedule):
    again = type(schedule).from_config(schedule.get_config())
    assert again.get_config() == schedule.get_config()
    assert repr(again) == repr(schedule)
    assert "0.5" in repr(schedule) or "0.9" in repr(schedule)


@pytest.mark.parametrize("sparsity", [1.0, 1, -0.1, 2, float("nan")])
def test_a_sparsity_outside_its_range_is_refused(sparsity):
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        ConstantSparsity(sparsity)
    with pytest.raises(ValueError, match=r"`final_sparsity` must be in \[0, 1\)"):
        PolynomialDecay(sparsity)
    with pytest.raises(ValueError, match=r"`initial_sparsity` must be in \[0, 1\)"):
        PolynomialDecay(0.5, initial_sparsity=sparsity)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"begin": -1}, "`begin` must be a step"),
        ({"end": 1.5}, "`end` must be a step"),
        ({"begin": float("nan")}, "`begin` must be a step"),
        ({"begin": 0.9, "end": 0.1}, "must not lie before"),
        ({"begin": 9, "end": 1}, "must not lie before"),
        ({"frequency": 0}, "`frequency` must be at least 1"),
        ({"power": 0}, "`power` must be a number in .0, inf.. Received: power=0"),
    ],
)
def test_places_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PolynomialDecay(0.5, **arguments)


def test_a_schedule_that_ends_at_a_count_begins_where_the_weights_are():
    schedule = PolynomialDecay(n_weights=100, begin=0.1, end=0.5, power=2, frequency=7)
    fitted = schedule.of(n_weights=1000, n_nonzero=400)
    expected = PolynomialDecay(
        0.9, initial_sparsity=0.6, begin=0.1, end=0.5, power=2, frequency=7
    )
    assert fitted.get_config() == expected.get_config()
    again = PolynomialDecay.from_config(schedule.get_config())
    assert again.of(1000, 400).get_config() == expected.get_config()


def test_the_beginning_of_a_schedule_that_ends_at_a_count_can_be_given():
    fitted = PolynomialDecay(n_weights=100, initial_sparsity=0.25).of(1000, 400)
    assert fitted.sparsity_at(0.0) == 0.25


@pytest.mark.parametrize(
    ("n_weights", "n_nonzero", "first", "last"),
    [(50, 50, 0.0, 0.0), (200, 0, 0.0, 0.5), (100, 100, 0.0, 0.0)],
    ids=["fewer than are asked for", "all zero", "as many"],
)
def test_a_count_that_cannot_be_is_as_near_as_can_be(n_weights, n_nonzero, first, last):
    fitted = PolynomialDecay(n_weights=100).of(n_weights, n_nonzero)
    assert (fitted.sparsity_at(0.0), fitted.sparsity_at(1.0)) == (first, last)


@pytest.mark.parametrize("schedule", [ConstantSparsity(0.5), PolynomialDecay(0.5)])
def test_a_schedule_that_ends_at_a_sparsity_fits_all_weights(schedule):
    assert schedule.of(1000, 400) is schedule


def test_a_count_and_a_sparsity_exclude_each_other():
    with pytest.raises(ValueError, match="either `final_sparsity` or `n_weights`"):
        PolynomialDecay(0.5, n_weights=100)
    with pytest.raises(ValueError, match="either `final_sparsity` or `n_weights`"):
        PolynomialDecay()
    with pytest.raises(ValueError, match="`n_weights` must be at least 1"):
        PolynomialDecay(n_weights=0)
    with pytest.raises(ValueError, match=r"schedule\.of"):
        PolynomialDecay(n_weights=100).sparsity(50, 100)
