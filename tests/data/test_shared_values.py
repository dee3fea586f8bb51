"""Columns whose users were assigned together are found; those that only repeat are not."""

import numpy as np
import polars as pl

from tippingpoint.data.shared_values import assigned_together


def drawn(seed: int, households: int = 400) -> tuple[pl.DataFrame, np.ndarray]:
    """Users in households of 1 to 8, the action drawn by household."""
    rng = np.random.default_rng(seed)
    home = np.repeat(np.arange(households), rng.integers(1, 9, households))
    action = rng.integers(0, 2, households)[home]
    order = rng.permutation(len(home))
    columns = {
        "household": [f"h{home[i]}" for i in order],
        "plan": rng.choice(["free", "trial", "paid"], len(order)).tolist(),
        "copy": np.where(action[order] == 1, "offer", "none").tolist(),
        "alone": [f"u{i}" for i in order],
        "rarely": [f"r{i // 2}" if i < 8 else f"u{i}" for i in order],
        "unknown": [None] * len(order),
    }
    return pl.DataFrame(columns, schema_overrides={"unknown": pl.String}), action[order]


def test_a_household_that_got_one_action_is_found_and_nothing_else() -> None:
    table, action = drawn(0)
    assert assigned_together(table, action) == {"household": 400}


def test_users_who_were_assigned_alone_share_nothing() -> None:
    for seed in range(20):
        table, action = drawn(seed)
        alone = np.random.default_rng(seed).permutation(action)
        assert assigned_together(table.drop("copy"), alone) == {}


def test_an_action_that_all_users_got_says_nothing() -> None:
    table, action = drawn(0)
    assert assigned_together(table, np.zeros_like(action)) == {}
