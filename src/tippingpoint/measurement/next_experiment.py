"""Decisions with known chances, and what came of them, as evidence for the next comparison."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from tippingpoint.config.retyped import retyped
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.data.column_rules import CHANCE
from tippingpoint.data.decisions import some, written_ids
from tippingpoint.data.files import Table
from tippingpoint.experiment.build import ask
from tippingpoint.measurement.join import better_id, id_of, spelled_as
from tippingpoint.measurement.outcomes import DecisionsWithOutcomes


def as_evidence(decided: DecisionsWithOutcomes, users: pl.DataFrame | None, users_id: str | None) -> pl.DataFrame:
    """Decisions and outcomes as a table that `data=csv` reads with known chances, one row a user.

    Parameters
    ----------
    users, users_id
        The users' features, and their id column; None: the score and the segment are the features.

    Raises
    ------
    InputError
        When versions chose among different actions, or not among all at random, or no user has features.
    """
    table, key = decided.table.unique(decided.id, keep="first", maintain_order=True), decided.id
    chances = [c for c in table.columns if c.startswith(CHANCE)]
    if any(table[c].null_count() for c in chances):
        what = "the versions that decided chose among different actions: one table cannot hold their chances"
        raise InputError("to", what, "Type since=… so that one version is left.")
    if table.select(pl.any_horizontal(pl.col(c) <= 0 for c in chances)).to_series().any():
        what = "some actions could not be taken by lot, so no table of these can say what they would bring"
        raise InputError("to", what, "Type tippingpoint score … holdout=0.1, without holdout_actions.")
    own = [key, "action", *chances, decided.outcome_name]
    if users is None:
        return table.select(key, "propensity_score", "segment", *own[1:])
    named = id_of(users, users_id, key, table[key], "users")
    ids, _ = spelled_as(table[key], written_ids(users[named]))
    if repeated := ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list():
        raise InputError(
            "users", f"{len(repeated):,} ids stand more than once ({some(repeated)})", "Keep one row a user."
        )
    features = users.drop([named, *(c for c in own if c in users.columns and c != named)]).with_columns(ids.alias(key))
    joined = table.select(own).join(features, on=key, how="inner", maintain_order="left")
    if not len(joined):
        raise InputError(
            "users_id", "no user of the decisions is among the users", better_id(users, table[key], "users")
        )
    return joined.select(key, *(c for c in features.columns if c != key), *own[1:])


def next_round(to: str, decided: DecisionsWithOutcomes, question: str, good: bool, config: Mapping[str, Any]) -> str:
    """Return what to type to compare on the table `as_evidence` made; where that is too little yet, why.

    It is asked here as `compare` would ask it: with the policy and the prices of the version that decided, by the known
    chances, or else with an assumed uplift.

    Parameters
    ----------
    config
        Of the run that fitted that version.
    """
    chances = [c for c in decided.table.columns if c.startswith(CHANCE)]
    words = {"path": to, "target": decided.outcome_name, "name": question, "id": decided.id}
    logged = {"action": "action", "logging_probability": {c.removeprefix(CHANCE): c for c in chances}}
    parts = ("policy", "economics", "split")
    asked = {part: config[part] for part in ("model", *parts) if part in config} | {"tracking": {"log": False}}
    why = ""
    for known in (logged, {"drop": ["action"]}):
        roles = words | known | {"good": good}
        data = {"_target_": f"{Table.__module__}.{Table.__name__}", **roles}
        try:
            ask(Settings.model_validate({**asked, "data": data}))
        except InputError as error:
            why = f"{error.where}: {error.what}"
            continue
        typed = " ".join(override(f"data.{key}", value) for key, value in roles.items())
        also = f"Too little to tell what actions bring, so it is assumed ({why}). " if why else ""
        return f"{also}Next round: tippingpoint compare data=csv {typed} {retyped(config, parts)}".rstrip()
    return f"Too little for a next round: {why}."
