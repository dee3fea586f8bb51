"""What the terminal shows of a batch of decisions."""

from dataclasses import replace

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.decisions.batch_result import BatchResult
from tippingpoint.decisions.drift import MOVED
from tippingpoint.experiment.diagnostics import Chosen, Findings, operation
from tippingpoint.experiment.diagnostics.policy import hardly_acts, typed
from tippingpoint.reports.console import pages, plain_table
from tippingpoint.reports.estimates import expected_in_words
from tippingpoint.scoring.holdout import holdout_tells, in_words

REASONS = 3
"""Reasons for quarantine that are named."""


def score_summary(scored: BatchResult, findings: Findings, page: str | None, refused: bool = False) -> RenderableType:
    """Segments, what was quarantined, drift, where the decisions are, and what to type next."""
    lines = [*_counts(scored), *_drift(scored), *map(str, findings), *_places(scored)]
    lines += [line.plain for line in pages({"MLflow": page})] if page else []
    if (tells := holdout_tells(scored)) is not None:
        lines.append(in_words(tells, scored))
    if refused:
        lines.append(f"Exit code 1: {', '.join(scored.moved)} moved (fail_on_drift=true); the decisions are whole.")
    if scored.holdout and scored.numbered:
        lines.append(
            "Users have no id: they are called row0, row1, …, and outcomes must call them so."
            " With data.id=COLUMN, where the model is fitted, they keep their own."
        )
    if scored.holdout:
        lines.append("Next: tippingpoint measure decisions=… outcomes=… once it is known what came of it")
    else:
        lines.append("Next: only=[…] for a target list; holdout=0.1 for the experiment that proves the policy")
    return Group(_segments(scored), *map(_line, lines))


def found_in(scored: BatchResult, chosen: Chosen) -> Findings:
    """What diagnostics find of a batch."""
    acted = int(scored.segments.loc[scored.segments["action"] != "none", "users"].sum())
    idle = hardly_acts(acted, scored.tally.decided, "users")
    if idle is not None:
        remedy = f"Type tippingpoint compare … {typed('cuts')}, and promote what comes of it."
        idle = replace(idle, remedy=remedy)
    return chosen.settle(
        [
            idle,
            operation.unseen_categories(scored.tally.unseen_rows, scored.unseen),
            operation.drift(scored.drift),
        ]
    )


def _segments(scored: BatchResult) -> RenderableType:
    a_user, in_all = f"{scored.currency}\na user", f"{scored.currency}\nin all"
    table = plain_table(
        f"Decisions of {scored.model} under {scored.policy} ({scored.policy_digest})",
        ["segment", "users", "share", "mean\nscore", "action", a_user, in_all],
    )
    for row in scored.segments.to_dict("records"):
        table.add_row(
            Text(row["segment"]),
            f"{row['users']:,}",
            f"{row['share']:.1%}",
            _number(row["mean_score"], 3),
            Text(row["action"]),
            _number(row["value_per_user"], 2),
            _number(row["value"], 0),
        )
    return table


def _counts(scored: BatchResult) -> list[str]:
    """Rows in and out, the evidence behind the values, and why rows were quarantined."""
    tally = scored.tally
    lines = [
        f"{scored.origin}: {tally.rows:,} rows in = {tally.decided:,} decided + {tally.quarantined:,} quarantined."
    ]
    lines += [f"Times are days before {scored.as_of}; as_of=… names another day."] if scored.as_of else []
    lines += [f"Expected values: {expected_in_words(scored.evidence, scored.vetoed, scored.effects_of)}."]
    lines += [scored.withheld] if scored.withheld else []
    if scored.holdout:
        lines.append(f"{tally.explored:,} users got an action that was drawn; the table is by the policy's.")
    if tally.quarantined:
        reasons = list(tally.worst().items())
        worst = "; ".join(f"{reason}: {n:,}" for reason, n in reasons[:REASONS])
        if others := sum(n for _, n in reasons[REASONS:]):
            worst += f"; and {others:,} more of other reasons"
        lines.append(f"Quarantined: {worst}. See {scored.quarantine}")
    return lines


def _drift(scored: BatchResult) -> list[str]:
    """That no column has moved since the model was fitted, or that this cannot be told; in one line."""
    drift, decided = scored.drift, scored.tally.decided
    untold = int((drift["drift"] == "inconclusive").sum())
    few = f" Of {untold} columns {decided:,} users cannot tell: chance alone may say as much." if untold else ""
    if drift["drift"].isin(["moved", "shifted"]).any():
        return [few.strip()] if few else []
    if untold < len(drift):
        return [f"Drift (PSI): none of {len(drift) - untold} columns has moved (all below {MOVED}).{few}"]
    return [f"Drift (PSI): {decided:,} users are too few to tell a move from chance."]


def _places(scored: BatchResult) -> list[str]:
    """Where the decisions are, and how many were made before."""
    tally, lines = scored.tally, []
    if tally.neutralised:
        lines.append(f"{tally.neutralised:,} cells that a spreadsheet would run as formulas begin with a ' now.")
    kept = f"{tally.kept:,} of segment {', '.join(scored.only)}, best first" if scored.only else f"{tally.kept:,} users"
    lines.append(f"Decisions: {scored.to} ({kept}), in {scored.seconds:.1f} s")
    if scored.resumed is not None and scored.resumed[0]:
        lines.append(f"{scored.resumed[0]:,} of {scored.resumed[1]:,} parts were there and were not made again.")
    return lines


def _line(text: str) -> Text:
    """A line that folds, but for addresses, which are to be copied."""
    address = text.startswith(("Decisions", "MLflow"))
    return Text(text, no_wrap=address, overflow="ignore" if address else "fold")


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if np.isfinite(value) else "–"
