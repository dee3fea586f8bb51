"""All users by folds, and further splits: what compare says beside one split."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

import tippingpoint as tp
from tippingpoint.comparison import refits
from tippingpoint.comparison.crossfit import Folds
from tippingpoint.comparison.job import CompareResult, compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.data.splits import roles, slices, turn
from tippingpoint.experiment.fitting import decide
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.best_action import BestAction

UNFILED = ("tracking.log=false", "data.users=3000", "explain_rows=1", "report=none", "model=logistic")


def compared(*words: str) -> CompareResult:
    return compare(CompareSettings.from_config(compose("compare", [*UNFILED, *words])))


@pytest.fixture(scope="module")
def crossfitted() -> CompareResult:
    asked = {"evidence": "experiment", "explain_rows": 1, "report": "none", "evaluate": "crossfit", "repeats": 2}
    return tp.compare(tp.generate("case_study", users=3000), "logistic", track=False, **asked)


def test_every_user_counts_and_the_error_falls_by_no_more_than_the_root_of_five(crossfitted: CompareResult) -> None:
    found = crossfitted.comparison.crossfit
    assert found is not None
    assert len(found.values["logistic"].contribution) == found.users == 3000
    ratio = found.error_ratio("logistic")
    assert ratio is not None
    assert 1.6 < ratio < 2.8
    held_out = crossfitted.comparison.winner.value.uplift
    assert found.values["logistic"].uplift.se == pytest.approx((held_out.se or 0) / ratio)


def test_the_last_of_five_folds_is_the_test_part_and_its_policy_the_registered_one(crossfitted: CompareResult) -> None:
    comparison, found = crossfitted.comparison, crossfitted.comparison.crossfit
    assert found is not None
    fold = slices(comparison.question.users, "tippingpoint", 5)
    assert found.values["logistic"].contribution[fold == 4] == pytest.approx(comparison.winner.value.contribution)


def test_the_answer_says_what_is_estimated(crossfitted: CompareResult) -> None:
    of = crossfitted.to_dict()["crossfit"]
    assert (of["folds"], of["fitted_on"], of["users"]) == (5, 4, 3000)
    assert "not what the registered version brings" in of["estimated"]
    row, *without_model = of["leaderboard"]
    assert [other["model"].split(" ")[0] for other in without_model] == ["everyone"] * 3 + ["column"]
    assert any({v["first"], v["second"]} == {"logistic", without_model[-1]["model"]} for v in of["verdicts"])
    assert "everyone checkout_prompt" in [other["model"] for other in without_model]
    assert ("logistic", "everyone checkout_prompt") in [(v["first"], v["second"]) for v in of["verdicts"]]
    assert row["metrics"]["crossfit/experiment/uplift_per_user"]["low"] is not None
    assert "crossfit/experiment/uplift_per_user" in crossfitted.leaderboard()
    json.dumps(crossfitted.to_dict())


def test_one_split_alone_says_nothing_of_folds() -> None:
    answer = compared("data.users=1500").to_dict()
    assert "crossfit" not in answer
    assert "repeats" not in answer


@pytest.mark.parametrize(("policy", "effects"), [(Bands(), False), (Bands(), True), (BestAction(), False)])
def test_each_user_is_held_out_once_and_two_folds_learn_from_each_other_only_where_that_is_harmless(
    policy: Any, effects: bool
) -> None:
    folds = Folds.of(policy, effects)
    fold = np.arange(folds.number)
    seen = np.array([np.logical_or(*roles(fold, k, folds.number, folds.others)[:2]) for k in fold])
    assert (np.array([roles(fold, k, folds.number, folds.others)[2] for k in fold]) == np.eye(folds.number)).all()
    assert not seen.diagonal().any()
    assert (seen.sum(axis=1) == folds.others).all()
    assert (seen & seen.T).any() == (not (policy.chosen_by_outcomes or effects))


def test_folds_keep_groups_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    n = 2400
    home = np.repeat(np.arange(n // 3), 3)
    x, arm = rng.normal(size=n), rng.integers(0, 2, n // 3)[home]
    chance = 1 / (1 + np.exp(0.5 - x - 0.4 * arm + rng.normal(size=n // 3)[home]))
    lines = ["id,home,x,arm,bought"]
    drawn = zip(home, x, arm, rng.random(n) < chance, strict=True)
    lines += [f"u{i},h{h},{of:.4f},{('none', 'mail')[a]},{int(y)}" for i, (h, of, a, y) in enumerate(drawn)]
    Path("users.csv").write_text("\n".join(lines))
    words = ["data=csv", "data.path=users.csv", "data.target=bought", "data.group=home", "data.action=arm"]
    words += ["data.logging_probability=uniform", "policy.actions.low=none", "policy.actions.medium=none"]
    words += ["policy.actions.high=mail", "++economics.actions.mail={contact_cost: 0.1}", "evaluate=crossfit"]
    settings = ["tracking.log=false", "explain_rows=1", "report=none", "model=logistic", *words]
    comparison = compare(CompareSettings.from_config(compose("compare", settings))).comparison
    users, found = comparison.question.users, comparison.crossfit
    assert found is not None
    fold = slices(users, "tippingpoint", 5)
    assert all(len(set(fold[home == h])) == 1 for h in range(50))
    value = found.values["logistic"]
    assert value.group is not None
    sums = np.bincount(value.group, value.contribution - value.contribution.mean())
    assert value.uplift.se is not None  # expected outcomes may make it larger than these sums, never smaller
    assert value.uplift.se >= (1 - 1e-9) * np.sqrt(sums @ sums * len(sums) / (len(sums) - 1)) / n


def test_further_splits_count_verdicts_and_give_no_interval(crossfitted: CompareResult) -> None:
    of = crossfitted.to_dict()["repeats"]
    assert of["splits"] == 2
    (row,) = of["leaderboard"]
    assert (row["chosen_in"], row["largest_in"]) == (2, 2)
    ends = [row[f"uplift_per_user_experiment_{end}"] for end in ("smallest", "median", "largest")]
    assert ends == sorted(ends)
    assert not [name for name in row if "low" in name or "high" in name]


def test_a_fold_without_outcomes_is_refused() -> None:
    question = compared("data.users=300").comparison.question
    few = question.users.take(np.arange(8))
    with pytest.raises(InputError, match="evaluate=held_out"):
        turn(few, slices(few, "tippingpoint", 5), 0, 5, 4)


def test_what_was_cut_short_is_not_fitted_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*UNFILED[1:], "data.users=1000", "evaluate=crossfit", "repeats=1"]
    settings = CompareSettings.from_config(compose("compare", words))
    fitted: list[str] = []

    def failing(question: Any, family: str) -> Any:
        fitted.append(family)
        if len(fitted) == 4:
            raise RuntimeError("cut short")
        return decide(question, family)

    monkeypatch.setattr(refits, "decide", failing)
    with pytest.raises(RuntimeError, match="cut short"):
        compare(settings)
    again = compare(settings)
    assert len(fitted) == 4 + 3  # three of six were there
    whole = compared(*words)
    for name in ("crossfit", "repeats"):
        assert again.to_dict()[name] == whole.to_dict()[name]
    assert again.filed is not None
    run = mlflow.MlflowClient().get_run(again.filed.run_id)
    assert "crossfit/truth/uplift_per_user_low" in run.data.metrics
    assert "repeats/truth/uplift_per_user/logistic" in run.data.metrics


@pytest.mark.programs
def test_several_processes_find_what_one_does() -> None:
    words = ["data.users=1000", "model=[logistic,boosting]", "model.boosting.n_estimators=20", "evaluate=crossfit"]
    one, two = (compared(*words, f"workers={number}").to_dict()["crossfit"] for number in (1, 2))
    assert one == two


def test_a_policy_that_reads_no_score_counts_once() -> None:
    words = [
        "data=retention",
        "policy=retention",
        "model=[logistic,random_forest]",
        "model.random_forest.n_estimators=5",
    ]
    comparison = compared(*words, "data.users=1500", "evaluate=crossfit").comparison
    found = comparison.crossfit
    assert found is not None
    assert comparison.alike in found.values
    assert not {"logistic", "random_forest"} & {*found.values}
