"""A version that predicts effects goes through every verb that takes a version."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.conftest import Once, working_in
from tests.refusals import refuses
from tippingpoint.comparison.job import compare
from tippingpoint.comparison.run import run
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.model_output import effects
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.promotion.job import promote
from tippingpoint.promotion.rollback import rollback
from tippingpoint.promotion.settings import PromoteSettings, RollbackSettings
from tippingpoint.scoring.job import score
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.serving.openapi import example_user
from tippingpoint.serving.version import Limits, serve_version
from tippingpoint.simulation.job import simulate
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider

WORDS = ("model=logistic", "data.users=3000", "report=light", "explain_rows=20", "policy=top_fraction")
VERSION = "models:/conversion/1"


def settings(verb: str, *words: str) -> Settings:
    kind = CompareSettings if verb == "compare" else Settings
    return kind.from_config(compose(verb, [*WORDS, *words]))


@pytest.fixture(scope="session")
def contest(once: Once) -> tuple:
    """Response and DR side by side, each ranked by its own; and the folder of its store."""

    def make(folder: Path):
        return compare(settings("compare", "learner=[response,dr]", "policy.by=own", "policy.share=0.5"))

    return once("effects", make)


@pytest.fixture
def here(contest: tuple):
    with working_in(contest[1]):
        yield contest[0]


def test_every_learner_of_every_family_is_a_contestant(here) -> None:
    comparison = here.comparison
    assert {candidate.family for candidate in comparison.candidates} == {"logistic", "logistic_dr"}
    assert comparison.winner.family == "logistic_dr"
    assert comparison.to_dict()["selected_by"] == "validation/value"
    assert {"logistic", "logistic_dr"} in [{verdict.first, verdict.second} for verdict in comparison.uplift]
    by_name = {candidate.family: candidate for candidate in comparison.candidates}
    response, effect = by_name["logistic"].policy, by_name["logistic_dr"].policy
    assert (response.reads_effects, effect.reads_effects) == (False, True)
    told = by_name["logistic_dr"].explanation
    assert told.space.startswith("what ")
    assert told.gap < 1e-12


def test_plain_mlflow_gives_its_chances_and_effects(here) -> None:
    version = mlflow.MlflowClient().get_model_version("conversion", "1")
    assert version.tags["learner"] == "dr"
    actions = json.loads(version.tags["actions"])
    assert actions == list(here.comparison.question.users.actions)
    winner, test = here.comparison.winner, here.comparison.question.parts.test
    found = mlflow.pyfunc.load_model(VERSION).predict(test.features)
    assert found.shape == (len(test), len(actions) + 1)
    assert np.array_equal(found, winner.found)
    data = mlflow.get_run(version.run_id).data
    assert (data.params["model"], data.params["learner"]) == ("logistic", "dr")


def test_a_batch_holds_the_effect_of_each_action_and_the_gain(here, tmp_path: Path) -> None:
    test, winner = here.comparison.question.parts.test, here.comparison.winner
    test.features.assign(user_id=test.user_id).to_csv(tmp_path / "users.csv", index=False)
    words = [f"input={tmp_path / 'users.csv'}", f"to={tmp_path / 'd.parquet'}", f"model={VERSION}", "reasons=true"]
    scored = score(ScoreSettings.from_config(compose("score", words))).scored
    found = pl.read_parquet(tmp_path / "d.parquet")
    actions = here.comparison.question.actions
    added = effects(winner.found)
    for k, action in enumerate(actions[1:], start=1):
        assert np.allclose(found[f"effect_{action}"], added[:, k], atol=1e-12)
    decided = winner.policy.decide(winner.found, test.features, actions)
    assert found["action"].to_list() == [actions[k] for k in decided]
    gain = found["expected_gain"].to_numpy()
    assert not gain[decided == 0].any()
    # So few users of train promise twice what those of test bear out: no gain is shown to those acted on.
    assert np.isnan(gain[decided > 0]).all()
    assert scored.to_dict()["withheld"] == "No gain is shown in top: test users say that it is smaller than expected."
    assert found["reason_1"].null_count() == 0


def test_the_service_answers_effects_money_and_the_action(here) -> None:
    loaded = load_decider(backend.connect(writing=False), VERSION)
    limits = Limits(10, 5, 10**6)
    about = loaded.name, loaded.version, loaded.policy_digest
    served = serve_version(*about, loaded.decider, loaded.model.family, limits, key=False)
    user = example_user(loaded.decider.deployment)
    (withheld,) = served.decide([user])["decisions"]
    assert {of["gain"] for of in withheld["effects"].values()} == {None}, "test users do not bear it out"
    unchecked = replace(loaded.decider, deployment=loaded.decider.deployment.model_copy(update={"checks": {}}))
    served = serve_version(*about, unchecked, loaded.model.family, limits, key=False)
    (answer,) = served.decide([user])["decisions"]
    assert answer["segment"] == withheld["segment"] == "top"
    assert list(answer["effects"]) == list(loaded.decider.deployment.actions[1:])
    frame = pd.DataFrame([user]).astype({n: float for n, kind in loaded.decider.columns.items() if kind == "number"})
    decided = loaded.decider.decide(frame)
    gains = loaded.decider.deployment.gains(decided.found, frame)[0]
    for k, (action, told) in enumerate(answer["effects"].items(), start=1):
        assert told["effect"] == pytest.approx(effects(decided.found)[0, k], abs=1e-12), action
        assert told["gain"] == pytest.approx(gains[k], abs=1e-9)
    assert answer["action"] == loaded.decider.deployment.actions[decided.action[0]]
    assert set(answer) == set(
        served.openapi["components"]["schemas"]["Decisions"]["properties"]["decisions"]["items"]["properties"]
    )


def test_simulate_sweeps_cut_offs_along_the_effect(here) -> None:
    words = [f"models=[{VERSION}]", "policies=[effect_bands,best_action]", "tracking.log=false", "cuts=40"]
    found = simulate(SimulateSettings.from_config(compose("simulate", words))).simulation
    contestants = set(found.values)
    assert {"logistic_dr · effect_bands", "logistic_dr · best_action", "logistic_dr · top_fraction"} <= contestants
    swept = {of.policy: of for of in found.all_cut_offs}["effect_bands"]
    assert swept.choice is not None
    cuts = found.gathered.along("logistic_dr", "effect_bands").test.cuts
    axis = effects(here.comparison.winner.found)[:, 2]
    assert axis.min() - 0.05 < cuts[1]
    assert cuts[-2] < axis.max() + 0.05  # no chance of the outcome, which goes higher
    ranking = found.gathered.tables["ranking"]
    assert {"logistic_dr"} <= set(ranking["rule"])


@pytest.mark.programs
def test_it_is_promoted_and_rolled_back(here) -> None:
    quick = ["gate.speed.milliseconds=100000", "gate.calibration=null", "gate.explanation=null", "gate.slices=null"]
    words = [f"model={VERSION}", *quick]
    first = promote(PromoteSettings.from_config(compose("promote", words)))
    assert {check.name: check.verdict for check in first.judgement.checks}["reload"] == "passes"
    assert first.promoted
    run(settings("run", "learner=t", "policy.by=own", "policy.share=0.5", "report=none", "seed=1"))
    forced = ["gate.better=null", "gate.value.margin=100", "gate.quality=null", "gate.reload=null"]
    words = ["model=models:/conversion/2", *quick, *forced]
    assert promote(PromoteSettings.from_config(compose("promote", words))).promoted
    back = rollback(RollbackSettings.from_config(compose("rollback", ["why=test"])))
    assert back.version == "1"


def test_users_to_whom_nothing_was_done_are_refused_before_a_run_is_opened(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    columns = {"user_id": [f"u{i}" for i in range(400)], "x": rng.normal(size=400), "y": rng.integers(0, 2, 400)}
    pd.DataFrame(columns).to_csv("users.csv", index=False)
    words = ("learner=dr", "data=csv", "data.path=users.csv", "data.id=user_id", "data.target=y")
    words += ("model=logistic", "policy=top_fraction", "policy.by=effect", "policy.actions.top=none")
    with refuses("learner", "no action was logged", "learner=response"):
        run(Settings.from_config(compose("run", words)))
    assert {path.name for path in tmp_path.iterdir()} <= {"users.csv", ".tippingpoint"}


def test_one_run_fits_one_contestant(here) -> None:
    with refuses("learner", "run fits one learner; got t, dr", "learner=dr"):
        run(settings("run", "learner=[t,dr]"))


@pytest.mark.parametrize("policy", ["effect_bands", "top_fraction"])
def test_a_policy_of_effects_beside_a_response_model_is_refused_before_users_are_read(here, policy: str) -> None:
    by = ["policy.by=effect"] if policy == "top_fraction" else []
    words = (f"policy={policy}", *by, "data.users=100000000", "tracking.log=false")
    with refuses("policy", "predicts the chance of the outcome alone", "learner=dr"):
        compare(settings("compare", "learner=[response,dr]", *words))
