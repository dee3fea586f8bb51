"""The outcome against one column at a time: rates with intervals, bins, and how well the column alone predicts it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import polars as pl
from scipy.stats import chi2, rankdata

from tippingpoint.data.profile import LEAK, alone
from tippingpoint.data.users import Users
from tippingpoint.evaluation import auc_contributions
from tippingpoint.offpolicy.statistics import Estimate, mean, pointwise

GROUPS = 12
"""Categories shown apart; the rest is one group."""
BINS = 10
FLAT = 0.01
"""A column is called flat where chance alone would make its groups differ as much more often than this."""
BENT = 0.02
"""How much more ROC AUC its bins must have than its order before a column is said to bend."""


@dataclass(frozen=True)
class Association:
    """One column and the outcome.

    Parameters
    ----------
    groups
        One row a group of users, all users in one: a category's (`group`, as `rates` gives them) or a number's
        bins (`low` and `high`, as `bins` gives them).
    missing
        Users without a value.
    area
        ROC AUC of a number as the score, users without it aside; None for categories.
    alone
        ROC AUC with which it alone predicts the outcome, as `description.alone` has it; 0.5 of one outcome only.
    """

    name: str
    kind: str
    groups: pd.DataFrame
    missing: int
    area: Estimate | None
    alone: float

    @cached_property
    def chance(self) -> float:
        """How often groups of equal rates would differ as much (Pearson's chi-squared); missing is no group here."""
        known = self.groups[self.groups["low"].notna() if self.kind == "number" else self.groups["categories"] > 0]
        users, outcomes = known["users"].to_numpy(), known["outcomes"].to_numpy()
        if len(known) < 2 or not 0 < outcomes.sum() < users.sum():
            return 1.0
        p = outcomes.sum() / users.sum()
        return float(chi2.sf(((outcomes - users * p) ** 2 / (users * p * (1 - p))).sum(), len(known) - 1))

    @property
    def shape(self) -> str:
        """In a word: `flat` where the groups differ no more than by chance; a number `rises`, `falls` or `bends`."""
        if self.chance > FLAT:
            return "flat"
        if self.area is None:
            return "differs"
        binned = separation(self.groups["users"].to_numpy(), self.groups["outcomes"].to_numpy())
        if binned > max(self.area.value, 1 - self.area.value) + BENT:
            return "bends"
        return "rises" if self.area.value > 0.5 else "falls"

    @property
    def suspect(self) -> bool:
        """Whether the column alone predicts almost perfectly, as one made from the outcome would."""
        return self.alone >= LEAK


def associations(users: Users) -> list[Association]:
    """Every feature with the outcome, the most predictive first.

    Users of one outcome only are accepted: then nothing predicts it.
    """
    found = []
    both = 0 < users.outcome.sum() < len(users)
    for column in users.contract.columns:
        values = users.features[column.name]
        present = values.notna().to_numpy()
        area = None
        if column.kind == "number":
            groups = bins(values.to_numpy(np.float64), users.outcome)
            area = Estimate(0.5)
            if both and 0 < users.outcome[present].sum() < present.sum():
                group = None if users.codes is None else np.unique(users.codes[present], return_inverse=True)[1]
                terms = auc_contributions(users.outcome[present], values.to_numpy(np.float64)[present])
                area = mean(terms, group=group)
        else:
            groups = rates(values, users.outcome)
        area_alone = alone(pl.from_pandas(values), users.outcome) or 0.5
        found.append(Association(column.name, column.kind, groups, int((~present).sum()), area, area_alone))
    return sorted(found, key=lambda a: -a.alone)


def rate(outcomes: int, users: int) -> Estimate:
    """Share of users with outcome 1, with Wilson's 95 % interval (Wilson 1927), which holds near 0 and 1 too.

    >>> round(rate(0, 10).high, 3)
    0.278
    """
    if users == 0:
        return Estimate(float("nan"))
    low, high = wilson(np.array([outcomes]), np.array([users]))
    return Estimate(outcomes / users, None, float(low[0]), float(high[0]))


def wilson(outcomes: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of Wilson's interval: the rates that a score test at 5 % does not refuse."""
    z2 = pointwise() ** 2
    share = outcomes / users
    centre = (share + z2 / (2 * users)) / (1 + z2 / users)
    half = np.sqrt(z2 * (share * (1 - share) / users + z2 / (4 * users**2))) / (1 + z2 / users)
    return np.clip(centre - half, 0, share), np.clip(centre + half, share, 1)


def rates(values: pd.Series, outcome: np.ndarray, most: int = GROUPS) -> pd.DataFrame:
    """Outcome rate by category, the largest first; beyond `most` groups the smallest are one, missing its own.

    Parameters
    ----------
    values
        (n,) strings; may be missing.
    outcome
        (n,) 0/1.

    Returns
    -------
    pandas.DataFrame
        `group` (None for others and missing), `categories` in the group (0: missing), `users`, `outcomes`,
        `rate` and its interval `rate_low`, `rate_high`.
    """
    return _counted(*pooled(values, most), outcome)


def pooled(values: pd.Series, most: int = GROUPS) -> tuple[np.ndarray, pd.DataFrame]:
    """Whom `rates` puts together: (n,) codes, and the groups they stand for (`group`, `categories`)."""
    codes, names = pd.factorize(values, use_na_sentinel=True)
    size = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.lexsort((np.asarray(names, str), -size))  # by size, then by name: rows may come in any order
    kept = len(names) if len(names) <= most else most - 1
    group = np.full(len(names) + 1, kept)
    group[order[:kept]] = np.arange(kept)
    group[-1] = kept + 1  # code -1: missing
    shown: list[str | None] = [str(names[k]) for k in order[:kept]]
    named = pd.Series([*shown, None, None], dtype=object)
    return group[codes], pd.DataFrame({"group": named, "categories": [1] * kept + [len(names) - kept, 0]})


def bins(values: np.ndarray, outcome: np.ndarray, most: int = BINS) -> pd.DataFrame:
    """Outcome rate in bins of about equal size, ties never apart; one a value where there are few values.

    Of few values those at the ends that under 1 % of users have (at 10 bins) join their neighbour, if two stay.

    Parameters
    ----------
    values
        (n,) numbers; NaN where missing.
    outcome
        (n,) 0/1.

    Returns
    -------
    pandas.DataFrame
        `low` and `high`, the least and the largest value of the bin (NaN: missing, the last row), `users`,
        `outcomes`, `rate`, `rate_low`, `rate_high`.
    """
    return _counted(*binned(values, most), outcome)


def binned(values: np.ndarray, most: int = BINS) -> tuple[np.ndarray, pd.DataFrame]:
    """Whom `bins` puts together: (n,) codes, and the bins they stand for (`low`, `high`)."""
    present = ~np.isnan(values)
    seen = np.sort(values[present])
    distinct = np.unique(seen)
    if len(distinct) > most:
        places = np.ceil(np.arange(1, most) * len(seen) / most).astype(int) - 1
        edges = np.unique([*seen[places], distinct[-1]])
    else:
        edges = distinct
        rare = len(seen) / (10 * most)  # a handful of users at either end would only stretch the axis
        while len(edges) > 2 and (seen > edges[-2]).sum() < rare:
            edges = np.delete(edges, -2)
        while len(edges) > 2 and (seen <= edges[0]).sum() < rare:
            edges = np.delete(edges, 0)
    code = np.where(present, np.searchsorted(edges, np.where(present, values, 0.0)), len(edges))
    first = np.searchsorted(distinct, edges[:-1], side="right")  # of the values above the edge below
    return code, pd.DataFrame({"low": [*distinct[:1], *distinct[first], np.nan], "high": [*edges, np.nan]})


def separation(users: np.ndarray, outcomes: np.ndarray) -> float:
    """ROC AUC of (g,) groups' own outcome rates as the score; 0.5 where there is one outcome only.

    The rates are those of the same users, so that even noise is a little above 0.5: only for what its bins add to
    the order of a number, not for how predictive a column is.
    Groups of one rate may stand in any order: each of two then wins as much as the other, which is half a tie.
    """
    others = users - outcomes
    if outcomes.sum() == 0 or others.sum() == 0:
        return 0.5
    order = np.argsort(outcomes / users, kind="stable")
    below = np.cumsum(others[order]) - others[order] / 2
    return float((outcomes[order] * below).sum() / (outcomes.sum() * others.sum()))


def spearman(table: pd.DataFrame) -> pd.DataFrame:
    """(d, d) rank correlations of the columns, pairs with a missing value aside; NaN for a constant."""
    return table.corr(method="spearman", min_periods=3)


def mean_percentile(users: Users, found: list[Association], most: int = 3) -> tuple[dict[str, bool], np.ndarray]:
    """Where users stand by a rule anyone can check: their mean percentile in the most predictive numbers.

    A percentile counts from the unwanted to the wanted outcome's side; missing is the middle. Numbers that bend
    or are flat are left out, and so is what may know the outcome. No model; nothing is fitted but the order of
    columns.

    Returns
    -------
    dict
        The numbers, at most `most`, and of each whether more is better.
    numpy.ndarray
        (n,) from 0 to 100.
    """
    rules: dict[str, bool] = {}
    total = np.zeros(len(users))
    for association in found:
        if association.shape not in ("rises", "falls") or association.suspect or len(rules) == most:
            continue
        up = (association.shape == "rises") == users.contract.good
        values = users.features[association.name].to_numpy(np.float64)
        present = ~np.isnan(values)
        percentile = np.full(len(users), 50.0)
        percentile[present] = 100 * (rankdata(values[present]) - 0.5) / present.sum()
        total += percentile if up else 100 - percentile
        rules[association.name] = up
    return rules, total / max(len(rules), 1)


def incidence(day: np.ndarray, happened: np.ndarray, left: np.ndarray) -> pd.DataFrame:
    """Share to whom it has happened by each day, of users not all followed equally long (Kaplan & Meier 1958).

    Parameters
    ----------
    day
        (d,) whole days since the start of the clock, rising.
    happened
        (d,) users it happened to on that day.
    left
        (d,) users last seen on that day, to whom it had not happened; they count as seen that day out.

    Returns
    -------
    pandas.DataFrame
        `day`, `at_risk`, `share`, and its 95 % interval `low`, `high` (Greenwood's, on the scale of log(-log)).
    """
    at_risk = np.cumsum((happened + left)[::-1])[::-1]
    staying = np.cumprod(1 - happened / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(happened / (at_risk * (at_risk - happened)))
        spread = np.exp(pointwise() * np.sqrt(greenwood) / np.log(staying))
        ends = [np.where((staying > 0) & (staying < 1), 1 - staying**e, 1 - staying) for e in (spread, 1 / spread)]
    table = {"day": day, "at_risk": at_risk, "share": 1 - staying, "low": ends[0], "high": ends[1]}
    return pd.DataFrame(table)


def _counted(code: np.ndarray, groups: pd.DataFrame, outcome: np.ndarray) -> pd.DataFrame:
    users = np.bincount(code, minlength=len(groups))
    outcomes = np.bincount(code[outcome == 1], minlength=len(groups))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = wilson(outcomes, users)
        share = outcomes / users
    counted = pd.DataFrame({"users": users, "outcomes": outcomes, "rate": share, "rate_low": low, "rate_high": high})
    return pd.concat([groups, counted], axis=1)[users > 0].reset_index(drop=True)
