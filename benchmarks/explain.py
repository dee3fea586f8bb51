"""Exact SHAP values: a forest's against shap's on the same users, and what else an explained run costs.

    python -P benchmarks/explain.py

10,000 users, 300 trees of depth 12 (`shap.TreeExplainer`, path-dependent, answers the first 100 of them: its
time grows with the users, and a whole answer takes minutes), then the configured forest with the users a run explains.
The freemium music users are read from TIPPINGPOINT_REAL_DATA (default ../shared/data) where they are.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table
from shap import TreeExplainer

from tippingpoint.composing import compose
from tippingpoint.data.source import Source
from tippingpoint.data.splits import split
from tippingpoint.data.users import Users
from tippingpoint.explanation import background_of, explain
from tippingpoint.explanation import forest as kernel
from tippingpoint.models.calibration import fit
from tippingpoint.models.family import Family
from tippingpoint.policies.policy import Known, Policy
from tippingpoint.reports.explanations import write_explanations
from tippingpoint.settings import Settings

REAL = Path(os.environ.get("TIPPINGPOINT_REAL_DATA", Path(__file__).parents[2] / "shared/data"))
TABLES = {
    "case study": ["data.users=30000"],
    "streamzone": ["data=streamzone", "data.users=30000"],
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


def runs(name: str, users: Users, settings: Settings, shown: Table) -> None:
    """One row a family: what a run explains, and the files it writes."""
    parts = split(users, settings.split)
    for family_name, component in settings.model.items():
        family = component.build(Family, f"model.{family_name}")
        model = fit(family, parts.train, parts.validation, 0)
        policy = settings.policy.build(Policy, "policy").bind(
            Known(parts.train.features, parts.validation.features, model.score(parts.validation))
        )
        rows = np.sort(np.random.default_rng(0).permutation(len(parts.test))[: settings.explain_rows])
        asked, background = parts.test.features.iloc[rows], background_of(parts.train.features, 0)
        start = time.perf_counter()
        explanation = explain(model, users.contract, asked, background)
        seconds = time.perf_counter() - start
        with TemporaryDirectory() as folder:
            spent = []
            for level in ("light", "full"):
                start, cpu = time.perf_counter(), time.process_time()
                write_explanations(
                    Path(folder), explanation, model, policy, parts.train, parts.test.features, family_name, 0, level
                )
                spent.append(f"{time.perf_counter() - start:.2f} s ({time.process_time() - cpu:.2f})")
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        shown.add_row(name, family_name, f"{seconds:.3f} s", *spent, f"{size / 1e3:.0f} kB", f"{explanation.gap:.1e}")


def main() -> None:
    """Print both tables."""
    large = Table("table", "trees", "leaves", "users", "ours", "shap", "ratio", "of CPU", "largest difference", "gap")
    files = Table("table", "family", "explain", "light: wall (CPU)", "full: wall (CPU)", "files", "gap")
    for name, overrides in TABLES.items():
        if "freemium" in name and not (REAL / "xyz_freemium_music.csv").exists():
            continue
        settings = Settings.from_config(compose("compare", overrides))
        users = settings.data.build(Source, "data").load()
        family = settings.model["random_forest"].build(Family, "model.random_forest")
        forests(name, users, family.having(LARGE), USERS, large)
        forests(name, users, family, 500, large)
        runs(name, users, settings, files)
    console = Console(width=140)
    console.print(large)
    console.print(files)


if __name__ == "__main__":
    main()
