"""What a plan shows: the answer first, then the curve, shares and segments."""

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from tippingpoint.planning.result import PlanResultTables
from tippingpoint.reports.console import pages, plain_table


def summary(of: PlanResultTables, page: str | None, next_: str) -> RenderableType:
    """A plan on one screen."""
    lines = answer(of)
    box = Panel(Text("\n").join([Text(lines[0], style="bold"), *map(Text, lines[1:])]), padding=(0, 1))
    shown: list[RenderableType] = [box, Text(f"{of.planned.what}.")]
    shown.append(_curve(of))
    if of.planned.policy:
        shown += [_segments(of), _holdouts(of)]
    if len(of.guardrails):
        shown.append(_guardrails(of))
    shown += [Text(line) for line in notes(of)]
    shown += pages({"MLflow": page}) if page else []
    return Group(*shown, Text(next_, no_wrap=True, overflow="ignore"))


def answer(of: PlanResultTables) -> list[str]:
    """The smallest effect of the planned look; when what was asked for or promised is told."""
    row = of.at_horizon().iloc[0]
    when = f"In {of.days:g} days ({of.users:,} users)"
    if np.isnan(row["smallest"]):
        lines = [f"{when} nothing is told: too few outcomes are expected, or no effect is large enough."]
    else:
        money = "" if np.isnan(row["money"]) else f" ({row['money']:+,.3f} {of.planned.currency} per user)"
        effect = f"{row['smallest']:+,.{_digits(of)}f} {of.unit}"
        lines = [f"{when} an effect of {effect}{money} is told with {of.power:.0%}."]
    for name, days in of.needed.items():
        asked = f"{of.asked:+g} {of.unit} of {name}" if len(of.needed) > 1 else f"{of.asked:+g} {of.unit}"
        lines.append(f"{asked}: never told." if days is None else f"{asked}: after {np.ceil(days):,.0f} days.")
    if of.planned.promised is not None and not np.isnan(row["smallest"]) and of.planned.promised > 0:
        days = of.days * (row["smallest"] / of.planned.promised) ** 2
        lines.append(f"Promised {of.planned.promised:+.1f} per 1,000: told after about {np.ceil(days):,.0f} days.")
    return lines


def _digits(of: PlanResultTables) -> int:
    return 3 if of.planned.number else 1


def _number(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:+,.{digits}f}"


def _curve(of: PlanResultTables) -> RenderableType:
    policy = of.planned.policy
    heads = ["days", "users", "" if policy else "arm", "one planned\nlook"]
    heads += ["any look,\nalways valid"] if policy else []
    heads += [f"{of.planned.currency}\nper user"] if of.planned.money else []
    table = plain_table(f"Smallest effect told with {of.power:.0%}\n{of.unit}", heads)
    rows = of.curve[of.curve["what"] == "the policy"] if policy else of.curve.sort_values(["days", "what"])
    for row in rows.to_dict("records"):
        cells = [f"{row['days']:g}", f"{row['users']:,}", "" if policy else row["what"]]
        cells.append(_number(row["smallest"], _digits(of)))
        cells += [_number(row["smallest_any_look"], _digits(of))] if policy else []
        cells += [_number(row["money"], 3)] if of.planned.money else []
        table.add_row(*cells, style="bold" if row["days"] == of.days else "")
    return table


def _segments(of: PlanResultTables) -> RenderableType:
    rows = of.at_horizon()
    table = plain_table(
        f"By segment after {of.days:g} days, per 1,000 users of the segment", ["segment", "of all", "one look", "money"]
    )
    for row in rows[rows["what"] != "the policy"].to_dict("records"):
        share = of.planned.shares[row["what"]]
        name = str(row["what"]).removeprefix("segment ")
        table.add_row(name, f"{share:.1%}", _number(row["smallest"], 1), _number(row["money"], 3))
    return table if table.row_count else Text("")


def _holdouts(of: PlanResultTables) -> RenderableType:
    heads = ["holdout", "left alone", "told", "holdout_actions=[none]\nleft alone", "told"]
    table = plain_table(f"Other shares, after {of.days:g} days: smallest effect told, {of.unit}", heads)
    for row in of.holdouts.to_dict("records"):
        alone = [f"{row[f'left_alone_{name}']:,}" for name in ("all_actions", "none_alone")]
        told = [_number(row[name], 1) for name in ("all_actions", "none_alone")]
        table.add_row(f"{row['holdout']:.0%}", alone[0], told[0], alone[1], told[1])
    return table


def _guardrails(of: PlanResultTables) -> RenderableType:
    title = f"Guardrails: until the margin is told with {of.power:.0%}"
    table = plain_table(title, ["measure", "margin", "users", "days"])
    for row in of.guardrails.to_dict("records"):
        table.add_row(row["measure"], f"{row['margin']:+g}", f"{row['users']:,}", f"{np.ceil(row['days']):,.0f}")
    return table


def notes(of: PlanResultTables) -> list[str]:
    """What the figures rest on."""
    lines = []
    if of.planned.policy:
        lines = ["Rates are those of the version's test users, by segment; each action adds alike where it is given."]
    if pd.isna(of.curve["smallest"]).any():
        lines.append("–: too few outcomes are expected for an interval (TP304), or no effect would be large enough.")
    return lines


def description(of: PlanResultTables) -> str:
    """The plan in Markdown."""
    plan = of.plan
    lines = [
        f"# {plan.hypothesis or 'A plan'}",
        "",
        *answer(of),
        "",
        f"{of.planned.what}.",
        "",
        f"Measure: {plan.primary}",
    ]
    lines += [f"Guardrail: {name}, worst accepted difference {margin:+g}" for name, margin in plan.guardrails.items()]
    return "\n\n".join([*lines, plan.rule])
