"""Long work on a thread of its own: a click reruns the page, not the work."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.1


class EndedError(Exception):
    """The work was cancelled."""


class Work(Generic[T]):
    """The result of `make`, which is called with a function to report the number of rows done."""

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
        """Return the result, or raise the error of the work; meanwhile `seen` is called with the rows done."""
        while not self._result.done():
            seen(self.rows)
            time.sleep(LOOK_SECONDS)
        return self._result.result()

    def _report(self, rows: int) -> None:
        self.rows = rows
        if self._ended:
            raise EndedError
