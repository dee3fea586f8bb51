"""Batches killed at many moments."""

import numpy as np
import pytest

from tests.conftest import ROUNDS
from tests.jobs.test_score import killed_and_again, users

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("at_compared", "users")]
__all__ = ["users"]


@pytest.mark.parametrize("parts", [False, True])
def test_killed_at_random_moments_the_output_is_whole(tmp_path, parts):
    killed_and_again(tmp_path, parts, np.random.default_rng(int(parts)).uniform(0.05, 0.9, ROUNDS).tolist())
