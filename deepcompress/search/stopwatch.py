"""The time that a search has."""

import time
from collections.abc import Callable


class Stopwatch:
    """The seconds that a search has spent, and those that it has left.

    Args:
        budget: Seconds for all of it.
        spent: Seconds that were spent before. Defaults to `0.0`.
        begin: When it began. Defaults to `None`: now.
        now: Reads a clock. Defaults to `time.monotonic`.
    """

    def __init__(
        self,
        budget: float,
        *,
        spent: float = 0.0,
        begin: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self.now = now
        self._end = (now() if begin is None else begin) + budget - spent

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._end - self.now()

    @property
    def spent(self) -> float:
        """Seconds that are spent."""
        return self._budget - self.left
