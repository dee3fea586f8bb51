"""How many threads to use."""

import os


def spare_cores() -> None:
    """Let threads of libraries that are loaded from here on give their core away while they wait for each other.

    Left to themselves they spin, and where others use the cores too, a fit takes three to ten times as long. On idle
    cores it costs nothing.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def cores() -> int:
    """Cores this process may use, by its affinity and its container's share (joblib), and no more than
    OMP_THREAD_LIMIT says: it is set where others fill them."""
    from joblib import cpu_count  # type: ignore[import-untyped]  # it ships no types

    limit, there = os.environ.get("OMP_THREAD_LIMIT", ""), int(cpu_count())
    return min(there, int(limit)) if limit.isdigit() and int(limit) else there
