"""What a measurement shows: one screen, one picture, and a line on the version."""

from collections.abc import Sequence as Listed
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.core.run_reference import RunReference
from tippingpoint.measurement.by_outcome import PER_1000, OutcomeUplift
from tippingpoint.measurement.by_segment import what_next
from tippingpoint.measurement.outcomes import Counts
from tippingpoint.measurement.result import Measured, waiting
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.console import pages, plain_table
from tippingpoint.reports.estimates import interval, stacked
from tippingpoint.reports.palette import COLOURS, GREY
from tippingpoint.reports.png import blank, literal, open_axes, save

HOLDS = "Intervals hold at all looks at once (95 %)"
ONE_LOOK = (
    "Intervals hold at one look planned beforehand (95 %), not at many: a user without a row counts as 0 until one"
    " comes. Type at=… within=… too, to look whenever you like"
)


def measure_summary(
    found: Listed[Measured], counts: Counts, filed: Listed[RunReference], to_type: str
) -> RenderableType:
    """A measurement on one screen."""
    kinds = sorted({of.promise.kind for of in found})
    heads = ["version", "uplift", "measured\n(experiment)", f"promised\n({', '.join(kinds)})", "is … than\nnothing"]
    table = plain_table("What the policy brought, over everyone getting none", heads)
    for column in table.columns[:2]:  # rather than that a figure or a verdict is cut
        column.no_wrap, column.overflow = False, "fold"
    notes = []
    for of in found:
        kept = of.kept()
        rows = (
            (f"{of.outcome} per 1,000", of.per_1000, of.promise.per_1000, "per_1000", 1),
            (f"{of.currency} per user", of.per_user, of.promise.per_user, "per_user", 3),
        )
        shown = rows if of.per_1000 or of.start is None or not of.outcomes else ()
        for at, (unit, sequence, promise, key, digits) in enumerate(shown):
            table.add_row(
                "" if at else of.version,
                unit,
                stacked(sequence.last, digits, plus=True) if sequence else "–",
                stacked(promise, digits, plus=True) if promise else "–",
                sequence.verdict.removesuffix(" than nothing") if sequence else "inconclusive",
                style="bold" if key == "per_user" else "",
            )
            if key in kept:
                notes.append(f"{of.version}, {unit}: {kept[key]}.")
        about = f"{of.version}: {of.users:,} users known by {of.until}."
        if of.start is None:
            unit = of.outcomes[0].unit if of.outcomes else PER_1000
            notes.append(f"{about} {waiting(of)} Without an interval: {of.so_far:+.1f} {unit}.")
        else:
            holds = f"{HOLDS}, from {of.days[of.start]} on." if of.settled else f"{ONE_LOOK}."
            notes.append(
                f"{about} {holds} {of.left_alone:,} of {of.acted_on:,} users the"
                f" policy acts on were left alone by lot; largest weight {of.largest_weight:.0f}."
            )
    outcomes = [_outcomes(of, len(found) > 1) for of in found if of.outcomes]
    segments = [_segments(of, len(found) > 1) for of in found if of.segments]
    if any(of.per_user is None and of.per_1000 is not None for of in found):
        notes.append("Where each user has prices of their own, decisions do not hold them: outcomes only.")
    where = pages({f"MLflow{f' ({k})' if len(filed) > 1 else ''}": one.page for k, one in enumerate(filed, 1)})
    more = [Text(to_type, no_wrap=True, overflow="ignore")] if to_type else []
    shown_table = [table] if table.row_count else []
    return Group(Text(counted(counts)), *shown_table, *map(Text, notes), *outcomes, *segments, *where, *more)


def _outcomes(of: Measured, named: bool) -> RenderableType:
    """Uplift in each outcome, in the unit of each."""
    heads = ["outcome", "users", "left\nalone", "uplift\n(experiment)", "unit", "verdict"]
    at_once = "; the first interval holds by itself, the others at once" if len(of.outcomes) > 2 else ""
    table = plain_table(f"By outcome{f', {of.version}' if named else ''}{at_once}", heads)
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    for one in of.outcomes:
        digits = 3 if one.kind == "number" else 1
        uplift = stacked(one.sequence.last, digits, plus=True) if one.sequence else "–"
        counts = f"{one.users:,}", f"{one.left_alone:,}"
        table.add_row(one.outcome, *counts, uplift, one.unit, one.verdict)
    notes = [
        f"{one.outcome}: not known of {one.unknown:,} users, who are left out here."
        for one in of.outcomes
        if one.unknown
    ]
    if any(not one.settled for one in of.outcomes):
        said = " and ".join(one.outcome for one in of.outcomes if not one.settled)
        notes.append(
            f"{said}: may still change, so the interval holds at one planned look. Type within=… to look often."
        )
    return Group(table, *map(Text, notes))


def _segments(of: Measured, named: bool) -> RenderableType:
    """Uplift of each segment, and in a sentence what to do next."""
    unit = f"{of.currency} per user\n(experiment)"
    heads = ["segment", "action", "users", "left\nalone", f"{of.outcome} per\n1,000", unit, "verdict"]
    table = plain_table(f"By segment{f', {of.version}' if named else ''}; intervals hold all at once", heads)
    for column in table.columns[:2]:
        column.no_wrap, column.overflow = False, "fold"
    for segment in of.segments:
        figures = (
            stacked(sequence.last, digits, plus=True) if sequence else "–"
            for sequence, digits in ((segment.per_1000, 1), (segment.per_user, 3))
        )
        counts = f"{segment.users:,}", f"{segment.left_alone:,}"
        table.add_row(segment.segment, segment.action, *counts, *figures, segment.verdict(of.good))
    return Group(table, Text(f"What to do: {what_next(of.segments, of.good)}"))


def counted(counts: Counts) -> str:
    """Where all decisions went, in one sentence."""
    others = {
        "made before since": counts.before_since,
        "made again of the same user": counts.again,
        "made after the outcome had come": counts.before_decision,
        "with an outcome not known yet": counts.unknown,
    }
    parts = [f"{counts.used:,} used", *(f"{n:,} {why}" for why, n in others.items() if n)]
    line = f"{counts.decisions:,} decisions = {' + '.join(parts)}."
    if counts.taken_as_zero:
        line += f" {counts.taken_as_zero:,} users without a row count as 0 (absent=zero)."
    if counts.too_late:
        line += f" {counts.too_late:,} outcomes came later than `within` allows and count as 0."
    if counts.unknown:
        line += " Uplift is that of users who are known: right if when they become known has nothing to do with it."
    if counts.ids:
        line += f" {counts.ids}: joined as one number."
    return line + (f" {counts.strangers:,} outcomes of users nobody decided for." if counts.strangers else "")


def in_a_line(of: Measured) -> str:
    """What is written on the version."""
    if of.per_1000 is None and not any(one.sequence for one in of.outcomes):
        return f"until {of.until}: {of.users:,} users, inconclusive yet."
    parts = [f"{interval(of.per_1000.last, 1)} {of.outcome} per 1,000"] if of.per_1000 else []
    parts += [f"{interval(of.per_user.last, 3)} {of.currency} per user"] if of.per_user else []
    further = of.outcomes[1:] if of.per_1000 else of.outcomes
    parts += [f"{_figure(one)} {one.outcome} {one.unit}" for one in further]
    kept = of.kept()
    said = f"; {kept.get('per_user') or kept.get('per_1000')}" if kept else ""
    said += "" if of.settled else " (at one planned look)"
    return f"until {of.until} on {of.users:,} users (experiment): {', '.join(parts)}: {of.verdict}{said}."


def _figure(of: OutcomeUplift) -> str:
    return interval(of.sequence.last, 3 if of.kind == "number" else 1) if of.sequence else "no interval yet of"


def description(of: Measured, counts: Counts) -> str:
    """The run's description in Markdown."""
    lines = [f"# What the policy of {of.version} brought", "", f"Measured {in_a_line(of)}", "", counted(counts), ""]
    if of.start is None:
        return "\n".join([*lines, waiting(of)])
    holds = f"{HOLDS}: a confidence sequence" if of.settled else ONE_LOOK
    lines += [f"{holds}. Day by day: `tables/sequence.csv`, `figures/sequence.png`.", ""]
    lines += ["| action | users |", "|---|---|", *(f"| {a} | {n:,} |" for a, n in of.actions.items())]
    return "\n".join(lines)


def picture(path: Path, of: Measured) -> None:
    """The interval of each day, what one planned look would claim, and what was promised, as PNG."""
    if of.start is None or of.per_1000 is None:
        return
    panels = [(f"{of.outcome} per 1,000 users", of.per_1000, of.promise.per_1000)]
    panels += [(f"{of.currency} per user", of.per_user, of.promise.per_user)] if of.per_user else []
    figure = blank(6.2 * len(panels), 4.5, 110, constrained=True)
    days = of.looked
    for axes, (unit, sequence, promise) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        open_axes(axes)
        mark = {"marker": "o", "markersize": 3}
        axes.plot(days, sequence.value, color=COLOURS[0], label="measured so far", **mark)
        if len(days) > 1:
            axes.fill_between(
                days, sequence.low, sequence.high, color=COLOURS[0], alpha=0.15, label="holds at all looks"
            )
        else:
            axes.errorbar(days, sequence.value, sequence.high - sequence.value, color=COLOURS[0], capsize=4)
        for end in (sequence.fixed_low, sequence.fixed_high):
            label = "holds at one look only" if end is sequence.fixed_low else None
            axes.plot(days, end, color=GREY, linewidth=0.8, linestyle=":", label=label)
        if promise is not None:
            axes.axhline(promise.value, color=COLOURS[4], label=f"promised ({of.promise.kind})")
            if promise.low is not None:
                axes.axhspan(promise.low, promise.high, color=COLOURS[4], alpha=0.12)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(ylabel=literal(unit), title=f"{of.version}: uplift over none")
        axes.tick_params(axis="x", rotation=30)
        axes.legend(frameon=False, fontsize=8)
    save(figure, path)


def estimates(of: Measured) -> dict[str, Estimate | float]:
    """Metrics of the run; each that carries an uplift carries the kind of evidence."""
    found: dict[str, Estimate | float] = {"measured/users": of.users, "measured/left_alone": of.left_alone}
    for name, sequence in (("per_1000", of.per_1000), ("per_user", of.per_user)):
        if sequence is not None:
            found[f"policy/experiment/measured_uplift_{name}"] = sequence.last
    for one in of.outcomes[1:] if of.per_1000 else of.outcomes:
        if one.sequence is not None:
            found[f"policy/experiment/measured_uplift_of/{one.outcome}"] = one.sequence.last
    return found
