"""The figure of what acting on a share of users brings: as Plotly's JSON for pages and notebooks, and as PNG."""

from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from tippingpoint.experiment.treated_curves import BEST, Treated, TreatedCurve, TreatedPoint
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.reports.html import Figure, layout, numbers
from tippingpoint.reports.palette import COLOURS, GREY, colour
from tippingpoint.reports.png import literal, new_figure, save, words
from tippingpoint.reports.user_figures import plain

DASHES = ("solid", "dash", "dot", "dashdot")
LINES = ("-", "--", ":", "-.")
MOST = 150
"""Points drawn of a curve."""
UNITS = ("money", "outcomes")


def figure(treated: Treated, height: int = 480) -> Figure:
    """Every curve with its band, the line of users drawn at random, and every policy; a button goes to outcomes."""
    drawn: list[dict[str, Any]] = []
    for curve, hue, dash in _styled(treated):
        drawn += _curve(treated, curve, hue, DASHES[dash])
    hues = _hues(treated)
    marks = [(point, "diamond" if point.needs_no_model else "square") for point in treated.points]
    marks += [(curve.best, "circle") for curve in treated.curves if curve.best is not None]
    drawn += [_mark(point, symbol, _hue(point, hues)) for point, symbol in marks]
    titles = {unit: title(treated, unit) for unit in UNITS}
    traces = [{key: of for key, of in trace.items() if key not in UNITS} | {"y": trace["money"]} for trace in drawn]
    buttons = [
        {
            "label": label,
            "method": "update",
            "args": [{"y": [trace[unit] for trace in drawn]}, {"yaxis.title.text": titles[unit]}],
        }
        for unit, label in zip(UNITS, (treated.currency, plain(treated.outcome)), strict=True)
    ]
    about = layout("share of users treated, highest first", titles["money"], height)
    about["margin"] |= {"t": 40}
    about["legend"] |= {"tracegroupgap": 0, "font": {"size": 11}}
    about["updatemenus"] = [
        {"type": "buttons", "direction": "right", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom",
         "buttons": buttons}
    ]  # fmt: skip
    about["xaxis"] |= {"tickformat": ".0%", "range": [-0.02, 1.02]}
    return {"data": traces, "layout": about}


def title(treated: Treated, unit: str) -> str:
    """What the vertical axis shows."""
    of = f"{treated.currency} per user" if unit == "money" else f"further {plain(treated.outcome)} per 1,000 users"
    return f"{of} over none ({treated.label})"


def picture(path: Path, treated: Treated) -> None:
    """The figure in money as PNG."""
    drawn, axes = new_figure(7.2, 5.0)
    for curve, hue, dash in _styled(treated):
        at = _points(curve)
        name = f"{words(curve.name)}: {curve.action}"
        axes.plot(curve.share[at], curve.money.value[at], color=hue, linestyle=LINES[dash], linewidth=1.5, label=name)
        if treated.measured:
            axes.fill_between(
                curve.share[at], curve.money.band_low[at], curve.money.band_high[at], color=hue, alpha=0.1, linewidth=0
            )
        axes.plot([0, 1], [0, curve.money.value[0]], color=GREY, linewidth=0.7, linestyle=LINES[dash])
        if curve.best is not None:
            axes.plot(curve.best.share, curve.best.money.value, "o", color=hue, markersize=6)
    hues = _hues(treated)
    for point in treated.points:
        symbol = "D" if point.needs_no_model else "s"
        axes.plot(point.share, point.money.value, symbol, color=_hue(point, hues), markersize=6)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="share of users treated, highest first", ylabel=title(treated, "money"))
    said = fill(literal(treated.verdict), 100)
    axes.set_title(f"{said}\n(circle: best on validation; square: as written; grey: random, everyone)", fontsize=8)
    axes.legend(loc="best", frameon=False, fontsize=8)
    save(drawn, path)


def _hues(treated: Treated) -> dict[str, str]:
    """A colour for each ranking: its model's, and another where that is taken."""
    found: dict[str, str] = {}
    for curve in treated.curves:
        own, taken = colour(curve.name.split(PAIR)[0]), {*found.values()}
        free = [of for of in COLOURS if of not in taken]
        found.setdefault(curve.name, own if own not in taken or not free else free[0])
    return found


def _hue(point: TreatedPoint, hues: dict[str, str]) -> str:
    """Its ranking's colour; grey for a policy that does the same to everyone."""
    name = point.name.partition(f", {BEST}")[0]
    return GREY if point.needs_no_model else hues.get(name) or hues.get(name.split(PAIR)[0]) or GREY


def _styled(treated: Treated) -> list[tuple[TreatedCurve, str, int]]:
    """Curves with the colour of what ranks users, and the number of the dash of their action."""
    actions, hues = list(dict.fromkeys(curve.action for curve in treated.curves)), _hues(treated)
    return [(curve, hues[curve.name], actions.index(curve.action) % len(DASHES)) for curve in treated.curves]


def _points(curve: TreatedCurve) -> np.ndarray:
    return np.unique(np.linspace(0, len(curve.share) - 1, MOST).round().astype(np.int64))


def _curve(treated: Treated, curve: TreatedCurve, hue: str, dash: str) -> list[dict[str, Any]]:
    at, name = _points(curve), f"{plain(curve.name)}: {plain(curve.action)}"
    share = numbers(curve.share[at], 4)
    sheets = dict(zip(UNITS, (curve.money, curve.outcomes), strict=True))
    group: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": share, "legendgroup": name}
    found = []
    for k, side in enumerate(("band_low", "band_high") if treated.measured else ()):
        ends = {unit: numbers(getattr(of, side)[at]) for unit, of in sheets.items()}
        fill = {"fill": "tonexty", "fillcolor": f"{hue}1c"} if k else {}
        found.append(group | ends | fill | {"line": {"width": 0}, "hoverinfo": "skip", "showlegend": False})
    values = {unit: numbers(of.value[at]) for unit, of in sheets.items()}
    cuts = {"customdata": numbers(curve.money.changed[at])}
    hover = "%{x:.1%} treated (%{customdata:,.0f} test users)<br>%{y}<extra>" + name + "</extra>"
    line = {"color": hue, "width": 2, "dash": dash}
    found.append(group | values | cuts | {"name": name, "line": line, "hovertemplate": hover})
    ends = {unit: [0, numbers(of.value[:1])[0]] for unit, of in sheets.items()}
    random = {"x": [0, 1], "line": {"color": GREY, "width": 1, "dash": dash}, "hoverinfo": "skip", "showlegend": False}
    return [*found, group | ends | random]


def _mark(point: TreatedPoint, symbol: str, hue: str) -> dict[str, Any]:
    values = {unit: numbers([getattr(point, unit).value]) for unit in UNITS}
    return {
        "type": "scatter", "mode": "markers", "x": numbers([point.share], 4), **values, "name": plain(point.name),
        "marker": {"symbol": symbol, "size": 10, "color": hue, "line": {"color": "#fff", "width": 1}},
        "hovertemplate": f"%{{x:.1%}} treated<br>%{{y}}<extra>{plain(point.name)}</extra>",
        "showlegend": point.needs_no_model,  # others have their curve's colour: on a phone the legend is long enough
    }  # fmt: skip
