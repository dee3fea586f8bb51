"""What the screen of a batch of decisions says."""

from datetime import UTC, datetime

import pandas as pd
from rich.console import Console

from tippingpoint.decisions.batch_result import BatchResult
from tippingpoint.decisions.batch_statistics import Tally
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.scoring.report import found_in, score_summary


def screen(
    acted: int = 500,
    reasons: dict[str, int] | None = None,
    resumed: tuple[int, int] | None = None,
    holdout: float = 0.0,
) -> str:
    broken = sum((reasons or {}).values())
    segments = pd.DataFrame(
        {
            "segment": ["low", "high"],
            "action": ["none", "checkout_prompt"],
            "users": [1000 - acted, acted],
            "share": [1 - acted / 1000, acted / 1000],
            "mean_score": [0.2, 0.8],
            "value_per_user": [0.0, 1.0],
            "value": [0.0, float(acted)],
        }
    )
    scored = BatchResult(
        origin="users.csv",
        to="d.csv",
        model="models:/conversion/1",
        policy="intent_bands",
        policy_digest="0" * 16,
        scored_at=datetime(2025, 11, 1, tzinfo=UTC),
        tally=Tally(rows=1000 + broken, decided=1000, quarantined=broken, kept=1000, reasons=reasons or {}),
        segments=segments,
        drift=pd.DataFrame({"column": ["age"], "psi": [0.01], "drift": ["same"]}),
        currency="EUR",
        evidence="truth",
        quarantine="aside.csv" if broken else None,
        only=(),
        holdout=holdout,
        numbered=True,
        seconds=0.1,
        resumed=resumed,
    )
    console = Console(width=300, no_color=True)
    with console.capture() as shown:
        console.print(score_summary(scored, found_in(scored, Chosen()), None))
    return shown.get()


def test_a_policy_that_acts_on_almost_nobody_is_said_with_what_to_type() -> None:
    assert "The policy acts on 9 of 1,000 users: it hardly meets these scores. Type tippingpoint compare" in screen(9)
    assert "policy=top_fraction policy.share=0.1" in screen(9)
    assert "hardly meets" not in screen(10)


def test_users_without_an_id_are_said_where_they_have_to_be_found_again() -> None:
    assert "they are called row0, row1" in screen(holdout=0.1)
    assert "row0" not in screen()


def test_reasons_beyond_those_named_are_counted() -> None:
    shown = screen(reasons={"a": 9, "b": 8, "c": 7, "d": 4, "e": 2})
    assert "Quarantined: a: 9; b: 8; c: 7; and 6 more of other reasons. See aside.csv" in shown
    assert "other reasons" not in screen(reasons={"a": 9, "b": 8, "c": 7})


def test_a_resumed_job_says_which_parts_were_there() -> None:
    assert "6 of 80 parts were there" in screen(resumed=(6, 80))
    assert "parts were" not in screen(resumed=(0, 80))
