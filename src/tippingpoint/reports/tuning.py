"""Pictures of a search: Optuna's own, on one self-contained page, and its history as PNG."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup
from optuna import visualization as drawn
from optuna.trial import TrialState
from plotly.offline import get_plotlyjs

from tippingpoint.reports.figures import new_figure, save
from tippingpoint.reports.palette import colour

LEAST = 2
"""Complete trials without which there is nothing to draw."""


def page(title: str, studies: Mapping[str, optuna.Study], objectives: Sequence[str]) -> str:
    """History, importance, slices and parallel coordinates of each study; the front of two objectives."""
    sections = []
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
            figure.update_layout(template="plotly_white", font_family="inherit", height=440, width=None, title_x=0.02)
        drawings = [Markup(f.to_html(full_html=False, include_plotlyjs=False)) for f in figures]
        sections.append((family, drawings))
    environment = Environment(loader=PackageLoader("tippingpoint.reports"), autoescape=select_autoescape(["html.j2"]))
    template = environment.get_template("tune.html.j2")
    return template.render(title=title, sections=sections, plotly=Markup(get_plotlyjs()))


def _value(at: int) -> Callable[[Any], float]:
    return lambda trial: trial.values[at]


def history(path: Path, values: Mapping[str, np.ndarray], objective: str, maximize: bool) -> None:
    """Value of each complete trial in its order, and the best so far, by family."""
    figure, axes = new_figure()
    for family, found in values.items():
        steps = np.arange(1, len(found) + 1)
        best = np.maximum.accumulate(found) if maximize else np.minimum.accumulate(found)
        axes.plot(steps, found, "o", markersize=3, alpha=0.5, color=colour(family))
        axes.step(steps, best, where="post", color=colour(family), label=family.replace("_", " "))
    axes.set(xlabel="complete trials", ylabel=objective.replace("_", " "), title="Search: each trial, best so far")
    axes.legend(loc="lower right" if maximize else "upper right", frameon=False)
    save(figure, path)
