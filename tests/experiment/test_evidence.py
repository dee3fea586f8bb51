"""What evidence says of a policy, against the truth of the generated worlds."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.evidence import fit_logging, fit_rewards, kind_of, kinds_at_hand
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.value import policy_value

SAMPLES = 200
CONFOUNDED = {
    "case_study": ("users=12000", "logging.slope=1.5"),
    "streamzone": ("users=12000", "logging.slope=1.5"),
    # What is hidden moves these two less: it takes more users, a stronger pull, and more who subscribe, to see it.
    "retention": ("users=40000", "logging.slope=3"),
    "event_log": ("profiles=24000", "logging.slope=5", "subscribing=-6.5"),
}


@cache
def world(name: str, kind: str, *changes: str) -> tuple[Users, Users]:
    """Users of a world under one logging policy to fit nuisances on, and as many others."""
    overrides = [f"data={name}", f"data.logging.kind={kind}", *(f"data.{change}" for change in changes)]
    users = Settings.from_config(compose("run", overrides)).data.build(Source, "data").load()
    half = len(users) // 2
    return users.take(np.arange(half)), users.take(np.arange(half, 2 * half))


def decide(predicted: np.ndarray) -> np.ndarray:
    """A policy that acts on the likelier half, one action on the upper and another on the lower of them."""
    score = predicted.mean(axis=1)
    return np.digitize(score, np.quantile(score, [0.5, 0.75]))


def uplift(outcome_scores: np.ndarray, decision: np.ndarray, kind: str) -> Estimate:
    """Outcomes per user over everyone getting none."""
    return policy_value(Evidence(kind, outcome_scores), np.zeros(3), np.ones(3), decision).uplift


@pytest.mark.worlds
@pytest.mark.parametrize("kind", ["randomised", "by_score"])
@pytest.mark.parametrize("name", CONFOUNDED)
def test_the_doubly_robust_mean_of_200_logs_is_the_truth(name: str, kind: str) -> None:
    """Only the logs are drawn anew; the estimate's mean over them is the truth within three Monte-Carlo errors."""
    size = "profiles" if name == "event_log" else "users"
    train, users = world(name, kind, f"{size}=12000", "logging.slope=1.5")
    predicted = fit_rewards(train, 0)(users.features)
    decision = decide(predicted)
    chances, rng, found = users.logging_probability, np.random.default_rng(7), np.empty(SAMPLES)
    for sample in range(SAMPLES):
        action = (rng.random((len(users), 1)) > np.cumsum(chances[:, :-1], axis=1)).sum(axis=1)
        outcome = (rng.random(len(users)) < users.truth[np.arange(len(users)), action]).astype(np.int64)
        found[sample] = uplift(doubly_robust(outcome, action, chances, predicted), decision, "experiment").value
    error = found.std(ddof=1) / np.sqrt(SAMPLES)
    assert abs(found.mean() - uplift(users.truth, decision, "truth").value) < 3 * error


@pytest.mark.worlds
@pytest.mark.parametrize("name", CONFOUNDED)
def test_without_the_confounder_the_estimate_is_visibly_off(name: str) -> None:
    train, users = world(name, "confounded", *CONFOUNDED[name])
    predicted = fit_rewards(train, 0)(users.features)
    decision = decide(predicted)
    outcome_scores = doubly_robust(users.outcome, users.action, fit_logging(train, 0)(users.features), predicted)
    value = uplift(outcome_scores, decision, "logged")
    assert value.value - uplift(users.truth, decision, "truth").value > 2.5 * value.se


@pytest.mark.parametrize("name", CONFOUNDED)
def test_confounded_logs_can_never_be_called_an_experiment(name: str) -> None:
    _, users = world(name, "confounded", *CONFOUNDED[name])
    assert users.logging_probability is None
    assert kinds_at_hand(users) == ["truth", "logged"]
    with pytest.raises(InputError, match="carry no 'experiment'"):
        kind_of("experiment", users)


@pytest.mark.worlds
def test_a_score_predicts_under_the_logged_mix_or_under_none_only() -> None:
    words = [
        "model=logistic",
        "explain_rows=5",
        "data.users=12000",
        "data.strength={discount_10: 2, checkout_prompt: 2}",
    ]
    share = {}
    for train_on in ("all", "none"):
        question = ask(Settings.from_config(compose("run", [*words, f"data.train_on={train_on}"])))
        test = question.parts.test
        share[train_on] = answer(question, "logistic").score.mean()
    assert abs(share["none"] - test.truth[:, 0].mean()) < 0.02 < share["all"] - share["none"]
    assert abs(share["all"] - test.outcome.mean()) < 0.02


def test_costs_that_the_economics_do_not_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    path.write_text("x,c,y\n" + "".join(f"{i % 7},1.5,{i % 2}\n" for i in range(60)))
    words = ["data=csv", f"data.path={path}", "data.target=y", "data.costs=[c]"]
    with pytest.raises(
        InputError, match=r"data.costs: c: the economics freemium read no costs.*economics=cost_columns"
    ):
        ask(Settings.from_config(compose("run", words)))
