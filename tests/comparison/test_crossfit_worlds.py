"""The promises of benchmarks/crossfit.py on few worlds: three Monte-Carlo errors are wide there."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROUNDS

pytestmark = pytest.mark.worlds

WORLDS = 150 * ROUNDS
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "crossfit.py"


@pytest.mark.parametrize("households", [False, True])
@pytest.mark.parametrize("kind", ["written", "shares", "best action", "chosen"])
def test_intervals_on_all_users_cover_what_the_folds_bring(kind: str, households: bool) -> None:
    benchmark = runpy.run_path(str(BENCHMARK), run_name="crossfit")
    folds = next(folds for name, folds, promised in benchmark["CELLS"] if name == kind and promised)
    found = benchmark["study"](benchmark["World"](0.0, households), kind, folds, 1500, 0, range(WORLDS))
    given, least = found[:, 4] == 1, benchmark["LEAST"]
    assert given.mean() > 0.8  # where no fold acts on anyone, or expects too few outcomes, there is none
    assert found[given, 0].mean() > least - 3 * np.sqrt(least * (1 - least) / given.sum())
    assert 2.0 < np.nanmedian(found[given, 3]) < 2.5
