"""What is shown of promotions: a gate's words, the journal, who is champion."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from tippingpoint.core.overrides import override
from tippingpoint.experiment.diagnostics import diagnosed
from tippingpoint.experiment.diagnostics.registry import OF_A_WORD
from tippingpoint.promotion.verdict import NEEDED, Judgement
from tippingpoint.reports.console import pages, plain_table
from tippingpoint.reports.markdown import markdown

SHOWN = 30
"""Entries of a journal that a description shows."""
NOW = "now: ROC AUC when a later version was last held against it as champion, on that one's test users; – if never."
WITHOUT_MODEL = (
    "The decision box of its comparison says not to ship it (TP403): without a model more is earned. The gate asks only"
    " whether it may replace the champion."
)
STYLES = {"passes": "green", "fails": "bold red", "inconclusive": "yellow"}


def promote_summary(
    name: str,
    version: str,
    champion: str,
    judgement: Judgement | None,
    promoted: bool,
    dry_run: bool,
    said_first: str,
    page: str,
    same: str = "",
    book: str = "",
    waiting: str = "",
    webhook: str = "",
    users_from: str = "",
) -> RenderableType:
    """What was amiss before, what the gate said, what was done.

    Parameters
    ----------
    same
        What selects the data the version was fitted with.
    book
        How earlier promises were kept, in a line; '' where none was measured.
    waiting
        What a second person types; '' where none is asked.
    users_from
        Where the users were read from; '' for where the version says.
    webhook
        Whether it was told to an address; '' where none is set.
    """
    before = [Text(said_first)] if said_first else []
    where = pages({"MLflow": page}) if page else []
    if judgement is None:
        return Group(*before, Text(f"models:/{name}/{version} is champion already; nothing to do."), *where)
    against = judgement.against or "a constant score and everyone none, as there is no champion yet,"
    gate = judgement.gate + (f", over the pinned one: {' '.join(judgement.overrides)}" if judgement.overrides else "")
    title = f"{judgement.version} against {against} on {judgement.users:,} test users (gate={gate})"
    table, after = _checks(title, judgement), ""
    if promoted:
        said = f"Promoted: models:/{name}/{version} is champion."
        after = f"Undo: {_undo(name, judgement)}" if judgement.against else ""
    elif judgement.passed and waiting:
        said, after = "Let in, and not promoted yet: a second person has to approve.", waiting
    elif judgement.passed:
        said = f"It would be promoted. Dry run: nothing moved, but look {judgement.look} is counted."
    else:
        stopping = ", ".join(f"{check.name} {check.verdict}" for check in judgement.stopping)
        stays = f"models:/{name}/{champion} stays champion" if champion else "There is no champion yet"
        said = f"{'It would not be' if dry_run else 'Not'} promoted: {stopping}. {stays}."
        said += " Dry run; the look is counted." if dry_run else ""
        after = _way_out(judgement, champion, f"tippingpoint tune {same}".rstrip())
    found = diagnosed(judgement.findings)
    if judgement.passed and any(of.code in OF_A_WORD and not of.accepted for of in judgement.findings):
        after = f"{after}\n{WITHOUT_MODEL}".strip()
    kept = [Text(line) for line in (book, webhook) if line]
    before += [Text(f"Judged on {users_from}.")] if users_from else []
    return Group(*before, table, *found, Text(said, style="bold"), *kept, *where, *([Text(after)] if after else []))


def _undo(name: str, judgement: Judgement) -> str:
    """What to type to have the champion before again."""
    return f"tippingpoint rollback {named(judgement.version.removeprefix('models:/').rpartition('/')[0], name)}"


def named(of: str, name: str) -> str:
    """The words for a registered model: a question's own, or that of one of its environments."""
    return " ".join([override("name", of), *([override("to", name.removeprefix(f"{of}-"))] if name != of else [])])


def _way_out(judgement: Judgement, champion: str, tune: str) -> str:
    """What to type once the gate said no: the same pair is the same look, whatever is asked of it."""
    keep = "Next: keep the champion" if champion else f"Next: {tune} for one that is let in"
    stopping = {check.name: check for check in judgement.stopping}
    if few := [name for name, check in stopping.items() if NEEDED in check.figures]:
        least = int(stopping[few[0]].figures[NEEDED])
        also = "keep the champion, and " if champion else ""
        return f"Next: {also}bring more users: of either outcome {least} test users are needed, whatever is tuned."
    accepted: dict[str, str] = {}
    if stopping.pop("diagnostics", None):
        accepted = {finding.code: "why" for finding in judgement.findings if finding.takes_intervals}
    worse = stopping.pop("better", None)
    if failed := [name for name, check in stopping.items() if check.verdict == "fails"]:
        more = f", and {tune} for another: what fails ({', '.join(failed)}) is let in by no other word."
        return keep + (more if champion else ".")
    words = [override("diagnostics.accept", accepted)] if accepted else []
    words += [f"gate.{name}.inconclusive=passes" for name in stopping]
    if worse and "difference_low" in worse.figures and champion and not judgement.gate.startswith("no_worse"):
        words = ["gate=no_worse", *words]
    elif worse and worse.verdict == "inconclusive":
        words = [*words, "gate.better.inconclusive=passes"]
    elif worse:
        return f"{keep}."
    why = " (at most so much worse as that gate's margin says)" if "gate=no_worse" in words else ""
    return f"{keep}, or type the same line with {' '.join(words)}{why}, if that is enough for you."


def bind_summary(
    version: str,
    source: str,
    policy: str,
    judgement: Mapping[str, Any],
    refused: bool,
    again: bool,
    challenger: bool,
    page: str,
) -> RenderableType:
    """What was bound, what its policy brings, and what to type next."""
    title = f"{version}: the model of {source} with {policy}"
    table = _table(title, ((c["name"], c["word"], c["said"], c["blocks"]) for c in judgement["checks"]))
    where = f"{judgement['evidence']}, {judgement['read_off']}"
    lines = [Text(f"{line} ({where if k == 0 else 'the same'})") for k, line in enumerate(_gains(judgement))]
    if refused:
        stopping = [
            c["name"] for c in judgement["checks"] if c["word"] == "fails" or (c["blocks"] and c["word"] != "passes")
        ]
        said = f"Bound and refused by {', '.join(stopping)}: {version} stays, and is no challenger."
        after = "Next: keep the champion, or bind another policy."
    else:
        said = f"Bound{' before' if again else ''}: {version}{' is challenger' if challenger else ''}."
        after = f"Next: tippingpoint promote {quote(version)}"
    return Group(table, *lines, Text(said, style="bold"), *pages({"MLflow": page}), Text(after))


def bind_note(source: str, judgement: Mapping[str, Any]) -> str:
    """The description of a bound version: the verdict first."""
    passed = "No worse than what it was held against" if judgement["passed"] else "Refused"
    lines = [f"{passed}: policy judged on value and lint alone, with the model of {source}.", *_gains(judgement)]
    checks = [f"- {check['name']}: {check['word']} ({check['said']})" for check in judgement["checks"]]
    return "\n\n".join([*lines, "\n".join(checks)])


def _gains(judgement: Mapping[str, Any]) -> list[str]:
    """What a policy brings over others, a line each."""
    lines = []
    for gain in judgement["gains"]:
        ends = f" [{gain['low']:+.4f}, {gain['high']:+.4f}]" if gain["low"] is not None else ""
        lines.append(f"Over {gain['over']}: {gain['value']:+.4f}{ends} money per user")
    return lines


def resumed_summary(name: str, version: str, entry: int, written: Sequence[str], page: str) -> RenderableType:
    """What was finished of an entry."""
    done = f"wrote {', '.join(written)}" if written else "nothing was left to do"
    where = pages({"MLflow": page}) if page else []
    return Group(Text(f"Entry {entry}: {done}."), Text(f"models:/{name}/{version} is champion.", style="bold"), *where)


def rollback_summary(
    name: str,
    version: str,
    undone: str,
    entry: int,
    when: int,
    who: str,
    why: str,
    scored: int,
    dry_run: bool,
    webhook: str = "",
) -> RenderableType:
    """What was undone."""
    day = datetime.fromtimestamp(when / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    because = f" ({why})" if why else ""
    undid = "It would undo" if dry_run else "Undid"
    lines = [
        Text(f"models:/{name}/{version} loads, and scores {scored} users."),
        Text(f"{undid} entry {entry}: {who} promoted version {undone} on {day}{because}."),
    ]
    if not dry_run:
        lines.append(Text(f"models:/{name}/{version} is champion again.", style="bold"))
    lines += [Text(webhook)] if webhook else []
    return Group(*lines)


def history_summary(
    of: str, name: str, found: pd.DataFrame, missing: Sequence[int], said: Sequence[str]
) -> RenderableType:
    """The journal of a registered model of the question `of`, the newest first, and sentences on what is amiss."""
    if found.empty:
        never = f"Nothing was ever promoted in models:/{name}. Next: tippingpoint promote {named(of, name)}"
        return Group(*map(Text, said or [never]))
    table = plain_table(
        f"Journal of models:/{name}",
        ["entry", "when (UTC)", "what", "version", "AUC then", "now", "who (claimed), why, gate"],
    )
    for column in (1, 2, 6):
        table.columns[column].justify = "left"
    _folded(table.columns[6])
    for row in found.to_dict("records"):
        version = f"{row['over']} → {row['version']}" if row["over"] else row["version"]
        then = "–" if pd.isna(row["then"]) else f"{row['then']:.3f}"
        if not pd.isna(row["then_low"]):
            then += f" (≥ {row['then_low']:.3f})"
        now = "–" if pd.isna(row["now"]) else f"{row['now']:.3f}"
        who = f"{row['who']} ({row['claimed']})" if row["claimed"] else row["who"]
        why = "; ".join(filter(None, [who, row["why"], f"gate={row['gate']}" if row["gate"] else ""]))
        table.add_row(str(row["entry"]), row["when"][:16], row["what"], version, then, now, Text(why))
    return Group(table, Text(NOW, style="dim"), *map(Text, [*missing_entries(missing), *said]))


def status_summary(rows: Sequence[tuple[str, str, str, str, Sequence[str]]]) -> RenderableType:
    """Who is what: name, champion, previous champion, challenger, and sentences on what is amiss."""
    table = plain_table("Registered models", ["model", "champion", "previous", "challenger"])
    more: list[Text] = []
    for name, champion, previous, challenger, said in rows:
        table.add_row(Text(name), champion or "–", previous or "–", challenger or "–")
        more += [Text(line) for line in said]
    return Group(table, *more)


def description(name: str, found: pd.DataFrame, champion: str, previous: str) -> str:
    """A journal as the description of its registered model, in Markdown, the newest entry first."""
    head = f"Champion: **version {champion}**." if champion else "No champion yet."
    head += f" Before: version {previous}." if previous else ""
    shown = found.head(SHOWN).drop(columns=["then_low"])
    shown = shown.rename(columns={"then": "AUC then", "now": "AUC now", "who": "who (claimed)", "claimed": "and"})
    shown = shown.astype(object).where(shown.notna(), None)
    cells = shown.map(
        lambda value: "–" if value in (None, "") else f"{value:.3f}" if isinstance(value, float) else value
    )
    more = f"\n\nOlder entries: `tippingpoint history {override('name', name)}`." if len(found) > SHOWN else ""
    return f"## Promotions\n\n{head}\n\n{markdown(cells)}{more}\n\nAUC {NOW}\n"


def _checks(title: str, judgement: Judgement) -> Table:
    return _table(title, ((check.name, check.verdict, check.said, check.blocks) for check in judgement.checks))


def _table(title: str, checks: Iterable[tuple[str, str, str, bool]]) -> Table:
    """Checks, a row each: name, word, why, and whether an inconclusive one blocks."""
    table = plain_table(title, ["check", "word", "why"])
    for column in (1, 2):
        table.columns[column].justify = "left"
    _folded(table.columns[2])
    for name, verdict, said, blocks in checks:
        word = verdict + (", blocks" if verdict == "inconclusive" and blocks else "")
        table.add_row(name, Text(word, style=STYLES[verdict]), Text(said))
    return table


def _folded(column: Column) -> None:
    """Let a column take the room that is left, in as many lines as it needs."""
    column.no_wrap, column.overflow = False, "fold"


def missing_entries(missing: Sequence[int]) -> list[str]:
    """What is said of gaps in a journal."""
    return [f"! Entries {', '.join(map(str, missing))} were deleted from the journal."] if missing else []
