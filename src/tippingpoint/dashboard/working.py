"""Something long, done on a thread of its own: a click meanwhile starts the page anew, not the work."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.1


class EndedError(Exception):
    """Nobody waits for the work any more."""


class Work(Generic[T]):
    """What `make` gives, which is told where to report the rows done."""

    def __init__(self, make: Callable[[Callable[[int], None]], T]) -> None:
        self.rows = 0
        self._ended = False
        thread = ThreadPoolExecutor(1)
        self._result = thread.submit(make, self._report)
        thread.shutdown(wait=False)

    def end(self) -> None:
        """Stop at the next report."""
        self._ended = True

    def wait(self, seen: Callable[[int], None]) -> T:
        """What it gave, or what went wrong; until then `seen` is told how far it is."""
        while not self._result.done():
            seen(self.rows)
            time.sleep(LOOK_SECONDS)
        return self._result.result()

    def _report(self, rows: int) -> None:
        self.rows = rows
        if self._ended:
            raise EndedError
