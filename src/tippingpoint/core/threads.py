"""How many threads to use."""

import os

from joblib import cpu_count  # type: ignore[import-untyped]  # it ships no types


def cores() -> int:
    """Cores this process may use, by its affinity and its container's share (joblib), and no more than
    OMP_THREAD_LIMIT says: it is set where others fill them."""
    limit, there = os.environ.get("OMP_THREAD_LIMIT", ""), int(cpu_count())
    return min(there, int(limit)) if limit.isdigit() and int(limit) else there
