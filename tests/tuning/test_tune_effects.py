"""Effect learners are searched by what their policy brings to users held out, never by how well they fit."""

import pytest

from tests.refusals import refuses
from tippingpoint.config.compose import compose
from tippingpoint.experiment.build import ask
from tippingpoint.tuning.job import tune
from tippingpoint.tuning.settings import TuneSettings

WORDS = (
    "model=logistic", "data.users=1500", "report=none", "explain_rows=10", "tracking.log=false",
    "policy=top_fraction", "policy.by=own", "policy.share=0.5",
)  # fmt: skip


def settings(*words: str) -> TuneSettings:
    return TuneSettings.from_config(compose("tune", [*WORDS, *words]))


@pytest.mark.programs
def test_learners_and_responses_are_searched_by_one_objective(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = tune(settings("learner=[response,t]", "tune.trials=4", "tune.folds=2")).tuned
    assert found.objectives == ("value",)
    assert {trial.family for trial in found.tried} == {"logistic", "logistic_t"}
    assert set(found.baseline) == {"logistic", "logistic_t"}
    best = max(found.tried, key=lambda trial: trial.values["value"])
    assert (found.best.family, found.best.number) == (best.family, best.number)
    candidate = found.candidate
    assert candidate is not None
    if candidate.family == "logistic_t":
        assert candidate.out_of_fold is not None
        assert candidate.out_of_fold.shape[1] == len(candidate.model.actions) + 1


def test_rounds_that_a_search_would_watch_are_left_as_they_are() -> None:
    question = ask(settings("learner=dr", "model=boosting"))
    assert "n_estimators" not in question.families["boosting_dr"].search
    assert "max_depth" in question.families["boosting_dr"].search


@pytest.mark.parametrize("objectives", ["[log_loss]", "[value,nodes]"])
def test_metrics_of_a_chance_say_nothing_of_effects(objectives: str) -> None:
    with refuses("tune.objectives", "would not tell how good an effect is", "tune.objectives='[value]'"):
        tune(settings("learner=dr", f"tune.objectives={objectives}"))
