"""What tests of `score` share: the version they decide by, and users it has not seen."""

import pandas as pd
import pytest

from tippingpoint.composing import compose
from tippingpoint.jobs import score
from tippingpoint.jobs.score import ScoreResult
from tippingpoint.settings import ScoreSettings

CHALLENGER = "model=models:/conversion@challenger"


def decide(*words: str) -> ScoreResult:
    return score(ScoreSettings.from_config(compose("score", [CHALLENGER, *words])))


def quietly(*words: str) -> ScoreResult:
    return decide("tracking.log=false", *words)


@pytest.fixture(scope="module")
def users(at_compared) -> pd.DataFrame:
    """Test users of the comparison, as a file holds them."""
    test = at_compared[0].comparison.question.parts.test
    table = test.features.assign(user_id=test.user_id)
    table.to_csv("users.csv", index=False)
    table.to_parquet("users.parquet", index=False)
    return table
