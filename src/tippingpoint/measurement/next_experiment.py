"""Decisions with known chances, and what came of them, as evidence for the next comparison."""

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.decisions import CHANCE, some, written_ids
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
        raise InputError("to", what, "Score with holdout=0.05 and all actions.")
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
