"""What deciding for new users takes besides a model and its policy; it is registered beside them."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.core.strict import Component, StrictModel, validate
from tippingpoint.data.contract import KINDS, ColumnSpec, TableSchema
from tippingpoint.data.days import day
from tippingpoint.data.model_output import probability
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.decisions.drift import Reference
from tippingpoint.decisions.expected_outcomes import Added, Predicted, Response, responses
from tippingpoint.economics import Economics
from tippingpoint.models.effect_table import Columns, EffectTable
from tippingpoint.offpolicy.evidence import Evidence, Kind


class SegmentCheck(StrictModel):
    """What a segment's action was expected to bring over none, per user of theirs on test, and what was measured."""

    expected: float
    measured: float
    low: float | None
    high: float | None

    @property
    def withheld(self) -> str:
        """Why no gain is shown to users of the segment, as a clause; empty where test users bear it out."""
        if self.low is None or self.high is None:
            return "what the action does there is not identified on test users"
        if self.low <= 0 <= self.high:
            return "whether it is a gain or a loss is inconclusive on test users"
        if self.expected * self.measured <= 0:
            return "test users say that it has the other sign"
        if self.expected > self.high:
            return "test users say that it is smaller than expected"
        return ""


class Deployment(StrictModel):
    """A version's `deployment.json`."""

    form: Literal[1] = 1
    """Of this file."""
    question: str
    outcome: str
    good: bool
    """Whether outcome 1 is wanted."""
    evidence: Kind
    """What `responses` rest on."""
    vetoed: tuple[str, ...] = ()
    """Codes of the diagnostics that this evidence was vetoed by."""
    terms: TableSchema
    """What a table of users must hold: the id, if there is one, and every feature."""
    prices: dict[str, Any] = Field(repr=False)
    """The economics, as a config node."""
    responses: dict[str, Response | None]
    """For each action, the outcome to expect; None where it cannot be told, as where nobody got it."""
    checks: dict[str, SegmentCheck] = {}
    """By segment of the policy it was filed with, of those that act."""
    reference: Reference = Field(repr=False)
    as_of: str | None = None
    """What days of times are counted to: a column of `terms`; or a day, then new users' are counted to their own."""
    made_by: dict[str, Any] = Field(default={}, repr=False)
    """Of users made of events: what made their features."""

    unsaid: ClassVar = ("as_of", "made_by", "vetoed", "checks")
    """Fields that are left out where they say nothing."""

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if value or key not in self.unsaid}

    @property
    def dated(self) -> bool:
        """Whether times are counted to a day that is given when users are scored."""
        return self.as_of is not None and self.as_of not in self.terms.columns

    def kind(self, column: str) -> Literal["number", "category"] | None:
        """What a model makes of a column of `terms`; None: it does not see it."""
        kind = self.terms.columns[column].type
        return "number" if kind == "time" and self.as_of not in (None, column) else KINDS.get(kind)

    def after_reading(self) -> Self:
        """The same for users whose times are days already, as they are in training."""
        days = ColumnSpec(type="number", missing=True)
        columns = {c: days if s.type == "time" else s for c, s in self.terms.columns.items() if c != self.as_of}
        return self.model_copy(update={"as_of": None, "terms": self.terms.model_copy(update={"columns": columns})})

    @property
    def actions(self) -> tuple[str, ...]:
        """The K actions, `none` first; decisions are codes into them."""
        return tuple(self.responses)

    @cached_property
    def economics(self) -> Economics:
        """The prices that `expected` reads."""
        if "_target_" in self.prices:
            return Component.of(self.prices, "economics").build(Economics, "economics")
        return validate(Economics, self.prices, "economics")

    @property
    def effects_of(self) -> Literal["", "columns", "model"]:
        """What tells what an action adds for a user; '' where a score alone, or what is stated, would have to."""
        if any(isinstance(of, Predicted) for of in self.responses.values()):
            return "model"
        return "columns" if any(isinstance(of, Added) for of in self.responses.values()) else ""

    @property
    def tells_gains(self) -> bool:
        """Whether what an action brings over none is told by user."""
        return bool(self.effects_of)

    @property
    def withheld(self) -> dict[str, str]:
        """Segments of whose users no gain is shown, each with the reason."""
        return {name: why for name, check in self.checks.items() if (why := check.withheld)}

    @property
    def withheld_in_words(self) -> str:
        """In which segments no gain is shown, and why; empty where it is shown in all."""
        segments: dict[str, list[str]] = {}
        for name, why in self.withheld.items():
            segments.setdefault(why, []).append(name)
        return " ".join(f"No gain is shown in {', '.join(names)}: {why}." for why, names in segments.items())

    def expected_value(
        self, found: np.ndarray, features: Columns, action: np.ndarray, costs: pd.DataFrame | None = None
    ) -> np.ndarray:
        """(n,) expected money under (n,) codes of actions.

        NaN where nothing is known of the action, own prices are not given, or measures count: models let expect
        outcomes only.

        Parameters
        ----------
        found, features
            What the model gives of n users, and the columns it reads.
        """
        value = np.full(len(found), np.nan)
        if (self.economics.per_user and costs is None) or self.economics.measures:
            return value
        reward_intercept, reward_slope = self.economics.rewards(self.actions, self.good, costs)
        for k, response in enumerate(self.responses.values()):
            rows = np.flatnonzero(action == k)
            if response is None or not len(rows):
                continue
            own = (rows, k) if reward_intercept.ndim == 2 else k  # prices of each user's own, or of all
            whole = len(rows) == len(found)
            chance = response(found, features) if whole else response(found[rows], _among(features, rows))
            value[rows] = reward_intercept[own] + reward_slope[own] * chance
        return value

    def gains(self, found: np.ndarray, features: Columns) -> np.ndarray:
        """(n, K) how much more money each action lets expect than doing nothing; NaN where that is not known."""
        none, codes = np.zeros(len(found), dtype=np.int64), range(len(self.actions))
        value = np.stack([self.expected_value(found, features, none + k) for k in codes], axis=1)
        return value - value[:, :1]

    def gained(
        self, found: np.ndarray, features: Columns, value: np.ndarray, costs: pd.DataFrame | None = None
    ) -> np.ndarray:
        """(n,) how much more money than from doing nothing, where (n,) `value` is expected; NaN where not known."""
        return value - self.expected_value(found, features, np.zeros(len(found), dtype=np.int64), costs)


def _among(features: Columns, rows: np.ndarray) -> Columns:
    if isinstance(features, pd.DataFrame):
        return features.iloc[rows]
    return {name: [of[i] for i in rows.tolist()] for name, of in features.items()}


def refuse_day(deployment: Deployment) -> None:
    """Refuse a day that times are counted to, where a version takes none.

    Raises
    ------
    InputError
        When its column says it, or it reads no times.
    """
    if not deployment.dated:
        why = f"column {deployment.as_of!r} says it" if deployment.as_of else "it reads no times"
        raise InputError("as_of", f"the version takes no day: {why}", "Leave as_of out.")


def refuse_made_otherwise(deployment: Deployment, made_by: Mapping[str, Any]) -> None:
    """Refuse features of events that were not made as a version's were.

    Raises
    ------
    InputError
        Naming the key that differs, and what to type.
    """
    if not deployment.made_by:
        remedy = (
            "Type tippingpoint score input=… for a table of users, or take a version that was compared on raw events."
        )
        raise InputError("data", "the version was not fitted on users made of events", remedy)
    if (by_date := "snapshots" in deployment.made_by) != ("snapshots" in made_by):
        what = f"the version's features were made {'at dates' if by_date else 'once a user, after their window'}"
        raise InputError("data.snapshots", what, f"Type data.snapshots={'every:7d' if by_date else 'first'}.")
    for key, learnt in deployment.made_by.items():
        if (given := made_by.get(key)) == learnt:
            continue
        if key == "sql":
            what = f"features are made by another SQL ({given}) than the version's ({learnt})"
            raise InputError(
                "data", what, "Compare again with this release of tippingpoint, and score by that version."
            )
        where = f"data.{key}"
        while isinstance(learnt, dict) and isinstance(given, Mapping) and set(learnt) == set(given):
            inner = next(name for name in learnt if learnt[name] != given[name])
            where, learnt, given = f"{where}.{inner}", learnt[inner], given[inner]
        what = f"is {given!r}, and the version's features were made with {learnt!r}"
        raise InputError(where, what, f"Type {override(where, learnt)}.")


def deployment(
    question: str,
    evidence: Evidence,
    terms: TableSchema | None,
    economics: Economics,
    actions: tuple[str, ...],
    learnt: pd.DataFrame,
    validation: Users,
    found: np.ndarray,
    effects: Mapping[str, EffectTable],
) -> Deployment:
    """What is written beside a version.

    Parameters
    ----------
    terms
        The contract the users passed; None where they had none: then a type a column is all that is asked.
    learnt
        Features of the users the model was fitted on.
    validation, found
        n users the model was not fitted on, and what it gives of them.
    effects
        What actions add by who a user is, for those of which that could be learnt.
    """
    contract = validation.contract
    return Deployment(
        question=question,
        outcome=contract.outcome,
        good=contract.good,
        evidence=evidence.kind,
        vetoed=evidence.vetoed,
        terms=_terms(terms, contract),
        prices=economics.specification(),
        responses=responses(evidence.kind, validation, found, actions, economics.response(actions), effects),
        reference=Reference.of(learnt, probability(found)),
        as_of=contract.as_of,
        made_by=contract.made_by,
    )


def _learnt(column: Column) -> ColumnSpec:
    """Terms of a column that no contract names: its type, and how its numbers were written."""
    if column.days_before is not None:
        words, months = list(column.also_missing), column.month_first
        return ColumnSpec(type="time", missing=True, future=True, also_missing=words, month_first=months)
    how = column.written.terms if column.written else {}
    return ColumnSpec(type=column.kind, missing=True, also_missing=list(column.also_missing), **how)


def _terms(given: TableSchema | None, contract: FeatureSchema) -> TableSchema:
    held = given.columns if given else {}
    columns = {c.name: held.get(c.name) or _learnt(c) for c in contract.columns}
    if (as_of := contract.as_of) is not None and day(as_of) is None:
        columns[as_of] = held.get(as_of) or ColumnSpec(type="time", missing=True, future=True)
    if contract.user_id is not None:
        columns = {contract.user_id: held.get(contract.user_id) or ColumnSpec(type="text"), **columns}
    return TableSchema(id=contract.user_id, columns=columns)
