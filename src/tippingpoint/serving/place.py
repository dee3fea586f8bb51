"""Which of the workers of a service this process is."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Of the environment: by it Prometheus' client, when it is loaded, keeps counts where other processes see them."""


@dataclass(frozen=True)
class Place:
    """The place of one worker.

    Parameters
    ----------
    number, of
        From 1, and how many there are.
    waiting
        Memory shared with the process that started the workers: decisions of each that wait to be written; None of a
        service of one.
    """

    number: int = 1
    of: int = 1
    waiting: Any = None

    def tell_waiting(self, decisions: int) -> None:
        """Say how many decisions wait, to whoever counts them if this process is killed."""
        if self.waiting is not None:
            self.waiting[self.number - 1] = decisions


ALONE = Place()


@contextlib.contextmanager
def counted_together() -> Iterator[None]:
    """Have what workers count added up; it must be entered before Prometheus' client is loaded."""
    with tempfile.TemporaryDirectory(prefix="tippingpoint-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]
