"""The word of a decision, for every kind of evidence, every veto and every side of an interval."""

from dataclasses import replace

import pytest

from tippingpoint.experiment.decision import Case, decide, losers
from tippingpoint.experiment.diagnostics import catalogue
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.statistics import Estimate, normal

GAIN, LOSS, EITHER, UNTOLD = normal(1.36, 0.1), normal(-1.2, 0.1), normal(0.1, 0.1), Estimate(1.36)
CASE = Case(
    "logistic under intent_bands",
    "logistic",
    "experiment",
    GAIN,
    "EUR per user",
    ranking="logistic ranks best.",
    following={"Ship": "ship it", "Do not ship": "leave it", "Test first": "test it"},
)


def against(first: str, second: str, verdict: str) -> Contrast:
    difference = {"better": GAIN, "worse": LOSS, "inconclusive": EITHER}[verdict]
    return Contrast(first, second, difference, verdict, 500, 100, 2.2)  # type: ignore[arg-type]  # any of the three words


@pytest.mark.parametrize(
    ("kind", "uplift", "word"),
    [
        ("truth", GAIN, "Ship"),
        ("experiment", GAIN, "Ship"),
        ("logged", GAIN, "Test first"),
        ("assumed", UNTOLD, "Test first"),
        ("truth", LOSS, "Do not ship"),
        ("experiment", LOSS, "Do not ship"),
        ("logged", LOSS, "Do not ship"),
        ("truth", EITHER, "Test first"),
        ("experiment", EITHER, "Test first"),
        ("logged", EITHER, "Test first"),
        ("experiment", UNTOLD, "Test first"),
    ],
)
def test_the_word_follows_evidence_and_interval(kind: str, uplift: Estimate, word: str) -> None:
    found = decide(replace(CASE, kind=kind, uplift=uplift))
    assert found.word == word
    assert found.following == CASE.following[found.word]
    assert found.lines[0].startswith(word)


@pytest.mark.parametrize(("simple", "said"), [(2.0, True), (1.0, False)])
def test_what_would_bring_more_by_the_same_assumption_is_said(simple: float, said: bool) -> None:
    found = decide(replace(CASE, kind="assumed", uplift=UNTOLD, simpler={"everyone offer": Estimate(simple)}))
    assert found.word == "Test first"
    assert ("everyone offer" in found.why) == said


@pytest.mark.parametrize("code", [code for code, of in catalogue().items() if of.level == "veto" and code != "TP403"])
def test_a_veto_asks_for_a_test(code: str) -> None:
    found = decide(replace(CASE, uplift=UNTOLD, vetoed=[code]))
    assert found.word == "Test first"
    assert code in found.why


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("verdict", "word"), [("worse", "Do not ship"), ("better", "Ship"), ("inconclusive", "Ship")])
def test_what_takes_no_model_and_brings_more_is_shipped_instead(verdict: str, word: str, turned: bool) -> None:
    opposite = {"better": "worse", "worse": "better"}.get(verdict, verdict)
    everyone = "everyone checkout_prompt"
    pair = against(everyone, CASE.contestant, opposite) if turned else against(CASE.contestant, everyone, verdict)
    found = decide(replace(CASE, simpler={everyone: normal(3.66, 0.16), "column age": GAIN}, contrasts=[pair]))
    assert found.word == word
    assert everyone in found.why
    assert "+3.660 [3.346, 3.974]" in found.why


def test_the_reason_names_no_larger_uplift_than_there_is() -> None:
    assert "+1.360 [1.164, 1.556] EUR per user (experiment)" in decide(CASE).why
    assert "12,345" in decide(replace(CASE, uplift=Estimate(12345.4))).why


def test_a_segment_whose_action_loses_money_is_named_after_the_reason() -> None:
    said = "Drop risky: there ad brings -1.2 EUR per user of that segment."
    for uplift in (GAIN, EITHER, LOSS):
        found = decide(replace(CASE, uplift=uplift, losing=said))
        assert found.why.endswith(said)
        assert found.word == decide(replace(CASE, uplift=uplift)).word
    assert "Drop" not in decide(replace(CASE, uplift=UNTOLD, vetoed=["TP303"], losing=said)).why


def test_segments_lose_where_all_their_intervals_together_say_so() -> None:
    alone = {"risky": normal(-0.21, 0.1)}
    assert list(losers(alone)) == ["risky"]
    assert not losers(alone | {f"other {k}": GAIN for k in range(4)})  # one of five looks worse by chance more often
    assert list(losers({"risky": LOSS, "dormant": EITHER, "few": Estimate(-9.0)})) == ["risky"]
