"""Which users fit, which choose and which only report; the same for every family, run and day."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
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
    form = number_form(pl.Series(user_id, dtype=pl.String)).to_numpy().astype(object)
    hashed = pd.util.hash_array(form, hash_key=key, categorize=False)
    return (hashed >> np.uint64(11)) / float(2**53)


def sides(users: Users, shares: Split) -> np.ndarray:
    """(n,) side of each user: 0 train, 1 validation, 2 test."""
    edges = [shares.train, shares.train + shares.validation]
    return np.searchsorted(edges, position(users.user_id, shares.salt), side="right")


def development(users: Users, shares: Split) -> Users:
    """Everyone but test: train and validation together, in their order."""
    return users.take(sides(users, shares) < 2)


def split(users: Users, shares: Split) -> Parts:
    """Split users by the position of their ids.

    Raises
    ------
    InputError
        When a part has fewer than two users of either outcome: nothing could be fitted or measured on it.
    """
    side = sides(users, shares)
    parts = Parts(*(users.take(side == part) for part in range(3)))
    for name in ("train", "validation", "test"):
        counts = np.bincount(getattr(parts, name).outcome, minlength=2)
        if counts.min() < 2:
            raise InputError(
                "split",
                f"the {name} part has {counts[1]} users with outcome 1 and {counts[0]} with 0, of {len(users)} in all;"
                " each needs at least 2",
                "Bring more users, or change split.train and split.validation.",
            )
    return parts
