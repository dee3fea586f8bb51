"""The promises of benchmarks/coverage.py on few worlds: three Monte-Carlo errors are wide there."""

import runpy
from pathlib import Path

import pytest

from tests.conftest import ROUNDS

pytestmark = pytest.mark.worlds

WORLDS = 100 * ROUNDS
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def benchmark() -> dict:
    return runpy.run_path(str(BENCHMARK), run_name="coverage")


@pytest.mark.parametrize("base", [0.30, 0.04])
@pytest.mark.parametrize("study", ["pointwise", "band", "choice", "family", "effects"])
def test_intervals_hold_what_they_promise(benchmark: dict, study: str, base: float):
    rows = benchmark[study](WORLDS, 0, base)
    promised = [row for row in rows if row.kept is not None]
    assert promised
    assert not [(row.what, row.measured, row.promise) for row in promised if not row.kept]
