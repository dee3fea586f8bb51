"""What the screen of a promotion says to type."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console, RenderableType

from tippingpoint.experiment.diagnostics import Finding
from tippingpoint.promotion import quality_checks
from tippingpoint.promotion.report import history_summary, promote_summary
from tippingpoint.promotion.verdict import Check, Judgement

UNTOLD = Check("better", "inconclusive", "ROC AUC +0.0001", {"difference_low": -0.01})
JUDGED = Judgement("standard 1a2b3c4d", "models:/conversion/3", "models:/conversion/1", "t", 2000, 1, 0.025, (UNTOLD,))


def screen(judgement: Judgement, promoted: bool = False, name: str = "conversion", champion: str = "1") -> str:
    console = Console(width=300, no_color=True)
    with console.capture() as shown:
        console.print(promote_summary(name, "3", champion, judgement, promoted, False, (), "", "data=retention"))
    return shown.get()


@pytest.mark.parametrize(
    ("checks", "gate", "said"),
    [
        ((UNTOLD,), "standard", "type the same line with gate=no_worse (at most so much worse"),
        ((replace(UNTOLD, verdict="fails"),), "standard", "type the same line with gate=no_worse"),
        ((UNTOLD,), "no_worse", "Next: keep the champion, or type the same line with gate.better.inconclusive=passes"),
        ((replace(UNTOLD, verdict="fails"),), "no_worse", "Next: keep the champion.\n"),
        ((replace(UNTOLD, figures={}),), "standard", "with gate.better.inconclusive=passes"),  # one that does not load
        ((UNTOLD, Check("value", "inconclusive", "")), "strict", "with gate=no_worse gate.value.inconclusive=passes"),
        ((UNTOLD, Check("slices", "fails", "")), "standard", "what fails (slices) is let in by no other word."),
    ],
)
def test_a_refusal_says_what_to_type(checks: tuple[Check, ...], gate: str, said: str) -> None:
    shown = screen(replace(JUDGED, checks=checks, gate=f"{gate} 1a2b3c4d"))
    assert said in shown
    assert f"(gate={gate} 1a2b3c4d)" in " ".join(shown.split())


def test_a_first_refusal_keeps_no_champion() -> None:
    shown = screen(replace(JUDGED, against=""), champion="")
    assert "There is no champion yet. " not in shown.split("Next:")[1]
    assert (
        "Next: tippingpoint tune data=retention for one that is let in, or type the same line with gate.better" in shown
    )


def test_too_few_users_are_no_reason_to_tune() -> None:
    few = quality_checks.floor(np.r_[np.ones(9, int), np.zeros(500, int)], np.linspace(0, 1, 509), 0.55, 0.025)
    shown = screen(replace(JUDGED, checks=(few,)), champion="")
    assert "Next: bring more users: of either outcome 50 test users are needed, whatever is tuned." in shown
    assert "tune data" not in shown
    assert "Next: keep the champion, and bring more users" in screen(replace(JUDGED, checks=(few,)))


def test_what_is_let_in_though_no_model_is_better_says_what_the_decision_box_says() -> None:
    told = Finding("TP403", "veto", "better without a model", "Without a model everyone b earns 1 more.", {}, "", "")
    passed = replace(JUDGED, checks=(), findings=(told,))
    assert "The decision box of its comparison says not to ship it (TP403)" in screen(passed, promoted=True)
    assert "Undo: tippingpoint rollback" in screen(passed, promoted=True)
    assert "decision box" not in screen(replace(passed, findings=(replace(told, accepted="dear"),)), promoted=True)


def test_what_can_be_undone_is_said_with_the_name() -> None:
    passed = replace(JUDGED, checks=())
    assert "Undo: tippingpoint rollback name=conversion\n" in screen(passed, promoted=True)
    assert "Undo: tippingpoint rollback name=conversion to=prod\n" in screen(passed, True, "conversion-prod")
    assert "Undo" not in screen(replace(passed, against=""), promoted=True)


def test_better_names_its_margin_and_no_chance_against_a_constant() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(2000)
    outcome, other = (rng.random(2000) < score).astype(int), np.clip(score + rng.normal(0, 0.1, 2000), 0, 1)
    assert (
        "at most 0.005 worse; 0.01 would be told"
        in quality_checks.better(outcome, score, other, 0.005, 0.01, 0.025).said
    )
    assert "worse" not in quality_checks.better(outcome, score, other, 0, 0.01, 0.025).said
    assert "would be told" not in quality_checks.better(outcome, score, np.full(2000, 0.3), 0, 0.01, 0.025).said


def at_80(shown: RenderableType) -> str:
    console = Console(width=80, no_color=True)
    with console.capture() as text:
        console.print(shown)
    return text.get()


def test_at_80_columns_nothing_is_cut() -> None:
    long = "an explanation of some length that holds models:/a_registered_model_of_a_long_name/123 and a reason"
    row = {
        "entry": 12, "when": "2026-03-01 06:00:00", "what": "rollback", "version": "conversion/12", "over": "11",
        "who": "somebody.with.a.long.name@department.example", "why": long, "gate": "standard 1a2b3c4d: no: better",
        "claimed": "login x", "look": 1, "then": 0.75, "then_low": 0.71, "now": 0.74,
    }  # fmt: skip
    journal = at_80(history_summary("conversion", "conversion", pd.DataFrame([row]), (), ()))
    checks = (replace(UNTOLD, blocks=True, said=long), Check("explanation", "fails", long))
    judged = at_80(promote_summary("conversion", "3", "1", replace(JUDGED, checks=checks), False, False, "", ""))
    for shown in (journal, judged):
        assert "…" not in shown.replace("version=…", "")
        assert max(map(len, shown.splitlines())) <= 80
    assert "somebody.with.a.long.name@department.example" in "".join(line[62:].strip() for line in journal.splitlines())
    assert "now: ROC AUC when a later version was last held against it" in journal


def test_a_link_to_this_machine_says_what_serves_it() -> None:
    def linked(page: str) -> str:
        return at_80(promote_summary("conversion", "3", "3", None, False, False, "", page))

    assert "tippingpoint ui serves:\nMLflow: http://127.0.0.1:5000/#/models" in linked("http://127.0.0.1:5000/#/models")
    assert "tippingpoint ui" not in linked("https://mlflow.example/#/models")
