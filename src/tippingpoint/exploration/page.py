"""The page of a table of users: self-contained, drawn by one inlined copy of plotly.js; nothing is computed here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.events.funnel import Funnel
from tippingpoint.data.users import Users
from tippingpoint.evaluation.association import Association, incidence, mean_percentile, rate, rates
from tippingpoint.offpolicy.statistics import mean
from tippingpoint.reports.html import render
from tippingpoint.reports.user_figures import (
    Figure,
    by_action,
    by_category,
    by_number,
    heat,
    missing,
    sides,
    steps,
    within,
)

NUMBERS, CATEGORIES = 24, 16
"""Columns drawn, those that tell most; all are in the table."""
CORRELATED = 20
TOP = 20
"""Users listed."""
Put = Callable[[Figure], str]


@dataclass(frozen=True)
class Exploration:
    """What the page shows of a table of users.

    Parameters
    ----------
    found
        Every column with the outcome, the one that tells most first.
    evidence
        The kinds of evidence the table carries, the best first.
    north_star
        The number shown first; None: the one that tells most.
    best_auc
        The ROC AUC no score can have more than by chance, of a generated world.
    responses
        Shares of users by what an action does to them, of a generated world.
    funnel
        Of users from events.
    """

    users: Users
    question: str
    origin: str
    found: list[Association]
    evidence: list[str]
    north_star: str | None = None
    best_auc: float | None = None
    responses: dict[str, float] | None = None
    funnel: Funnel | None = None


def page(explored: Exploration) -> str:
    """One HTML page, about 5 MB, that loads nothing from anywhere."""
    users, contract = explored.users, explored.users.contract
    whole = rate(int(users.outcome.sum()), len(users))
    numbers = [a for a in explored.found if a.kind == "number"]
    categories = [a for a in explored.found if a.kind == "category"]
    first = next((a for a in numbers if a.name == explored.north_star), next(iter(numbers), None))
    rest = [a for a in numbers if a is not first]
    figures: dict[str, Figure] = {}

    def put(figure: Figure) -> str:
        key = f"f{len(figures)}"
        figures[key] = figure
        return key

    def card(association: Association, tall: int = 0) -> dict[str, Any]:
        if association.kind == "number":
            figure = by_number(association, users, whole.value, tall)
        else:
            figure = by_category(association, whole.value)
        return {"of": association, "figure": put(figure), "height": figure["layout"]["height"]}

    rules, percentile = mean_percentile(users, explored.found)
    context = {
        "explored": explored,
        "users": users,
        "contract": contract,
        "rate": whole,
        "sides": [(label, colour) for label, colour, _ in sides(users)],
        "first": card(first, 460) if first else None,
        "categories": [card(a) for a in categories[:CATEGORIES]],
        "numbers": [card(a, 420) for a in rest[:NUMBERS]],
        "untold": (max(len(categories) - CATEGORIES, 0), max(len(rest) - NUMBERS, 0)),
        "lost": _lost(explored, put),
        "arms": _arms(users, put) if users.action is not None else None,
        "funnel": _funnel(explored.funnel, put) if explored.funnel else None,
        "high_value": _high_value(users, rules, percentile) if rules else None,
        "heat": put(heat(users, [a.name for a in numbers[:CORRELATED]])) if len(numbers) > 1 else None,
        "correlated": min(len(numbers), CORRELATED),
    }
    return render("explore.html.j2", figures, **context)


def _lost(explored: Exploration, put: Put) -> dict[str, Any] | None:
    found = sorted((a for a in explored.found if a.missing), key=lambda a: -a.missing)
    if not found:
        return None
    figure = missing(found[:NUMBERS], explored.users)
    return {"figure": put(figure), "height": figure["layout"]["height"], "more": len(found[NUMBERS:])}


def _arms(users: Users, put: Put) -> dict[str, Any]:
    assert users.action is not None
    groups = rates(pd.Series(np.array(users.actions, object)[users.action]), users.outcome)
    figure = by_action(users, groups)
    chance = users.logging_probability
    measures = users.measures
    if measures is not None:
        codes = [users.actions.index(arm) for arm in groups["group"]]
        means = {name: [mean(column.to_numpy()[users.action == k]) for k in codes] for name, column in measures.items()}
        measures = pd.DataFrame({"action": groups["group"], **means})
    alike = chance is not None and bool(np.ptp(chance, axis=0).max() < 1e-9)
    how = "unknown" if chance is None else "same" if alike else "differs"
    return {"figure": put(figure), "height": figure["layout"]["height"], "how": how, "measures": measures}


def _funnel(funnel: Funnel, put: Put) -> dict[str, Any]:
    figure = steps(funnel)
    result: dict[str, Any] = {"steps": put(figure), "height": figure["layout"]["height"], "time": None}
    result["of"] = int(funnel.happened.sum())
    if funnel.happened.any():
        table = incidence(funnel.day, funnel.happened, funnel.left)
        last = int(table["day"][funnel.happened.nonzero()[0][-1]])
        table = table[table["day"] <= last]
        result["time"] = put(within(table))
        half = table.loc[table["share"] >= table["share"].iloc[-1] / 2, "day"].iloc[0] + 1
        result |= {"last": last + 1, "total": float(table["share"].iloc[-1]), "half": int(half)}
    return result


def _high_value(users: Users, rules: dict[str, bool], percentile: np.ndarray) -> dict[str, Any]:
    top = np.argsort(-percentile, kind="stable")
    tenth = top[: max(len(users) // 10, 1)]
    shown = top[:TOP]
    seen = users.features[[*rules, *users.contract.names("category")[:3]]].iloc[shown]
    table = seen.reset_index(drop=True)
    table.insert(0, "user", users.user_id[shown], allow_duplicates=True)
    if users.action is not None:
        table["action taken"] = np.array(users.actions, object)[users.action[shown]]
    table[users.contract.outcome] = users.outcome[shown]
    table["mean percentile"] = percentile[shown].round(1)
    return {
        "table": table,
        "rules": rules,
        "tenth": rate(int(users.outcome[tenth].sum()), len(tenth)),
        "size": len(tenth),
    }
