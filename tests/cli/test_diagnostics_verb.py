"""`tippingpoint diagnostics`, and the page of the docs that says the same."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tippingpoint.cli.diagnostics import document
from tippingpoint.experiment.diagnostics import catalogue

DOCS = Path(__file__).parents[2] / "docs/diagnostics.md"


def test_all_are_listed_and_one_is_explained(call: Callable[..., int], capsys: pytest.CaptureFixture) -> None:
    assert call("diagnostics", "output=json") == 0
    assert [entry["code"] for entry in json.loads(capsys.readouterr().out)["diagnostics"]] == list(catalogue())
    assert call("diagnostics", "tp301") == 0
    shown = capsys.readouterr().out
    for part in ("TP301 overlap (veto)", "Measured:", "Threshold:", "Why:", "What to do:", "diagnostics.accept="):
        assert part in shown
    assert call("diagnostics", "TP399") == 2
    assert "there is no diagnostic 'TP399'. Nearest: 'TP309'" in capsys.readouterr().err


def test_the_page_of_the_docs_is_the_registrys() -> None:
    assert DOCS.read_text(encoding="utf-8") == document(), (
        "python -m tippingpoint.cli.diagnostics > docs/diagnostics.md"
    )
