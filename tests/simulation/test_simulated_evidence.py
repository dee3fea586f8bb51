"""What an experiment or a log says of models that are there, by every estimator."""

from typing import Any

import numpy as np
import pytest

from tests.simulation.simulations import artifact, ask
from tippingpoint.experiment.evidence import fit_rewards
from tippingpoint.experiment.simulation_result import NONE
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.policies.policy import FitContext
from tippingpoint.simulation.job import SimulateResult
from tippingpoint.tracking import backend

pytestmark = pytest.mark.usefixtures("at_compared")


@pytest.fixture(scope="module")
def experimented(at_compared: tuple) -> SimulateResult:
    return ask(f"models=[{at_compared[0].filed.run_id}]", "evidence=experiment", "policies=[best_action]")


def test_with_an_experiment_the_evidence_is_diagnosed(experimented: SimulateResult) -> None:
    gathered = experimented.simulation.gathered
    tables = gathered.tables
    assert (tables["evidence"]["effective_sample_size"] <= gathered.about["users"]["test"]).all()
    assert set(tables["reward_model"]["action"]) == {"none", "discount_10", "checkout_prompt"}
    assert {"autoc", "qini", "uplift_at_10%"} <= set(tables["ranking"]["measure"])
    assert (tables["ranking"]["evidence"] == "experiment").all()
    assert "share_clipped" not in tables["evidence"]  # chances that are known are not


def test_every_estimator_stands_beside_the_default_at_any_price(compared: tuple, experimented: SimulateResult) -> None:
    from tippingpoint.offpolicy.estimators import ESTIMATORS
    from tippingpoint.offpolicy.evidence import Log

    anew = ask(f"models=[{experimented.filed.run_id}]", "economics.price=7", "economics.ad_revenue=2")
    question = compared[0].comparison.question
    users, economics = question.parts.test, anew.simulation.asked.economics
    reward_intercept, reward_slope = economics.line(users.actions, True)
    predicted = fit_rewards(question.parts.train, 0)(users.features)
    log = Log(users.outcome, users.action, users.logging_probability, predicted).priced(reward_intercept, reward_slope)
    found = anew.simulation.tables()["estimators"].set_index(["contestant", "estimator"])
    assert set(found.index.get_level_values("estimator")) == set(ESTIMATORS)
    assert {NONE, "everyone discount_10", f"boosting{PAIR}intent_bands"} <= set(found.index.get_level_values(0))
    none = np.zeros(len(users), dtype=np.int64)
    fitted = next(c for c in compared[0].comparison.candidates if c.family == "boosting")
    decision = question.policy.bind(FitContext(users.features, users.features, fitted.score, None)).decide(
        fitted.score, users.features, users.actions
    )
    for name, decided in {f"boosting{PAIR}intent_bands": decision, "everyone discount_10": none + 1}.items():
        for estimator, of in ESTIMATORS.items():
            row = found.loc[name, estimator]
            for column, expected in {"value": of(log, decided), "uplift": of(log, decided) - of(log, none)}.items():
                assert row[f"{column}_per_user_experiment"] == pytest.approx(expected.value, abs=1e-9)
                if estimator == "dm":  # its spread says nothing of its bias
                    assert np.isnan(row[f"{column}_per_user_experiment_se"])
                elif estimator in ("dr", "sndr"):  # no less than expected outcomes make it
                    assert row[f"{column}_per_user_experiment_se"] >= expected.estimate.se * (1 - 1e-6)
                else:
                    assert row[f"{column}_per_user_experiment_se"] == pytest.approx(expected.estimate.se, rel=1e-6)
        default = anew.simulation.values[name]["uplift_per_user"]
        assert found.loc[name, "dr"]["uplift_per_user_experiment"] == pytest.approx(default.value, abs=1e-9)
        assert found.loc[name, "dr"]["uplift_per_user_experiment_se"] == pytest.approx(default.se, rel=1e-6)
    assert set(found[found["default"]].index.get_level_values("estimator")) == {"dr"}
    assert "estimators" in {f.path[7:-4] for f in backend.connect().list_artifacts(anew.filed.run_id, "tables")}
    html = artifact(anew.filed.run_id, "simulation.html").read_text()
    assert all(word in html for word in ("dr (default)", "effective users", "largest weight", "Calibration of"))


def test_what_is_estimated_of_a_log_is_fitted_once(compared: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    from tippingpoint.experiment import evidence

    fits: list[int] = []
    fit_chances = evidence.fit_chances

    def counted(*arguments: Any) -> object:
        fits.append(1)
        return fit_chances(*arguments)

    monkeypatch.setattr(evidence, "fit_chances", counted)
    found = ask(f"models=[{compared[0].filed.run_id}]", "evidence=logged").simulation
    assert found.kind == "logged"
    assert "share_clipped" in found.gathered.tables["evidence"]
    assert len(fits) == 1
