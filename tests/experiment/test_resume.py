"""What a sweep has done is found before its users are drawn or read; what would give others is done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tippingpoint.comparison import run
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.strict import Component
from tippingpoint.data.source import Source

SMALL = ("report=none", "explain_rows=5", "model=logistic", "tracking.register_model=false", "split.train=0.5")


def content(*words: str) -> str | None:
    settings = Settings.from_config(compose("run", words))
    return Component.of(settings.data.model_dump(), "data").build(Source, "data").content()


def test_what_is_done_is_found_without_users(
    stored: Path, call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ("run", "-m", "seed=0,1", "data.users=600", *SMALL)
    assert call(*words) == 0
    monkeypatch.setattr(run, "ask", None)
    capsys.readouterr()
    assert call(*words) == 0
    assert "2 of 2 jobs were finished before" in capsys.readouterr().err


def test_another_content_of_the_same_name_is_not_what_was_done(workspace: Path) -> None:
    words = ("data=csv", "data.path=users.csv", "data.target=y")
    Path("users.csv").write_text("user_id,x,y\na,1,0\nb,2,1\n")
    before = content(*words)
    Path("users.csv").write_text("user_id,x,y\na,1,0\nb,3,1\n")
    assert before is not None
    assert content(*words) not in (None, before)


def test_what_only_loading_tells_is_loaded(workspace: Path) -> None:
    Path("users.csv").write_text("user_id,x,y\na,2026-01-01,0\nb,2026-01-02,1\n")
    contract = "outcome: y\nid: user_id\ncolumns:\n  user_id: {type: text}\n  x: {type: time}\n  y: {type: whole}\n"
    Path("c.yaml").write_text(contract)
    words = ("data=csv", "data.path=users.csv", "data.contract=c.yaml")
    assert content(*words) is None  # what lies in the future now will not tomorrow
    Path("c.yaml").write_text(contract.replace("type: time", "type: time, future: true"))
    assert content(*words) is not None
    assert content("data=sql", "data.url=duckdb:///x.duckdb", "data.query=select 1", "data.target=y") is None
