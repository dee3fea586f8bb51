"""The page of a simulation: self-contained, drawn by one inlined copy of plotly.js; nothing is computed here."""

from collections.abc import Hashable
from typing import Any

import numpy as np

from tippingpoint.experiment.simulation_result import THEN, Simulation
from tippingpoint.experiment.thresholds import CutOffs, CutOffView
from tippingpoint.experiment.treated_figure import figure
from tippingpoint.offpolicy.hidden_driver import FACTORS
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.reports.cut_off_map import mark, traces
from tippingpoint.reports.estimates import evidence_in_words, odds_times
from tippingpoint.reports.html import Figure, axis, layout, numbers, render
from tippingpoint.reports.palette import GREY, colour
from tippingpoint.simulation.decision import of_simulation
from tippingpoint.simulation.figures import cut_off_map, marks
from tippingpoint.simulation.report import (
    MOST_ODDS,
    against_leader,
    along_score,
    beyond_the_log,
    budget_in_words,
    budget_left_aside,
    leader_in_words,
    learnt,
    may_be_as_good,
    tied,
    who_gets_what,
)
from tippingpoint.simulation.treated import treated

ENTRIES = 45_000
"""Of all heat maps together: the page stays below 8 MB, of which the plotting library has 5."""
VIEWS = 12
"""Drawn, those of the one shown first before the others."""
PAIRS = 60
"""Listed; all are in the run's tables."""


def page(simulation: Simulation) -> str:
    """One HTML page that loads nothing from anywhere."""
    leader = simulation.cut_offs()
    all_cut_offs = sorted(simulation.all_cut_offs, key=lambda s: s is not leader)
    all_views = [(cut_offs, view) for cut_offs in all_cut_offs for view in cut_offs.views]
    views = all_views[:VIEWS]
    side = int(np.sqrt(ENTRIES / max(len(views), 1)))
    surfaces = [
        {
            "label": _label(cut_offs, view),
            "note": _note(cut_offs, view),
            "figure": heat(cut_offs, view, side) if len(view.free) == 2 else line(cut_offs, view, simulation),
        }
        for cut_offs, view in views
    ]
    shares = treated(simulation)
    figures = {"treated": figure(shares)}
    if any(cut_offs.frontier for cut_offs in all_cut_offs):
        figures["frontier"] = frontier(simulation)
    if simulation.first in simulation.hidden:
        figures["hidden"] = hidden_driver(simulation)
    context = {
        "simulation": simulation,
        "findings": simulation.findings,
        "about": simulation.gathered.about,
        "leader": leader,
        "evidence": evidence_in_words(simulation.kind, simulation.vetoed),
        "surfaces": [{"label": s["label"], "note": s["note"]} for s in surfaces],
        "undrawn": len(all_views) - len(views),
        "as_good": " ".join(may_be_as_good(leader)) if leader else "",
        "who": lambda cut_offs, of: who_gets_what(simulation.shares(cut_offs, of)),
        "words": against_leader(simulation),
        "ordered": [(name, simulation.values[name]) for name in simulation.ordered],
        "break_even": simulation.break_even_table().to_dict("records"),
        "span": _span([row["uplift_per_user"] for row in simulation.values.values()]),
        "pairs": simulation.verdicts[:PAIRS],
        "unlisted": max(len(simulation.verdicts) - PAIRS, 0),
        "led": " ".join(leader_in_words(simulation)),
        "notes": [
            *learnt(simulation),
            *along_score(simulation),
            *tied(simulation),
            *budget_left_aside(simulation),
            *simulation.asked.unused,
        ],
        "assumption": simulation.assumption,
        "budget": budget_in_words(simulation) if simulation.asked.budget else "",
        "treated": shares.verdict,
        "frontier": "frontier" in figures,
        "hidden": "hidden" in figures,
        "beyond": beyond_the_log(simulation),
        "odds_times": {name: odds_times(simulation.flips_from(name), MOST_ODDS) for name in simulation.hidden},
        "tornado": _tornado(simulation),
        "estimators": _estimators(simulation),
        "tables": {n: simulation.gathered.tables[n] for n in EXTRA if n in simulation.gathered.tables},
        "EXTRA": EXTRA,
        "decision": of_simulation(simulation),
    }
    return render("what_if.html.j2", {"surfaces": [s["figure"] for s in surfaces], "others": figures}, **context)


EXTRA = {
    "ranking": "How well each score, and the effect the reward model predicts, rank users for each action; in wanted"
    " outcomes per user, z is value / SE.",
    "heterogeneity": "Whether effects differ along each score: slope per unit of it, and the direction told; of the"
    " reward model's own effect, slope 1 and level 0 are perfect. Slopes hold for all actions of a score together.",
    "uplift_by_score_group": "The effect in groups of users sorted by each score, in wanted outcomes per user;"
    " intervals hold for all groups of a score and action together.",
    "reward_model": "Calibration of the outcome model on each arm of test: slope 1 and intercept 0 are perfect.",
}
"""Tables no price changes, and what they say."""


def _label(cut_offs: CutOffs, view: CutOffView) -> str:
    name = f"{cut_offs.model}{PAIR}{cut_offs.policy}"
    return name if not view.held else f"{name}: {' and '.join(_from(cut_offs, k) for k in view.free)}"


def _from(cut_offs: CutOffs, cut: int) -> str:
    """What a cut-off begins."""
    return f"{cut_offs.bands[cut + 1]} ({cut_offs.actions[cut + 1]}) from"


def _note(cut_offs: CutOffs, view: CutOffView) -> str:
    if not view.held:
        return ""
    held = ", ".join(f"{_from(cut_offs, k)} {cut:.3f}" for k, cut in view.held.items())
    why = "as chosen on validation" if cut_offs.choice and cut_offs.choice.honest.cuts else "as written"
    return (
        f"One pair of {len(view.at)} cut-offs is free here; held {why}: {held}. The band is over this pair's choices."
    )


def heat(cut_offs: CutOffs, view: CutOffView, side: int) -> Figure:
    """Uplift at every choice of two free cut-offs, at most `side` of them on an axis."""
    lower, upper = (f"{_from(cut_offs, k)} score" for k in view.free)
    ends = [float(view.surface.cuts[0]), float(view.surface.cuts[-1])]
    drawn = layout(upper, lower, 520) | {"xaxis": axis(upper, ends), "yaxis": axis(lower, ends)}
    return {"data": traces(cut_off_map(cut_offs, view, side)), "layout": drawn}


def line(cut_offs: CutOffs, view: CutOffView, simulation: Simulation) -> Figure:
    """Uplift at every choice of one free cut-off."""
    sheet, cuts = view.surface.uplift, numbers(view.surface.cuts, 5)
    unit = f"{simulation.currency} per user ({simulation.label})"
    shown = [
        {"type": "scatter", "mode": "lines", "x": cuts, "y": numbers(side), "name": name, "line": {"color": GREY,
         "width": 1, "dash": "dot"}, "hoverinfo": "skip", "showlegend": name == "band"}
        for name, side in ({} if not simulation.measured else
                           {"band": sheet.band_low, "upper band": sheet.band_high}).items()
    ]  # fmt: skip
    shown.append(
        {"type": "scatter", "mode": "lines", "x": cuts, "y": numbers(sheet.value), "name": "uplift",
         "line": {"color": colour(cut_offs.model), "width": 2}, "customdata": numbers(sheet.changed),
         "hovertemplate": "cut-off %{x}<br>uplift %{y}<br>%{customdata:,.0f} test users acted on<extra></extra>"}
    )  # fmt: skip
    for name, at, symbol in marks(cut_offs, view):
        i = int(np.abs(view.surface.cuts - at[0]).argmin())
        shown.append(mark((at[0],), (float(sheet.value[i]),), name, symbol))
    return {"data": shown, "layout": layout(f"{_from(cut_offs, view.first)} score", unit, 420)}


def frontier(simulation: Simulation) -> Figure:
    """The largest uplift for each expected spend."""
    shown: list[Figure] = []
    for cut_offs in (s for s in simulation.all_cut_offs if s.frontier):
        x, y = ([getattr(step.point, what) for step in cut_offs.frontier] for what in ("spend", "uplift"))
        shown.append(
            {"type": "scatter", "mode": "lines+markers", "name": f"{cut_offs.model}{PAIR}{cut_offs.policy}",
             "x": [round(e.value, 5) for e in x], "y": [round(e.value, 5) for e in y],
             "line": {"color": colour(cut_offs.model), "width": 1.5}, "marker": {"size": 4},
             "customdata": ["no one" if s.point.cuts is None else " and ".join(f"{c:.3f}" for c in s.point.cuts)
                            for s in cut_offs.frontier],
             "hovertemplate": "cut-offs %{customdata}<br>spend %{x}<br>uplift %{y}<extra></extra>"}
        )  # fmt: skip
    spent = simulation.all_cut_offs[0].frontier_in
    unit = "users acted on, share" if spent == "contacts" else f"spend, {simulation.currency} per user"
    value = f"uplift, {simulation.currency} per user ({simulation.label})"
    return {"data": shown, "layout": layout(unit, value, 420)}


def hidden_driver(simulation: Simulation) -> Figure:
    """What the uplift of the one shown first could be, by how much a hidden driver changes the odds of the action."""
    of, hue = simulation.hidden[simulation.first], colour(simulation.first.split(PAIR)[0])
    x = numbers(FACTORS, 2)
    ends = {"95 %, low": (of.low_end, "dot"), "95 %, high": (of.high_end, "dot"), "could be, low": (of.low, "solid")}
    ends["could be, high"] = of.high, "solid"
    shown: list[Figure] = [
        {"type": "scatter", "mode": "lines", "x": x, "y": numbers(values), "name": name,
         "line": {"color": hue, "width": 2 if dash == "solid" else 1, "dash": dash}}
        for name, (values, dash) in ends.items()
    ]  # fmt: skip
    unit = f"{simulation.currency} per user ({simulation.label})"
    drawn = layout("odds of being given the action times, at most", unit, 400)
    drawn["xaxis"] |= {"type": "log", "tickvals": [1, 1.2, 1.5, 2, 3, 5, 10]}
    return {"data": shown, "layout": drawn}


def _tornado(simulation: Simulation) -> list[dict[str, Any]]:
    rows = [
        {"price": row.iloc[0], "low": float(row.iloc[1]), "high": float(row.iloc[2])}
        for _, row in simulation.tornado.iterrows()
    ]
    return rows


def _estimators(simulation: Simulation) -> list[dict[str, Any]]:
    """By contestant: uplift by every estimator, the default first, and what the log can say of it."""
    rows, kind = [], simulation.kind
    diagnosed = simulation.gathered.tables.get("evidence")
    for name, of in simulation.estimators.groupby("contestant", sort=False) if len(simulation.estimators) else ():
        uplifts = {
            str(row["estimator"]): Estimate(
                *(row[f"uplift_per_user_{kind}{end}"] for end in ("", "_se", "_low", "_high"))
            )
            for row in of.to_dict("records")
        }
        log: dict[Hashable, Any] = {}
        if diagnosed is not None:
            own = diagnosed[diagnosed["contestant"] == str(name).removesuffix(THEN)]
            log = own.iloc[0].to_dict() if len(own) else {}
        rows.append({"contestant": str(name), "uplifts": uplifts, "log": log})
    return rows


def _span(estimates: list[Estimate]) -> tuple[float, float]:
    """What a column of bars shows: every interval and 0."""
    values = [v for e in estimates for v in (e.value, e.low, e.high) if v is not None]
    return min(0.0, *values), max(0.0, *values)
