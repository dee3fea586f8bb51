"""Bands at shares of users: their cut-offs are fixed on validation, whatever the base rate."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.policies.policy import FitContext
from tippingpoint.policies.share_bands import ShareBands

NOTHING = pd.DataFrame()


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200), st.floats(0.05, 0.9), st.floats(0.01, 0.04))
def test_no_more_users_than_stated_are_above_a_cut_off(scores: list[float], most: float, least: float) -> None:
    score = np.array(scores, dtype=np.float64)
    bound = ShareBands(shares=(most, least)).bind(FitContext(NOTHING, NOTHING, score))
    segment = bound.segment(score, NOTHING)
    assert (segment >= 1).mean() <= most + 1e-9
    assert (segment >= 2).mean() <= least + 1e-9
    assert len({(s, k) for s, k in zip(scores, segment.tolist(), strict=True)}) == len(
        set(scores)
    )  # ties stay together


def test_a_score_that_ranks_no_one_acts_on_no_one() -> None:
    score = np.full(50, 0.08)
    assert not ShareBands().bind(FitContext(NOTHING, NOTHING, score)).segment(score, NOTHING).any()


def test_it_decides_nothing_before_it_is_bound() -> None:
    with pytest.raises(InputError, match="has no cut-offs yet"):
        ShareBands().segment(np.array([0.5]), NOTHING)


@pytest.mark.parametrize(("shares", "said"), [((0.1, 0.3), "must fall"), ((1.2, 0.3), "lie between 0 and 1")])
def test_shares_that_cannot_be_are_refused(shares: tuple[float, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ShareBands(shares=shares)


def test_moved_cut_offs_make_plain_bands_of_the_next_version() -> None:
    bound = ShareBands().bind(FitContext(NOTHING, NOTHING, np.linspace(0, 1, 101)))
    moved = bound.at((0.2, 0.5), 2)
    assert (type(moved).__name__, moved.cuts, moved.version, moved.actions) == ("Bands", (0.2, 0.5), 2, bound.actions)
