"""What a comparison leaves in the store, and that it can be killed, repeated, and used without us."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from tippingpoint.comparison.decision import of_comparison
from tippingpoint.comparison.job import compare
from tippingpoint.comparison.run import run
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core import leases
from tippingpoint.core.errors import InputError

ROOT = Path(__file__).parents[2]
SMALL = ["data.users=3000", "explain_rows=50"]


def settings(verb: str, *overrides: str) -> Any:
    kind = CompareSettings if verb == "compare" else Settings
    return kind.from_config(compose(verb, [*SMALL, *overrides]))


@pytest.fixture(scope="module", autouse=True)
def compared(at_compared: tuple) -> tuple:
    """The shared comparison; this module works in its folder."""
    return at_compared


@pytest.fixture(scope="module")
def store(compared: tuple) -> MlflowClient:
    return MlflowClient(f"sqlite:///{compared[1]}/mlflow.db")


@pytest.fixture(scope="module")
def children(compared: tuple, store: MlflowClient) -> dict:
    parent = compared[0].filed.run_id
    experiment = store.get_run(parent).info.experiment_id
    found = store.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {child.data.params["model"]: child for child in found}


def test_the_winner_is_the_best_on_validation_and_only_it_is_registered_as_challenger(
    compared: tuple, store: MlflowClient, children: dict
) -> None:
    comparison = compared[0].comparison
    on_validation = {name: child.data.metrics["validation/roc_auc"] for name, child in children.items()}
    assert comparison.winner.family == max(on_validation, key=on_validation.__getitem__)
    (version,) = store.search_model_versions("name = 'conversion'")
    assert version.run_id == children[comparison.winner.family].info.run_id
    assert store.get_model_version_by_alias("conversion", "challenger").version == version.version


def test_a_version_is_bound_to_its_policy(compared: tuple, store: MlflowClient) -> None:
    version = store.get_model_version("conversion", "1")
    policy = compared[0].comparison.question.policy
    assert version.description.startswith(f"**{of_comparison(compared[0].comparison, None).lines[0]}**")
    assert version.tags["policy_name"] == "intent_bands"
    assert version.tags["policy_digest"] == policy.digest
    folder = mlflow.artifacts.download_artifacts("models:/conversion/1")
    assert json.loads(Path(folder, "policy.json").read_text()) == policy.specification()


def test_every_child_logs_what_a_reviewer_needs(compared: tuple, store: MlflowClient, children: dict) -> None:
    assert set(children) == {"logistic", "random_forest", "boosting"}
    for name, child in children.items():
        metrics = child.data.metrics
        for metric in (
            "roc_auc",
            "pr_auc",
            "log_loss",
            "brier",
            "calibration_slope",
            "calibration_intercept",
            "lift_10",
        ):
            assert metrics[f"test/{metric}_low"] <= metrics[f"test/{metric}"] <= metrics[f"test/{metric}_high"]
        assert "test/calibration_error" in metrics
        assert "test/calibration_error_low" not in metrics
        assert {"policy/truth/uplift_per_1000", "policy/truth/uplift_per_user_low"} <= set(metrics)
        assert child.data.params[f"model.{'C' if name == 'logistic' else 'max_depth'}"]
        assert child.data.tags["data_digest"] == compared[0].comparison.question.users.digest
        assert child.data.tags["tippingpoint.lock_digest"]
        said = child.data.tags["mlflow.note.content"]
        assert said.startswith("**Do not ship:"), said[:200]  # everyone checkout_prompt brings more
        assert f"conversion, {name}: predicts" in said
        files = {f.path for top in ("figures", "tables") for f in store.list_artifacts(child.info.run_id, top)}
        assert {"figures/roc.png", "figures/calibration.png", "figures/shap.png"} <= files
        assert {"tables/mean_abs_shap.csv", "tables/policy_truth.csv"} <= files
        assert ("tables/coefficients.csv" in files) == (name == "logistic")
        inputs = {i.dataset.name: i.dataset.digest for i in store.get_run(child.info.run_id).inputs.dataset_inputs}
        assert set(inputs) == {f"case_study · {part}" for part in ("train", "validation", "test")}
        (output,) = store.get_run(child.info.run_id).outputs.model_outputs
        linked = store.get_logged_model(output.model_id).metrics
        assert {m.key: m.value for m in linked}["test/roc_auc"] == metrics["test/roc_auc"]
        assert child.info.status == "FINISHED"


def test_the_parent_holds_the_leaderboard(compared: tuple, store: MlflowClient) -> None:
    result, _ = compared
    parent = store.get_run(result.filed.run_id)
    assert parent.data.params["model"] == result.comparison.winner.family
    path = store.download_artifacts(parent.info.run_id, "tables/leaderboard.csv")
    comparison = result.comparison
    judged = [*(c.family for c in comparison.candidates), *(b.name for b in comparison.baselines)]
    assert pd.read_csv(path)["model"].tolist() == judged
    assert "All pairs on test" in parent.data.tags["mlflow.note.content"]


@pytest.mark.programs
def test_the_registered_model_scores_raw_columns_where_tippingpoint_is_not_installed(compared: tuple) -> None:
    result, folder = compared
    users = result.comparison.question.parts.test
    raw = users.features.astype(dict.fromkeys(("sessions_7d", "downloads_7d"), np.int64)).assign(user_id=users.user_id)
    raw.to_parquet(folder / "raw.parquet")
    code = f"""
import sys
sys.modules["tippingpoint"] = None
import mlflow, numpy as np, pandas as pd
mlflow.set_tracking_uri("sqlite:///{folder}/mlflow.db")
model = mlflow.pyfunc.load_model("models:/conversion@challenger")
np.save("{folder}/scores.npy", model.predict(pd.read_parquet("{folder}/raw.parquet")))
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, capture_output=True)
    scores = np.load(folder / "scores.npy")
    np.testing.assert_allclose(scores[:, 1], result.comparison.winner.score, atol=1e-12)


def test_the_same_settings_give_the_same_metrics(compared: tuple, children: dict, stored: Path) -> None:
    again = compare(settings("compare", "report=none"))
    for candidate in again.comparison.candidates:
        for name, estimate in candidate.metrics.items():
            assert estimate.value == pytest.approx(
                children[candidate.family].data.metrics[f"test/{name}"], rel=0, abs=1e-12
            )
        for name, estimate in candidate.policy_metrics("truth").items():
            assert children[candidate.family].data.metrics[name] == pytest.approx(estimate.value, rel=0, abs=1e-12)
    assert again.comparison.verdicts().equals(compared[0].comparison.verdicts())


@pytest.mark.parametrize("select_by", ["roc_auc", "pr_auc", "log_loss", "brier"])
def test_the_winner_is_the_best_by_the_metric_asked_for(select_by: str, stored: Path) -> None:
    # Two shallow trees are worse than the logistic by every metric.
    weak = ["model=[logistic,boosting]", "model.boosting.n_estimators=2", f"select_by={select_by}", "report=none"]
    comparison = compare(settings("compare", *weak)).comparison
    assert comparison.winner.family == "logistic"
    best = min if select_by in ("log_loss", "brier") else max
    assert comparison.winner.validation == best(c.validation for c in comparison.candidates) > 0


def test_a_tag_that_is_no_lease_touches_no_file(stored: Path) -> None:
    from tippingpoint.tracking import runs

    client = MlflowClient()
    precious = stored / "precious"
    precious.write_text("kept")
    tags = {runs.HOST: leases.here(), runs.LEASE: str(precious)}
    left = client.create_run(client.create_experiment("x"), tags=tags)
    assert runs.reap(client) == 0
    assert precious.read_text() == "kept"
    assert client.get_run(left.info.run_id).info.status == "RUNNING"


def test_evidence_follows_the_data_and_names_every_uplift(stored: Path) -> None:
    csv = f"data.path={ROOT}/data/synthetic_user_conversion_data.csv"
    plain = run(settings("run", "model=logistic", "evidence=experiment", "report=none"))
    assert plain.candidate.value.uplift.low is not None
    assert "uplift_per_user_experiment" in plain.candidate.segments
    overrides = ["data=csv", csv, "data.target=converted", "data.drop=[action]", "model=logistic", "report=light"]
    assumed = run(Settings.from_config(compose("run", overrides)))
    assert assumed.question.evidence.kind == "assumed"
    assert assumed.candidate.value.uplift.low is None
    assert "break_even_response" in assumed.candidate.segments
    logged = MlflowClient().get_run(assumed.filed.run_id)
    uplifts = [name for name in logged.data.metrics if "uplift" in name and not name.startswith("curve/assumed/")]
    assert uplifts
    assert all(name.startswith("policy/assumed/") and not name.endswith(("_low", "_high")) for name in uplifts)
    assert "not a measurement" in logged.data.tags["mlflow.note.content"]


def test_measured_and_known_uplift_agree(stored: Path) -> None:
    """The doubly robust estimate from the logged actions is within its error of the truth."""
    uplift = {}
    for kind in ("truth", "experiment"):
        overrides = ["model=logistic", "data.users=10000", f"evidence={kind}", "report=none"]
        uplift[kind] = run(Settings.from_config(compose("run", overrides))).candidate.value.uplift
    assert abs(uplift["truth"].value - uplift["experiment"].value) < 4 * uplift["experiment"].se


def test_an_action_nobody_got_is_refused_before_anything_is_logged(workspace: Path) -> None:
    with pytest.raises(InputError, match="no user ever got 'email'"):
        run(settings("run", "policy.actions.high=email", "+economics.actions.email={contact_cost: 1}"))
    assert not (workspace / "mlflow.db").exists()


def test_a_policy_that_names_the_control_is_told_what_it_is_called(workspace: Path) -> None:
    (workspace / "u.csv").write_text("id,x,sent,y\na,1,No mail,0\nb,2,Mail,1\n")
    words = ["data=csv", "data.path=u.csv", "data.target=y", "data.action=sent", "data.control='No mail'"]
    with pytest.raises(InputError, match=r"the control 'No mail' is called none here\. Type policy\.actions\.low=none"):
        run(Settings.from_config(compose("run", ["model=logistic", *words, "policy.actions.low='No mail'"])))


def test_a_run_that_fails_is_not_left_running(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tippingpoint.comparison.run  # noqa: F401  # the module, whose name the package gives to its function

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["tippingpoint.comparison.run"], "answer", broken)
    with pytest.raises(ZeroDivisionError):
        run(settings("run", "model=logistic"))
    client = MlflowClient()
    experiment = client.get_experiment_by_name("conversion").experiment_id
    assert [r.info.status for r in client.search_runs([experiment])] == ["FAILED"]


@pytest.mark.programs
def test_mlflow_run_passes_values_with_spaces_commas_and_quotes(stored: Path) -> None:
    odd = stored / "Ann's users, new.csv"
    odd.write_bytes((ROOT / "data/synthetic_user_conversion_data.csv").read_bytes())
    words = ["-P", "model=logistic", "-P", "policy=intent_bands", "-P", "data=csv", "-P", f"data.path={odd}"]
    words += ["-P", "data.target=converted", "-P", "data.drop=[action]", "-P", "explain_rows=5", "-P", "report=none"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for entry in ("main", "run"):
        done = subprocess.run(
            [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local", "-e", entry, *words],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    versions = MlflowClient().search_model_versions("name = 'converted'")
    assert sorted(int(v.version) for v in versions) == [1, 2]


def test_a_log_with_hardly_any_users_under_an_action_values_no_policy(workspace: Path) -> None:
    rng, n = np.random.default_rng(0), 1200
    table = pd.DataFrame({"age": rng.normal(40, 10, n), "left": rng.integers(0, 2, n)})
    table.assign(sent=np.where(rng.random(n) < 0.2, "offer", "none")).to_csv(workspace / "few.csv", index=False)
    words = [
        f"data.path={workspace}/few.csv",
        "data.target=left",
        "data.good=false",
        "data.action=sent",
        "policy=offer",
    ]
    with pytest.raises(
        InputError, match=r"data\.action: 'offer' was taken for \d\d users; 100 are needed\. Leave it out"
    ):
        compare(
            CompareSettings.from_config(
                compose("compare", ["data=csv", *words, "+economics.actions.offer={contact_cost: 1}"])
            )
        )
