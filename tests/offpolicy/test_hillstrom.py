"""A real experiment: what can be told there, and what cannot."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose, option
from tippingpoint.core.strict import Component
from tippingpoint.data.splits import Parts, split
from tippingpoint.experiment.evidence import gather_evidence, log_of
from tippingpoint.models.calibration import fit
from tippingpoint.offpolicy.contest import contest
from tippingpoint.offpolicy.ranking import qini
from tippingpoint.offpolicy.value import policy_value
from tippingpoint.policies.policy import Policy

ROOT = Path(__file__).parents[2]
NONE, WOMENS = 0, 2


@cache
def asked(folder: Path, experiment: str, *overrides: str) -> tuple[CompareSettings, Parts]:
    words = [f"experiment={experiment}", f"data.path={folder}/hillstrom.csv", "model=[logistic,boosting]", *overrides]
    words += ["model.boosting.n_estimators=130", "model.boosting.learning_rate=0.1"]
    settings = CompareSettings.from_config(compose("compare", words))
    return settings, split(settings.data.build(object, "data").load(), settings.split)


def measured(parts: Parts):
    return gather_evidence("experiment", parts.train, parts.test, np.ones(3), 0)


def test_visits_targeting_the_womens_mail_by_its_effect_is_told_from_none(real: Path):
    _, parts = asked(real, "hillstrom_womens", "split.train=0.3", "split.validation=0.2")
    predicted, outcome_scores = (
        log_of("experiment", parts.train, parts.test, 0).predicted,
        measured(parts).outcome_scores,
    )
    by_effect = qini(predicted[:, WOMENS] - predicted[:, NONE], outcome_scores[:, WOMENS] - outcome_scores[:, NONE])
    assert by_effect.value / by_effect.se == pytest.approx(5, abs=0.7)
    by_outcome = qini(predicted[:, NONE], outcome_scores[:, WOMENS] - outcome_scores[:, NONE])
    assert abs(by_outcome.value) < 1.96 * by_outcome.se


def test_purchases_no_model_can_be_told_from_another(real: Path):
    settings, parts = asked(real, "hillstrom_conversion")
    policy, economics = settings.policy.build(object, "policy"), settings.economics.build(object, "economics")
    actions = parts.test.actions
    reward_intercept, reward_slope = economics.line(actions, True)
    evidence, each = measured(parts), {}
    for name, part in settings.model.items():
        model = fit(part.build(object, f"model.{name}"), parts.train, parts.validation, 0)
        decision = policy.decide(model.score(parts.test), parts.test.features, actions)
        each[name] = policy_value(evidence, reward_intercept, reward_slope, decision).contribution
    (verdict,) = contest(each, np.random.default_rng(0))
    assert verdict.verdict == "inconclusive"
    assert verdict.changed > 1000
    assert verdict.users_needed(0.10) > 10 * len(parts.test)


def test_the_policies_of_experiments_can_be_built():
    for path in (ROOT / "experiments" / "policies").glob("*.yaml"):
        assert Component.model_validate(option("policy", str(path))).build(Policy, "policy").name == path.stem
