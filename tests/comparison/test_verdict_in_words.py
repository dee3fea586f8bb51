"""What the screen of a comparison says last."""

from dataclasses import replace

import pytest
from rich.console import Console

from tippingpoint.comparison.report import compare_summary, verdict_in_words
from tippingpoint.comparison.result import Comparison
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.candidate import answer, with_baselines
from tippingpoint.offpolicy.evidence import Evidence


@pytest.fixture(scope="module")
def compared() -> Comparison:
    words = ["model=logistic", "data.users=4000", "explain_rows=20"]
    question = with_baselines(ask(Settings.from_config(compose("run", words))))
    return Comparison(question, [answer(question, "logistic")], [], [])


def lowered(compared: Comparison, by: float, share: float = 1.0) -> Comparison:
    """The winner brings so much less money for this share of users than the best baseline."""
    winner = compared.winner
    best = max(compared.question.baselines, key=lambda b: b.value.uplift.value).value
    contribution = best.contribution.copy()
    contribution[: int(share * len(contribution))] -= by
    uplift = replace(best.uplift, value=float(contribution.mean()))
    value = replace(winner.value, uplift=uplift, contribution=contribution)
    return replace(compared, candidates=[replace(winner, value=value)])


def test_a_baseline_that_earns_more_than_the_winner_is_said_with_the_paired_interval(compared: Comparison) -> None:
    told = verdict_in_words(lowered(compared, 1.0, 0.5))
    assert "under this policy column" in told
    assert "alone earns more (0.500 [0." in told
    assert "per user, paired): its cut-offs fit logistic's scores worse." in told
    assert "which may be chance" in verdict_in_words(lowered(compared, 1.0, 2 / 600))
    assert verdict_in_words(lowered(compared, -1.0)) == "logistic stands alone."
    assumed = replace(compared.question, evidence=Evidence("assumed", compared.question.evidence.outcome_scores))
    assert "earns more" not in verdict_in_words(replace(lowered(compared, 1.0, 0.5), question=assumed))


def test_a_policy_that_acts_on_almost_nobody_is_said_with_what_to_type(compared: Comparison) -> None:
    def screen(of: Comparison) -> str:
        console = Console(width=300, no_color=True)
        with console.capture() as shown:
            console.print(compare_summary(of, RunReference("", "", None)))
        return shown.get()

    assert "hardly meets" not in screen(compared)
    segments = compared.winner.segments.assign(users=[900, 3, 2])
    shown = screen(replace(compared, candidates=[replace(compared.winner, segments=segments)]))
    assert "The policy acts on 5 of 905 test users: it hardly meets these scores. Type policy.cuts=" in shown
    assert "or policy=top_fraction policy.share=0.1." in shown
