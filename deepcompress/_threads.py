"""Work on every processor: the compiled kernels run without Python's lock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def n_processors() -> int:
    """Returns the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_threads(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    n_threads: int | None = None,
) -> list[_Result]:
    """Returns what a function makes of every item, in order.

    Args:
        function: Called in threads, several at a time.
        items: What it is called with.
        n_threads: Threads at most. Defaults to `None`: one a processor.
    """
    items = list(items)
    n_threads = min(n_threads or n_processors(), len(items))
    if n_threads <= 1:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (slow to import)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))


def each_in_order(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    is_large: Callable[[_Item], bool],
    n_threads: int | None = None,
) -> Iterator[_Result]:
    """Yields what a function makes of every item, in order.

    No more items are taken ahead than there are threads, and a large one only when all
    before it are done with; then nothing else runs. Neither items nor results are kept.

    Args:
        function: Called in threads, several at a time.
        items: What it is called with; taken one after the other.
        is_large: Whether an item is to have all memory for itself.
        n_threads: Threads at most. Defaults to `None`: one a processor.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # noqa: PLC0415  (slow)

    n_threads = n_threads or n_processors()
    waiting: deque[Future[_Result]] = deque()
    items = iter(items)
    with ThreadPoolExecutor(n_threads) as pool:
        while next_ones := list(islice(items, 1)):
            is_alone = is_large(next_ones[0])
            while waiting and (is_alone or len(waiting) >= n_threads):
                yield waiting.popleft().result()
            if is_alone:
                # Without a name, which would keep it while the caller works with it.
                yield function(next_ones.pop())
            else:
                waiting.append(pool.submit(function, next_ones.pop()))
        while waiting:
            yield waiting.popleft().result()


def each_when_ready(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    n_threads: int | None = None,
) -> Iterator[_Result]:
    """Yields what a function makes of every item, each as soon as it is ready.

    No more results wait than there are threads, and none is kept once it is yielded.

    Args:
        function: Called in threads, several at a time, first with the first items.
        items: What it is called with.
        n_threads: Threads at most. Defaults to `None`: one a processor.
    """
    from concurrent import futures  # noqa: PLC0415  (slow to import)

    items = iter(items)
    n_threads = n_threads or n_processors()
    with futures.ThreadPoolExecutor(n_threads) as pool:
        jobs = {pool.submit(function, item) for item in islice(items, n_threads)}
        while jobs:
            ready = futures.wait(jobs, return_when=futures.FIRST_COMPLETED).done
            first = [ready.pop()]
            jobs.difference_update(first)
            jobs.update(pool.submit(function, item) for item in islice(items, 1))
            # Without a name, which would keep it while the caller works with it.
            yield first.pop().result()
