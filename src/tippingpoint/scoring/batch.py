"""Decisions for tables of any size, chunk by chunk: checked, scored, decided, counted, written."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.contract import ColumnSpec, TableSchema
from tippingpoint.data.days import days_before, start
from tippingpoint.data.model_output import effects
from tippingpoint.data.outcome import numbers, yes_as_one
from tippingpoint.data.validation import as_ids, as_text, check, parse
from tippingpoint.data.writing import neutralised
from tippingpoint.decisions import unseen
from tippingpoint.decisions.batch_result import BatchResult
from tippingpoint.decisions.batch_statistics import Tally, in_general
from tippingpoint.decisions.decider import Decided, Decider
from tippingpoint.decisions.deployment import Deployment
from tippingpoint.decisions.randomization import Randomization
from tippingpoint.decisions.reasons import Reasons
from tippingpoint.economics import PerUser
from tippingpoint.explanation.reasons import REASONS
from tippingpoint.scoring.id_index import IdIndex
from tippingpoint.scoring.readers import require

ROW_ID = "user_id"
"""The id column where rows are numbered."""
GAIN = "expected_gain"
"""Money that the action lets expect over doing nothing, where that is told by user."""
TIMES = pl.Datetime("us", "UTC")
AGAIN = "is a repeated id: it stands in an earlier row"


@dataclass(frozen=True)
class Batch:
    """How a table is decided.

    Parameters
    ----------
    policy_digest
        Of the bound policy.
    scored_at
        UTC, without a zone; one for the whole table.
    reasons
        What explains scores; None where no reasons are asked for.
    only
        The segments that are kept; empty keeps all.
    for_spreadsheets
        Whether cells that a spreadsheet would run are neutralised.
    day
        That times are counted to, where no column says it; None: that of `scored_at`.
    """

    decider: Decider
    policy_digest: str
    scored_at: datetime
    exploration: Randomization | None = None
    reasons: Reasons | None = None
    only: tuple[str, ...] = ()
    for_spreadsheets: bool = False
    day: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """The day that times are counted to, where no column says it; UTC, without a zone."""
        return self.day or start(self.scored_at)

    @property
    def terms(self) -> TableSchema:
        """What the table must hold."""
        return self.decider.deployment.terms

    @property
    def user_id(self) -> str:
        """Name of the id column of the decisions."""
        return self.terms.id or ROW_ID

    @property
    def specs(self) -> dict[str, ColumnSpec]:
        """What each column that is read must hold."""
        return {**dict.fromkeys(self.costs, ColumnSpec(type="number", missing=True)), **self.terms.columns}

    @cached_property
    def costs(self) -> list[str]:
        """Columns with prices of each user's own."""
        economics = self.decider.deployment.economics
        if not isinstance(economics, PerUser):
            return []
        return sorted({name for of in economics.costs.values() for name in (of.one, of.zero)})

    def wanted(self, there: list[str]) -> list[str]:
        """Columns to read of a table: those of the contract, and prices of each user's own if it has them all.

        Raises
        ------
        InputError
            When the table lacks columns of the contract, or the id is called like a column of the decisions.
        """
        require(there, self.terms.columns, "the input")
        if self.user_id in self.columns()[1:]:
            raise InputError("input", f"the id is called {self.user_id!r}, as a column of the decisions", "Rename it.")
        priced = self.costs if set(self.costs) <= set(there) else []
        return list(dict.fromkeys([*self.terms.columns, *priced]))

    def result(self, tally: Tally, scored_at: datetime, **about: Any) -> BatchResult:
        """Return what the batch came to; `about` are the fields that say where from and to, and how long it took."""
        deployment, policy = self.decider.deployment, self.decider.policy
        return BatchResult(
            numbered=self.terms.id is None,
            model=self.decider.reference,
            policy=policy.name,
            policy_digest=self.policy_digest,
            scored_at=scored_at,
            tally=tally,
            segments=tally.by_segment(policy.segments, policy.actions),
            drift=deployment.reference.drift(tally.drift),
            unseen=unseen.named(tally.unseen, self.decider.learnt),
            currency=deployment.economics.currency,
            evidence=deployment.evidence,
            vetoed=deployment.vetoed,
            outcome=deployment.outcome,
            among=len(self.exploration.among) if self.exploration and 0 in self.exploration.among else 0,
            effects_of=deployment.effects_of,
            withheld=deployment.withheld_in_words,
            as_of=self.as_of.date().isoformat() if deployment.dated else None,
            only=self.only,
            **about,
        )

    def columns(self) -> list[str]:
        """Columns of the decisions, in their order."""
        why = [f"reason_{k + 1}" for k in range(REASONS)] if self.reasons else []
        predicted = [f"effect_{action}" for action in self.decider.of_effects[1:]]
        predicted += [GAIN] if self.decider.deployment.tells_gains else []
        names = [self.user_id, "propensity_score", "segment", "action", "expected_value", *predicted, *why]
        names += ["model", "policy_digest", "scored_at"]
        if self.exploration:
            names += ["explored", "policy_action", "logging_probability"]
            names += [f"logging_probability_{action}" for action in self.decider.deployment.actions]
        return names

    def decide(self, table: pl.DataFrame, first: int, seen: IdIndex | None = None) -> "Decisions":
        """Decide for the rows of a chunk; parameters as of `validate`."""
        return self.decided(self.validate(table, first, seen))

    def validate(self, table: pl.DataFrame, first: int, seen: IdIndex | None = None) -> "ValidatedChunk":
        """Hold a chunk against the contract.

        Parameters
        ----------
        first
            Position of its first row in the whole table, from 0.
        seen
            The ids of earlier chunks: rows that repeat one are quarantined.
        """
        given = table.drop([c for c in self.costs if c in table.columns and c not in self.terms.columns])
        before, ids = self.remember(given, seen)
        checked = check(given, self.terms, self.scored_at, ids)
        good, rows, broken, reasons = checked.table, checked.rows, checked.broken, dict(checked.reasons)
        if before is not None and before.any():
            again = before[rows]
            good, rows = good.filter(~again), rows[~again]
            aside = np.flatnonzero(before & ~np.isin(np.arange(len(table)), broken.to_series(0).to_numpy() - 1))
            broken = pl.concat([broken, self._again(given, aside, broken.columns)]).sort(broken.columns[0])
            reasons[f"{self.terms.id} {AGAIN}"] = len(aside)
        broken = broken.with_columns(pl.col(broken.columns[0]) + first)
        features = self.features(good)
        costs = self._prices(table[rows]) if self.costs and self.costs[0] in table.columns else None
        ids = good[self.terms.id] if self.terms.id else pl.Series(ROW_ID, [f"row{first + i}" for i in rows], pl.String)
        are_numbers = self.terms.id is not None and ids.cast(pl.Int64, strict=False).null_count() == 0
        written = None if are_numbers else self.user_id
        strange = unseen.count(given, self.decider.learnt)
        return ValidatedChunk(ids, features, costs, written, broken, reasons, len(table), *strange)

    def decided(self, users: "ValidatedChunk") -> "Decisions":
        """Decide for valid users."""
        decisions, tally = self._decided(users.ids, users.features, users.costs, users.written)
        tally.rows, tally.quarantined = users.rows, len(users.broken)
        tally.unseen_rows, tally.unseen = users.unseen_rows, users.unseen
        tally.reasons = {}
        for reason, n in users.reasons.items():
            tally.reasons[in_general(reason)] = tally.reasons.get(in_general(reason), 0) + n
        return Decisions(decisions, users.broken, tally, users)

    def remember(self, table: pl.DataFrame, seen: IdIndex | None) -> tuple[np.ndarray | None, pl.Series | None]:
        """Note a chunk's ids.

        Returns
        -------
        numpy.ndarray or None, polars.Series or None
            (n,) whether each stood in an earlier chunk, None where that cannot be known; and the ids, if all are there
            and differ.
        """
        if seen is None or self.terms.id is None:
            return None, None
        ids = as_ids(table[self.terms.id]).str.strip_chars()
        before, differ = seen.add(ids)
        if ids.null_count():
            return before & ids.is_not_null().to_numpy(), None
        return before, ids if differ and (ids.str.len_bytes() > 0).all() else None

    def features(self, table: pl.DataFrame) -> pd.DataFrame:
        """The columns the model reads, of valid rows: numbers as float64, categories as text."""
        frame = {}
        before = self.decider.deployment.as_of
        moments = parse(table[before], "time")[0] if before in table.columns else self.as_of
        for name, kind in self.decider.columns.items():
            values = table[name]
            if kind == "number" and values.dtype.is_temporal():
                frame[name] = pd.Series(days_before(parse(values, "time")[0], moments).to_numpy())
            elif kind == "number":
                frame[name] = pd.Series(values.cast(pl.Float64).to_numpy())
            else:
                frame[name] = pd.Series(pd.array(values.to_arrow(), dtype="str"))
        return pd.DataFrame(frame)

    def _prices(self, table: pl.DataFrame) -> pl.DataFrame:
        """Prices of each user's own as Float64, however they are written; yes is 1, no is 0."""
        found = [yes_as_one(table[name]) for name in self.costs]
        return pl.DataFrame(
            [numbers(c.str.strip_chars()) if c.dtype == pl.String else parse(c, "number")[0] for c in found]
        )

    def _again(self, table: pl.DataFrame, rows: np.ndarray, names: list[str]) -> pl.DataFrame:
        """Rows that repeat the id of an earlier chunk, in the form in which validation quarantines rows."""
        text = {name: as_text(table[name])[rows] for name in table.columns}
        said = [f"{self.terms.id} {value} {AGAIN}" for value in text[str(self.terms.id)]]
        return pl.DataFrame({names[0]: pl.Series(rows + 1), names[1]: pl.Series(said, dtype=pl.String), **text})

    def _decided(
        self, ids: pl.Series, features: pd.DataFrame, costs: pl.DataFrame | None, written: str | None
    ) -> tuple[pl.DataFrame, Tally]:
        """Decide for valid users; `written` names the id column where ids are text, not numbers."""
        policy, deployment = self.decider.policy, self.decider.deployment
        if not len(ids):
            return self._blank(), Tally(users=np.zeros(len(policy.segments)))
        own = None if costs is None else costs.to_pandas()
        decided = self.decider.decide(features, own)
        table, explored = self._table(ids, features, decided, own)
        if self.only:
            kept = np.flatnonzero(np.isin(decided.segment, [policy.segments.index(name) for name in self.only]))
            table, shown = table[kept], features.iloc[kept].reset_index(drop=True)
        else:
            shown = features
        table = table.with_columns(*self._reasons(shown), *self._origin()).select(self.columns())
        cells = 0
        if self.for_spreadsheets:
            table = table.with_columns(pl.col(pl.Enum).cast(pl.String))
            text = [name for name, type_ in table.schema.items() if type_ == pl.String and name != self.user_id]
            table, cells = neutralised(table, [*([written] if written else []), *text])
        size = len(policy.segments)
        tally = Tally(
            decided=len(ids),
            kept=len(table),
            users=np.bincount(decided.segment, minlength=size),
            scores=np.bincount(decided.segment, decided.score, minlength=size),
            values=np.bincount(decided.segment, decided.value, minlength=size),
            explored=explored,
            neutralised=cells,
            drift=deployment.reference.count(features, decided.score),
        )
        return table, tally

    def _table(
        self, ids: pl.Series, features: pd.DataFrame, decided: Decided, own: pd.DataFrame | None
    ) -> tuple[pl.DataFrame, int]:
        """Each user's decision, and how many got an action by random assignment."""
        deployment = self.decider.deployment
        actions = deployment.actions
        action, value, gain, assigned, explored = decided.action, decided.value, decided.gain, {}, 0
        if self.exploration:
            action, random = self.exploration.draw(ids.to_numpy().astype(object), decided.action)
            value, gain = self.decider.expected(decided.found, features, decided.segment, action, own)
            chance = self.exploration.chances(decided.action, len(actions))
            explored = int(random.sum())
            assigned = {
                "explored": pl.Series(random),
                "policy_action": _named(actions, decided.action),
                "logging_probability": pl.Series(chance[np.arange(len(ids)), action]),
                **{f"logging_probability_{name}": pl.Series(chance[:, k]) for k, name in enumerate(actions)},
            }
        columns = {
            self.user_id: ids.cast(pl.String),
            "propensity_score": pl.Series(decided.score),
            "segment": _named(self.decider.policy.segments, decided.segment),
            "action": _named(actions, action),
            "expected_value": pl.Series(value, nan_to_null=True),
        }
        return pl.DataFrame(columns | self._effects(decided, gain) | assigned), explored

    def _effects(self, decided: Decided, gain: np.ndarray) -> dict[str, pl.Series]:
        """What each action adds to the chance, where the model predicts it, and the money over none."""
        found: dict[str, pl.Series] = {}
        if self.decider.of_effects:
            added = effects(decided.found)[:, 1:].T
            found = {f"effect_{a}": pl.Series(of) for a, of in zip(self.decider.of_effects[1:], added, strict=True)}
        return found | ({GAIN: pl.Series(gain, nan_to_null=True)} if self.decider.deployment.tells_gains else {})

    def _reasons(self, features: pd.DataFrame) -> list[pl.Series]:
        """The columns `reason_1`, … of users; none where no reasons are asked for."""
        if self.reasons is None:
            return []
        texts = self.reasons.words(features) if len(features) else [np.zeros(0, dtype=object)] * REASONS
        return [pl.Series(f"reason_{k + 1}", text, dtype=pl.String) for k, text in enumerate(texts)]

    def _origin(self) -> list[pl.Expr]:
        """The columns that say which version decided, and when."""
        model, digest = self.decider.reference, self.policy_digest
        return [
            pl.lit(model, dtype=pl.Enum([model])).alias("model"),
            pl.lit(digest, dtype=pl.Enum([digest])).alias("policy_digest"),
            pl.lit(self.scored_at).dt.replace_time_zone("UTC").cast(TIMES).alias("scored_at"),
        ]

    def _blank(self) -> pl.DataFrame:
        """An empty table of decisions."""
        policy, actions = self.decider.policy, pl.Enum(self.decider.deployment.actions)
        types: dict[str, Any] = {
            "segment": pl.Enum(policy.segments),
            "action": actions,
            "policy_action": actions,
            "model": pl.Enum([self.decider.reference]),
            "policy_digest": pl.Enum([self.policy_digest]),
            "explored": pl.Boolean,
            "scored_at": TIMES,
        }
        numbers = ("propensity_score", "expected_value", "effect_", GAIN, "logging_probability")
        schema = {
            name: types.get(name, pl.Float64 if name.startswith(numbers) else pl.String) for name in self.columns()
        }
        blank = pl.DataFrame(schema=schema)
        return blank.with_columns(pl.col(pl.Enum).cast(pl.String)) if self.for_spreadsheets else blank


@dataclass(frozen=True)
class ValidatedChunk:
    """A chunk held against the contract: the valid users, and the quarantined rows.

    Parameters
    ----------
    written
        The id column where ids are text; None where they are numbers, which no spreadsheet runs.
    rows
        Of the chunk, quarantined ones included.
    unseen_rows, unseen
        Of these, as in `Tally`.
    """

    ids: pl.Series
    features: pd.DataFrame
    costs: pl.DataFrame | None
    written: str | None
    broken: pl.DataFrame
    reasons: dict[str, int]
    rows: int
    unseen_rows: int
    unseen: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Decisions:
    """A chunk decided.

    Parameters
    ----------
    table
        The decisions that are kept.
    broken
        The quarantined rows, `row` (from 1, of the whole table) and `reason` first.
    users
        Whom they are for: a row each of `table`, unless only some segments are kept.
    """

    table: pl.DataFrame
    broken: pl.DataFrame
    tally: Tally
    users: ValidatedChunk


def best_first(tables: list[pl.DataFrame], user_id: str, deployment: Deployment) -> pl.DataFrame:
    """A list of whom to act on first.

    By what the action lets gain over doing nothing, where prices are the same for all; then by expected value, then
    score, all falling; then by id.
    """
    table = pl.concat(tables)
    score, value, *gain = (
        table[c].cast(pl.Float64).to_numpy() for c in ("propensity_score", "expected_value", GAIN) if c in table.columns
    )
    gained = gain[0] if gain else deployment.gained(score, {}, value)
    by = [pl.Series(gained, nan_to_null=True), pl.col("expected_value"), pl.col("propensity_score"), pl.col(user_id)]
    return table.sort(by, descending=[True, True, True, False], nulls_last=True)


def _named(names: tuple[str, ...], codes: np.ndarray) -> pl.Series:
    return pl.Series(names, dtype=pl.Enum(names)).gather(codes)
