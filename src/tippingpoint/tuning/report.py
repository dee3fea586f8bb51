"""A search: its screen, Optuna's own pictures on one self-contained page, and its history as PNG."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna import visualization as drawn
from optuna.trial import TrialState
from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.decided import of_candidate
from tippingpoint.experiment.decision import Decision
from tippingpoint.experiment.diagnostics import diagnosed
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.report import about, uplift_heads
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.console import links, plain_table
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.html import Figure, render
from tippingpoint.reports.palette import COLOURS, colour
from tippingpoint.reports.png import new_figure, save, words
from tippingpoint.tuning.result import Tried, Tuned

LEAST = 2
"""Complete trials without which there is nothing to draw."""
HEIGHT = 440
"""Of a picture, in pixels."""
SHOWN, FRONT = 5, 8
"""Trials listed: the best, and of two objectives those on the front."""


def page(
    title: str,
    studies: Mapping[str, optuna.Study],
    objectives: Sequence[str],
    told: Sequence[str],
    tried: Sequence[Tried],
    best: Tried,
    decision: Decision,
) -> str:
    """The decision, the winner's parameters and gain, what a trial costs; then Optuna's pictures of each study.

    Of each history, importance, slices, parallel coordinates, and a front if there are two objectives.

    Parameters
    ----------
    told
        What is said of the gain.
    """
    drawings: dict[str, Figure] = {"cost": _cost(tried, best, objectives[0])}
    sections: list[tuple[str, list[str]]] = [(f"{words(objectives[0])} against seconds", ["cost"])]
    for family, study in studies.items():
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(done) < LEAST:
            continue
        figures = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls some of its pictures experimental
            if len(objectives) > 1:
                figures.append(drawn.plot_pareto_front(study, target_names=list(objectives)))
            for at, objective in enumerate(objectives):
                of = _value(at) if len(objectives) > 1 else None
                plots: list[Callable[..., Any]] = [
                    drawn.plot_optimization_history,
                    drawn.plot_slice,
                    drawn.plot_parallel_coordinate,
                ]
                if np.ptp([trial.values[at] for trial in done]) > 0 and len(done) > LEAST:
                    plots.insert(1, drawn.plot_param_importances)
                figures += [plot(study, target=of, target_name=objective) for plot in plots]
        for figure in figures:
            figure.update_layout(
                template="plotly_white",
                font_family="inherit",
                height=HEIGHT,
                width=None,
                title_x=0.02,
                colorway=list(COLOURS),
                coloraxis_colorscale="Viridis",
            )
            figure.update_traces(marker_color=colour(family), selector={"type": "bar"})
        named = {f"f{len(drawings) + at}": json.loads(figure.to_json()) for at, figure in enumerate(figures)}
        drawings |= named
        sections.append((family, list(named)))
    shown = {"title": title, "told": told, "sections": sections, "best": best, "decision": decision}
    return render("tune.html.j2", drawings, **shown, height=HEIGHT)


def _cost(tried: Sequence[Tried], best: Tried, objective: str) -> Figure:
    """What each complete trial reached, against the seconds inside its fits; the winner is marked."""
    traces: list[dict[str, Any]] = []
    done = [trial for trial in tried if trial.values]
    for family in dict.fromkeys(trial.family for trial in done):
        mine = [trial for trial in done if trial.family == family]
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": words(family), "marker": {"color": colour(family)},
                "x": [trial.seconds for trial in mine], "y": [trial.values[objective] for trial in mine],
                "text": [f"trial {trial.number}" for trial in mine],
                "hovertemplate": "%{text}: %{y:.4~f} in %{x:.2f} s<extra></extra>",
            }
        )  # fmt: skip
    ring = {"color": "rgba(0,0,0,0)", "size": 14, "line": {"color": "#222", "width": 2}}
    at = {"x": [best.seconds], "y": [best.values[objective]]}
    traces.append({"type": "scatter", "mode": "markers", "name": "winner", "marker": ring, "hoverinfo": "skip", **at})
    axes = {
        "xaxis": {"title": {"text": "seconds inside fits, all folds"}},
        "yaxis": {"title": {"text": words(objective)}},
    }
    return {"data": traces, "layout": {**axes, "height": HEIGHT, "font": {"family": "inherit"}}}


def _value(at: int) -> Callable[[Any], float]:
    return lambda trial: trial.values[at]


def history(path: Path, values: Mapping[str, np.ndarray], objective: str, maximize: bool) -> None:
    """Value of each complete trial in its order, and the best so far, by family."""
    figure, axes = new_figure()
    for family, found in values.items():
        steps = np.arange(1, len(found) + 1)
        best = np.maximum.accumulate(found) if maximize else np.minimum.accumulate(found)
        axes.plot(steps, found, "o", markersize=3, alpha=0.5, color=colour(family))
        axes.step(steps, best, where="post", color=colour(family), label=words(family))
    axes.set(xlabel="complete trials", ylabel=words(objective), title="Search: each trial, best so far")
    axes.legend(loc="lower right" if maximize else "upper right", frameon=False)
    save(figure, path)


def summary(question: ExperimentSpec, tuned: Tuned, filed: RunReference | None) -> RenderableType:
    """A search on one screen."""
    objective, *more = tuned.objectives
    sign = -1 if tuned.maximize else 1
    ranked = sorted((t for t in tuned.tried if t.values), key=lambda t: sign * t.values[objective])
    firsts = [next(t for t in ranked if t.family == family) for family in dict.fromkeys(t.family for t in ranked)]
    front = [trial for trial in ranked if trial.place in tuned.front]
    shown = {id(t): t for t in (*firsts, *ranked[:SHOWN])}.values()
    best = sorted(shown, key=ranked.index)[: SHOWN + len(firsts) - 1]
    best = sorted({id(t): t for t in (*best, *front[:FRONT])}.values(), key=ranked.index)
    found = plain_table(
        f"{tuned.count('complete'):,} complete trials ({tuned.before:,} were there), {tuned.count('pruned'):,} ended"
        f" early, {tuned.count('failed'):,} failed; the best by cross-validation",
        ["model", "trial", *tuned.objectives, "parameters"],
    )
    found.columns[-1].justify, found.columns[-1].no_wrap = "left", False
    for trial in best:
        parameters = ", ".join(f"{name} {_short(value)}" for name, value in trial.parameters.items())
        told = [_judged(o, trial.values[o]) for o in (objective, *more)]
        mark = " *" if trial in front else ""
        found.add_row(
            trial.family, f"{trial.number}{mark}", *told, parameters, style="bold" if trial is tuned.best else ""
        )
    for family, values in tuned.baseline.items():
        found.add_row(family, "–", *(_judged(*v) for v in values.items()), "as it is when nobody tunes it", style="dim")
    lines = [Text(line) for line in in_words(question, tuned)]
    if front:
        more_of_it = f"; {len(front)} are, see search.html" if len(front) > FRONT else ""
        lines.append(Text(f"* on the front: no other trial is better in one and no worse in the other{more_of_it}."))
    if filed and filed.registered:
        lines += [Text(line) for line in registered_in_words(tuned.gain, tuned.challenges)]
    if tuned.candidate is None:
        lines.append(Text("The winner is filed already; nothing was left to do. More: raise tune.trials."))
    if tuned.put_back:
        lines.append(Text(f"Put in line again, since killed processes held them: {tuned.put_back}."))
    measured: list[RenderableType] = []
    box: list[RenderableType] = []
    if tuned.candidate is not None:
        box.append(of_candidate(question, tuned.candidate, filed).render())
        metrics = plain_table("Winner, refitted on train and validation, on test", ["metric", "value"])
        for name in ("roc_auc", "pr_auc", "log_loss", "calibration_slope"):
            metrics.add_row(words(name), interval(tuned.candidate.metrics[name], 3))
        heads = [head.replace("\n", " ") for head in uplift_heads(question)]
        metrics.add_row(heads[0], interval(tuned.candidate.value.outcomes_per_1000, 1))
        metrics.add_row(heads[1], interval(tuned.candidate.value.uplift, 3))
        measured.append(metrics)
    return Group(
        *box,
        *about(question),
        found,
        *measured,
        *lines,
        *diagnosed(all_of(question, *([tuned.candidate] if tuned.candidate else []))),
        *([Text(f"Study: {tuned.storage}")] if filed else []),
        *(links(filed) if filed else []),
    )


def in_words(question: ExperimentSpec, tuned: Tuned) -> list[str]:
    """What the winner gains over its family's own parameters: by cross-validation, and on test where it is measured."""
    objective, family = tuned.objectives[0], tuned.best.family
    told = [f"Gain of {family} over its defaults, cross-validated: {_gain(tuned.gain, objective)}."]
    if tuned.gain.value <= 0:
        told.append(f"No trial came out above {family}'s defaults.")
    if tuned.gain_on_test is not None:
        unit = f"{question.economics.currency} per user" if tuned.judged == "value" else tuned.judged
        users = f"{len(question.parts.test):,} test users"
        told.append(f"On {users}, looked at once: {_gain(tuned.gain_on_test, unit)}.")
    return told


def registered_in_words(gain: Estimate, challenges: bool) -> list[str]:
    """What is said of a registered winner that is not told better than its defaults."""
    if not challenges:
        low = gain.high is not None and gain.high < 0
        worse = "it is worse than its defaults" if low else "it comes out below its defaults, inconclusively"
        return [f"Registered, but not made challenger: by cross-validation {worse}."]
    if gain.low is None or gain.low <= 0:
        return ["Registered as challenger, though it cannot be told from its defaults."]
    return []


def _gain(gain: Estimate, objective: str) -> str:
    if gain.low is None or gain.high is None:
        return f"{objective} {gain.value:+.4f}, without an interval"
    word = "better" if gain.low > 0 else "worse" if gain.high < 0 else "inconclusive"
    return f"{objective} {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]: {word}"


def _judged(objective: str, value: float) -> str:
    return f"{value:,.0f}" if objective in ("features", "nodes") else f"{value:.4f}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
