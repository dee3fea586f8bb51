"""The decisions of a whole table, chunk by chunk: the next is read and checked while one is decided."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tippingpoint.core.errors import InputError
from tippingpoint.scoring.batch import Batch, Decisions, ValidatedChunk
from tippingpoint.scoring.id_index import IdIndex
from tippingpoint.scoring.readers import Input, OfEvents

T = TypeVar("T")


@dataclass
class Stream:
    """The decisions of a whole table, chunk by chunk.

    Parameters
    ----------
    size
        Rows a chunk.
    skip
        Chunks that are decided already: only their ids are noted.
    progress
        Told the rows done after each chunk.
    """

    batch: Batch
    source: Input
    size: int
    skip: int = 0
    progress: Callable[[int], None] = lambda rows: None
    _seen: IdIndex = field(default_factory=IdIndex)

    def __iter__(self) -> Iterator[Decisions]:
        """The chunks.

        Raises
        ------
        InputError
            When the table is empty or lacks columns.
        """
        columns = self.batch.wanted(self.source.columns())
        done = 0
        for users, rows in _one_ahead(self._chunks(columns)):
            if users is not None:
                yield self.batch.decided(users)
            done += rows
            self.progress(done)
        if not done and not isinstance(self.source, OfEvents):  # that nobody came on a day is for the job to say
            raise InputError(
                "input", f"{self.source.origin} has no rows", "The input is empty; give a table with at least one row."
            )

    def _chunks(self, columns: list[str]) -> Iterator[tuple[ValidatedChunk | None, int]]:
        """Each chunk validated, None for those that are decided already; and its rows."""
        self._seen, first = IdIndex(), 0
        for k, table in enumerate(self.source.chunks(columns, self.batch.specs, self.size)):
            if k < self.skip:
                self.batch.remember(table, self._seen)
                yield None, len(table)
            else:
                yield self.batch.validate(table, first, self._seen), len(table)
            first += len(table)


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same, each made on a thread while the one before it is worked on."""
    end: Any = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item
