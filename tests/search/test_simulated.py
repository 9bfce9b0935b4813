"""What a search promises, on nets that are numbers alone."""

import pytest
from helpers.simulated import BUDGETS, KNOWN, by_chance, search

from deepcompress.search.policy import Stop

NETS = [*KNOWN.values(), *by_chance(60)]


def sizes(net, seconds):
    state, _ = search(net, seconds)
    return state.curve[state.best].size


@pytest.mark.parametrize("net", NETS)
def test_a_file_is_never_larger_than_the_best_without_training(net):
    for seconds in BUDGETS:
        state, _ = search(net, seconds)
        best = state.curve[state.best]
        n_untrained = len(state.curve) - state.n_levels
        assert best.is_accurate
        assert all(
            best.size <= point.size
            for point in state.curve[:n_untrained]
            if point.is_accurate
        )


@pytest.mark.parametrize("net", NETS)
def test_more_time_never_gives_a_larger_file(net):
    for seconds in BUDGETS:
        # A search of fewer epochs is not what a longer one begins with.
        if seconds >= 3 * net.epoch_seconds:
            assert sizes(net, 4 * seconds) <= sizes(net, seconds)


@pytest.mark.parametrize("net", NETS)
def test_time_is_used_and_not_much_more(net):
    for seconds in BUDGETS:
        state, why = search(net, seconds)
        assert why in {Stop.NO_TIME, Stop.CONVERGED}
        assert state.n_levels < 60
        # The first level is tried in whatever time there is, of two epochs at least.
        assert state.seconds < 1.1 * seconds + 2.5 * net.epoch_seconds + 10


@pytest.mark.parametrize("net", KNOWN.values(), ids=KNOWN)
def test_with_time_the_bound_is_found(net):
    state, _ = search(net, 2000 * net.epoch_seconds)
    enough = net.point(net.enough, 1.0)
    assert state.curve[state.best].size < 1.1 * enough.size
