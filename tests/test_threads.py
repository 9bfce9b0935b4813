import threading
import weakref
from concurrent.futures import Future

import pytest

from deepcompress._threads import each_when_ready, map_in_threads, n_processors


class Result:
    """What a weak reference can be made to."""

    def __init__(self, item):
        self.item = item


@pytest.mark.parametrize("n_threads", [None, 1, 3])
def test_results_come_in_order(n_threads):
    assert map_in_threads(str, range(20), n_threads) == list(map(str, range(20)))
    assert map_in_threads(str, [], n_threads) == []


@pytest.mark.parametrize("n_threads", [None, 1, 3])
def test_every_item_gives_one_result(n_threads):
    assert sorted(each_when_ready(str, range(9), n_threads)) == list("012345678")
    assert list(each_when_ready(str, [], n_threads)) == []


def test_what_is_ready_does_not_wait_for_what_is_not():
    may_go = threading.Event()

    def work(item):
        if item == 0:
            may_go.wait()
        return item

    results = each_when_ready(work, range(5), n_threads=2)
    assert [next(results) for _ in range(4)] == [1, 2, 3, 4]
    may_go.set()
    assert list(results) == [0]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_no_more_is_done_ahead_than_there_are_threads(n_threads):
    begun = []

    def work(item):
        begun.append(item)
        return item

    for n_taken, _ in enumerate(each_when_ready(work, range(30), n_threads), start=1):
        assert len(begun) <= n_taken + n_threads
    assert sorted(begun) == list(range(30))


def test_what_has_been_yielded_is_not_kept():
    yielded = []
    for result in each_when_ready(Result, range(30), n_threads=3):
        yielded.append(weakref.ref(result))
        del result
        assert not any(reference() is not None for reference in yielded)
    assert len(yielded) == 30


def test_an_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(each_when_ready(lambda item: 1 // item, [3, 2, 0, 1], n_threads=2))


def test_there_is_a_processor():
    assert n_processors() >= 1


def test_one_thread_is_this_one():
    here = threading.get_ident()
    assert map_in_threads(lambda _: threading.get_ident(), [1, 2, 3], 1) == [here] * 3
    assert map_in_threads(lambda _: threading.get_ident(), [1], 8) == [here]


def test_threads_work_at_the_same_time():
    second_came = Future()

    def meet(item):
        if item == "second":
            second_came.set_result("seen")
        return second_came.result(timeout=60)

    assert map_in_threads(meet, ["first", "second"], 2) == ["seen", "seen"]


def test_an_error_of_one_item_is_that_of_all():
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda x: 1 / x, [1, 0, 2], 2)
