"""Every sentence of a verdict says what its interval allows, and nothing else: each is built both ways."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tippingpoint.comparison.report import _against, has_won
from tippingpoint.experiment.decided import ranks
from tippingpoint.experiment.diagnostics import evidence, model, policy
from tippingpoint.measurement.result import against
from tippingpoint.offpolicy.confidence_sequence import Sequence
from tippingpoint.offpolicy.contest import Contrast, contest
from tippingpoint.offpolicy.statistics import Estimate, normal
from tippingpoint.promotion import quality_checks
from tippingpoint.promotion.valuing import signed
from tippingpoint.simulation.report import against_leader
from tippingpoint.tuning.report import _gain, registered_in_words

ABOVE, AROUND, BELOW = normal(2.0, 0.5), normal(0.5, 0.5), normal(-2.0, 0.5)
NONE = Estimate(0.5)
RANKS, CHANCE, TURNED = (
    Estimate(0.7, 0.02, 0.65, 0.74),
    Estimate(0.51, 0.02, 0.47, 0.55),
    Estimate(0.3, 0.02, 0.26, 0.35),
)
Said = Callable[[Estimate], object]


def pair(difference: Estimate) -> Contrast:
    """A pair of 2,000 users whose paired difference has the sign of this one, with an interval like it."""
    noise = np.random.default_rng(0).normal(size=2000)
    noise = (noise - noise.mean()) / noise.std() * (difference.se or 0.5) * np.sqrt(2000)
    (found,) = contest({"own": noise + difference.value, "other": np.zeros(2000)}, np.random.default_rng(1))
    return found


def compared(difference: Estimate) -> str:
    return _against("own", [pair(difference)])


def simulated(difference: Estimate) -> str:
    """What is said of a rival of the leader, which has the opposite difference."""
    return str(against_leader(SimpleNamespace(leader="other", verdicts=[pair(difference)]))["own"])


def first_said(area: Estimate) -> str:
    winner = SimpleNamespace(metrics={"roc_auc": area}, findings=())
    return "wins" if has_won(winner) else "comes first"


def found(of: object) -> str:
    return "" if of is None else of.said  # type: ignore[attr-defined]  # a Finding, whose class takes any


def sequence(last: Estimate) -> Sequence:
    ends = [np.array([of]) for of in (last.value, last.low, last.high, last.low, last.high)]
    return Sequence(np.array([100]), *ends)


def without_a_model(difference: Estimate) -> str:
    return found(policy.better_without_a_model("own", [pair(difference)], "EUR per user"))


def over_column(gain: Estimate) -> str:
    return found(model.no_better_than_a_column("column x", gain))


def calibration(slope: Estimate) -> str:
    return found(model.off_calibration(slope, Estimate(0.0, 0.1, -0.2, 0.2)))


TABLE: list[tuple[str, Said, dict[str, Estimate]]] = [
    ("compare", compared, {"better": ABOVE, "cannot be told": AROUND, "worse": BELOW}),
    ("compare, wins", first_said, {"wins": RANKS, "comes first": CHANCE}),
    ("compare, wins", first_said, {"wins": RANKS, "comes first": TURNED}),
    (
        "decision, ranks",
        lambda of: ranks(SimpleNamespace(family="own", metrics={"roc_auc": of}, findings=()), []),
        {"own ranks users: ": RANKS, "at all is inconclusive": CHANCE, "wrong way round": TURNED},
    ),
    ("simulate", simulated, {"better": ABOVE, "inconclusive": AROUND, "worse": BELOW}),
    ("measure", lambda of: sequence(of).verdict, {"more than": ABOVE, "inconclusive": AROUND, "less than": BELOW}),
    (
        "measure, promise",
        lambda of: against(of, Estimate(0.2, 0.1, 0.0, 0.4), "experiment"),
        {"more than promised": ABOVE, "not to be told": AROUND, "less than promised": BELOW},
    ),
    ("tune", lambda of: _gain(of, "value"), {": better": ABOVE, ": inconclusive": AROUND, ": worse": BELOW}),
    ("tune, none", lambda of: _gain(of, "value"), {"without an interval": NONE, "[": AROUND}),
    (
        "tune, registered",
        lambda of: " ".join(registered_in_words(of, of.value >= 0)),
        {"cannot be told from": AROUND, "it is worse": BELOW, "inconclusively": normal(-0.2, 0.5)},
    ),
    ("TP201", lambda of: found(model.does_not_rank(of)), {"no better than chance": CHANCE, "wrong way round": TURNED}),
    ("TP206", over_column, {"may rank no better": AROUND, "ranks worse": BELOW}),
    ("TP204", calibration, {"too extreme": normal(0.5, 0.1), "too timid": normal(2.0, 0.1)}),
    ("TP310", lambda of: found(evidence.inconclusive_uplift(of)), {"inconclusive": AROUND, "loses money": BELOW}),
    ("TP403", without_a_model, {"other earns 2.000": BELOW}),
    ("gate, intervals", signed, {"+2.0000 [": ABOVE}),
]


@pytest.mark.parametrize(("name", "said", "words"), TABLE, ids=[f"{k} {row[0]}" for k, row in enumerate(TABLE)])
def test_a_sentence_is_said_where_its_interval_allows_it_and_nowhere_else(
    name: str, said: Said, words: dict[str, Estimate]
) -> None:
    for word in words:
        assert [other for other, of in words.items() if word in str(said(of))] == [word], name


@pytest.mark.parametrize(
    ("said", "quiet"),
    [
        (lambda of: found(model.does_not_rank(of)), [RANKS, Estimate(0.5)]),
        (over_column, [ABOVE, NONE]),
        (calibration, [normal(1.0, 0.1), NONE]),
        (lambda of: found(evidence.inconclusive_uplift(of)), [ABOVE, NONE]),
        (without_a_model, [ABOVE, AROUND]),
        (lambda of: " ".join(registered_in_words(of, of.value >= 0)), [ABOVE]),
    ],
)
def test_where_there_is_nothing_to_say_nothing_is_said(said: Said, quiet: list[Estimate]) -> None:
    for of in quiet:
        assert said(of) == ""


def test_users_who_are_treated_alike_are_said_to_be_the_same_and_not_inconclusive() -> None:
    same = replace(pair(AROUND), changed=0, verdict="inconclusive")
    assert _against("own", [same]) == "is that of other, user by user"


OUTCOME = (np.random.default_rng(0).random(4000) < 0.3).astype(np.int64)
NOISE = np.random.default_rng(1).random(4000)


def mixed(share: float) -> np.ndarray:
    """Scores that tell the outcome the better the larger the share; a negative one turns them round."""
    return np.clip(0.5 + share * (OUTCOME - 0.5) + (1 - abs(share)) * (NOISE - 0.5), 0.01, 0.99)


@pytest.mark.parametrize(
    ("check", "passes", "fails", "inconclusive"),
    [
        (lambda s: quality_checks.floor(OUTCOME, mixed(s), 0.6, 0.025), 0.6, 0.0, 0.09),
        (lambda s: quality_checks.better(OUTCOME, mixed(s), NOISE, 0.0, 0.01, 0.025), 0.6, -0.6, 0.0),
        (lambda s: quality_checks.value(NOISE - 0.5 + s, NOISE[::-1] - 0.5, "experiment", 0.0, 0.025), 0.5, -0.5, 0.0),
        (
            lambda s: quality_checks.calibrated(
                OUTCOME, np.clip(0.3 + s + 0.02 * NOISE, 0.01, 0.99), (-99, 99), (-0.2, 0.2)
            ),
            -0.01,
            0.4,
            0.04,
        ),
    ],
    ids=["floor", "better", "value", "calibrated"],
)
def test_a_check_passes_or_fails_where_its_whole_interval_does(
    check: Callable[[float], quality_checks.Check], passes: float, fails: float, inconclusive: float
) -> None:
    for share, verdict in ((passes, "passes"), (fails, "fails"), (inconclusive, "inconclusive")):
        assert check(share).verdict == verdict, check(share).said


def test_a_verdict_table_has_no_verdict_that_its_interval_contradicts() -> None:
    rng = np.random.default_rng(3)
    values = {f"p{k}": rng.normal(0.02 * k, 1, 3000) for k in range(7)}
    rows = pd.DataFrame([vars(v.difference) | {"verdict": v.verdict} for v in contest(values, rng)])
    assert ((rows["low"] > 0) == (rows["verdict"] == "better")).all()
    assert ((rows["high"] < 0) == (rows["verdict"] == "worse")).all()
    assert rows["verdict"].nunique() > 1
