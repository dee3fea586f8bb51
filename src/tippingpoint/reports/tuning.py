"""Pictures of a search: Optuna's own, as PNG files."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawn

from tippingpoint.reports.figures import save

LEAST = 2
"""Complete trials without which there is nothing to draw."""


def draw_search(folder: Path, studies: Mapping[str, optuna.Study], objectives: Sequence[str]) -> None:
    """History, importance, slices and parallel coordinates of each study; the front of two objectives."""
    matplotlib.use("Agg")
    for family, study in studies.items():
        done = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
        if len(done) < LEAST:
            continue
        tail = f"_{family}" if len(studies) > 1 else ""
        for at, objective in enumerate(objectives):
            suffix = f"_{objective}{tail}" if len(objectives) > 1 else tail
            of = _value(at) if len(objectives) > 1 else None
            kept: dict[str, Callable[..., Any]] = {
                "history": drawn.plot_optimization_history,
                "slice": drawn.plot_slice,
                "parallel": drawn.plot_parallel_coordinate,
            }
            if len({tuple(t.params.items()) for t in done}) > LEAST and np.ptp([t.values[at] for t in done]) > 0:
                kept["importance"] = drawn.plot_param_importances
            for name, plot in kept.items():
                _write(folder / f"tune_{name}{suffix}.png", plot, study, target=of, target_name=objective)
        if len(objectives) > 1:
            _write(folder / f"tune_front{tail}.png", drawn.plot_pareto_front, study, target_names=list(objectives))


def _value(at: int) -> Callable[[Any], float]:
    return lambda trial: trial.values[at]


def _write(path: Path, plot: Callable[..., Any], study: optuna.Study, **options: Any) -> None:
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its own pictures experimental; some axes resist a tight layout
        axes = np.ravel(plot(study, **options))
        figure = axes[0].figure
        assert isinstance(figure, Figure)
        figure.set_size_inches(max(7.0, 2.6 * len(axes)), 4.2)
        figure.tight_layout()
    save(figure, path)
    pyplot.close(figure)
