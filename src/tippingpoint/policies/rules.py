"""Ordered rules over features and score: the first that holds names the segment."""

from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import pandas as pd
import polars as pl
from pydantic import Field, field_validator, model_validator

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.strict import StrictModel
from tippingpoint.policies.policy import FitContext, Policy

SCORE = "score"


class Rule(StrictModel):
    """Users for whom `when` holds are in the segment, unless an earlier rule took them."""

    segment: str = Field(min_length=1)
    when: str = Field(min_length=1)
    """A condition in Polars' SQL over features, levels and `score`; an unknown value holds for nothing."""


class Levels(StrictModel):
    """A number as levels of equal size, learnt on train: three names make terciles."""

    column: str
    names: tuple[str, ...] = Field(min_length=2)


class Rules(Policy):
    """First match wins; who matches nothing is in `otherwise`.

    Examples
    --------
    >>> rules = Rules(
    ...     name="r", version=1, levels={}, otherwise="rest", actions={"often": "prompt", "rest": "none"},
    ...     rules=[{"segment": "often", "when": "visits >= 3 AND score > 0.2"}],
    ... )
    >>> rules.segment(np.array([0.9, 0.1, 0.9]), pd.DataFrame({"visits": [3.0, 3.0, 2.0]})).tolist()
    [0, 1, 1]
    """

    learnt: ClassVar[tuple[str, ...]] = ("edges",)

    levels: dict[str, Levels] = {}
    """New columns the rules may use, by name."""
    rules: tuple[Rule, ...] = Field(min_length=1)
    otherwise: str
    edges: dict[str, tuple[float, ...]] | None = None
    """Upper ends of all levels but the last, by level column; learnt on train."""

    @field_validator("rules")
    @classmethod
    def _can_be_parsed(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        for rule in rules:
            try:
                pl.sql_expr(rule.when)
            except (pl.exceptions.PolarsError, ValueError) as error:
                raise ValueError(f"{rule.segment}: cannot read {rule.when!r} ({str(error).splitlines()[0]})") from error
        return rules

    @model_validator(mode="after")
    def _edges_fit(self) -> Self:
        for name, edges in (self.edges or {}).items():
            if name not in self.levels or len(edges) != len(self.levels[name].names) - 1:
                raise ValueError(f"edges of {name!r} do not fit its levels")
        return self

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*(rule.segment for rule in self.rules), self.otherwise]))

    @cached_property
    def conditions(self) -> list[pl.Expr]:
        """The parsed rules, in order."""
        return [pl.sql_expr(rule.when).fill_null(False) for rule in self.rules]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the rules read, the score among them; of a level the column it is made of."""
        named = dict.fromkeys(name for condition in self.conditions for name in condition.meta.root_names())
        return tuple(dict.fromkeys(self.levels[n].column if n in self.levels else n for n in named))

    @property
    def reads_score(self) -> bool:
        return SCORE in self.columns

    def bind(self, context: FitContext) -> Self:
        edges = {}
        for name, level in self.levels.items():
            self._require(context.train, level.column)
            values = context.train[level.column].to_numpy(np.float64)
            shares = np.arange(1, len(level.names)) / len(level.names)
            edges[name] = tuple(float(edge) for edge in np.nanquantile(values, shares))
        return self.model_copy(update={"edges": edges}) if self.levels else self

    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        segments, held = self.segments, self.matches(score, features)
        codes = np.array([segments.index(rule.segment) for rule in self.rules])
        first = held.argmax(axis=1)
        return np.asarray(np.where(held.any(axis=1), codes[first], segments.index(self.otherwise)))

    def matches(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        """(n, rules) whether each rule holds, whatever those before it say.

        Raises
        ------
        InputError
            Where a column is missing, a rule is no condition, or levels are not learnt yet.
        """
        for column in self.columns:
            if column != SCORE:
                self._require(features, column)
        table = self.table(score, features)
        try:
            held = table.select(c.alias(str(k)) for k, c in enumerate(self.conditions))
        except pl.exceptions.PolarsError as error:
            raise InputError("policy.rules", f"cannot be used on these users ({str(error).splitlines()[0]})") from error
        for rule, kind in zip(self.rules, held.dtypes, strict=True):
            if kind != pl.Boolean:
                raise InputError("policy.rules", f"{rule.when!r} is a {kind}, not a condition", "Compare it.")
        if held.height != len(score):  # a rule of constants alone
            held = table.select(pl.lit(True).alias("_"), *(c.alias(str(k)) for k, c in enumerate(self.conditions)))[
                :, 1:
            ]
        return held.to_numpy()

    def table(self, score: np.ndarray, features: pd.DataFrame) -> pl.DataFrame:
        """Users as the rules see them: score, the columns read, and levels by name."""
        read = [c for c in self.columns if c != SCORE]
        columns: dict[str, pl.Series] = {SCORE: pl.Series(np.asarray(score, dtype=np.float64))}
        for name in read:
            values = features[name]
            number = values.dtype.kind in "fiu"
            columns[name] = (
                pl.Series(values.to_numpy(np.float64), nan_to_null=True)
                if number
                else pl.Series(values.astype(object).where(values.notna(), None).tolist(), dtype=pl.String)
            )
        for name, level in self.levels.items():
            if self.edges is None or name not in self.edges:
                raise InputError("policy.levels", f"{name} is not learnt yet", "Bind the policy to a model first.")
            self._require(features, level.column)
            x = features[level.column].to_numpy(np.float64)
            at = np.searchsorted(np.asarray(self.edges[name]), x, side="left")  # an edge belongs below
            named = np.asarray(level.names, dtype=object)[at]
            named[np.isnan(x)] = None
            columns[name] = pl.Series(named.tolist(), dtype=pl.String)
        return pl.DataFrame(columns)

    def _require(self, features: pd.DataFrame, column: str) -> None:
        if column not in features.columns:
            there = [str(c) for c in features.columns]
            raise InputError(
                "policy.rules", f"{self.name} reads {column!r}, which is not there", nearest(column, there)
            )
