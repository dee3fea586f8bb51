from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
from tippingpoint.data.splits import position, split
from tippingpoint.data.users import Column, FeatureSchema, Users

SHARES = Split(train=0.6, validation=0.2, salt="s")


def users(n: int = 200, seed: int = 0) -> Users:
    rng = np.random.default_rng(seed)
    return Users(
        features=pd.DataFrame({"x": rng.normal(size=n), "c": pd.Series(rng.choice(["a", "b"], n), dtype="str")}),
        outcome=rng.integers(0, 2, n),
        user_id=np.array([f"u{i}" for i in range(n)], dtype=object),
        contract=FeatureSchema((Column("x", "number"), Column("c", "category")), "y"),
        actions=("none", "mail"),
        action=rng.integers(0, 2, n),
        logging_probability=np.full((n, 2), 0.5),
        measures=pd.DataFrame({"spend": rng.normal(size=n)}),
        truth=rng.random((n, 2)),
    )


def test_the_digest_is_of_the_content() -> None:
    one = users()
    assert one.digest == users().digest
    changed = one.features.copy()
    changed.loc[0, "x"] += 1e-9
    assert replace(one, features=changed).digest != one.digest
    assert replace(one, outcome=1 - one.outcome).digest != one.digest
    assert replace(one, action=1 - one.action).digest != one.digest
    assert replace(one, measures=one.measures * 2).digest != one.digest
    assert one.take(np.arange(199)).digest != one.digest


def test_take_keeps_all_parts_aligned() -> None:
    one = users()
    rows = np.array([5, 3, 100])
    some = one.take(rows)
    assert some.user_id.tolist() == ["u5", "u3", "u100"]
    assert some.features["x"].tolist() == one.features["x"][rows].tolist()
    assert some.measures["spend"].tolist() == one.measures["spend"][rows].tolist()
    assert np.array_equal(some.truth, one.truth[rows])


@pytest.mark.parametrize(
    "parts",
    [
        {"logging_probability": np.full((200, 2), 0.4)},
        {"logging_probability": np.tile([0.0, 1.0], (200, 1))},
        {"outcome": np.zeros(3)},
        {"actions": ("mail", "none")},
    ],
)
def test_impossible_parts_are_refused(parts: dict) -> None:
    with pytest.raises(InputError):
        replace(users(), **parts)


@given(st.sets(st.text(min_size=1), min_size=1), st.text())
def test_a_user_s_side_does_not_depend_on_the_others(ids: set[str], salt: str) -> None:
    together = position(np.array(sorted(ids), dtype=object), salt)
    alone = [position(np.array([one], dtype=object), salt)[0] for one in sorted(ids)]
    assert together.tolist() == alone
    assert np.all((together >= 0) & (together < 1))


def test_shares_hold_and_the_salt_moves_users() -> None:
    one = users(20_000)
    parts = split(one, SHARES)
    assert abs(len(parts.train) / 20_000 - 0.6) < 0.02
    assert abs(len(parts.test) / 20_000 - 0.2) < 0.02
    assert set(parts.train.user_id) | set(parts.validation.user_id) | set(parts.test.user_id) == set(one.user_id)
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 20_000
    other = split(one, Split(train=0.6, validation=0.2, salt="t"))
    assert set(other.test.user_id) != set(parts.test.user_id)


def test_the_sides_of_known_ids_never_change() -> None:
    # A champion is re-scored on later tables: were the hash to change, it would meet users it learnt from.
    ids = np.array(["u000000000", "user 1", "42"], dtype=object)
    assert position(ids, "tippingpoint").round(6).tolist() == [0.679751, 0.295568, 0.967531]


def test_too_few_users_of_an_outcome_are_refused() -> None:
    with pytest.raises(InputError, match="each needs at least 2"):
        split(users(6), SHARES)
