"""The figures of a comparison's page."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.comparison.result import Comparison
from tippingpoint.data.users import FeatureSchema
from tippingpoint.evaluation.curves import GRID, Curve
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.surface import Sheet
from tippingpoint.policies.bands import Bands
from tippingpoint.reports.cut_off_map import CutOffMap, traces
from tippingpoint.reports.html import Figure, axis, layout, numbers
from tippingpoint.reports.palette import COLOURS, GREY, colour
from tippingpoint.reports.png import words
from tippingpoint.reports.user_figures import plain

RANKED = 12
"""Columns of which families' rankings are shown."""


@dataclass(frozen=True)
class Choices:
    """Uplift of a family's scores at every choice of the policy's cut-offs, on test.

    Parameters
    ----------
    cuts
        (G,) the grid.
    uplift
        Money per user over everyone getting none.
    written
        The policy's own cut-offs under these scores.
    """

    cuts: np.ndarray
    uplift: Sheet
    written: tuple[float, ...]


def pairs(verdicts: list[Contrast], unit: str) -> Figure:
    """Differences of all pairs with simultaneous intervals; blue where different, grey where inconclusive."""
    names = [" −<br>".join(plain(name).replace(" ", "<br>", 1) for name in (v.first, v.second)) for v in verdicts]
    data = []
    for different in (True, False):
        rows = [k for k, v in enumerate(verdicts) if (v.verdict != "inconclusive") == different]
        if not rows:
            continue
        differences = [verdicts[k].difference for k in rows]
        value = np.array([d.value for d in differences])
        # Two of the same value for every user have no error, and so no interval.
        low, high = (np.array([getattr(d, end) if getattr(d, end) is not None else d.value for d in differences])
                     for end in ("low", "high"))  # fmt: skip
        data.append(
            {
                "type": "scatter", "mode": "markers", "x": numbers(value, 6), "y": rows,
                "name": "can be told" if different else "cannot be told",
                "error_x": {"type": "data", "symmetric": False, "thickness": 2, "width": 5,
                            "array": numbers(high - value, 6), "arrayminus": numbers(value - low, 6)},
                "marker": {"size": 10, "color": COLOURS[0] if different else GREY,
                           "symbol": "circle" if different else "diamond"},
                "customdata": [
                    [plain(f"{verdicts[k].first} is {verdicts[k].verdict}"), f"{low[i]:+.4f} to {high[i]:+.4f}"]
                    for i, k in enumerate(rows)
                ],
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


def calibration(bins: pd.DataFrame) -> Figure:
    """Outcome rate against mean score; as `calibration_bins` gives it."""
    data = []
    for family, of in bins.groupby("model", sort=False):
        rate = of["outcome_rate"]
        error = {"type": "data", "symmetric": False, "thickness": 1.2, "width": 3,
                 "array": numbers(of["high"] - rate, 4), "arrayminus": numbers(rate - of["low"], 4)}  # fmt: skip
        line = _line(numbers(of["mean_score"], 4), numbers(rate, 4), str(family))
        marker = {"size": 6, "color": colour(str(family))}
        data.append(line | {"mode": "lines+markers", "error_y": error, "marker": marker})
    edge = min(1.0, 1.05 * float(bins[["mean_score", "high"]].to_numpy().max()))
    data.append(_diagonal(edge))
    drawn = layout("mean score", "observed outcome rate", 420)
    for along in ("xaxis", "yaxis"):
        drawn[along]["range"] = [-0.01 * edge, 1.01 * edge]
    return {"data": data, "layout": drawn}


def heat(shares: pd.DataFrame, contract: FeatureSchema) -> Figure:
    """Rank and share of each column in each family."""
    shown = shares.head(RANKED)
    ranks = shares.rank(ascending=False, method="first").astype(int).head(RANKED)
    cells = zip(ranks.to_numpy().tolist(), shown.to_numpy().tolist(), strict=True)
    text = [[f"{rank} · {share:.0%}" for rank, share in zip(*row, strict=True)] for row in cells]
    names = [plain(_cut(contract.label(str(name)))) for name in shown.index]
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
    begins = [f"{band} ({policy.actions[band]}) from" for band in policy.bands[1:]]
    titles = [plain(f"{of} score") for of in begins]
    if len(policy.bands) == 2:
        data = [_line(numbers(of.cuts, 4), numbers(_supported(of)), family) for family, of in choices.items()]
        drawn = layout(titles[0], plain(unit), 420)
        drawn["shapes"] = [
            {"type": "line", "x0": cut, "x1": cut, "y0": 0, "y1": 1, "yref": "paper",
             "line": {"color": GREY, "dash": "dot", "width": 1}}
            for cut in sorted({of.written[0] for of in choices.values()})
        ]  # fmt: skip
        return {"all families": {"data": data, "layout": drawn}}
    maps = {
        family: CutOffMap.of(of.cuts, of.uplift, marks={"as written": (of.written[0], of.written[1], "square")}).plain
        for family, of in choices.items()
    }
    known = np.concatenate([of.value[np.isfinite(of.value)] for of in maps.values()])
    scale = (float(known.min()), float(known.max())) if len(known) else None
    edges = np.concatenate([cuts for of in choices.values() for cuts in (of.written, of.cuts)])
    x, y = (axis(title, [float(edges.min()), float(edges.max())], nticks=5) for title in titles[::-1])
    drawn = layout(titles[1], titles[0], 420) | {"xaxis": x, "yaxis": y, "showlegend": False}
    return {family: {"data": traces(of, scale), "layout": drawn} for family, of in maps.items()}


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
