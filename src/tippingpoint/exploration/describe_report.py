"""The terminal's screens of the data verbs."""

from collections.abc import Sequence
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.core.overrides import override
from tippingpoint.data.outcome import Positive, words
from tippingpoint.data.profile import LEAK, Described
from tippingpoint.data.users import missing_words

NAMED = 30
"""Leak suspects that are named with their reason."""


def describe_summary(
    origin: str,
    rows: int,
    intake: str,
    columns: Sequence[Described],
    trouble: str,
    best: float | None,
    contract: str | None,
    held: str | None,
    outcome: str | None,
    positive: Positive | None,
    rate: float | None,
    shown: int,
) -> RenderableType:
    """A table's columns, what may leak, and what to type next.

    Where there are more columns than are to be shown, those come first that may leak the outcome, that have a role, and
    that tell most of it.
    """
    lines = []
    if rate is not None and positive is not None:
        lines.append(f"Outcome: {outcome}; {words(positive)} counts as 1: {rate:.1%} of the rows.")
    if len(columns) > shown:
        lines.append(f"{len(columns) - shown:,} more columns: all=true shows them, and to=contract.yaml lists them.")
    lines.append(f"alone: how well this column by itself tells the outcome (ROC AUC); from {LEAK} on it may leak it.")
    if best is not None:
        lines.append(f"Best achievable ROC AUC on all these users: about {best:.3f}.")
    said = _said(columns)
    lines += said[:shown] + [f"… and {len(said) - shown:,} more such lines."] * (len(said) > shown)
    lines += [intake] if intake else []
    lines += [f"As it is, no job can use it: {trouble}"] if trouble else []
    if contract:
        lines.append(f"Contract written to {contract}: edit it, then {override('data.contract', contract)}")
    elif held:
        lines.append(f"Held against {held}." + ("" if trouble else " Next: tippingpoint compare with the same words"))
    else:
        lines.append("Next: to=contract.yaml writes a contract to edit")
    first = columns if len(columns) <= shown else sorted(columns, key=_rank)[:shown]
    return Group(_table(f"{origin}: {rows:,} rows, {len(columns):,} columns", first), *(Text(line) for line in lines))


def _table(title: str, columns: Sequence[Described]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    table.collapse_padding = True
    widest = max((len(c.name) for c in columns), default=0)
    table.add_column("column", overflow="fold", min_width=min(widest, 24))
    table.add_column("role", overflow="fold", max_width=24)
    for head in ("type", "missing", "distinct", "min", "max", "alone"):
        ends = head in ("min", "max")  # long ones are folded, before names are cut off
        justify: Literal["left", "right"] = "left" if head == "type" else "right"
        table.add_column(head, justify=justify, no_wrap=not ends, overflow="fold" if ends else "ellipsis")
    table.add_column("example", no_wrap=True)
    for c in columns:
        alone = "" if c.alone is None else f"{c.alone:.3f}"
        missing = f"{c.missing:.1%}" if c.missing else ""
        numbers = (missing, f"{c.distinct:,}", _short(c.low), _short(c.high), alone)
        name = Text(c.name or repr(c.name))
        example = Text(" ".join(c.example.split()))
        example.truncate(12, overflow="ellipsis")
        table.add_row(name, Text(c.role), c.type, *numbers, example, style="bold" if c.leaks else "")
    return table


def _said(columns: Sequence[Described]) -> list[str]:
    """What is to be said of columns: leaks first, then possible actions, remarks, and how numbers are written."""
    lines = []
    if suspects := [c for c in columns if c.leaks]:
        named = ", ".join(f"{c.name} ({c.pure} have the rarer outcome)" if c.pure else c.name for c in suspects[:NAMED])
        named += "…" if len(suspects) > NAMED else ""
        drop = override("data.drop", [c.name for c in suspects])
        lines.append(f"Leak suspects: {named}. If known only afterwards: {drop}")
    for c in columns:
        if c.like_action:
            lines.append(
                f"{c.name} ({c.distinct} values) is a feature now. If it says what was done to users:"
                f" {override('data.action', c.name)} data.control=… (the value for nothing)"
            )
    if times := [c.name for c in columns if c.role == "not seen: a time" and c.type == "time"]:
        named = ", ".join(times[:NAMED]) + "…" * (len(times) > NAMED)
        lines.append(f"Not seen, as times: {named}. data.as_of=2026-03-01, or a column, makes days before it of them.")
    lines += [f"{c.name!r} {c.remark}." for c in columns if c.remark]
    for c in columns:
        said = [f"{c.type}, as {c.written}"] * bool(c.written) + [missing_words(c.odd)] * bool(c.odd)
        lines += [f"{c.name}: {'; '.join(said)}"] if said else []
    return lines


def _rank(column: Described) -> tuple[bool, bool, bool, float]:
    """What sorts a column before others: leak suspects, possible actions, roles, then how well it tells the outcome."""
    seen = column.role in ("number", "category")
    role = not seen and not column.role.startswith("not seen")
    return not column.leaks, not role, not column.like_action, -(column.alone or 0)


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value:,.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:,.6g}"
    return str(value).removesuffix(" 00:00:00")
