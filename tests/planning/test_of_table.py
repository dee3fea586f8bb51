"""The variance of a measure, and what covariates save of it, come from a table."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.cli.typing_remedies import Case, Typist

pytestmark = pytest.mark.usefixtures("workspace")
LINE = "plan data=csv data.path=users.csv users_per_day=200 days=20"
N, BEFORE, NOISE = 4_000, 8.0, 6.0
"""Users; and standard deviations of what was spent before, which is spent again, and of the rest."""


@pytest.fixture(autouse=True)
def table(workspace: object) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    before = rng.normal(20, BEFORE, N)
    spend = before + rng.normal(0, NOISE, N)
    users = pl.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(N)],
            "spend": [None, *spend[1:]],
            "before": before,
            "plan": rng.choice(["free", "student"], N),
            "left": rng.random(N) < 0.03,
            "house": np.arange(N) // 2,
            "at": ["2026-01-01"] * N,
            "same": 1,
        }
    )
    users = users.with_columns(shared=pl.Series(np.repeat(rng.normal(0, 3, N // 2), 2)))
    users.write_csv("users.csv")
    return users


@pytest.fixture
def asked(call: Callable[..., int], capsys: pytest.CaptureFixture) -> Callable[..., dict[str, Any]]:
    def ask(*words: str) -> dict[str, Any]:
        assert call(*words, "output=json") == 0
        return json.loads(capsys.readouterr().out)

    return ask


def smallest(found: dict[str, Any]) -> float:
    return next(row["smallest"] for row in found["curve"] if row["days"] == found["days"])


def test_a_number_varies_as_in_the_table_and_what_was_known_before_saves(
    asked: Callable[..., Any], table: pl.DataFrame
) -> None:
    plain = asked(*LINE.split(), "measure=spend")
    stated = asked("plan", "users_per_day=200", "days=20", f"deviation={table['spend'].std()}")
    assert smallest(plain) == pytest.approx(smallest(stated))
    adjusted = asked(*LINE.split(), "measure=spend", "pre=[before,plan]")
    left = NOISE / np.hypot(BEFORE, NOISE)
    assert smallest(adjusted) == pytest.approx(left * smallest(plain), rel=0.03)
    assert "before, plan save 64% of its variance; 1 without a value are left out" in adjusted["planned"]


def test_a_yes_or_no_has_its_rate_and_a_guardrail_needs_its_margin_alone(
    asked: Callable[..., Any], table: pl.DataFrame
) -> None:
    found = asked(*LINE.split(), "measure=left", "guardrails={spend: {margin: -1}}")
    rate = table["left"].mean()
    stated = asked("plan", "users_per_day=200", "days=20", f"rate={rate}")
    assert smallest(found) == pytest.approx(smallest(stated))
    by_hand = asked(
        "plan", "users_per_day=200", f"deviation={table['spend'].std()}", "guardrails={s: {margin: -1, deviation: 10}}"
    )
    assert found["guardrails"][0]["users"] == pytest.approx(by_hand["guardrails"][0]["users"], rel=0.05)


def test_groups_that_share_what_they_spend_tell_less(asked: Callable[..., Any]) -> None:
    alone = asked(*LINE.split(), "measure=shared")
    groups = asked(*LINE.split(), "measure=shared", "data.group=house")
    assert smallest(groups) == pytest.approx(np.sqrt(2) * smallest(alone), rel=0.02)
    assert "groups of 2.0 by house, design effect 2.00" in groups["planned"]


def test_the_line_that_locks_reads_the_table_again(
    call: Callable[..., int], asked: Callable[..., Any], capsys: pytest.CaptureFixture
) -> None:
    assert call(*LINE.split(), "measure=spend", "pre=[before]") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "plan lock" in line]
    typed = shlex.split(line.partition("tippingpoint ")[2].replace("'…'", "more"))
    plain = asked(*LINE.split(), "measure=spend", "pre=[before]")
    assert smallest(asked(*typed)) == smallest(plain)


REFUSED = (
    Case(LINE, fill={"measure=…": "measure=spend"}),
    Case(f"{LINE} measure=spent", ["measure=spend"]),
    Case(f"{LINE} measure=at"),
    Case(f"{LINE} measure=same"),
    Case(f"{LINE} measure=spend rate=0.1"),
    Case(f"{LINE} measure=spend pre=[spend]"),
    Case(f"{LINE} measure=spend pre=[befor]", ["pre=[before]"]),
    Case(f"{LINE} measure=spend pre=[before] variance_saved=0.2"),
    Case("plan rate=0.1 users_per_day=200 pre=[before]"),
    Case("plan data=case_study measure=spend users_per_day=200", fill={"data.path=…": "data.path=users.csv"}),
    Case(f"{LINE} measure=spend economics=freemium"),
    Case("plan rate=0.1 users_per_day=200 guardrails='{spend: {margin: -1}}'"),
)


@pytest.mark.programs
def test_what_does_not_fit_is_refused_with_what_to_type(
    call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing = Typist(call, capsys, {"data.path=…": "data.path=users.csv"})
    typing.record(monkeypatch)
    for case in REFUSED:
        typing.type(case)
    assert not typing.failed, "\n".join(typing.failed)
