"""How many threads to use."""

import os


def cores() -> int:
    """Cores this process may run on, no more than OMP_THREAD_LIMIT says: it is set where others fill them."""
    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(there, int(limit)) if limit.isdigit() and int(limit) else there
