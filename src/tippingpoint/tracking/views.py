"""Saved views of an experiment in the MLflow UI: which runs, in which order, with which columns.

MLflow keeps a view as a tag of its experiment, `mlflow.sharedViewState.<id>`: JSON with `state`, which is `deflate;`
and the base64 of zlib-compressed JSON. That is not documented: `tests/browser` opens each view and looks at it.
"""

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlflow import MlflowClient

from tippingpoint.evaluation import LOWER_IS_BETTER
from tippingpoint.tracking import backend
from tippingpoint.tracking.tags import CHOSEN_ON, DATA, JOB

TAG = "mlflow.sharedViewState."
PRIMARY = "mlflow.experiment.primaryMetric.name"
"""Tag of the metric that the UI's charts start from."""
RANKING, UPLIFT, SHAP = "1 ROC, calibration, gains", "2 Uplift by share treated", "3 SHAP share"
"""Sections of charts."""


@dataclass(frozen=True)
class Chart:
    """A chart of a view: lines over steps, or bars.

    Parameters
    ----------
    section
        The fold of the page it stands in.
    metrics
        What is drawn of each run; of lines low and high are dashed.
    """

    section: str
    title: str
    metrics: tuple[str, ...]
    lines: bool = True

    def card(self, view: str) -> dict[str, Any]:
        """As the UI holds it."""
        of = {"type": "LINE" if self.lines else "BAR", "uuid": f"{view} {self.title}", "displayName": self.title}
        of |= {"metricKey": self.metrics[0], "metricSectionId": f"{view} {self.section}"}
        line = {
            "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear", "range": {}, "xAxisKey": "step",
            "selectedXAxisMetricKey": "", "yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False,
            "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True,
        }  # fmt: skip
        several = (
            {"selectedMetricKeys": list(self.metrics)} if len(self.metrics) > 1 else {}
        )  # the title is then its own
        counted = {"runsCountToCompare": 10, "deleted": False, "isGenerated": False}
        return {**of, **counted, **several, **(line if self.lines else {})}


def _section(view: str, name: str) -> dict[str, Any]:
    columns = {RANKING: 3, UPLIFT: 2, SHAP: 1}[name]
    shown = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False, "columns": columns}
    return {"uuid": f"{view} {name}", "name": name, **shown}


@dataclass(frozen=True)
class SavedView:
    """A saved view.

    Parameters
    ----------
    key
        Its id in the experiment; never shown but in links.
    runs
        MLflow's search filter of the runs that are shown.
    order
        Metric they are ordered by.
    columns
        As the UI names them: `metrics.…`, `params.…`, `tags.…`, `attributes.…`; from left to right.
    rising
        Whether the lowest comes first.
    charts
        What is drawn of the runs, in this order; then the view opens on charts.
    """

    key: str
    name: str
    runs: str
    order: str
    columns: tuple[str, ...]
    rising: bool = False
    charts: tuple["Chart", ...] = ()

    @property
    def state(self) -> str:
        """What the UI restores."""
        columns = [_column(name) for name in self.columns]
        state = {
            "searchFilter": self.runs,
            "orderByKey": _column(f"metrics.{self.order}"),
            "orderByAsc": self.rising,
            "selectedColumns": columns,
            "columnOrder": columns,
            "columnWidths": {column: _width(column) for column in columns},
            "runsHiddenMode": "FIRST_20_RUNS",
        }
        if self.charts:
            sections = list(dict.fromkeys(chart.section for chart in self.charts))
            state |= {
                "isAccordionReordered": True,  # or the UI sorts sections by name
                "compareRunCharts": [chart.card(self.key) for chart in self.charts],
                "compareRunSections": [_section(self.key, name) for name in sections],
            }
        packed = zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 9)
        return "deflate;" + base64.b64encode(packed).decode()


def seed(client: MlflowClient, experiment: str, views: Iterable[SavedView]) -> dict[str, str]:
    """Save views in an experiment, once; written again only where their definition changed.

    Returns
    -------
    dict
        Their names, and the addresses they are opened at.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    with backend.store_errors():
        there = client.get_experiment(experiment).tags
        wanted = list(views)
        for view in wanted:
            if _kept(there.get(TAG + view.key, "")) != (view.name, state := view.state):
                saved = {"name": view.name, "createdAt": int(time.time() * 1000), "state": state}
                client.set_experiment_tag(experiment, TAG + view.key, json.dumps(saved))
        if PRIMARY not in there:
            client.set_experiment_tag(experiment, PRIMARY, "test/roc_auc")
    path = f"experiments/{experiment}/runs?viewStateShareKey="
    drawn = "&compareRunsMode=CHART"
    return {view.name: backend.page(path + view.key + (drawn if view.charts else "")) for view in wanted}


def of_models(
    client: MlflowClient, experiment: str, metric: str, kind: str, actions: Sequence[str], columns: Sequence[str]
) -> dict[str, str]:
    """Seed the views of fitted models: chosen by the metric, their uplift by that kind of evidence.

    Parameters
    ----------
    actions
        Those whose uplift by share treated is filed.
    columns
        Those whose share of SHAP is filed.
    """
    shown = charts(metric, kind, actions, columns)
    return seed(client, experiment, (leaderboard(metric), uplift(kind), calibration(), shown))


def described(pages: Mapping[str, str]) -> str:
    """Links to pages of the UI for a description, which hold on whatever host and port it is served."""
    return " · ".join(f"[{name}](#{page.partition('#')[2]})" for name, page in pages.items()) + "\n\n"


def leaderboard(metric: str) -> SavedView:
    """The fitted models of all jobs, the best first by the metric on validation that winners are chosen by.

    That of a search's winner is of out-of-fold scores, of the users it was chosen on: a column says so.
    """
    tested = ("roc_auc", "pr_auc", "log_loss", "brier")
    columns = (
        f"metrics.validation/{metric}",
        f"tags.{CHOSEN_ON}",
        "tags.roc_auc",
        f"tags.{JOB}",
        "params.model",
        "params.data",
        f"tags.{DATA}",
        "params.policy",
        *(f"metrics.test/{name}" for name in tested),
        "metrics.test/roc_auc_low",
        "metrics.test/roc_auc_high",
        "metrics.test/lift_10",
        "metrics.cost/fit_seconds",
    )
    order, rising = f"validation/{metric}", metric in LOWER_IS_BETTER
    return SavedView(f"leaderboard-{metric}", f"Leaderboard, {metric}", MODELS, order, columns, rising)


def uplift(kind: str) -> SavedView:
    """What policies bring, by one kind of evidence: kinds are never ranked together."""
    prefix = f"metrics.policy/{kind}"
    columns = (
        f"{prefix}/uplift_per_user",
        f"{prefix}/uplift_per_user_low",
        f"{prefix}/uplift_per_user_high",
        f"{prefix}/uplift_per_1000",
        f"{prefix}/value_per_user",
        f"{prefix}/honest_uplift_per_user",
        "params.model",
        "params.data",
        "params.policy",
        "params.policy.cuts",
        "params.economics",
        "tags.tippingpoint.job",
    )
    told = [name for name in columns if kind != "assumed" or not name.endswith(("_low", "_high"))]
    runs = f"params.policy.name LIKE '%' and tags.evidence = '{kind}'"
    return SavedView(f"uplift-{kind}", f"Policy uplift, {kind}", runs, f"policy/{kind}/uplift_per_user", tuple(told))


def charts(metric: str, kind: str, actions: Sequence[str], columns: Sequence[str]) -> SavedView:
    """Fitted models drawn: ROC, calibration, gains, uplift by share treated, SHAP share."""
    drawn = [
        Chart(RANKING, "ROC: true over false positives, %", ("curve/roc/tpr",)),
        Chart(RANKING, "Calibration: outcomes over score, ‰", ("curve/calibration/rate",)),
        Chart(RANKING, "Gains: outcomes over users, %", ("curve/gains/captured",)),
    ]
    ends = ("", *(("_low", "_high") if kind != "assumed" else ()))
    for action in actions:
        for name, unit in {"uplift_per_user": "money per user", "outcomes_per_1000": "outcomes per 1,000"}.items():
            title = f"{action}: {unit} over users treated (%), {kind}"
            of = tuple(f"curve/{kind}/{action}/{name}{end}" for end in ends)
            drawn.append(Chart(UPLIFT, title, of))
    if columns:
        shares = tuple(f"shap_share/{column}" for column in columns)
        drawn.append(Chart(SHAP, "share of mean |SHAP|", shares, lines=False))
    told = hashlib.sha256(json.dumps([kind, *actions, *columns]).encode()).hexdigest()[:6]
    board = leaderboard(metric)
    return replace(board, key=f"charts-{metric}-{told}", name=f"Charts, {kind}", charts=tuple(drawn))


def calibration() -> SavedView:
    """How far scores can be taken as probabilities, the lowest calibration error first."""
    columns = (
        "metrics.test/calibration_error",
        *(f"metrics.test/calibration_{of}{end}" for of in ("slope", "intercept") for end in ("", "_low", "_high")),
        "params.model",
        "params.calibration",
        "params.data",
        "metrics.test/brier",
        "metrics.test/log_loss",
    )
    return SavedView("calibration", "Calibration", MODELS, "test/calibration_error", columns, rising=True)


def tuning(objective: str, maximize: bool, parameters: Mapping[str, Iterable[str]]) -> SavedView:
    """The trials of searches, the best first by the objective; `parameters` are what families may try."""
    tried = dict.fromkeys(name for of in parameters.values() for name in of)
    columns = (
        f"metrics.cv/{objective}",
        "metrics.cv/gain",
        "params.model",
        *(f"params.model.{name}" for name in tried),
        "metrics.cost/trial_seconds",
        "tags.state",
        "tags.study",
        f"tags.{DATA}",
    )
    space = hashlib.sha256(" ".join(tried).encode()).hexdigest()[:6]  # another space has other columns, so another view
    key = f"tuning-{objective}-{'-'.join(parameters)}-{space}"
    name = f"Tuning, {objective}" + ("" if len(parameters) > 1 else f" of {next(iter(parameters))}")
    return SavedView(key, name, "tags.`tippingpoint.job` = 'trial'", f"cv/{objective}", columns, not maximize)


MODELS = "params.calibration LIKE '%'"
"""Runs that hold a fitted model: a comparison repeats its winner's metrics, but has no such parameter."""


def _column(name: str) -> str:
    """A column as the UI keys it: `metrics.a` becomes ``metrics.`a` ``."""
    of, _, key = name.partition(".")
    return f"{of}.`{key}`"


def _width(column: str) -> int:
    """Pixels in which a column's name is not cut."""
    return max(100, 56 + 6 * (len(column) - len("params.``")))


def _kept(tag: str) -> tuple[str, str] | None:
    """Name and state of a saved view; None where there is none, or it is no view."""
    try:
        saved = json.loads(tag)
        return saved["name"], saved["state"]
    except (ValueError, TypeError, KeyError):
        return None
