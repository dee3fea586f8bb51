import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from rich.console import Console

from tests.refusals import Refusal
from tippingpoint.cli.sweep import leaderboard
from tippingpoint.cli.sweep_report import sweep_summary
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.run_reference import RunReference
from tippingpoint.data.generators.world import World
from tippingpoint.experiment.resume import config_digest
from tippingpoint.tracking.provenance import code_version
from tippingpoint.tracking.stored import find

SMALL = ("model=logistic", "data.users=2000", "explain_rows=5", "report=none", "output=json")
JOB, PARENT = "tippingpoint.job", "mlflow.parentRunId"


def runs(job: str) -> list:
    client = MlflowClient()
    experiments = [e.experiment_id for e in client.search_experiments()]
    return client.search_runs(experiments, f"tags.`{JOB}` = '{job}'", order_by=["attributes.start_time ASC"])


def test_a_sweep_is_gathered_under_one_parent_and_what_is_finished_is_skipped(
    stored: Path, call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("run", "-m", *SMALL, "seed=0,1") == 0
    (parent,) = runs("sweep")
    children = runs("run")
    assert [child.data.tags[PARENT] for child in children] == [parent.info.run_id] * 2
    assert {run.data.tags["sweep_id"] for run in (parent, *children)} == {parent.data.tags["sweep_id"]}
    assert parent.info.status == "FINISHED"
    validation = [child.data.metrics["validation/roc_auc"] for child in children]
    assert parent.data.metrics["validation/roc_auc"] == max(validation)
    assert "| seed |" in parent.data.tags["mlflow.note.content"]
    files = {file.path for file in MlflowClient().list_artifacts(parent.info.run_id, "tables")}
    assert files == {"tables/leaderboard.csv"}
    capsys.readouterr()

    # Typed again, with another order of answering: no user is drawn, the same parent.
    with monkeypatch.context() as patch:
        patch.setattr(World, "load", lambda self: pytest.fail("users are drawn"))
        assert call("run", "-m", *SMALL[:-1], "seed=0,1", "output=json", "debug=true") == 0
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [(a["skipped"], a["run_id"]) for a in answers] == [(True, child.info.run_id) for child in children]
    assert captured.err.count("skipped, run") == 2
    assert (len(runs("sweep")), len(runs("run"))) == (1, 2)

    # One more seed: one more run; the other two join the larger sweep.
    assert call("run", "-m", *SMALL, "seed=0,1,2") == 0
    larger = runs("sweep")[-1] if runs("sweep")[0].info.run_id == parent.info.run_id else runs("sweep")[0]
    assert [child.data.tags[PARENT] for child in runs("run")] == [larger.info.run_id] * 3

    assert call("run", "-m", *SMALL, "seed=choice(0)", "force=true") == 0
    assert len(runs("run")) == 4
    assert call("run", *SMALL, "seed=0") == 0  # without -m nothing is skipped
    assert len(runs("run")) == 5


def test_a_sweep_of_searches_skips_what_is_finished_and_takes_it_along(
    stored: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    words = ("tune", "-m", *SMALL, "tune.trials=2")
    assert call(*words, "seed=choice(0)") == 0
    capsys.readouterr()
    assert call(*words, "seed=0,1", "tune.workers=2") == 0
    assert capsys.readouterr().err.count("skipped, run") == 1
    (parent,) = (run for run in runs("sweep") if run.data.tags["jobs"] == "2 of 2")
    assert len(runs("tune")) == 2
    assert {run.data.tags["sweep_id"] for run in runs("tune")} == {parent.data.tags["sweep_id"]}


def test_an_interrupted_sweep_is_gathered_too_and_the_same_line_goes_on(
    stored: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    import tippingpoint.comparison.run  # noqa: F401 - the module, whose name the package gives to its function

    module = sys.modules["tippingpoint.comparison.run"]
    filed = module.record

    def stopped_at_the_second(*arguments: object) -> str:
        if runs("run")[0].info.status == "FINISHED":
            os.kill(os.getpid(), signal.SIGINT)
        return filed(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "record", stopped_at_the_second)
        assert call("run", "-m", *SMALL, "seed=0,1") == 130
    (parent,) = runs("sweep")
    assert parent.info.status == "KILLED"
    assert [run.info.status for run in runs("run")] == ["FINISHED", "KILLED"]
    assert parent.data.tags["jobs"] == "1 of 2"
    assert "the same line goes on" in capsys.readouterr().err

    assert call("run", "-m", *SMALL, "seed=0,1") == 0
    (again,) = runs("sweep")
    assert (again.info.run_id, again.info.status) == (parent.info.run_id, "FINISHED")
    assert again.data.tags["jobs"] == "2 of 2"
    assert sorted(run.info.status for run in runs("run")) == ["FINISHED", "FINISHED", "KILLED"]


def test_families_stay_under_their_compare_and_the_latest_compare_is_found_under_a_sweep(
    stored: Path, call: Callable[..., int]
) -> None:
    assert call("compare", "-m", *SMALL, "policy.cuts=[0.3,0.6],[0.4,0.7]", "policy.version=7") == 2
    (sweep,) = runs("sweep")
    (compared,) = [run for run in runs("compare") if "sweep_id" in run.data.tags and run.info.status == "FINISHED"]
    assert compared.data.tags[PARENT] == sweep.info.run_id
    families = [run for run in runs("compare") if run.data.tags.get(PARENT) == compared.info.run_id]
    assert len(families) == 1
    assert [run.info.run_id for run in find(MlflowClient(), "")] == [families[0].info.run_id]


@pytest.fixture
def experiments(workspace: Path) -> Path:
    """Experiment files with launchers and a sweep of their own."""
    folder = workspace / "own" / "experiment"
    folder.mkdir(parents=True)
    joblib = "# @package _global_\ndefaults:\n  - override /hydra/launcher: joblib\nhydra: {launcher: {n_jobs: 2}}\n"
    (folder / "first.yaml").write_text(joblib + "seed: 1\n")
    (folder / "second.yaml").write_text(joblib + "data: {users: 3}\n")
    (folder / "here.yaml").write_text("# @package _global_\nseed: 3\n")
    (folder / "sweep.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '4,5'}}}\n"
    )
    return workspace / "own"


def test_a_launcher_chosen_in_swept_experiment_files_launches_workers_on_a_new_store(
    experiments: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., int], capfd: pytest.CaptureFixture
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")

    def here(*_: object) -> bool:
        raise AssertionError("ran in the process of the user, not in a worker")

    monkeypatch.setattr("tippingpoint.cli.launched_job._answer", here)
    words = ["run", "-m", *SMALL[:1], *SMALL[2:], "experiment=first,second,here", "--config-dir", str(experiments)]
    assert call(*words) == 2  # one of them chooses otherwise
    assert "choose different launchers" in capfd.readouterr().err
    words[words.index("experiment=first,second,here")] = "experiment=first,second"
    assert call(*words) == 2  # three users are too few: the other job went on
    captured = capfd.readouterr()
    (answer,) = [json.loads(line) for line in captured.out.splitlines()]
    assert answer["candidate"]["model"] == "logistic"
    assert captured.err.count("split: the ") == 1
    assert "1 of 2 jobs failed" in captured.err
    assert "experiment=second" in captured.err.splitlines()[-1]
    (parent,) = runs("sweep")
    assert parent.info.status == "FAILED"
    assert [run.data.tags[PARENT] for run in runs("run")] == [parent.info.run_id]


def test_an_experiment_file_may_bring_its_own_sweep(
    experiments: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    assert call("run", *SMALL, "experiment=sweep", "--config-dir", str(experiments)) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert sorted(run.data.params["seed"] for run in runs("run")) == ["4", "5"]
    assert call("run", "-m", *SMALL, "experiment=sweep,here", "--config-dir", str(experiments)) == 2
    assert capsys.readouterr().err.startswith("experiment: sweep brings its own sweep")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray is not installed")
def test_ray_runs_a_sweep_on_a_local_cluster(workspace: Path) -> None:
    words = ["run", "-m", *SMALL[:1], *SMALL[2:], "data.users=2000,3", "seed=0,1"]
    words += ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"]
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "HOME": str(workspace)}
    done = subprocess.run(
        [sys.executable, "-m", "tippingpoint", *words],
        capture_output=True,
        text=True,
        cwd=workspace,
        env=os.environ | quiet,
    )
    assert done.returncode == 2, done.stderr  # three users are too few
    assert [json.loads(line)["data"]["users"] for line in done.stdout.splitlines()] == [2000, 2000]
    assert "2 of 4 jobs failed" in done.stderr
    (parent,) = runs("sweep")
    assert {run.data.tags[PARENT] for run in runs("run")} == {parent.info.run_id}
    assert parent.data.tags["jobs"] == "2 of 4"


@pytest.mark.parametrize(
    ("words", "key", "named"),
    [
        ([], "-m", "Type e.g. seed=0,1,2"),
        (["seed=3"], "-m", "Type e.g. seed=0,1,2"),
        (["seed=range(3,3)"], "seed", "Type seed=1,2,3."),
        (["seed=interval(0,3)"], "seed", "Type seed=1,2,3 or seed='range(1,4)'."),
        (["seed=range("], "seed", "'range('"),
        (["seed=0,1", "sed=3"], "sed", "'seed'"),
        (["model=logistic,forest"], "model", "'random_forest'"),
        (["seed=0,1", "tracking.sweep_id='a b'"], "tracking.sweep_id", ""),
        (["seed=0,1", "hydra/launcher=nowhere"], "hydra/launcher", "nowhere"),
        (["seed=0,1", "--config-dir", "nowhere"], "--config-dir", "nowhere"),
    ],
)
def test_wrong_words_of_a_sweep_are_one_message_before_anything_runs(
    words: list[str], key: str, named: str, workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    assert call("run", "-m", *words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("sweep ")]
    assert lines[0].startswith(f"{key}: ")
    assert named in lines[0]
    assert len({line for line in lines if "jobs failed" not in line and not line.startswith("  ")}) == 1
    assert not (workspace / "mlflow.db").exists()


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="the extra ray is installed")
def test_a_launcher_that_is_not_installed_is_named_with_its_extra(
    workspace: Path, refused: Callable[..., Refusal]
) -> None:
    said = refused("run", "-m", "seed=0,1", "hydra/launcher=ray")
    assert said.key == "hydra/launcher"
    assert "Type pip install 'tippingpoint[ray]'." in said


def stored(job: str, start: int, metrics: dict[str, float], users: str = "u", status: str = "FINISHED") -> object:
    tags = {"sweep_job": json.dumps(job.split()), "data_digest": users}
    info = SimpleNamespace(start_time=start, status=status, run_id=f"{start:032x}")
    return SimpleNamespace(info=info, data=SimpleNamespace(tags=tags, metrics=metrics, params={"model": "m"}))


def order(runs: Sequence[object]) -> list[int]:
    board = leaderboard(runs, 9)
    assert board is not None
    return [int(run_id, 16) for run_id in board.table["run_id"]]


def test_the_leaderboard_knows_which_way_a_metric_points_and_takes_the_latest_of_a_job() -> None:
    up = [stored(f"a={i}", i, {"validation/roc_auc": v}) for i, v in enumerate([0.7, 0.9, 0.8])]
    assert order(up) == [1, 2, 0]
    assert order([*up, stored("a=1", 3, {"validation/roc_auc": 0.6})]) == [2, 0, 3]
    assert order([*up, stored("a=4", 4, {}, status="FAILED")]) == [1, 2, 0]
    down = [stored(f"a={i}", i, {"validation/brier": v}) for i, v in enumerate([0.7, 0.9, 0.8])]
    assert order(down) == [0, 2, 1]
    assert leaderboard([stored("a=4", 4, {}, status="FAILED")], 1) is None
    without = [stored(f"a={i} ~b.c", i, {"validation/roc_auc": v}) for i, v in enumerate([0.7, 0.9])]
    assert order(without) == [1, 0], "a word may take a key away"


def test_runs_on_other_users_are_ranked_apart_and_none_is_best() -> None:
    mixed = [stored(f"d={u}", i, {"validation/roc_auc": 0.5 + i / 10}, users=u) for i, u in enumerate("xyx")]
    assert (board := leaderboard(mixed, 3)) is not None
    assert board.best is None
    assert list(board.table["users"]) == ["x", "y"]  # the first x and the last are one job


def test_the_digest_knows_what_changes_a_result_and_what_does_not() -> None:
    def digest(*words: str, users: str = "u") -> str:
        settings = Settings.from_config(compose("run", ["model=logistic", *words]))
        question = SimpleNamespace(families={}, policy=settings, users=SimpleNamespace(digest=users))
        return config_digest(settings, question, "run")

    same = ["output=json", "debug=true", "force=true", "tracking.experiment=e", "tracking.sweep_id=s"]
    assert {digest(word) for word in same} == {digest()}
    other = ["seed=1", "data.users=9", "policy.version=2", "tracking.register_model=false", "model.logistic.C=3"]
    assert len({digest(), digest(users="v"), *map(digest, other)}) == len(other) + 2


def test_a_changed_plugin_is_other_code(tmp_path: Path) -> None:
    source = tmp_path / "plugin_of_a_test.py"
    source.write_text("class Plugin: pass\n")
    spec = importlib.util.spec_from_file_location("plugin_of_a_test", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plugin_of_a_test"] = module
    spec.loader.exec_module(module)
    before = code_version([module.Plugin], ["numpy"])
    assert before == code_version([module.Plugin], ["numpy"]) != code_version([], ["numpy"])
    source.write_text("class Plugin: learns = True\n")
    assert code_version([module.Plugin], ["numpy"]) != before
    del sys.modules["plugin_of_a_test"]


def test_the_leaderboard_fits_80_columns_and_shows_lists_as_typed() -> None:
    measured = ("test/roc_auc", "policy/truth/uplift_per_1000")
    metrics = {f"{name}{end}": 22.0 for name in measured for end in ("", "_low", "_high")}
    metrics["validation/roc_auc"] = 0.8
    jobs = [f"model=[logistic,boosting] model.boosting.max_depth={i} policy.cuts=[0.{i},0.6]" for i in range(3)]
    board = leaderboard([stored(job, i, metrics) for i, job in enumerate([*jobs, "model=boosting"])], 4)
    assert board is not None
    console = Console(width=80, file=io.StringIO())
    console.print(sweep_summary(board, RunReference("0" * 32, "page", None)))
    shown = console.file.getvalue()
    for whole in ("[logistic,boosting]", "max_depth", "[0.1,0.6]", "22.000, 22.000", "22.0, 22.0", "4 of 4"):
        assert whole in shown
