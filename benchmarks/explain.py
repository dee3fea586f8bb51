"""Exact SHAP values: a forest's against shap's on the same users, and what else an explained run costs.

    python -P benchmarks/explain.py

10,000 users, 300 trees of depth 12 (`shap.TreeExplainer`, path-dependent, answers the first 100 of them: its
time grows with the users, and a whole answer takes minutes), then the configured forest with the users a run explains.
Then, of each family as it is configured: the whole report of a run (evaluation, explanations, users at a glance), light
and full, and tracking (run, model, metrics, card and registered version, with report=none), on the wall and of CPU.
The freemium music users are read from TIPPINGPOINT_REAL_DATA (default ../shared/data) where they are.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table
from shap import TreeExplainer

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.baselines import with_baselines
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.evaluation_figures import write_evaluation
from tippingpoint.experiment.explanation_figures import write_explanations
from tippingpoint.experiment.record import open_store, overview, record, register_candidate, run_tags
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.explanation import forest as kernel
from tippingpoint.models.family import Family
from tippingpoint.tracking.runs import run as tracked

REAL = Path(os.environ.get("TIPPINGPOINT_REAL_DATA", Path(__file__).parents[2] / "shared/data")).resolve()
TABLES = {
    "case study": [],
    "streamzone": ["data=streamzone"],
    "freemium music": ["data=csv", f"data.path={REAL / 'xyz_freemium_music.csv'}", "data.target=adopter"],
}
USERS, SHAP_USERS = 10_000, 100
LARGE = {"n_estimators": 300, "max_depth": 12, "min_samples_leaf": 1}


def forests(name: str, users: Users, family: Family, asked: int, shown: Table) -> None:
    """One row: our time a user, shap's, their ratio, the largest difference, local accuracy."""
    rng = np.random.default_rng(0).permutation(len(users))
    train = users.take(rng[:USERS])
    pipeline = family.pipeline(users.contract, 0).fit(train.features, train.outcome).set_params(**family.when_fitted)
    forest = pipeline.named_steps["model"]
    x = np.asarray(pipeline.named_steps["prepare"].transform(users.features.iloc[rng[-asked:]]), dtype=np.float64)
    kernel.forest_values(forest, x[:10])  # the code is loaded
    start, cpu = time.perf_counter(), time.process_time()
    values, base = kernel.forest_values(forest, x)
    seconds, work = time.perf_counter() - start, (time.process_time() - cpu) / len(x)
    theirs = TreeExplainer(forest, feature_perturbation="tree_path_dependent")
    start, cpu = time.perf_counter(), time.process_time()
    expected = theirs.shap_values(x[:SHAP_USERS], check_additivity=False)[:, :, 1]
    ours, shaps = seconds / len(x), (time.perf_counter() - start) / SHAP_USERS
    shaps_work = (time.process_time() - cpu) / SHAP_USERS
    gap = np.abs(base + values.sum(axis=1) - forest.predict_proba(x)[:, 1]).max()
    leaves = np.mean([tree.get_n_leaves() for tree in forest.estimators_])
    shown.add_row(
        name, f"{len(forest.estimators_)} × {forest.max_depth}", f"{leaves:.0f}", f"{len(x):,}", f"{seconds:.2f} s",
        f"{shaps * len(x):.2f} s", f"{shaps / ours:.1f} ×", f"{shaps_work / work:.1f} ×",
        f"{np.abs(values[:SHAP_USERS] - expected).max():.1e}", f"{gap:.1e}",
    )  # fmt: skip


def runs(name: str, settings: CompareSettings, shown: Table) -> None:
    """One row a family: seconds to explain it, to write its report, and to file it without one."""
    question = with_baselines(ask(settings))
    client, experiment = open_store(settings, question)
    for family in question.families:
        candidate = answer(question, family)
        spent: list[str] = []
        for level in ("light", "full"):
            with TemporaryDirectory() as folder, taken(spent):
                report(Path(folder), candidate, replace(question, report=level))
                size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        with taken(spent), tracked(client, experiment, family, run_tags(question, "run")) as opened:
            model = record(candidate, replace(question, report="none"), settings, opened, None)
            register_candidate(client, candidate, question, opened.run_id, model)
        explained = f"{candidate.seconds['explain']:.3f} s"
        users = f"{len(question.users):,}"
        shown.add_row(
            name, users, family, explained, *spent, f"{size / 1e3:.0f} kB", f"{candidate.explanation.gap:.1e}"
        )


def report(folder: Path, candidate: Candidate, question: ExperimentSpec) -> None:
    """All figures and tables of a run: evaluation, explanations and, of a full one, the users at a glance."""
    assert question.report != "none"
    write_evaluation(folder, candidate, question)
    train, test = question.parts.train, question.parts.test.features
    write_explanations(
        folder, candidate.explanation, candidate.model, candidate.policy, train, test, candidate.family, question.seed,
        question.report,
    )  # fmt: skip
    if png := overview(question):
        (folder / "figures/explore.png").write_bytes(png)


@contextmanager
def taken(spent: list[str]) -> Iterator[None]:
    """Adds the seconds spent inside: on the wall, and of CPU."""
    start, cpu = time.perf_counter(), time.process_time()
    yield
    spent.append(f"{time.perf_counter() - start:.2f} s ({time.process_time() - cpu:.2f})")


def main() -> None:
    """Print both tables."""
    large = Table("table", "trees", "leaves", "users", "ours", "shap", "ratio", "of CPU", "largest difference", "gap")
    files = Table(
        "table", "users", "family", "explain", "light: wall (CPU)", "full: wall (CPU)", "tracking", "files", "gap"
    )
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        for name, overrides in TABLES.items():
            if "freemium" in name and not (REAL / "xyz_freemium_music.csv").exists():
                continue
            runs(name, CompareSettings.from_config(compose("compare", overrides)), files)
            larger = [] if "freemium" in name else ["data.users=30000"]
            settings = CompareSettings.from_config(compose("compare", [*overrides, *larger]))
            users = settings.data.build(Source, "data").load()
            family = settings.model["random_forest"].build(Family, "model.random_forest")
            forests(name, users, family.having(LARGE), USERS, large)
            forests(name, users, family, 500, large)
    console = Console(width=140)
    console.print(large)
    console.print(files)


if __name__ == "__main__":
    main()
