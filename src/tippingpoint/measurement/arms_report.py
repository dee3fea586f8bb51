"""What an experiment shows: the decision first, one screen, one picture, a description."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.experiment.decision import signed
from tippingpoint.experiment.diagnostics import diagnosed
from tippingpoint.measurement.arms_result import KIND, PER_1000, PER_USER, Arms
from tippingpoint.offpolicy.arms import Difference, Figure
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.console import pages, plain_table
from tippingpoint.reports.palette import COLOURS
from tippingpoint.reports.png import blank, label, literal, open_axes, save

WORTH_WORDS = 0.01
"""Share of the variance from which on it is told how many users that stands for."""
LEAST_SAVED = 0.0005
"""Share of the variance below which nothing is said to be saved."""
SHOWN = 12
"""Segments that a screen shows."""


def summary(of: Arms, page: str | None) -> RenderableType:
    """An experiment on one screen."""
    shown = [of.decision.render(), *([Text(planned(of))] if of.plan else []), Text(about(of))]
    shown += diagnosed(of.findings)
    shown.append(_differences(of))
    shown += [Text(line) for line in notes(of)]
    if of.segments:
        shown += _segments(of)
    return Group(*shown, *(pages({"MLflow": page}) if page else []))


def planned(of: Arms) -> str:
    """What was planned, and what of this look was not."""
    assert of.plan is not None
    said = f"Planned: {of.plan.primary}, once, at {of.plan.users:,} users ({of.plan.hypothesis})."
    if of.unplanned:
        return f"{said} Not as planned: {'; '.join(of.unplanned)}."
    others = [figure.name for figure in of.shown[of.leading + 1 :] if figure.name not in of.plan.guardrails]
    return f"{said} This is that look." + (f" Unplanned measures: {', '.join(others)}." if others else "")


def about(of: Arms) -> str:
    """Whose users these are."""
    arms = ", ".join(f"{name} {n:,}" for name, n in zip(of.arms, of.counts, strict=True))
    said = f"{of.origin}: {sum(of.counts):,} users ({arms}); control {of.arms[0]}"
    said += f"; {of.groups:,} values of {of.group}, over which all variances are" if of.groups is not None else ""
    said += "." if of.good else f"; more {of.outcome} is not wanted."
    if of.intake.quarantined:
        said += f" {of.intake}."
    for why, counts in of.left_out.items():
        each = ", ".join(f"{name} {n:,}" for name, n in zip(of.arms, counts, strict=True))
        said += f" Left out: {sum(counts):,} users, {why} ({each})."
    return said


def _differences(of: Arms) -> RenderableType:
    title = f"What each arm brought over {of.arms[0]} ({KIND})"
    table = plain_table(title, ["measure", "arm", f"{of.arms[0]}\nhas", "arm\nhas", "difference", "95 %", "relative"])
    for k, figure in enumerate(of.shown):
        for at, one in enumerate(of.against_control(k)):
            digits = digits_of(figure, one)
            low, high = one.difference.low, one.difference.high
            table.add_row(
                "" if at else f"{figure.name}\n  {figure.unit}",
                of.arms[one.arm],
                f"{one.reference:,.{digits}f}",
                f"{one.value:,.{digits}f}",
                f"{one.difference.value:+,.{digits}f}",
                "–" if low is None or high is None else f"{low:+,.{digits}f}\n{high:+,.{digits}f}",
                "–" if one.relative is None else f"{one.relative.value:+.1%}",
                style="bold" if k == of.leading else "",
            )
    return table


def digits_of(figure: Figure, of: Difference) -> int:
    """Digits behind the point by which a difference can be read."""
    size = of.difference.se if of.difference.se else max(abs(of.difference.value), abs(of.value)) / 100
    digits = 1
    while size and size * 10**digits < 3 and digits < 6:
        digits += 1
    return digits


def notes(of: Arms) -> list[str]:
    """What the intervals hold for, and what adjusted them."""
    pairs = len(of.arms) * (len(of.arms) - 1) // 2
    together = "" if pairs == 1 else f", of all {pairs} pairs of arms at once"
    lines = [f"95 % intervals hold at one look planned beforehand{together}; further measures' hold together."]
    if len(of.shown) == of.leading + 1:
        lines = [f"95 % intervals hold at one look planned beforehand{together}."]
    if of.guardrails:
        kept = [f"{of.arms[arm]}: {one}" for arm in range(1, len(of.arms)) for one in of.kept(arm)]
        lines.append(f"Guardrails. {'; '.join(kept)}.")
    if of.pre:
        how = "a slope of each arm's own" if of.adjustment == "regression" else "one slope (CUPED)"
        each = [f"{figure.name} {_saved(of.against_control(k)[0].saved)}" for k, figure in enumerate(of.shown)]
        lines.append(f"Adjusted by {', '.join(of.pre)}, {how}. Variance saved: {', '.join(each)}.")
    if of.curve:
        first = len(of.shown)
        each = []
        for k, figure in enumerate(of.figures[first:], first):
            arms = [f"{of.arms[one.arm]} {signed(one.difference)}" for one in of.against_control(k)]
            each.append(f"{figure.name} {', '.join(arms)}")
        lines.append(f"Within fewer days, per 1,000 users, all at once: {'; '.join(each)}.")
    few = {
        f"{of.figures[one.figure].name}, {of.arms[one.arm]}": one.expected
        for one in of.differences
        if one.difference.low is None and one.against == 0 and one.expected < float("inf")
    }
    if few and not set(of.vetoed) - {"TP304"}:
        lines.append(f"No interval where too few outcomes are expected (TP304): {', '.join(few)}.")
    return lines


def _saved(share: float) -> str:
    """How much of the variance an adjustment takes out, and how many users that stands for."""
    if share < LEAST_SAVED:
        return "none"
    return f"{share:.1%}" + (f" (as {1 / (1 - share):.3g} times the users)" if WORTH_WORDS < share < 1 else "")


def _segments(of: Arms) -> list[RenderableType]:
    heads = ["segment", "arm", "users", "difference", "95 %, all at once", "shrunk"]
    table = plain_table(f"{of.outcome} {of.figures[0].unit}, by segment", heads)
    for one in of.segments[:SHOWN]:
        d = one.difference
        table.add_row(
            label(f"{one.column} {one.segment}", 24),
            one.arm,
            f"{one.users:,}",
            f"{d.value:+,.1f}",
            "–" if d.low is None or d.high is None else f"{d.low:+,.1f}, {d.high:+,.1f}",
            "–" if one.shrunk is None else f"{one.shrunk:+,.1f}",
        )
    lines: list[RenderableType] = [table]
    if len(of.segments) > SHOWN:
        lines.append(Text(f"{len(of.segments) - SHOWN} more: tables/segments.csv, or output=json."))
    lines.append(Text("Shrunk: drawn towards all segments' difference, by how little a segment tells."))
    return lines


def in_a_line(of: Arms) -> str:
    """The first line of the decision."""
    return of.decision.lines[0]


def description(of: Arms) -> str:
    """The run's description in Markdown."""
    first = [planned(of), ""] if of.plan else []
    lines = [f"# {in_a_line(of)}", "", *of.decision.lines[1:], "", *first, about(of), "", *map(str, of.findings), ""]
    lines += ["| measure | unit | arm | control | arm has | difference | 95 % |", "|---|---|---|---|---|---|---|"]
    for k, figure in enumerate(of.figures):
        for one in of.against_control(k):
            digits = digits_of(figure, one)
            low, high = one.difference.low, one.difference.high
            ends = "–" if low is None or high is None else f"{low:+,.{digits}f} to {high:+,.{digits}f}"
            values = f"{one.reference:,.{digits}f} | {one.value:,.{digits}f} | {one.difference.value:+,.{digits}f}"
            lines.append(f"| {figure.name} | {figure.unit} | {of.arms[one.arm]} | {values} | {ends} |")
    return "\n".join([*lines, "", *notes(of), "", "`tables/differences.csv`, `figures/differences.png`."])


def picture(path: Path, of: Arms) -> None:
    """Each arm's difference with its interval, a panel a measure, as PNG."""
    figure = blank(3.2 * min(len(of.shown), 4), 0.5 * len(of.arms) + 1.6, 110, constrained=True)
    for axes, (k, shown) in zip(
        figure.subplots(1, min(len(of.shown), 4), squeeze=False)[0], enumerate(of.shown), strict=False
    ):
        open_axes(axes)
        told = of.against_control(k)
        for place, one in enumerate(told):
            d = one.difference
            ends = [[0], [0]] if d.low is None or d.high is None else [[d.value - d.low], [d.high - d.value]]
            axes.errorbar([d.value], [place], xerr=ends, fmt="o", color=COLOURS[place % len(COLOURS)], capsize=4)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(told)), [label(literal(of.arms[one.arm]), 16) for one in told])
        axes.set_ylim(-0.6, len(told) - 0.4)
        axes.set(title=label(literal(shown.name), 24), xlabel=literal(shown.unit))
    save(figure, path)


def estimates(of: Arms) -> dict[str, Estimate | float]:
    """Metrics of the run: uplift of each arm in each measure, with the kind of evidence in its name."""
    found: dict[str, Estimate | float] = {"measured/users": of.users}
    units = {PER_1000: "per_1000", PER_USER: "per_user"}
    for k, figure in enumerate(of.figures):
        unit = units.get(figure.unit, "per_user" if figure.name == "money" else "ratio")
        for one in of.against_control(k):
            found[f"arm/{KIND}/{of.arms[one.arm]}/{figure.name}_uplift_{unit}"] = one.difference
    return found
