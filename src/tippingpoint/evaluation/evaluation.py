"""Everything test says of one model's scores, beyond single metrics."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tippingpoint.data.users import Users
from tippingpoint.evaluation.ageing import by_age
from tippingpoint.evaluation.curves import SECTION, Curves, confusion, curves, deciles, steps
from tippingpoint.evaluation.slices import slices, worst


@dataclass(frozen=True)
class Evaluation:
    """Tables and curves of one model's scores on test.

    Parameters
    ----------
    curves
        ROC, PR and gains, with bands.
    deciles
        Lift and gains by tenth of the users (`evaluation.curves.deciles`).
    confusion
        At each cut of the policy, or by segment (`evaluation.curves.confusion`).
    slices
        Every category and bin of every number (`evaluation.slices.slices`).
    steps
        Curves as metric steps: name to whole steps and values.
    learning
        ROC AUC by share of train; None unless the full report asks for it.
    ages
        ROC AUC by age of the model (`evaluation.ageing.by_age`); None unless test is later by date.
    """

    curves: Curves
    deciles: pd.DataFrame
    confusion: pd.DataFrame
    slices: pd.DataFrame
    steps: dict[str, tuple[np.ndarray, np.ndarray]]
    learning: pd.DataFrame | None
    ages: pd.DataFrame | None = None

    @property
    def worse(self) -> pd.DataFrame:
        """The slices that are worse than the rest and than their scores promise, the surest first."""
        return worst(self.slices)


def evaluation(
    test: Users,
    score: np.ndarray,
    segment: np.ndarray,
    segments: tuple[str, ...],
    cuts: tuple[float, ...] | None,
    learning: pd.DataFrame | None,
    rng: np.random.Generator,
    fitted: np.datetime64 | None = None,
) -> Evaluation:
    """Evaluate (n,) scores of the test users, whom a policy puts in (n,) segments, at `cuts` of the score if at any.

    `fitted` is the day as of which the model was fitted, where all of test is later.

    Where users come in groups, tables by decile, cut and slice have no intervals: theirs take users for independent.
    """
    found, by_decile = curves(test.outcome, score, rng, test.codes), deciles(test.outcome, score)
    overlaid = steps(test.outcome, score, found, by_decile)
    if learning is not None:
        overlaid[f"{SECTION}learning/roc_auc"] = (
            (100 * learning["share"]).round().to_numpy(int),
            learning["roc_auc"].to_numpy(),
        )
    ages = None if fitted is None else by_age(test, score, fitted)
    if ages is not None:
        overlaid[f"{SECTION}age/roc_auc"] = ages["from_day"].to_numpy(int), ages["roc_auc"].to_numpy()
    at_cuts, by_slice = confusion(test.outcome, segment, segments, cuts), slices(test, score)
    if test.group is not None:
        by_decile, at_cuts, by_slice = map(_without_intervals, (by_decile, at_cuts, by_slice))
    return Evaluation(found, by_decile, at_cuts, by_slice, overlaid, learning, ages)


def _without_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose intervals and tests take users for independent, without them."""
    table = table.copy()
    table[[name for name in map(str, table) if name.endswith(("_low", "_high")) or name == "p"]] = np.nan
    return table.assign(worse="") if "worse" in table else table
