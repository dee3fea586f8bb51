"""Which users fit, which choose and which only report; the same for every family, run and day. And folds of users."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data.identity import number_form
from tippingpoint.data.users import Users


@dataclass(frozen=True)
class Parts:
    """Users by side. Train fits; validation calibrates and chooses; test only reports."""

    train: Users
    validation: Users
    test: Users


def position(user_id: np.ndarray, salt: str) -> np.ndarray:
    """Place each user in [0, 1) by a salted hash (SipHash) of the id's number form, independent of all other users.

    Parameters
    ----------
    user_id
        (n,) strings.

    Returns
    -------
    numpy.ndarray
        (n,) float64.
    """
    key = hashlib.sha256(salt.encode()).hexdigest()[:16]
    plain = len(user_id) < FEW and all(type(one) is str and not _may_be_number(one) for one in user_id)
    # Of few users, as a service has them, polars' calls would cost fifty times the hash.
    form = user_id if plain else number_form(pl.Series(user_id, dtype=pl.String)).to_numpy()
    hashed = pd.util.hash_array(np.asarray(form, dtype=object), hash_key=key, categorize=False)
    return (hashed >> np.uint64(11)) / float(2**53)


FEW = 64
"""Users below which looking at each id is faster than at all of them as a column."""


def _may_be_number(user: str) -> bool:
    """Whether `number_form` may write an id in another way."""
    return user.startswith(("0", "-0")) or user.endswith(".0")


LEFT_OUT = 3
"""The side of rows whose outcomes were not due when test began."""


def sides(users: Users, shares: Split) -> np.ndarray:
    """(n,) side of each user: 0 train, 1 validation, 2 test; those of one group are on one side.

    By time, test is what is dated later, a user's own rows too; some before it are left out (3).

    Raises
    ------
    InputError
        When users are to be split by time, and nothing says when they were.
    """
    edges = [shares.train, shares.train + shares.validation]
    if shares.by == "hash":
        return np.searchsorted(edges, position(users.unit, shares.salt), side="right")
    moment, day, gap = _dated(users, shares)
    early = position(users.unit, shares.salt) >= shares.train / edges[1]
    due = moment + gap <= day
    return np.where(moment >= day, 2, np.where(due, early.astype(np.int64), LEFT_OUT))


def _dated(users: Users, shares: Split) -> tuple[np.ndarray, np.datetime64, np.timedelta64]:
    """(n,) dates of the users, the day that test begins with, and the days that outcomes take."""
    if users.moment is None:
        remedy = "Of a table, type data.as_of=COLUMN, which holds each row's day; else split=hash."
        raise InputError("split", "nothing says of which time each user is", remedy)
    gap = shares.gap_days if shares.gap_days is not None else users.horizon_days
    if gap is None:
        what = "not given, and the table does not say for how many days an outcome counts"
        raise InputError("split.gap_days", what, "Type split.gap_days=30, or 0 where outcomes are there at once.")
    assert shares.test_from is not None, "the settings ask for it"
    return users.moment, np.datetime64(shares.test_from), np.timedelta64(gap, "D")


def development(users: Users, shares: Split) -> Users:
    """Everyone but test: train and validation together, in their order."""
    return users.take(sides(users, shares) < 2)


def folds(strata: np.ndarray, number: int, seed: int, group: np.ndarray | None = None) -> np.ndarray:
    """(n,) fold of each user, drawn with a seed, alike in strata.

    Parameters
    ----------
    strata
        (n,) whole numbers from 0; each fold gets a like share of every one.
    group
        (n,) numbers from 0 of groups that stay whole, each counted in the largest of its strata; None for none.
    """
    each = strata
    if group is not None:
        each = np.zeros(int(group.max()) + 1, dtype=np.int64)
        np.maximum.at(each, group, strata)
    fold = np.empty(len(each), dtype=np.int64)
    for k, (_, held) in enumerate(StratifiedKFold(number, shuffle=True, random_state=seed).split(each, each)):
        fold[held] = k
    return fold if group is None else fold[group]


def pairs(fold: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of (n,) folds the users outside it, and those in it: what scikit-learn takes as `cv`."""
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(int(fold.max()) + 1)]


def split(users: Users, shares: Split) -> Parts:
    """Split users by the position of their ids.

    Raises
    ------
    InputError
        When a part has fewer than two users of either outcome: nothing could be fitted or measured on it.
    """
    side = sides(users, shares)
    parts = Parts(*(users.take(side == part) for part in range(3)))
    remedy = "Bring more users, or change split.train and split.validation."
    if shares.by == "time":
        assert users.moment is not None
        first, last = (str(f(users.moment).astype("datetime64[D]")) for f in (np.nanmin, np.nanmax))
        remedy = f"Users are from {first} to {last}: type another split.test_from."
    _refuse_empty(parts, "", len(users), remedy)
    return parts


def slices(users: Users, salt: str, number: int) -> np.ndarray:
    """(n,) fold of each user: equal slices of the positions that sides are cut by."""
    return (position(users.unit, salt) * number).astype(np.int64)


def roles(fold: np.ndarray, held: int, number: int, others: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) bool each, who is train, validation and test at a fold's turn, as `turn` cuts users."""
    before = (held - fold) % number  # 0: held out, 1: the fold before it, …
    return (before > 1) & (before <= others), before == 1, before == 0


def turn(users: Users, fold: np.ndarray, held: int, number: int, others: int) -> Parts:
    """Put one fold in the place of test, the one before it in that of validation, those before that in that of train.

    With 5 slices and all 4 others the turn of the last is the usual split of 0.6, 0.2 and 0.2.

    Parameters
    ----------
    fold
        (n,) as `slices` gives them; there are `number`.
    others
        How many of the other folds train and validation have together, at least 2.

    Raises
    ------
    InputError
        As `split` does.
    """
    parts = Parts(*(users.take(mask) for mask in roles(fold, held, number, others)))
    _refuse_empty(parts, f" of fold {held + 1}", len(users), "Bring more users, or type evaluate=held_out.")
    return parts


def _refuse_empty(parts: Parts, of: str, users: int, remedy: str) -> None:
    for name in ("train", "validation", "test"):
        counts = np.bincount(getattr(parts, name).outcome, minlength=2)
        if counts.min() < 2:
            raise InputError(
                "split",
                f"the {name} part{of} has {counts[1]} users with outcome 1 and {counts[0]} with 0, of {users} in all;"
                " each needs at least 2",
                remedy,
            )
