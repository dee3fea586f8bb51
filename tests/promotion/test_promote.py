"""A version is promoted with its policy where the gate lets it, undone by a rollback, and never half."""

import getpass
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from tests.processes import typed
from tests.promotion.promoting import FORCED, QUICK, figure, kinds, of_version, promoting, rolling_back, words_of
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.data.users import Users
from tippingpoint.promotion import contestants
from tippingpoint.promotion.contestants import Contestant
from tippingpoint.promotion.history import history
from tippingpoint.promotion.job import promote
from tippingpoint.promotion.registry_status import described
from tippingpoint.promotion.settings import HistorySettings, PromoteSettings
from tippingpoint.tracking import champion
from tippingpoint.tracking.entries import append
from tippingpoint.tracking.journal import CHAMPION
from tippingpoint.tracking.models import LoadedModel
from tippingpoint.tracking.promotion import aliases, carry_out
from tippingpoint.tracking.registry import CHALLENGER


def test_the_first_is_held_against_the_constant_and_a_vanilla_client_finds_all_of_it(
    client: MlflowClient, compared: tuple
) -> None:
    words = ["why=first of all", "who=ann", "gate.speed.milliseconds=10000"]
    result = promote(PromoteSettings.from_config(compose("promote", words)))
    assert result.promoted
    assert set(words_of(result).values()) == {"passes"}
    assert len(words_of(result)) == 11
    assert result.judgement is not None
    assert figure(result, "better", "champion_roc_auc") == 0.5
    assert aliases(client, "conversion") == {CHAMPION: "1"}
    tags = client.get_model_version_by_alias("conversion", CHAMPION).tags
    assert tags["validation_status"] == "approved"
    assert (tags["promoted_by"], tags["promoted_why"]) == (getpass.getuser(), "first of all")
    assert tags["promoted_on_behalf_of"] == "ann"
    assert json.loads(tags["gate"])["reload"] == "passes"
    note = client.get_registered_model("conversion").description
    assert "Champion: **version 1**" in note
    assert "first of all" in note
    question = compared[0].comparison.question
    scores = mlflow.pyfunc.load_model("models:/conversion@champion").predict(question.parts.test.features)[:, 1]
    np.testing.assert_allclose(scores, compared[0].comparison.winner.score, atol=1e-9)


def test_the_figures_are_those_of_the_runs_own_test(client: MlflowClient, compared: tuple) -> None:
    result = promoting()
    assert result.judgement is not None
    winner = compared[0].comparison.winner
    assert figure(result, "quality", "roc_auc") == pytest.approx(winner.metrics["roc_auc"].value, abs=1e-12)
    assert figure(result, "calibration", "slope") == pytest.approx(winner.metrics["calibration_slope"].value)
    for of in compared[0].comparison.winner.baselines(compared[0].comparison.question):
        over = figure(result, "value", f"over {of.name}")
        if of.name == "constant":  # a score, and no policy
            assert over is None
        else:
            assert over == pytest.approx(winner.value.uplift.value - of.value.uplift.value)
    assert figure(result, "value", "difference") == pytest.approx(winner.value.uplift.value)
    (told,) = (finding for finding in result.judgement.findings if finding.code == "TP403")
    assert "everyone checkout_prompt earns" in told.said


def test_typed_again_there_is_nothing_to_do(client: MlflowClient) -> None:
    promoting("model=1")
    again = promoting("model=1")
    assert (again.refused, again.promoted, again.judgement) == (False, False, None)
    assert kinds(client) == ["look", "promote"]


def test_one_that_is_not_told_better_is_refused_recorded_and_its_look_counted(client: MlflowClient) -> None:
    promoting("model=2", "gate.calibration=null")  # the line, which is right in this world
    first = promoting("model=1")
    assert first.refused
    assert words_of(first)["better"] != "passes"
    assert aliases(client, "conversion") == {CHAMPION: "2", CHALLENGER: "1"}
    assert client.get_model_version("conversion", "1").tags["validation_status"] == "refused"
    assert kinds(client) == ["look", "promote", "refused"]
    assert first.judgement is not None
    again, other = promoting("model=1").judgement, promoting("model=3", "dry_run=true").judgement
    assert again is not None
    assert other is not None
    assert (first.judgement.look, again.look, other.look) == (2, 2, 3)
    assert again.alpha == pytest.approx(0.05 / 6)
    assert other.alpha == pytest.approx(0.05 / 12 / 3), "one of three that reported, picked by hand"


def test_a_version_picked_by_hand_shares_its_level_with_all_that_reported(client: MlflowClient) -> None:
    mine, picked = promoting("dry_run=true").judgement, promoting("model=2", "dry_run=true").judgement
    assert mine is not None
    assert picked is not None
    assert mine.alpha == pytest.approx(0.05 / 2), "the challenger was chosen on validation"
    assert picked.alpha == pytest.approx(0.05 / 6 / 3)
    assert (
        "3 versions reported on it, and share the level"
        in next(check for check in picked.checks if check.name == "looks").said
    )


def test_a_look_counts_before_it_is_judged_whatever_becomes_of_it(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = sys.modules["tippingpoint.promotion.job"]
    judge = verb.judge

    def overtaken(*words: object, **more: object) -> object:
        found = judge(*words, **more)
        won = append(client, "conversion", "promote", "3", "", 0, who="bob", **of_version(client, "3"))
        carry_out(client, "conversion", won, described)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(verb, "judge", overtaken)
        with pytest.raises(RefusedError, match="bob promoted version 3 while this was judged"):
            promoting("model=1")
    assert kinds(client) == ["look", "promote"]
    assert promoting("model=1", "dry_run=true").judgement.look == 2  # type: ignore[union-attr]  # it is there, or this fails


@pytest.mark.programs
def test_of_three_that_look_at_once_each_has_a_place_of_its_own(client: MlflowClient, workspace: Path) -> None:
    words = ["promote", *QUICK, "gate.explanation=null", "dry_run=true", "output=json"]
    jobs = [typed(*words, f"model={k}", folder=workspace) for k in (1, 2, 3)]
    found = [json.loads(job.communicate(timeout=240)[0])["judgement"] for job in jobs]
    assert sorted(one["look"] for one in found) == [1, 2, 3]
    picked = [(one["alpha"] * one["look"] * (one["look"] + 1)) for one in found]
    assert picked == pytest.approx([0.05, 0.05 / 3, 0.05 / 3])
    assert kinds(client) == ["look"] * 3


def test_a_dry_run_moves_nothing_but_its_look_counts(client: MlflowClient) -> None:
    result = promoting("dry_run=true")
    assert not result.promoted
    assert aliases(client, "conversion") == {CHALLENGER: "1"}
    assert kinds(client) == ["look"]


def test_an_environment_has_a_champion_and_a_journal_of_its_own(client: MlflowClient) -> None:
    promoting("to=prod")
    assert aliases(client, "conversion-prod") == {CHAMPION: "1"}
    assert aliases(client, "conversion") == {CHALLENGER: "1"}
    assert client.get_model_version("conversion-prod", "1").source == "models:/conversion/1"
    shown = client.search_registered_models(filter_string="tags.`tippingpoint.kind` = 'model'")
    assert {model.name for model in shown} == {"conversion", "conversion-prod"}, "no journals"
    assert promoting("to=prod").judgement is None
    assert promoting("model=2", "to=prod", *FORCED).champion == "2"
    rolling_back("to=prod")
    assert aliases(client, "conversion-prod") == {CHAMPION: "1"}
    assert set(kinds(client)) == {"look"}, "the question counts the looks of its environments"


def test_what_is_judged_for_an_environment_is_told_there(client: MlflowClient) -> None:
    result = promoting("to=prod", "dry_run=true")
    assert not result.promoted
    assert kinds(client) == ["look"]
    found = history(HistorySettings.from_config(compose("history", ["to=prod"]))).found
    assert found[["what", "version"]].to_numpy().tolist() == [["look", "conversion/1"]]


def test_history_shows_figures_then_and_now(client: MlflowClient) -> None:
    first = promoting("model=1")
    promoting("model=2", "dry_run=true")
    found = history(HistorySettings.from_config(compose("history"))).found
    assert found["what"].tolist() == ["look", "promote", "look"]
    assert first.judgement is not None
    assert found["then"][1] == found["now"][1] == figure(first, "quality", "roc_auc")
    assert found["now"].isna().tolist() == [True, False, False]


def test_what_a_killed_promotion_left_is_named_by_all_and_finished_by_who_says_so(
    client: MlflowClient, call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champion, "UNDER_WAY", 0)
    append(client, "conversion", "promote", "1", "", 0, who="ann", **of_version(client, "1"))  # killed before any alias
    left = "entry 1 (ann promoted version 1) is not carried out: its process is still at it, or was killed."
    typed = "Type tippingpoint promote resume 1 name=conversion."
    for words in (["status"], ["promote"], ["promote", "model=2", "dry_run=true"], ["rollback"], ["promote", "2"]):
        assert call(*words) == 1, words
        assert f"{left} {typed}" in " ".join("".join(capsys.readouterr()).split()), words
    assert call("history") == 0
    assert "left: promote" in " ".join(capsys.readouterr().out.split())
    assert aliases(client, "conversion") == {CHALLENGER: "1"}
    assert call("promote", "resume", "2", "name=conversion") == 1
    assert "its journal has no entry 2; the one that says who is champion is 1. Type tip" in capsys.readouterr().err
    assert call("promote", "resume", "1", "name=conversion") == 0
    assert aliases(client, "conversion") == {CHAMPION: "1"}
    assert call("status") == 0


def test_a_version_that_points_elsewhere_than_its_run_is_refused(client: MlflowClient) -> None:
    run = client.get_model_version("conversion", "1").run_id
    made = client.create_model_version("conversion", "s3://elsewhere/model", run)
    result = promoting(f"model={made.version}", "gate.reload={rows: 5, inconclusive: blocks}")
    assert result.refused
    assert words_of(result)["signature"] == "fails"
    assert words_of(result)["reload"] == "inconclusive"


def test_a_policy_that_was_exchanged_since_it_was_registered_is_refused(client: MlflowClient) -> None:
    client.set_model_version_tag("conversion", "1", "policy_bound_digest", "another")
    result = promoting("dry_run=true")
    assert result.judgement is not None
    assert words_of(result)["signature"] == "fails"
    assert "registered was another" in next(c.said for c in result.judgement.checks if c.name == "signature")


@pytest.mark.parametrize(
    ("lost", "said"),
    [("policy.json", "cannot decide a user alone"), ("deployment.json", "has no deployment.json")],
)
def test_what_score_and_serve_refuse_the_gate_refuses(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, lost: str, said: str
) -> None:
    from tippingpoint.policies.best_action import BestAction
    from tippingpoint.tracking import deciders

    fetch = deciders.fetch_version
    best = {"_target_": "tippingpoint.policies.best_action.BestAction", "name": "best", "version": 1}
    best |= {"actions": {"none": "none", "discount_10": "discount_10"}}

    def another(client: MlflowClient, reference: str, path: str) -> bytes:
        if path != lost:
            return fetch(client, reference, path)
        if path == "policy.json":
            return json.dumps(best).encode()
        raise InputError("models", f"{reference} has no {path}")

    tag = client.get_model_version("conversion", "1").tags["policy_bound_digest"]
    monkeypatch.setattr(deciders, "fetch_version", another)
    monkeypatch.setattr(BestAction, "bound_digest", tag)
    result = promoting("gate.value.inconclusive=blocks")
    assert result.refused
    assert result.judgement is not None
    assert {check.name for check in result.judgement.stopping} == {"signature", "value"}
    assert said in next(check.said for check in result.judgement.checks if check.name == "signature")


def test_a_champion_that_does_not_load_stands_in_the_way_only_until_one_says_so(client: MlflowClient) -> None:
    promoting("model=1")
    run = client.get_run(client.get_model_version("conversion", "1").run_id)
    client.delete_logged_model(run.outputs.model_outputs[0].model_id)
    blocked = promoting("model=2", "gate.slices=null")
    assert blocked.judgement is not None
    assert [check.name for check in blocked.judgement.stopping] == ["better"]
    assert "the champion does not load" in blocked.judgement.stopping[0].said
    assert "gate.better.inconclusive=passes" in blocked.judgement.stopping[0].said
    assert promoting("model=2", "gate.better.inconclusive=passes", "gate.calibration=null").champion == "2"


def test_assumed_evidence_is_no_reason_to_promote_and_has_no_number(
    client: MlflowClient, compared: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tippingpoint.promotion.valuing.kind_of", lambda wanted, users: "assumed")
    result = promoting("dry_run=true", "gate.value.inconclusive=blocks")
    assert words_of(result)["value"] == "inconclusive"
    assert result.refused
    assert result.judgement is not None
    assert figure(result, "value", "difference") is None


@pytest.mark.parametrize("how", ["split", "id"])
def test_a_champion_that_may_have_learnt_from_these_users_is_no_measure(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    promoting("model=1")

    check = contestants._unseen

    def otherwise(model: LoadedModel, champion: Contestant, users: Users) -> str:
        if how == "split":
            champion.model.config["split"]["salt"] = "another"
            return check(model, champion, users)
        assert champion.decider is not None
        theirs = replace(champion.model, data_digest="of another table")
        assert check(model, replace(champion, model=theirs), users) == "", "ids tell who it has learnt from"
        deployment = champion.decider.deployment
        terms = deployment.terms.model_copy(update={"id": "account"})
        decider = replace(champion.decider, deployment=deployment.model_copy(update={"terms": terms}))
        return check(model, replace(champion, model=theirs, decider=decider), users)

    monkeypatch.setattr(contestants, "_unseen", otherwise)
    words = words_of(promoting("model=2", "dry_run=true"))
    assert {words[name] for name in ("better", "value", "slices")} == {"inconclusive"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=9"], r"model: models:/conversion has no version '9'. .*There are: 3, 2, 1."),
        (["model=models:/churn/1"], r"name: there is no registered model 'churn'. There are: conversion."),
        (["name=conversion", "model=models:/churn/1"], r"model: models:/churn/1 is not of conversion. Type name=churn"),
        (["model=models:/conversion@best"], r"model: models:/conversion has no alias best."),
        (["name=convers"], r"name: there is no registered model 'convers'. Nearest: 'conversion'."),
        (["to=prod"], r"to: models:/conversion-prod is there already, and is no environment of conversion"),
        (["run=00000000000000000000000000000000"], r"there is no run 0{32} in this store"),
        (["model=1", "run=x"], r"model: names one, and so does run. Drop one."),
        (["gate=strikt"], r"gate: there is no gate=strikt. Nearest: 'strict'."),
        (["gate.better.margn=1"], r"gate.better.margn: unknown key. Nearest: 'margin'."),
        (["gate.alpha=2"], r"gate.alpha: must be above 0 and below 0.5"),
        (
            ["data=case_study", "data.users=2000"],
            r"data: .* no longer holds the users models:/conversion/1 was judged on",
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_type(
    client: MlflowClient, refused: Callable[..., str], words: list[str], message: str
) -> None:
    if words == ["to=prod"]:
        client.create_registered_model("conversion-prod")
        words = ["name=conversion", *words]
    said = refused("promote", *words)
    import re

    assert re.search(message, said), said


def test_without_a_challenger_it_is_told_what_there_is(client: MlflowClient, refused: Callable[..., str]) -> None:
    client.delete_registered_model_alias("conversion", CHALLENGER)
    said = refused("promote")
    assert "models:/conversion has no challenger. Type tippingpoint compare, or model=…; there are: 3, 2, 1." in said


def test_a_number_is_that_number_however_it_is_written(client: MlflowClient) -> None:
    assert promoting("model='01'", "dry_run=true").version == "1"


def test_the_exit_code_says_whether_it_was_promoted(
    client: MlflowClient, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    assert call("promote", *QUICK, "model=1", "output=json") == 0
    assert json.loads(capsys.readouterr().out)["champion"] == "1"
    assert call("promote", *QUICK, "model=2", "gate.quality.floor=0.99") == 1
    assert "Not promoted: quality fails" in capsys.readouterr().out
    assert call("status") == 0
    assert call("history", "output=json") == 0
    entries = json.loads(capsys.readouterr().out.splitlines()[-1])["entries"]
    assert [entry["what"] for entry in entries] == ["refused", "promote", "look"]
    assert call("rollback") == 2


def test_a_store_that_is_away_is_exit_code_3(
    workspace: Path, call: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert [call(verb) for verb in ("promote", "rollback", "history", "status")] == [3] * 4


def test_a_sigmoid_over_a_pipeline_is_opened_for_its_explanation() -> None:
    from tippingpoint.config.settings import Settings
    from tippingpoint.data.source import Source
    from tippingpoint.data.splits import split
    from tippingpoint.explanation import explain
    from tippingpoint.models import calibration
    from tippingpoint.models.family import Family
    from tippingpoint.promotion.judge import _opened

    settings = Settings.from_config(compose("run", ["model=logistic", "data.users=1500"]))
    family = settings.model["logistic"].build(Family, "model")
    parts = split(settings.data.build(Source, "data").load(), settings.split)
    pipeline = family.pipeline(parts.train.contract, 0).fit(parts.train.features, parts.train.outcome)
    sigmoid = calibration.sigmoid_on(pipeline).fit(parts.validation.features, parts.validation.outcome)
    rows = parts.test.features.head(5)
    loaded: Any = SimpleNamespace(family=family, classifier=sigmoid.set_params(estimator=None), actions=None)
    found = explain(_opened(loaded), parts.test.contract, rows, rows)
    assert found.gap < 1e-9
