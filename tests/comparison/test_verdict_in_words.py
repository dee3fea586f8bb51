"""What the screen of a comparison says last."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tippingpoint.comparison.job import _compare
from tippingpoint.comparison.report import compare_summary, verdict_in_words
from tippingpoint.comparison.result import Comparison
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.baselines import with_baselines
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.experiment.findings import of_candidate
from tippingpoint.offpolicy.contest import contest
from tippingpoint.offpolicy.evidence import Evidence


@pytest.fixture(scope="module")
def compared() -> Comparison:
    words = ["model=logistic", "data.users=4000", "explain_rows=20"]
    question = with_baselines(ask(Settings.from_config(compose("run", words))))
    return Comparison(question, [answer(question, "logistic")], [], [])


def lowered(compared: Comparison, by: float, share: float = 1.0) -> Comparison:
    """The winner brings so much less money for this share of users than all that needs no model."""
    question, winner = compared.question, compared.winner
    everyone = question.valued.reward[:, 1:].max(axis=1) - question.valued.reward[:, 0]
    best = np.maximum(everyone, winner.column.value.contribution)
    contribution = best + 1 if by < 0 else best.copy()
    contribution[: int(share * len(contribution))] -= max(by, 0)
    value = replace(winner.value, contribution=contribution)
    winner = replace(winner, value=value)
    other = replace(winner, family="other", validation=0.5)
    winner = replace(winner, findings=of_candidate(winner, question))
    areas = {"logistic": winner.score, "other": winner.score}
    return replace(compared, candidates=[winner, other], auc=contest(areas, np.random.default_rng(0)))


def test_the_word_wins_is_withheld_where_no_model_does_better(compared: Comparison) -> None:
    won = lowered(compared, -1.0)
    assert "TP403" not in {finding.code for finding in won.winner.findings}
    assert verdict_in_words(won).startswith("logistic wins on validation")
    lost = lowered(compared, 50.0)
    (told,) = (finding for finding in lost.winner.findings if finding.code == "TP403")
    assert told.level == "veto"
    assert "Without a model everyone " in told.said
    assert "EUR per user more" in told.said
    assert verdict_in_words(lost).startswith("logistic comes first on validation")
    accepted = replace(lost.question, chosen=Chosen(accept={"TP403": "the action for everyone is too dear"}))
    again = replace(lost.winner, findings=of_candidate(lost.winner, accepted))
    let = replace(lost, question=accepted, candidates=[again, *lost.candidates[1:]])
    assert verdict_in_words(let).startswith("logistic wins on validation")
    assert "accepted (the action for everyone is too dear)" in " ".join(map(str, let.findings))


def test_without_a_measurement_no_model_is_said_to_lose_to_none(compared: Comparison) -> None:
    scores = compared.question.evidence.outcome_scores
    for evidence in (Evidence("assumed", scores), Evidence("experiment", scores, vetoed=("TP303",))):
        question = replace(compared.question, evidence=evidence)
        lost = lowered(compared, 50.0)
        found = of_candidate(lost.winner, question)
        assert "TP403" not in {finding.code for finding in found}
        why = "vetoed (TP303)" if evidence.vetoed else "no experiment behind it"
        assert f"is inconclusive: {'it is ' if evidence.vetoed else 'there is '}{why}" in verdict_in_words(
            replace(lost, question=question)
        )


def test_a_policy_that_acts_on_almost_nobody_is_said_with_what_to_type(compared: Comparison) -> None:
    def screen(of: Comparison) -> str:
        console = Console(width=400, no_color=True)
        with console.capture() as shown:
            console.print(compare_summary(of, RunReference("", "", None)))
        return shown.get()

    assert "hardly meets" not in screen(compared)
    idle = replace(compared.winner, score=np.minimum(compared.winner.score, 0.3))
    found = of_candidate(idle, compared.question)
    shown = screen(replace(compared, candidates=[replace(idle, findings=found)]))
    users = len(compared.question.parts.test)
    assert f"The policy acts on 0 of {users} test users: it hardly meets these scores. Type policy.cuts=" in shown
    assert "or policy=top_fraction policy.share=0.1." in shown


@pytest.fixture(scope="module")
def rules() -> Comparison:
    """Two models under a policy that reads no score."""
    words = ["data=retention", "policy=retention", "model=logistic", "data.users=4000", "explain_rows=20"]
    question = with_baselines(ask(Settings.from_config(compose("run", words))))
    first = answer(question, "logistic")
    return _compare(question, [first, replace(first, family="other", score=1 - first.score)])


def test_a_policy_that_reads_no_score_is_one_contestant_and_one_sentence(rules: Comparison) -> None:
    names = {name for verdict in rules.uplift for name in (verdict.first, verdict.second)}
    assert names == {
        "retention, any model",
        *(f"everyone {action}" for action in rules.question.actions),
    }
    board = rules.leaderboard().set_index("model")
    uplift = board[f"policy/{rules.question.evidence.kind}/uplift_per_user"]
    assert uplift[["logistic", "other"]].isna().all()
    assert uplift["retention, any model"] == rules.winner.value.uplift.value
    assert np.isnan(uplift[rules.question.column.name])
    said = verdict_in_words(rules)
    assert said.count("retention reads no score: its uplift is the same for every model.") == 1
    assert "other" not in said.partition("The policy's uplift")[2]


def test_every_policy_without_a_model_is_in_the_contest_with_its_paired_difference(compared: Comparison) -> None:
    question, winner = compared.question, compared.winner
    found = _compare(question, [winner, replace(winner, family="other", score=1 - winner.score)])
    rows = {row["model"]: row for row in found.to_dict()["leaderboard"]}
    for name in ("everyone none", "everyone discount_10", "everyone checkout_prompt", question.column.name):
        against = rows[name]["winner_against_it"]
        kind, gain = question.evidence.kind, rows[found.contestant]
        own, other = (of["metrics"][f"policy/{kind}/uplift_per_user"]["value"] for of in (gain, rows[name]))
        assert against["value"] == pytest.approx(own - other)
        assert against["low"] < against["value"] < against["high"]
    assert "metrics" in rows["constant"]
    assert not [name for name in rows["constant"]["metrics"] if name.startswith("policy/")]
