"""A hold-out says beforehand what it will tell."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from tippingpoint.scoring.holdout import holdout_tells, in_words


def batch(users: int = 9_000, share: float = 0.1, among: int = 3, promised: float | None = 20.0) -> Any:
    segments = pd.DataFrame(
        {
            "segment": ["low", "high"],
            "action": ["none", "call"],
            "users": [0.7 * users, 0.3 * users],
            "mean_score": [0.2, 0.5],
        }
    )
    tally = SimpleNamespace(decided=users)
    about = {"holdout": share, "among": among, "promised": promised, "outcome": "converted"}
    return SimpleNamespace(segments=segments, tally=tally, **about)


def test_users_left_alone_and_the_margin_are_told() -> None:
    found = holdout_tells(batch())
    assert found is not None
    assert (found.acted_on, found.left_alone) == (2_700, 90)
    # 1.96 · √(0.3 · 0.25 · (1/0.9333 + 1/0.0333) / 9,000) · 1,000
    assert found.margin == pytest.approx(31.5, abs=0.1)
    assert found.margin_at_all_looks is not None
    assert 1.3 < found.margin_at_all_looks / found.margin < 1.8
    assert found.batches is not None
    assert found.batches > 1
    assert "holdout_actions=[none]" in in_words(found, batch())


def test_leaving_users_alone_needs_a_smaller_share() -> None:
    found = holdout_tells(batch(promised=30.0))
    assert found is not None
    assert found.enough is not None
    assert found.enough_alone is not None
    assert found.enough_alone < found.enough


def test_a_small_batch_has_no_interval_and_says_so() -> None:
    found = holdout_tells(batch(users=600))
    assert found is not None
    assert found.margin is None
    assert "no interval" in in_words(found, batch(users=600))


@pytest.mark.parametrize("of", [batch(share=0.0), batch(among=0)])
def test_where_nobody_is_left_alone_nothing_is_told(of: Any) -> None:
    assert holdout_tells(of) is None


def test_without_a_promise_the_margin_alone_is_told() -> None:
    found = holdout_tells(batch(promised=None))
    assert found is not None
    assert (found.batches, found.enough) == (None, None)
    assert "promised" not in in_words(found, batch(promised=None))
