"""`plan` says what an experiment would tell; `plan lock` files it, and `measure` holds to it."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from tests.cli.typing_remedies import Case, Typist
from tests.measurement.test_measure_arms import AB, LINE, experiment

pytestmark = pytest.mark.usefixtures("workspace")
ARMS = "plan rate=0.3 users_per_day=200 days=20 measure=retained"


@pytest.fixture
def asked(call: Callable[..., int], capsys: pytest.CaptureFixture) -> Callable[..., dict[str, Any]]:
    """What a line answers."""

    def ask(line: str, *words: str) -> dict[str, Any]:
        assert call(*line.split(), *words, "output=json") == 0
        return json.loads(capsys.readouterr().out)

    return ask


def at_horizon(found: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in found["curve"] if row["days"] == found["days"])


def test_more_users_tell_less(asked: Callable[..., Any]) -> None:
    found = asked(ARMS)
    told = [row["smallest"] for row in found["curve"]]
    assert told == sorted(told, reverse=True)
    assert at_horizon(found)["users"] == 4_000
    # √(2 · 2 · 0.3 · 0.7 / 4,000) · 2.8 · 1,000 is 40.6, and where the rate rises outcomes vary more
    assert at_horizon(found)["smallest"] == pytest.approx(41.2, abs=0.1)


def test_adjusting_and_groups_scale_the_noise(asked: Callable[..., Any]) -> None:
    plain, saved, groups = (
        at_horizon(asked("plan deviation=10 users_per_day=200", *words))["smallest"]
        for words in ((), ("variance_saved=0.75",), ("design_effect=4", "group_size=3"))
    )
    assert saved == pytest.approx(plain / 2)
    assert groups == pytest.approx(plain * 2)


def test_an_effect_that_is_asked_for_has_its_days(asked: Callable[..., Any]) -> None:
    found = asked(ARMS, f"smallest={at_horizon(asked(ARMS))['smallest']}")
    assert found["days_needed"]["B"] == pytest.approx(20, abs=0.01)


def test_money_is_what_an_effect_is_worth(asked: Callable[..., Any]) -> None:
    found = asked(ARMS, "economics=freemium", "+economics.actions={B: {contact_cost: 0}}")
    row = at_horizon(found)
    assert row["money"] == pytest.approx(row["smallest"] / 1000 * (9.99 * 6 - 3), rel=1e-6)


def test_several_arms_are_told_at_once(asked: Callable[..., Any]) -> None:
    found = asked(ARMS, "arms={A: 0.3333333, B: 0.3333333, C: 0.3333334}")
    one = asked("plan rate=0.3 users_per_day=200 days=20", "arms={A: 0.5, B: 0.5}", "users_per_day=133.33333")
    assert at_horizon(found)["smallest"] > 1.1 * at_horizon(one)["smallest"]


def test_a_locked_plan_marks_what_was_not_planned(asked: Callable[..., Any]) -> None:
    experiment().write_csv("ab.csv")
    guardrails = "guardrails={watch: {margin: -20, deviation: 40}}"
    locked = asked(ARMS.replace("plan", "plan lock", 1), "hypothesis='B keeps more'", guardrails)
    plan = f"plan={locked['run_id']}"
    words = ("data.target=retained", "data.measures=[watch]", plan)
    first = asked(LINE.format("ab.csv"), *words)
    assert first["unplanned"] == []
    assert first["plan"]["hypothesis"] == "B keeps more"
    assert first["decision"]["word"] == "Ship"
    assert [row["verdict"] for row in first["guardrails"]] == ["kept"]
    again = asked(LINE.format("ab.csv"), *words)
    assert again["unplanned"] == ["it is look 2: one was planned"]
    assert again["decision"]["word"] == "Test first"
    other = asked(AB, "data.target=watch", "guardrails={watch: -1}", plan)
    assert "not the planned measure" in other["unplanned"][0]
    experiment(400).write_csv("ab.csv")
    assert "too early" in asked(AB, *words)["unplanned"][0]


@pytest.mark.parametrize(
    "words",
    [
        "rate=0.04 users_per_day=500 days=12 arms='{control: 0.8, B: 0.2}' measure=more",
        "deviation=3 users_per_day=100.5 measure='minutes a day' guardrails='{left: {margin: 3, rate: 0.02}}'",
        "rate=0.04 users_per_day=500 measure=more economics=freemium economics.price=5"
        " economics.actions.B.contact_cost=1",
    ],
)
def test_the_line_that_locks_a_plan_files_the_same(
    words: str, call: Callable[..., int], asked: Callable[..., Any], capsys: pytest.CaptureFixture
) -> None:
    assert call("plan", *shlex.split(words)) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "plan lock" in line]
    typed = shlex.split(line.partition("tippingpoint ")[2].replace("'…'", "more"))
    locked, plain = asked("", *typed), asked("plan", *shlex.split(words))
    assert {**locked, "plan": {}} == {**plain, "plan": {}, "run_id": locked["run_id"], "page": locked["page"]}


@pytest.mark.parametrize(
    ("margin", "verdict", "word"),
    [(4, "kept", "Ship"), (2, "broken", "Do not ship"), (3, "inconclusive", "Test first")],
)
def test_guardrails_have_their_say(margin: float, verdict: str, word: str, asked: Callable[..., Any]) -> None:
    table = experiment(8_000)
    table.with_columns(annoyed=3 * (pl.col("version") == "B") + pl.col("before") / 30).write_csv("ab.csv")
    found = asked(AB, "data.target=retained", "data.measures=[annoyed]", f"guardrails={{annoyed: {margin}}}")
    assert (found["guardrails"][0]["verdict"], found["decision"]["word"]) == (verdict, word)


REFUSED = (
    Case("plan rate=0.04", ["users_per_day=500"]),
    Case("plan users_per_day=500", fill={"model=models:/NAME/1": "rate=0.04"}),
    Case("plan rate=0.04 deviation=3 users_per_day=500", ["deviation=null"]),
    Case("plan rate=0.04 users_per_day=500 arms='{A: 0.5, B: 0.4}'"),
    Case("plan rate=0.04 users_per_day=500 arms='{A: 1.0}'"),
    Case("plan lock rate=0.04 users_per_day=500 measure=kept", fill={"hypothesis='…'": "hypothesis=more"}),
    Case("plan lock rate=0.04 users_per_day=500", fill={"measure=COLUMN": "measure=kept"}),
    Case("plan deviation=4 users_per_day=500 economics=freemium"),
)


@pytest.mark.programs
def test_what_refusals_say_to_type_is_typed_and_they_are_gone(
    call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing = Typist(call, capsys, {"users_per_day=…": "users_per_day=500", "hypothesis=…": "hypothesis=more"})
    typing.record(monkeypatch)
    for case in REFUSED:
        typing.type(case)
    assert not typing.failed, "\n".join(typing.failed)
