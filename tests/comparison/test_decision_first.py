"""Whoever waits reads the decision before anything is drawn or filed."""

from pathlib import Path
from typing import Any

import pytest

from tippingpoint.comparison import job
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose


class NothingFiledYetError(Exception):
    """Raised in place of filing the first family."""


def test_the_decision_is_said_before_the_first_family_is_filed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def filing(*_: Any) -> str:
        raise NothingFiledYetError

    monkeypatch.setattr(job, "record", filing)
    words = ["data.users=900", "model=[logistic,boosting]", "explain_rows=10", "model.boosting.n_estimators=10"]
    with pytest.raises(NothingFiledYetError):
        job.compare(CompareSettings.from_config(compose("compare", words)))
    said = capsys.readouterr().err.splitlines()
    steps = [line.split(":")[0] for line in said]
    assert steps.index("decided") == steps.index("comparing") + 1
    assert said[steps.index("decided")].startswith(("decided: Ship", "decided: Do not ship", "decided: Test first"))
    assert said[-1] == "logistic: filing"
