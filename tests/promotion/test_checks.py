"""Each check passes, fails or is inconclusive, by what it is given alone."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.experiment.diagnostics import Finding
from tippingpoint.promotion import quality_checks, soundness_checks
from tippingpoint.promotion.alpha_spending import critical, level, power
from tippingpoint.promotion.judge import age
from tippingpoint.promotion.speed import milliseconds
from tippingpoint.promotion.verdict import Check, Judgement

LEVEL = 0.025


def world(n: int = 4000, noise: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, scores that are every user's chance, and those of a worse champion, its noise on the log-odds."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1.5, n) - 1
    outcome = (rng.random(n) < expit(x)).astype(int)
    return outcome, expit(x), expit(x + rng.normal(0, noise, n))


def users(outcome: np.ndarray, **features: list[str]) -> Users:
    columns = tuple(Column(name, "category") for name in features)
    ids = np.arange(len(outcome)).astype(str).astype(object)
    return Users(pd.DataFrame(features, dtype="str"), outcome, ids, FeatureSchema(columns, "converted"))


@given(st.integers(1, 60), st.floats(0.001, 0.4))
def test_all_looks_there_may_ever_be_cost_no_more_than_alpha(looks: int, alpha: float) -> None:
    spent = sum(level(k, alpha) for k in range(1, looks + 1))
    assert spent < alpha
    assert spent == pytest.approx(alpha * (1 - 1 / (looks + 1)))


def test_the_first_look_is_the_plain_interval_and_power_is_half_at_its_edge() -> None:
    assert critical(level(1, 0.05)) == pytest.approx(1.959964, abs=1e-6)
    assert power(1.959964, 1.0, 0.025) == pytest.approx(0.5, abs=1e-6)


def test_quality_needs_the_lower_bound_above_the_floor() -> None:
    outcome, score, _ = world()
    assert quality_checks.floor(outcome, score, 0.6, LEVEL).verdict == "passes"
    assert quality_checks.floor(outcome, score, 0.99, LEVEL).verdict == "fails"
    at = quality_checks.floor(outcome, score, 0.5, LEVEL).figures["roc_auc"]
    assert quality_checks.floor(outcome, score, at, LEVEL).verdict == "inconclusive"
    assert quality_checks.floor(outcome[:60], score[:60], 0.5, LEVEL).verdict == "inconclusive"


def test_better_is_told_user_by_user_and_an_equal_model_is_not_better() -> None:
    outcome, score, champion = world()
    assert quality_checks.better(outcome, score, champion, 0, 0.01, LEVEL).verdict == "passes"
    assert quality_checks.better(outcome, champion, score, 0, 0.01, LEVEL).verdict == "fails"
    assert quality_checks.better(outcome, score, score, 0, 0.01, LEVEL).verdict == "inconclusive"
    assert quality_checks.better(outcome, score, score, 0.001, 0.01, LEVEL).verdict == "passes"


def test_a_later_look_must_be_surer() -> None:
    outcome, score, champion = world(noise=0.4)
    words = [quality_checks.better(outcome, score, champion, 0, 0.01, level(k, 0.05)) for k in (1, 10_000)]
    assert [w.verdict for w in words] == ["passes", "inconclusive"]


def test_value_is_paired_and_needs_users_who_are_treated_otherwise() -> None:
    rng = np.random.default_rng(0)
    champion = rng.normal(0, 1, 2000)
    assert quality_checks.value(champion, champion, "truth", 0.0, LEVEL).verdict == "passes"
    assert quality_checks.value(champion + 0.1, champion, "truth", 0.0, LEVEL).verdict == "passes"
    assert quality_checks.value(champion - 0.1, champion, "truth", 0.0, LEVEL).verdict == "fails"
    assert quality_checks.value(champion - 0.1, champion, "truth", 0.2, LEVEL).verdict == "passes"
    few = np.where(np.arange(2000) < 20, champion + 5, champion)
    assert quality_checks.value(few, champion, "truth", 0.0, LEVEL).verdict == "inconclusive"


def test_a_veto_fails_until_its_reason_is_given() -> None:
    veto = Finding("TP303", "veto", "balance", "Features tell.", {}, "", "")
    warning = Finding("TP401", "warning", "hardly acts", "It acts on 2.", {}, "", "")
    check = soundness_checks.diagnosed([veto, warning])
    assert (check.verdict, check.said) == ("fails", "vetoed by TP303 (balance)")
    check = soundness_checks.diagnosed([replace(veto, accepted="drawn by hand"), warning])
    assert (check.verdict, check.said) == ("passes", "accepted, TP303: drawn by hand; told: TP401")
    assert soundness_checks.diagnosed([warning, replace(veto, code="TP403")]).verdict == "passes"
    assert soundness_checks.diagnosed([]).said == "no veto"


def test_calibration_passes_where_scores_are_chances_and_fails_where_they_are_far_off() -> None:
    outcome, score, _ = world()
    limits = (0.8, 1.25), (-0.2, 0.2)
    assert quality_checks.calibrated(outcome, score, *limits).verdict == "passes"
    assert quality_checks.calibrated(outcome, score**4, *limits).verdict == "fails"
    assert quality_checks.calibrated(outcome, np.full(len(score), outcome.mean()), *limits).verdict == "inconclusive"


def test_a_slice_that_the_champion_serves_better_is_named() -> None:
    outcome, score, _ = world(8000)
    tier = np.where(np.arange(8000) % 4 == 0, "b", "a").tolist()
    of = users(outcome, tier=tier)
    assert quality_checks.slices(of, score, score, 0.05).verdict == "passes"
    flat = np.where(np.array(tier) == "b", outcome.mean(), score)
    found = quality_checks.slices(of, flat, score, 0.05)
    assert found.verdict == "fails"
    assert "tier = b" in found.said


def test_equal_models_differ_in_some_slice_in_few_worlds() -> None:
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.normal(0, 1.5, 1500) - 1
        outcome = (rng.random(1500) < expit(x)).astype(int)
        one, other = (expit(x + rng.normal(0, 0.5, 1500)) for _ in range(2))
        of = users(outcome, **{name: rng.choice(["a", "b", "c"], 1500).tolist() for name in ("u", "v", "w")})
        alarms += quality_checks.slices(of, one, other, 0.05).verdict == "fails"
    assert alarms <= 8  # 3 are expected; more than 8 of 60 have a chance of 0.3 %


MLMODEL = {
    "flavors": {
        "python_function": {
            "env": {"virtualenv": "python_env.yaml"},
            "loader_module": "mlflow.sklearn",
            "model_path": "model.skops",
            "predict_fn": "predict_proba",
        },
        "sklearn": {
            "code": None,
            "pickled_model": "model.skops",
            "serialization_format": "skops",
            "skops_trusted_types": ["numpy.dtype"],
        },
    }
}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("sklearn", "skops_trusted_types"), ["numpy.dtype", "os.system"], "it asks to trust os.system"),
        (("sklearn", "serialization_format"), "cloudpickle", "its sklearn.serialization_format is cloudpickle"),
        (("sklearn", "pickled_model"), "../../model.skops", "../../model.skops"),
        (("python_function", "model_path"), "/etc/passwd", "/etc/passwd"),
        (("sklearn", "code"), "code", "its sklearn.code is code"),
        (("sklearn", "extra"), "code", "may be code of its own"),
        (("python_function", "loader_module"), "evil", "its python_function.loader_module is evil"),
        (("python_function", "code"), "extra", "its python_function has code"),
        (("python_function", "data"), "sub", "its python_function has data"),
    ],
)
def test_a_file_that_asks_for_more_than_its_family_is_refused_in_words(
    path: tuple[str, str], value: object, said: str
) -> None:
    of = {"plays": "number"}
    assert soundness_checks.trusted(MLMODEL, ["numpy.dtype"], of, of).verdict == "passes"
    hostile = json.loads(json.dumps(MLMODEL))
    hostile["flavors"][path[0]][path[1]] = value
    found = soundness_checks.trusted(hostile, ["numpy.dtype"], of, of)
    assert found.verdict == "fails"
    assert said in found.said


def test_a_signature_users_do_not_have_and_a_source_elsewhere_are_refused() -> None:
    found = soundness_checks.trusted(
        MLMODEL, ["numpy.dtype"], {"plays": "number"}, {"plays": "category"}, "it points elsewhere"
    )
    assert found.verdict == "fails"
    assert "users have no plays (number)" in found.said
    assert "it points elsewhere" in found.said


def test_scores_elsewhere_must_be_the_same() -> None:
    score = np.array([0.1, 0.2])
    assert soundness_checks.reloads(score, score).verdict == "passes"
    assert soundness_checks.reloads(score, score + 1e-6).verdict == "fails"
    assert soundness_checks.reloads(score, score[:1]).verdict == "fails"
    assert soundness_checks.reloads(score, None, "no xgboost").verdict == "fails"


def test_no_column_moves_the_scores_alone_and_no_suspect_comes_first() -> None:
    importance = {"plays": 3.0, "age": 1.0}
    assert soundness_checks.explained(importance, {"plays": 0.7}, 0.95, 0.8).verdict == "passes"
    assert soundness_checks.explained(importance, {"plays": 0.7}, 0.95, 0.7).verdict == "fails"
    assert "may know the outcome" in soundness_checks.explained(importance, {"plays": 0.99}, 0.95, 0.8).said
    assert soundness_checks.explained({"plays": 3.0}, {}, 0.95, 0.8).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("rounds", "megabytes", "verdict"),
    [([5, 7], 1, "passes"), ([12, 50], 1, "fails"), ([9, 11], 1, "inconclusive"), ([9, 11], 11, "fails")],
)
def test_speed_is_inconclusive_where_rounds_lie_on_both_sides_of_the_limit(
    rounds: list[float], megabytes: float, verdict: str
) -> None:
    found = soundness_checks.light(rounds, megabytes, 10, 10)
    assert found.verdict == verdict
    assert ("the same pair is the same look" in found.said) == (verdict == "inconclusive")


class Sleeper:
    """A classifier that waits, or calculates, before it answers."""

    def __init__(self, waits: float = 0.0, calculates: float = 0.0) -> None:
        self.waits, self.calculates = waits, calculates

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        time.sleep(self.waits)
        end = time.process_time() + self.calculates
        while time.process_time() < end:
            pass
        return np.full((len(features), 2), 0.5)


def test_speed_counts_what_a_model_calculates_and_not_how_long_it_waits() -> None:
    users = SimpleNamespace(features=pd.DataFrame({"plays": np.arange(9.0)}))

    def taken(classifier: Sleeper) -> float:
        return float(
            np.median(milliseconds(SimpleNamespace(columns={"plays": "number"}, classifier=classifier), users))
        )

    assert taken(Sleeper(waits=0.02)) < 3 < 10 < taken(Sleeper(calculates=0.03))


def test_what_is_too_old_or_worn_out_fails() -> None:
    assert soundness_checks.fresh(100, 90).verdict == "fails"
    assert soundness_checks.fresh(10, 90).verdict == "passes"
    assert "how old they were then is not known" in soundness_checks.fresh(10, 90).said
    assert "newest user is 10.0 days old, by last_seen" in soundness_checks.fresh(10, 90, "last_seen").said
    assert soundness_checks.test_set_looks(20, 3, False, 0.001, 20).verdict == "passes"
    assert soundness_checks.test_set_looks(21, 3, False, 0.001, 20).verdict == "fails"
    assert "; 100 or more versions reported" in soundness_checks.test_set_looks(1, 100, False, 0.001, 20).said
    assert "share the level" in soundness_checks.test_set_looks(1, 3, True, 0.001, 20).said


def test_what_cannot_be_told_blocks_only_where_the_gate_says_so_and_what_fails_always_does() -> None:
    untold, failed = Check("better", "inconclusive", ""), Check("slices", "fails", "")
    assert untold.when_inconclusive("blocks").stops
    assert not untold.when_inconclusive("passes").stops
    assert failed.when_inconclusive("passes").stops
    judgement = Judgement("g", "models:/c/2", "", "t", 9, 1, LEVEL, (untold.when_inconclusive("passes"),))
    assert judgement.passed
    assert not replace(judgement, checks=(failed,)).passed
    assert json.loads(json.dumps(judgement.to_dict()))["passed"]


def test_users_are_as_old_as_their_newest_past_time_and_else_as_their_reading() -> None:
    now, read = datetime(2026, 3, 1), int(datetime(2026, 2, 19, tzinfo=UTC).timestamp() * 1000)
    times = {"signed_up": datetime(2026, 1, 1), "last_seen": datetime(2026, 2, 1), "renews": datetime(2026, 4, 1)}
    assert age(times, read, now) == (28.0, "last_seen")
    assert age({"renews": times["renews"]}, read, now) == (10.0, ""), "what is planned tells no age"
    assert age({}, read, now) == (10.0, "")
