"""What tests of `score` share: the version they decide by, and users it has not seen."""

from tippingpoint.composing import compose
from tippingpoint.jobs import score
from tippingpoint.jobs.score import ScoreResult
from tippingpoint.settings import ScoreSettings

CHALLENGER = "model=models:/conversion@challenger"


def decide(*words: str) -> ScoreResult:
    return score(ScoreSettings.from_config(compose("score", [CHALLENGER, *words])))


def quietly(*words: str) -> ScoreResult:
    return decide("tracking.log=false", *words)
