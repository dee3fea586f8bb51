"""What tests of `score` share: the version they decide by, and users it has not seen."""

from tippingpoint.config.compose import compose
from tippingpoint.scoring.job import ScoreResult, score
from tippingpoint.scoring.settings import ScoreSettings

CHALLENGER = "model=models:/conversion@challenger"


def decide(*words: str) -> ScoreResult:
    return score(ScoreSettings.from_config(compose("score", [CHALLENGER, *words])))


def quietly(*words: str) -> ScoreResult:
    return decide("tracking.log=false", *words)
