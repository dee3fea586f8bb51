"""`tippingpoint diagnostics`."""

import json
from collections.abc import Callable

import pytest

from tippingpoint.experiment.diagnostics import catalogue


def test_all_are_listed_and_one_is_explained(call: Callable[..., int], capsys: pytest.CaptureFixture) -> None:
    assert call("diagnostics", "output=json") == 0
    assert [entry["code"] for entry in json.loads(capsys.readouterr().out)["diagnostics"]] == list(catalogue())
    assert call("diagnostics", "tp301") == 0
    shown = capsys.readouterr().out
    for part in ("TP301 overlap (veto)", "Measured:", "Threshold:", "Why:", "What to do:", "diagnostics.accept="):
        assert part in shown
    assert call("diagnostics", "TP399") == 2
    assert "there is no diagnostic 'TP399'. Nearest: 'TP309'" in capsys.readouterr().err
