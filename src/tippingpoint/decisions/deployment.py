"""What deciding for new users takes besides a model and its policy; it is registered beside them."""

from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from tippingpoint.core.strict import Component, StrictModel, validate
from tippingpoint.data.contract import ColumnSpec, TableSchema
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.decisions.drift import Reference
from tippingpoint.decisions.expected_outcomes import Ratio, Sigmoid, responses
from tippingpoint.economics import Economics
from tippingpoint.offpolicy.evidence import Kind


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
    terms: TableSchema
    """What a table of users must hold: the id, if there is one, and every feature."""
    prices: dict[str, Any] = Field(repr=False)
    """The economics, as a config node."""
    responses: dict[str, Sigmoid | Ratio | None]
    """For each action, the outcome that a score lets expect; None where nobody got it."""
    reference: Reference = Field(repr=False)

    @property
    def actions(self) -> tuple[str, ...]:
        """The K actions, `none` first; decisions are codes into them."""
        return tuple(self.responses)

    @cached_property
    def economics(self) -> Economics:
        """The prices that `expected` reads."""
        if "_target_" in self.prices:
            return Component.model_validate(self.prices).build(Economics, "economics")
        return validate(Economics, self.prices, "economics")

    def expected_value(self, score: np.ndarray, action: np.ndarray, costs: pd.DataFrame | None = None) -> np.ndarray:
        """(n,) expected money under (n,) codes of actions; NaN where nobody got it, or own prices are not given."""
        value = np.full(len(score), np.nan)
        if self.economics.per_user and costs is None:
            return value
        reward_intercept, reward_slope = self.economics.rewards(self.actions, self.good, costs)
        for k, response in enumerate(self.responses.values()):
            if response is None:
                continue
            rows = np.flatnonzero(action == k)
            own = (rows, k) if reward_intercept.ndim == 2 else k  # prices of each user's own, or of all
            value[rows] = reward_intercept[own] + reward_slope[own] * response(score[rows])
        return value

    def gained(self, score: np.ndarray, value: np.ndarray) -> np.ndarray:
        """(n,) how much more money than from doing nothing, where (n,) `value` is expected; NaN where not known."""
        return value - self.expected_value(score, np.zeros(len(score), dtype=np.int64))


def deployment(
    question: str,
    kind: Kind,
    terms: TableSchema | None,
    economics: Economics,
    actions: tuple[str, ...],
    learnt: pd.DataFrame,
    validation: Users,
    score: np.ndarray,
) -> Deployment:
    """What is written beside a version.

    Parameters
    ----------
    terms
        The contract the users passed; None where they had none: then a type a column is all that is asked.
    learnt
        Features of the users the model was fitted on.
    validation, score
        n users the model was not fitted on, and their (n,) scores.
    """
    contract = validation.contract
    return Deployment(
        question=question,
        outcome=contract.outcome,
        good=contract.good,
        evidence=kind,
        terms=_terms(terms, contract),
        prices=economics.specification(),
        responses=responses(kind, validation, score, actions, economics.response(actions)),
        reference=Reference.of(learnt, score),
    )


def _learnt(column: Column) -> ColumnSpec:
    """Terms of a column that no contract names: its type, and how its numbers were written."""
    how = column.written.terms if column.written else {}
    return ColumnSpec(type=column.kind, missing=True, also_missing=list(column.also_missing), **how)


def _terms(given: TableSchema | None, contract: FeatureSchema) -> TableSchema:
    held = given.columns if given else {}
    columns = {c.name: held.get(c.name) or _learnt(c) for c in contract.columns}
    if contract.user_id is not None:
        columns = {contract.user_id: held.get(contract.user_id) or ColumnSpec(type="text"), **columns}
    return TableSchema(id=contract.user_id, columns=columns)
