"""The figures of a comparison in a notebook, each with the table it is drawn from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tippingpoint.comparison import figures
from tippingpoint.comparison.page import importance
from tippingpoint.comparison.result import Comparison
from tippingpoint.comparison.treated import treated
from tippingpoint.evaluation.calibration_bins import calibration_bins
from tippingpoint.evaluation.curves import GRID
from tippingpoint.experiment.treated_figure import figure
from tippingpoint.reports.palette import GREY, colour
from tippingpoint.reports.plot import Plot, interval_plot


@dataclass(frozen=True)
class ComparisonPlots:
    """`result.plot`: one method a figure."""

    comparison: Comparison

    def uplift(self) -> Plot:
        """What the policy brings with each model over everyone getting none, per user, with 95 % intervals."""
        question = self.comparison.question
        values = {name: of.uplift for name, of in self.comparison.values.items()}
        data = pd.DataFrame(
            [{"model": name, "uplift": of.value, "low": of.low, "high": of.high} for name, of in values.items()]
        )
        unit = f"{question.economics.currency} per user ({question.evidence.kind})"
        colours = [colour(name) if name in question.families else GREY for name in data["model"]]
        return interval_plot(data, unit, colours, question.evidence.measured)

    def targeting(self) -> Plot:
        """What acting on a share of users brings, ranked as each policy does, and every contestant at its share."""
        shares = treated(self.comparison)
        return Plot(shares.frame(), figure(shares))

    def roc(self) -> Plot:
        """ROC curve of each model on test."""
        curves = {c.family: c.evaluation.curves.roc for c in self.comparison.candidates}
        data = pd.concat(
            pd.DataFrame({"model": name, "false_positive_rate": GRID, "true_positive_rate": of.value})
            for name, of in curves.items()
        )
        return Plot(data.reset_index(drop=True), figures.roc(curves))

    def calibration(self) -> Plot:
        """Outcome rate against mean score in ten bins of equal size, with Wilson's 95 % intervals."""
        test = self.comparison.question.parts.test
        data = calibration_bins(test.outcome, {c.family: c.score for c in self.comparison.candidates})
        return Plot(data, figures.calibration(data))

    def differences(self) -> Plot:
        """Paired differences in ROC AUC of all pairs of models, with intervals that hold for all together."""
        pairs = self.comparison.auc
        ends = [(v.difference.value, v.difference.low, v.difference.high) for v in pairs]
        data = pd.DataFrame({"first": [v.first for v in pairs], "second": [v.second for v in pairs]})
        data[["difference", "low", "high"]] = np.array(ends, dtype=np.float64).reshape(-1, 3)
        data["verdict"] = [v.verdict for v in pairs]
        return Plot(data, figures.pairs(pairs, "difference in ROC AUC"))

    def importance(self) -> Plot:
        """Share of all mean |SHAP| that each column has in each model."""
        shares = importance(self.comparison)
        return Plot(
            shares.rename_axis("column").reset_index(), figures.heat(shares, self.comparison.question.users.contract)
        )
