"""The page of a comparison, read from top to bottom: problem, signal, model, decision, recommendation."""

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from tippingpoint.association import Association, associations, wilson
from tippingpoint.compared import Comparison
from tippingpoint.evaluation import reliability
from tippingpoint.evaluation.curves import GRID, Curve
from tippingpoint.filed import Filed
from tippingpoint.policies.bands import Bands
from tippingpoint.reports.drawing import words
from tippingpoint.reports.explore_figures import WITH, WITHOUT, by_category, by_number, plain
from tippingpoint.reports.limits import hardly_acts
from tippingpoint.reports.page import Figure, axis, layout, numbers, render
from tippingpoint.reports.palette import COLOURS, GREY, colour
from tippingpoint.reports.tables import EVIDENCE, about, interval, verdict_in_words
from tippingpoint.simulation.contest import Verdict
from tippingpoint.simulation.statistics import Estimate
from tippingpoint.simulation.surface import Sheet

DRAWN, LISTED = 4, 30
"""Columns drawn and listed, those that tell most."""
RANKED = 12
"""Columns of which families' rankings are shown."""
AGREE = 3
"""Columns at the top of a ranking."""
INTEREST = 0.01
"""A difference in ROC AUC worth knowing of."""


@dataclass(frozen=True)
class Choices:
    """What a family's scores bring at every choice of the policy's cut-offs, on test.

    Parameters
    ----------
    cuts
        (G,) the grid.
    uplift
        Money per user over everyone getting none.
    """

    cuts: np.ndarray
    uplift: Sheet


def page(comparison: Comparison, choices: dict[str, Choices], filed: Filed) -> str:
    """One HTML page, about 5 MB, that loads nothing from anywhere.

    Parameters
    ----------
    choices
        By family; empty for a policy without one or two cut-offs.
    """
    question = comparison.question
    users, kind, currency = question.users, question.evidence.kind, question.economics.currency
    unit = f"{currency} per user ({kind})"
    rate = float(users.outcome.mean())
    found = associations(users)
    figures: dict[str, Figure] = {}

    def put(figure: Figure) -> dict[str, Any]:
        key = f"f{len(figures)}"
        figures[key] = figure
        return {"id": key, "height": figure["layout"]["height"]}

    outcome, scores = question.parts.test.outcome, {c.family: c.score for c in comparison.candidates}
    shares = importance(comparison)
    context = {
        "comparison": comparison,
        "question": question,
        "contract": users.contract,
        "evidence": EVIDENCE[kind],
        "lines": [line.plain for line in about(question)],
        "rate": rate,
        "unit": unit,
        "verdict": verdict_in_words(comparison),
        "sides": {f"not {users.contract.outcome}": WITHOUT, users.contract.outcome: WITH},
        "columns": found[:LISTED],
        "unlisted": max(len(found) - LISTED, 0),
        "signal": [{"of": a, **put(_alone(a, comparison, rate))} for a in found[:DRAWN]],
        "board": _board(comparison),
        "span": _span([c.value.uplift for c in comparison.candidates]),
        "colours": {c.family: colour(c.family) for c in comparison.candidates},
        "pairs": {
            name: {"verdicts": of, **put(pairs(of, what))}
            for name, of, what in (
                ("ROC AUC", comparison.auc, "difference in ROC AUC"),
                ("Policy uplift", comparison.uplift, f"difference, {unit}"),
            )
            if of
        },
        "roc": put(roc({c.family: c.evaluation.curves.roc for c in comparison.candidates})),
        "calibration": put(calibration(outcome, scores)),
        "shares": shares,
        "shap": put(heat(shares)),
        "agreed": agreement(shares),
        "surface": [{"name": name, **put(figure)} for name, figure in surface(choices, comparison, unit).items()],
        "gain": f"uplift_per_user_{kind}",
        "inf": np.inf,
        "steps": next_steps(comparison, filed),
        "registered": filed.registered,
    }
    return render("compare.html.j2", figures, **context)


def readable(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """Leaderboard and verdicts as text with intervals; the UI compares what stands in the second column first."""
    question = comparison.question
    kind, currency, outcome = question.evidence.kind, question.economics.currency, question.users.contract.outcome
    heads = {
        "roc_auc": ("ROC AUC", 3),
        "uplift": (f"uplift, {currency} per user ({kind})", 3),
        "per_1000": (f"{outcome} per 1,000 ({kind})", 1),
        "pr_auc": ("PR AUC", 3),
        "log_loss": ("log loss", 4),
        "calibration_slope": ("calibration slope", 2),
        "validation": (f"{question.select_by} on validation", 3),
    }
    board = [
        {"model": row["model"]}
        | {head: interval(row[name], digits) if row[name] else "" for name, (head, digits) in heads.items()}
        for row in _board(comparison)
    ]
    measures = {"ROC AUC": comparison.auc, f"{currency} per user ({kind})": comparison.uplift}
    told = [
        {
            "first − second": f"{v.first} − {v.second}: {measure}",
            "first is": v.word,
            "difference": interval(v.difference, 4),
        }
        for measure, verdicts in measures.items()
        for v in verdicts
    ]
    return {"leaderboard": pd.DataFrame(board)} | ({"verdicts": pd.DataFrame(told)} if told else {})


def importance(comparison: Comparison) -> pd.DataFrame:
    """Share of all mean |SHAP| that each column has in each family, columns by their mean share."""
    shares = {}
    for candidate in comparison.candidates:
        of = candidate.explanation.importance().set_index("feature")["mean_abs_shap"]
        shares[candidate.family] = of / (of.sum() or 1.0)
    table = pd.DataFrame(shares)
    return table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]


def agreement(shares: pd.DataFrame) -> list[str]:
    """What families agree on, in words; nothing where there is but one family or column."""
    if shares.shape[1] < 2 or len(shares) < 2:
        return []
    told = []
    taus = [kendalltau(shares[a], shares[b]).statistic for a, b in combinations(shares.columns, 2)]
    if np.isfinite(taus).all():
        lowest = f", the lowest {min(taus):.2f}" if len(taus) > 1 else ""
        told.append(f"Their rankings of the {len(shares)} columns agree with a mean Kendall tau of"
                    f" {np.mean(taus):.2f}{lowest} (1: the same order; 0: none in common).")  # fmt: skip
    tops = [set(shares[family].nlargest(AGREE).index) for family in shares]
    common = [str(name) for name in shares.index if all(name in top for top in tops)]
    top = min(AGREE, len(shares))
    told.append(f"Among the {top} columns that move the score most in every family: {', '.join(common)}."
                if common else f"No column is among the {top} that move the score most in every family.")  # fmt: skip
    return told


def pairs(verdicts: list[Verdict], unit: str) -> Figure:
    """Differences of all pairs with intervals that hold for all together; blue where they can be told."""
    names = [f"{plain(v.first)} −<br>{plain(v.second)}" for v in verdicts]
    data = []
    for told in (True, False):
        rows = [k for k, v in enumerate(verdicts) if (v.word != "cannot tell") == told]
        if not rows:
            continue
        differences = [verdicts[k].difference for k in rows]
        value = np.array([d.value for d in differences])
        # Two that bring every user the same have no error, and so no interval.
        low, high = (np.array([getattr(d, end) if getattr(d, end) is not None else d.value for d in differences])
                     for end in ("low", "high"))  # fmt: skip
        data.append(
            {
                "type": "scatter", "mode": "markers", "x": numbers(value, 6), "y": rows,
                "name": "can be told" if told else "cannot be told",
                "error_x": {"type": "data", "symmetric": False, "thickness": 2, "width": 5,
                            "array": numbers(high - value, 6), "arrayminus": numbers(value - low, 6)},
                "marker": {"size": 10, "color": COLOURS[0] if told else GREY,
                           "symbol": "circle" if told else "diamond"},
                "customdata": [[plain(f"{verdicts[k].first} is {verdicts[k].word}"), f"{low[i]:+.4f} to {high[i]:+.4f}"]
                               for i, k in enumerate(rows)],
                "hovertemplate": "%{customdata[0]}<br>%{x:+.4f}, %{customdata[1]}<extra></extra>",
            }
        )  # fmt: skip
    drawn = layout(unit, "", 130 + 56 * len(verdicts))
    drawn["yaxis"] = _rows(names)
    drawn["xaxis"] |= {"zeroline": True, "zerolinecolor": "#1c2430", "nticks": 7}
    return {"data": data, "layout": drawn}


def roc(curves: dict[str, Curve]) -> Figure:
    """ROC curves of all families on the same users."""
    data: list[Figure] = [_line(numbers(GRID, 2), numbers(of.value, 4), family) for family, of in curves.items()]
    data.append(_diagonal(1.0))
    drawn = layout("false positive rate", "true positive rate", 420)
    for along in ("xaxis", "yaxis"):
        drawn[along]["range"] = [-0.01, 1.01]
    return {"data": data, "layout": drawn}


def calibration(outcome: np.ndarray, scores: dict[str, np.ndarray]) -> Figure:
    """Outcome rate against mean score in ten bins of equal size, with Wilson's 95 % intervals."""
    data, top = [], 0.0
    for family, score in scores.items():
        mean, outcomes, users = reliability(outcome, score)
        rate, (low, high) = outcomes / users, wilson(outcomes, users)
        error = {"type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "array": numbers(high - rate, 4),
                 "arrayminus": numbers(rate - low, 4)}  # fmt: skip
        of = _line(numbers(mean, 4), numbers(rate, 4), family)
        data.append(of | {"mode": "lines+markers", "error_y": error, "marker": {"size": 6, "color": colour(family)}})
        top = max(top, float(mean.max()), float(high.max()))
    edge = min(1.0, 1.05 * top)
    data.append(_diagonal(edge))
    drawn = layout("mean score", "observed outcome rate", 420)
    for along in ("xaxis", "yaxis"):
        drawn[along]["range"] = [-0.01 * edge, 1.01 * edge]
    return {"data": data, "layout": drawn}


def heat(shares: pd.DataFrame) -> Figure:
    """Rank and share of each column in each family."""
    shown = shares.head(RANKED)
    ranks = shares.rank(ascending=False, method="first").astype(int).head(RANKED)
    cells = zip(ranks.to_numpy().tolist(), shown.to_numpy().tolist(), strict=True)
    text = [[f"{rank} · {share:.0%}" for rank, share in zip(*row, strict=True)] for row in cells]
    names = [plain(_cut(str(name))) for name in shown.index]
    places = list(range(len(shown)))
    families = [_label(str(family)).replace(" ", "<br>") for family in shown]
    data = {
        "type": "heatmap", "z": numbers(shown.to_numpy(), 4), "x": families, "y": places,
        "text": text, "texttemplate": "%{text}", "colorscale": [[0, "#ffffff"], [1, "#56B4E9"]], "zmin": 0,
        "showscale": False, "xgap": 2, "ygap": 2, "textfont": {"color": "#1c2430"},
        "customdata": [[plain(name)] * shown.shape[1] for name in shown.index],
        "hovertemplate": "%{customdata}<br>%{x}: %{text} of mean |SHAP|<extra></extra>",
    }  # fmt: skip
    drawn = layout("", "", 80 + 30 * len(shown))
    drawn["yaxis"] = _rows(names) | {"showgrid": False}
    drawn["xaxis"] |= {"side": "top", "showgrid": False, "title": {"text": ""}, "tickangle": 0, "ticks": ""}
    return {"data": [data], "layout": drawn}


def surface(choices: dict[str, Choices], comparison: Comparison, unit: str) -> dict[str, Figure]:
    """Uplift at every choice of cut-offs: a line a family for one, a heat map each on one scale for two."""
    policy = comparison.question.policy
    if not choices or not isinstance(policy, Bands):
        return {}
    begins = [f"{policy.bands[k + 1]} ({policy.actions[policy.bands[k + 1]]}) from" for k in range(len(policy.cuts))]
    titles = [plain(f"{of} score") for of in begins]
    if len(policy.cuts) == 1:
        data = [_line(numbers(of.cuts, 4), numbers(_supported(of)), family) for family, of in choices.items()]
        drawn = layout(titles[0], plain(unit), 420)
        cut = {"type": "line", "x0": policy.cuts[0], "x1": policy.cuts[0], "y0": 0, "y1": 1, "yref": "paper"}
        drawn["shapes"] = [cut | {"line": {"color": GREY, "dash": "dot", "width": 1}}]
        return {"all families": {"data": data, "layout": drawn}}
    known = np.concatenate([_supported(of).ravel() for of in choices.values()])
    known = known[np.isfinite(known)]
    scale = {"zmin": float(known.min()), "zmax": float(known.max())} if len(known) else {}
    edges = [policy.cuts, *(of.cuts for of in choices.values())]
    ends = [float(min(map(min, edges))), float(max(map(max, edges)))]
    found = {}
    for family, of in choices.items():
        ticks = numbers(of.cuts, 4)
        few = np.where(np.isfinite(of.uplift.value) & ~of.uplift.supported, 1.0, np.nan)
        blank = {"type": "heatmap", "x": ticks, "y": ticks, "z": numbers(few), "showscale": False, "zmin": 0, "zmax": 1,
                 "colorscale": [[0, "#d8dce1"], [1, "#d8dce1"]],
                 "hovertemplate": "too few users are acted on to tell<extra></extra>"}  # fmt: skip
        shown = {
            "type": "heatmap", "x": ticks, "y": ticks, "z": numbers(_supported(of), 4), **scale,
            "colorscale": "Viridis", "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"size": 11}},
            "showlegend": False, "hovertemplate": "cut-offs %{y} and %{x}<br>uplift %{z}<extra></extra>",
        }  # fmt: skip
        mark = {
            "type": "scatter", "mode": "markers", "x": [policy.cuts[1]], "y": [policy.cuts[0]], "name": "as written",
            "marker": {"symbol": "square", "size": 11, "color": COLOURS[2], "line": {"color": "white", "width": 2}},
            "cliponaxis": False, "hovertemplate": "as written: %{y} and %{x}<extra></extra>",
        }  # fmt: skip
        drawn = layout(titles[1], titles[0], 420)
        drawn |= {
            "xaxis": axis(titles[1], ends, nticks=5),
            "yaxis": axis(titles[0], ends, nticks=5),
            "showlegend": False,
        }
        found[family] = {"data": [blank, shown, mark], "layout": drawn}
    return found


def next_steps(comparison: Comparison, filed: Filed) -> list[tuple[str, str]]:
    """What to do, and the line to type for it; only lines that there are."""
    question, winner = comparison.question, comparison.winner
    again = f"tippingpoint simulate models=[{filed.run_id}]"
    if question.evidence.measured:
        better = "Look for better cut-offs, chosen on validation and valued on test, and for what other prices or a"
        steps = [(f"{better} budget would change.", again)]
    else:
        lots = "What the actions do is assumed. Give them to users drawn by lot, log who got what, and compare again"
        line = "tippingpoint compare data=csv data.path=… data.action=… data.logging_probability=…"
        steps = [
            (f"{lots} with the log: then the uplift has an interval, and families can be told apart in money.", line),
            ("Until then, see at which prices and responses each action pays.", again),
        ]
    if idle := hardly_acts(winner, question):
        line = "tippingpoint compare … policy=top_fraction"
        steps.insert(0, (f"{idle} Take a share of the users instead, or other cut-offs.", line))
    elif empty := winner.segments.loc[winner.segments["users"] == 0, "segment"].tolist():
        nobody = f"Nobody on test reaches {' or '.join(map(str, empty))} with {winner.family}: try other cut-offs."
        steps.append((nobody, "tippingpoint compare … policy.cuts='[…]' policy.version=…"))
    users = len(question.parts.test)
    untold = [v.users_needed(INTEREST) for v in comparison.auc if v.word == "cannot tell"]
    if (needed := max((n for n in untold if n is not None), default=0)) > users:
        to_tell = (
            f"To tell {INTEREST} of ROC AUC between families that cannot be told apart, about {needed:,} test users"
        )
        steps.append((f"{to_tell} are needed; there are {users:,}.", ""))
    if question.families[winner.family].search:
        line = f"tippingpoint tune … model={winner.family} tune.trials=200"
        steps.append((f"See whether tuning {winner.family} gains more than chance, on the same data and prices.", line))
    return steps


def _alone(association: Association, comparison: Comparison, rate: float) -> Figure:
    users = comparison.question.users
    return by_number(association, users, rate, 380) if association.kind == "number" else by_category(association, rate)


def _board(comparison: Comparison) -> list[dict[str, Any]]:
    """Rows of the leaderboard as estimates by name; what a row lacks is None."""
    table = comparison.leaderboard()
    rows = []
    for row in table.to_dict("records"):

        def of(name: str, row: dict[Any, Any] = row) -> Estimate | None:
            ends = [row.get(f"{name}{end}") for end in ("", "_low", "_high")]
            value, low, high = (None if v is None or pd.isna(v) else float(v) for v in ends)
            return None if value is None else Estimate(value, None, low, high)

        kind = comparison.question.evidence.kind
        rows.append(
            {
                "model": row["model"],
                "validation": of(f"validation/{comparison.question.select_by}"),
                **{name: of(f"test/{name}") for name in ("roc_auc", "pr_auc", "log_loss", "calibration_slope")},
                "per_1000": of(f"policy/{kind}/uplift_per_1000"),
                "uplift": of(f"policy/{kind}/uplift_per_user"),
            }
        )
    return rows


def _span(estimates: list[Estimate]) -> tuple[float, float]:
    values = [v for e in estimates for v in asdict(e).values() if v is not None]
    return min(0.0, *values), max(0.0, *values)


def _supported(of: Choices) -> np.ndarray:
    return np.where(of.uplift.supported, of.uplift.value, np.nan)


def _line(x: list[Any], y: list[Any], family: str) -> Figure:
    line = {"color": colour(family), "width": 2}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": _label(family), "line": line}


def _diagonal(edge: float) -> Figure:
    line = {"color": GREY, "width": 1, "dash": "dot"}
    return {"type": "scatter", "mode": "lines", "x": [0, edge], "y": [0, edge], "line": line, "showlegend": False,
            "hoverinfo": "skip"}  # fmt: skip


def _rows(labels: list[str]) -> Figure:
    """A vertical axis of rows, the first on top."""
    ends = [len(labels) - 0.5, -0.5]
    return axis("", ends, tickvals=list(range(len(labels))), ticktext=labels, ticklabelstandoff=4)


def _label(family: str) -> str:
    return plain(words(family))


def _cut(name: str, most: int = 24) -> str:
    """Both ends of a long name, as names often differ in the last word."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}"
