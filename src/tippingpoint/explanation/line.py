"""A line's coefficients, and how sure they are."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import expit
from threadpoolctl import threadpool_limits

from tippingpoint.data.users import FeatureSchema, Users
from tippingpoint.explanation.values import raw_columns
from tippingpoint.models.calibration import Model

REFITS, STEPS, TOLERANCE = 200, 20, 1e-5
"""Bootstrap refits; the steps of each from the fitted line, at most, and the gain in log likelihood that ends them."""
MOST = 2500
"""Users a refit sees."""
TERMS = 300
"""Terms up to which a line is refitted: of thousands a refit would take a minute."""


def coefficients(model: Model, contract: FeatureSchema, train: Users | None = None, seed: int = 0) -> pd.DataFrame:
    """A line's coefficients: `feature`, `term`, `unit`, `coefficient` (log-odds a unit of the term), `odds_ratio`.

    The unit of a category's term is whether the user is of it, that of a number's what the family makes of numbers.

    Parameters
    ----------
    train
        Users the line was fitted on; with them there are 95 % intervals too (`_low`, `_high` of both) where a line has
        at most 300 terms: percentiles of 200 bootstrap refits. Users are resampled; how columns are prepared and the
        strength of the penalty are held, so the intervals say how far the *penalised* coefficients vary, not where
        unpenalised ones would be. Of more than 2,500 users so many are drawn a refit, under a penalty as strong for
        each, and distances from the coefficient are scaled by √(2,500/n) (m out of n, Bickel et al. 1997).
    """
    transformer, estimator = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    names = [column.name for column in contract.columns]
    terms = [name.partition("__") for name in transformer.get_feature_names_out()]
    table = pd.DataFrame(
        {
            "feature": [names[i] for i in raw_columns(transformer, contract)],
            "term": [term for *_, term in terms],
            "unit": ["no (0) to yes (1)" if kind == "category" else model.family.unit for kind, *_ in terms],
            "coefficient": estimator.coef_[0],
        }
    )
    train = train if len(table) <= TERMS else None
    if train is not None:
        table["coefficient_low"], table["coefficient_high"] = _interval(model, train, seed)
    table["odds_ratio"] = np.exp(table["coefficient"])
    if train is not None:
        table["odds_ratio_low"] = np.exp(table["coefficient_low"])
        table["odds_ratio_high"] = np.exp(table["coefficient_high"])
    return table.sort_values("coefficient", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def _interval(model: Model, train: Users, seed: int) -> np.ndarray:
    """(2, f) ends of the coefficients' 95 % intervals."""
    transformer, estimator = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    fitted = np.append(estimator.coef_[0], estimator.intercept_)
    rng, n = np.random.default_rng(seed), len(train)
    drawn = min(n, MOST)
    penalty = np.append(np.full(len(fitted) - 1, drawn / (n * estimator.C)), 0)
    refits = np.empty((REFITS, len(fitted)))
    # BLAS on one thread: the matrices are small, and threads would wait for each other longer than they work.
    with threadpool_limits(1, "blas"):
        prepared = csr_array(transformer.transform(train.features))
        for k in range(REFITS):
            rows, times = np.unique(rng.integers(0, n, drawn), return_counts=True)
            x, y = np.column_stack([prepared[rows].toarray(), np.ones(len(rows))]), train.outcome[rows]
            refits[k] = _refit(fitted, x, y, times, penalty)
    away = np.percentile(refits - fitted, [2.5, 97.5], axis=0)[:, :-1]
    return np.asarray(estimator.coef_[0] + away * np.sqrt(drawn / n))


def _refit(start: np.ndarray, x: np.ndarray, y: np.ndarray, times: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Coefficients of a line through users counted so many times, by Newton's method with halved steps."""

    def loss(at: np.ndarray) -> float:
        margin = x @ at
        return float(times @ (np.logaddexp(0, margin) - y * margin) + penalty @ at**2 / 2)

    at, now = start, loss(start)
    for _ in range(STEPS):
        chance = expit(x @ at)
        gradient = x.T @ (times * (chance - y)) + penalty * at
        curvature = (x * (times * chance * (1 - chance))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.lstsq(curvature, gradient)[0]  # of full rank or not
        if gradient @ step < TOLERANCE:
            break
        while (after := loss(at - step)) > now and gradient @ step > TOLERANCE:
            step = step / 2
        at, now = at - step, after
    return at
