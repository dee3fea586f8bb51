"""Target lists: those that are asked for by name, whom they hold, their file, and the line that writes the same one."""

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from tippingpoint.core.overrides import override
from tippingpoint.dashboard.intake import CHUNK, DECISIONS, Listed, features
from tippingpoint.dashboard.subject import Subject
from tippingpoint.dashboard.tables import as_csv
from tippingpoint.data.writing import neutralised
from tippingpoint.economics import Economics
from tippingpoint.explanation.reasons import REASONS
from tippingpoint.scoring.batch import TIMES, best_first

KEPT = re.compile(r"model|policy_digest|scored_at|explored|policy_action|logging_probability(_.*)?")
"""Further columns of decisions, in their order."""
ROW = "row of the users"


def presets(about: Subject) -> dict[str, tuple[str, ...]]:
    """Lists that are asked for, by name: who gets a discount, who is of high value, who gets anything."""
    policy, economics = about.policy, about.decider.deployment.economics
    acted = tuple(s for s in policy.segments if policy.actions[s] != "none")
    lists: dict[str, tuple[str, ...]] = {}
    discounted = tuple(s for s in acted if _discount(economics, policy.actions[s]))
    if discounted:
        lists["Discount targets"] = discounted
    if policy.score_cuts is not None and policy.segments[-1] in acted:
        top = policy.segments[-1]
        lists["High value" if about.decider.deployment.good else "Most at risk"] = (top,)
    if acted and acted not in lists.values():
        lists["Everyone who gets something"] = acted
    for segment in policy.segments:
        if (segment,) not in lists.values():
            lists.setdefault(segment, (segment,))
    return lists


def _discount(economics: Economics, action: str) -> bool:
    of = economics.actions.get(action)
    return of is not None and of.discount > 0


def line(found: Listed, about: Subject, only: tuple[str, ...], why: bool, address: str = "") -> str:
    """What a shell is given: each word stands for itself, whatever names hold."""
    words = {
        "input": address or found.origin,
        "to": "targets.csv",
        "model": about.reference,
        "only": only,
        "reasons": why,
        "scored_at": found.at.isoformat(),
    }
    if found.tally.quarantined:
        words["quarantine_share"] = 1
    return " ".join(["tippingpoint score", *(override(key, value) for key, value in words.items())])


@dataclass(frozen=True)
class Targets:
    """A target list, best first.

    Parameters
    ----------
    table
        Decisions, without what is the same for all or takes long.
    rows
        (n,) their positions in the table of users.
    neutralised
        Cells of its CSV that a spreadsheet would have run.
    """

    of: Listed
    subject: Subject
    table: pl.DataFrame
    rows: np.ndarray
    reasons: bool
    neutralised: int

    def shown(self, most: int, chosen: np.ndarray | None = None) -> pl.DataFrame:
        """The first, with their reasons; of some of its rows if they are chosen."""
        rows = np.arange(min(most, len(self.table))) if chosen is None else chosen[:most]
        return self._with_reasons(self.table[rows], self.rows[rows])

    def csv(self, chosen: np.ndarray | None = None) -> bytes:
        """Byte for byte what `score … only=…` writes at that moment; of some of its rows if they are chosen."""
        rows = np.arange(len(self.table)) if chosen is None else chosen
        pieces = [rows[i : i + CHUNK] for i in range(0, max(len(rows), 1), CHUNK)]
        return as_csv(self._written(self.table[piece], self.rows[piece]) for piece in pieces)

    def _written(self, table: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
        """Rows as they stand in the file."""
        table, of = self._with_reasons(table, rows), self.of
        if of.by is None:
            table = table.with_columns(
                pl.lit(self.subject.decider.reference).alias("model"),
                pl.lit(self.subject.policy_digest).alias("policy_digest"),
                pl.lit(of.at).dt.replace_time_zone("UTC").cast(TIMES).alias("scored_at"),
            )
        else:
            kept = [c for c in of.table.columns if KEPT.fullmatch(c) and c not in table.columns]
            table = pl.concat([table, of.table[rows].select(kept)], how="horizontal")
        table = table.with_columns(pl.col(pl.Enum).cast(pl.String))
        return neutralised(table, _texts(table, of))[0]

    def _with_reasons(self, table: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
        if not self.reasons:
            return table
        why = [f"reason_{k + 1}" for k in range(REASONS)]
        if self.of.by is not None:
            return pl.concat(
                [table, self.of.table[rows].select(c for c in why if c in self.of.table.columns)], how="horizontal"
            )
        texts = [np.zeros(0, dtype=object)] * REASONS
        if len(rows):
            texts = self.subject.reasons.words(features(self.of, self.subject, rows))
        return table.with_columns(pl.Series(c, text, dtype=pl.String) for c, text in zip(why, texts, strict=True))


def targets(of: Listed, subject: Subject, only: tuple[str, ...], reasons: bool) -> Targets:
    """The target list of some segments, of decisions as they were made."""
    user_id = of.table.columns[0]
    rows = np.flatnonzero(held(of, subject, only))
    made = [name for name in DECISIONS if name in of.table.columns]
    table = of.table[rows].select(user_id, *made, pl.Series(ROW, rows))
    table = best_first([table], user_id, subject.decider.deployment)
    plain = table.drop(ROW)
    hits = neutralised(plain.with_columns(pl.col(pl.Enum).cast(pl.String)), _texts(plain, of))[1]
    return Targets(of, subject, plain, table[ROW].to_numpy(), reasons, hits)


def _texts(table: pl.DataFrame, of: Listed) -> list[str]:
    """Columns whose cells a spreadsheet might run."""
    text = [c for c, t in table.schema.items() if t == pl.String or isinstance(t, pl.Enum)]
    return [c for c in text if not (of.numbered and c == table.columns[0])]


def held(of: Listed, subject: Subject, only: tuple[str, ...]) -> np.ndarray:
    """Whether a list of segments holds each user, (n,) of bool.

    Those of the segments; where decisions were made already, who got another action than their segment's is in the
    list of that action instead, and not in this one: to treat them otherwise would spoil the experiment.
    """
    inside = np.isin(of.table["segment"].to_physical(), [subject.policy.segments.index(s) for s in only])
    if of.by is None:
        return inside
    acted = {subject.policy.actions[s] for s in only} - {"none"}
    return np.where(_otherwise(of, subject), of.table["action"].cast(pl.String).is_in(list(acted)), inside)


def other_action(of: Listed, subject: Subject) -> int:
    """Users who got another action than their segment's."""
    return int(_otherwise(of, subject).sum())


def _otherwise(of: Listed, subject: Subject) -> np.ndarray:
    own = of.table["segment"].cast(pl.String).replace_strict(subject.policy.actions, return_dtype=pl.String)
    return (of.table["action"].cast(pl.String) != own).to_numpy()
