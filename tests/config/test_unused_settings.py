"""Keys that would be accepted and not used are refused with what to type."""

import pytest

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.measurement.settings import MeasureSettings
from tippingpoint.scoring.settings import ScoreSettings


@pytest.mark.parametrize(
    ("verb", "kind", "words", "instead"),
    [
        ("compare", CompareSettings, ["tracking.experiment=mine", "tracking.log=false"], ["tracking.log=false"]),
        ("score", ScoreSettings, ["tracking.experiment=mine", "tracking.log=false"], ["tracking.experiment=mine"]),
        ("measure", MeasureSettings, ["decisions=a", "outcomes=b", "users=c"], ["decisions=a", "outcomes=b"]),
        (
            "measure",
            MeasureSettings,
            ["decisions=a", "outcomes=b", "users_id=c", "to=d.csv"],
            ["decisions=a", "outcomes=b", "users=c", "to=d.csv"],
        ),
    ],
)
def test_what_is_not_used_is_refused(verb: str, kind: type, words: list[str], instead: list[str]) -> None:
    with pytest.raises(InputError, match="not used"):
        kind.from_config(compose(verb, words))
    kind.from_config(compose(verb, instead))
