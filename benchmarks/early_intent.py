"""How early can intent be detected? ROC AUC against the days of events that features see.

    python -P benchmarks/early_intent.py [profiles]

Draws experiments/early_intent.png and prints its numbers. Same profiles, same families, windows of 1 to 30 days.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.build import ask
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.palette import colour

WINDOWS = (1, 3, 7, 14, 30)
FAMILIES = ("logistic", "boosting")
PICTURE = Path(__file__).parents[1] / "experiments" / "early_intent.png"


def areas(profiles: int, window: int) -> dict[str, Estimate]:
    """ROC AUC on test of each family, from the first `window` days of events."""
    overrides = ["experiment=event_log_conversion", f"data.profiles={profiles}", f"data.window_days={window}"]
    settings = CompareSettings.from_config(
        compose("compare", [*overrides, f"model=[{','.join(FAMILIES)}]", "explain_rows=1"])
    )
    question = ask(settings)
    return {family: answer(question, family).metrics["roc_auc"] for family in FAMILIES}


def draw(found: dict[int, dict[str, Estimate]]) -> None:
    """AUC with 95 % intervals over the window, one line a family."""
    figure = Figure(figsize=(6, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for shift, family in enumerate(FAMILIES):
        of = [found[window][family] for window in WINDOWS]
        at = np.array(WINDOWS) * 1.04**shift
        ends = np.array([[e.value - (e.low or 0), (e.high or 0) - e.value] for e in of]).T
        axes.errorbar(at, [e.value for e in of], yerr=ends, marker="o", capsize=3, color=colour(family), label=family)
    axes.set(xscale="log", xlabel="days of events that features see", ylabel="ROC AUC on test, 95 %")
    axes.set_xticks(WINDOWS, [str(window) for window in WINDOWS])
    axes.minorticks_off()
    axes.axhline(0.5, color="#666666", linewidth=0.8, linestyle=":")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(PICTURE)


def main() -> None:
    """Measure, print, draw."""
    profiles = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    found = {window: areas(profiles, window) for window in WINDOWS}
    table = Table("days", *FAMILIES, title=f"conversion, {profiles:,} profiles: ROC AUC on test")
    for window, of in found.items():
        table.add_row(str(window), *(interval(of[family], 3) for family in FAMILIES))
    Console().print(table)
    draw(found)


if __name__ == "__main__":
    main()
