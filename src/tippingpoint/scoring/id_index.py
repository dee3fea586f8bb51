"""Which ids have been there before, in 11 to 34 bytes an id."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

SLOTS = 1 << 16
FULLEST = 0.7


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code where numba is there (tippingpoint-core[trees]); else a million ids take seconds."""
    try:
        from numba import njit
    except ModuleNotFoundError:
        return function
    return njit(cache=True)(function)


class IdIndex:
    """64-bit hashes of ids, with open addressing; of 10 M ids two have the same hash once in 370,000 tables."""

    def __init__(self) -> None:
        self._slots = np.zeros(SLOTS, dtype=np.uint64)
        self._count = 0

    def add(self, ids: pl.Series) -> tuple[np.ndarray, bool]:
        """(n,) whether each id was there before this call, and whether all differ; from then on all are there."""
        hashes = np.maximum(ids.hash().to_numpy(), 1)  # 0 is a free slot
        size = len(self._slots)
        while self._count + len(hashes) > FULLEST * size:
            size *= 2
        if size > len(self._slots):
            larger = np.zeros(size, dtype=np.uint64)
            _insert(larger, self._slots[self._slots > 0])
            self._slots = larger
        before: np.ndarray = _contains(self._slots, hashes)
        added = int(_insert(self._slots, hashes))
        self._count += added
        return before, added == len(hashes)


@_compiled
def _contains(slots, hashes):  # type: ignore[no-untyped-def]  # compiled
    mask = np.uint64(len(slots) - 1)
    found = np.zeros(len(hashes), dtype=np.bool_)
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while slots[at] != 0:
            if slots[at] == hashes[i]:
                found[i] = True
                break
            at = (at + np.uint64(1)) & mask
    return found


@_compiled
def _insert(slots, hashes):  # type: ignore[no-untyped-def]  # compiled
    mask = np.uint64(len(slots) - 1)
    added = 0
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while slots[at] != 0 and slots[at] != hashes[i]:
            at = (at + np.uint64(1)) & mask
        if slots[at] == 0:
            slots[at] = hashes[i]
            added += 1
    return added
