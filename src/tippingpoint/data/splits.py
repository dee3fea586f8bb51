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


def development(users: Users, shares: Split) -> Users:
    """Everyone but test: train and validation together, in their order."""
    return users.take(position(users.user_id, shares.salt) < shares.train + shares.validation)


def split(users: Users, shares: Split) -> Parts:
    """Split users by the position of their ids.

    Raises
    ------
    InputError
        When a part has fewer than two users of either outcome: nothing could be fitted or measured on it.
    """
    at = position(users.user_id, shares.salt)
    edge = shares.train + shares.validation
    parts = Parts(
        users.take(at < shares.train),
        users.take((at >= shares.train) & (at < edge)),
        users.take(at >= edge),
    )
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
