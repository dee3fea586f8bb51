"""Book is kept of promises: how often they held, and by how much what came fell short."""

import numpy as np
import pytest

from tippingpoint.experiment.promise_book import KeptPromise, PromiseBook
from tippingpoint.offpolicy.statistics import Estimate, normal


def kept(promised: float, realised: float, se: float = 1.0) -> KeptPromise:
    return KeptPromise("models:/c/1", "experiment", normal(promised, se), normal(realised, se), "2026-11-30")


def test_a_promise_holds_where_the_measured_interval_reaches_it() -> None:
    assert kept(10, 9).held
    assert kept(10, 20).held
    assert not kept(10, 5).held


def test_shortfall_and_share_are_over_all_promises() -> None:
    book = PromiseBook((kept(10, 9), kept(20, 10), kept(30, 35)))
    short = book.shortfall
    assert short is not None
    assert short.value == pytest.approx((1 + 10 - 5) / 3)
    assert short.se == pytest.approx((6 * 1.0) ** 0.5 / 3)
    assert book.share == pytest.approx(54 / 60)
    assert str(book).startswith("Of 3 promises 2 held; realised 0.90 of promised; realised less promised -2.0 [")
    assert list(book.table()["held"]) == [True, False, True]


def test_what_was_assumed_has_no_interval_and_neither_has_the_shortfall() -> None:
    of = KeptPromise("models:/c/1", "assumed", Estimate(10.0), normal(4, 1), "2026-11-30")
    assert not of.held
    assert PromiseBook((of,)).shortfall == Estimate(6.0)


def test_an_empty_book_says_nothing() -> None:
    assert str(PromiseBook(())) == ""
    assert PromiseBook(()).table().empty


def test_a_promise_of_a_later_look_is_as_wide_as_that_look_had_to_be_sure() -> None:
    """Of ten versions without any effect the one that looks best is promoted: its low end holds in 95 %."""
    rng, missed, naive, worlds = np.random.default_rng(0), 0, 0, 2_000
    for _ in range(worlds):
        looks = rng.normal(0, 1, 10)
        best = int(looks.argmax())
        level = 0.05 / ((best + 1) * (best + 2))
        promise = KeptPromise("models:/c/1", "experiment", normal(looks[best], 1), normal(0, 0.01), "", level)
        low, plain = promise.at_its_look.low, promise.promised.low
        assert low is not None
        assert plain is not None
        missed, naive = missed + (low > 0), naive + (plain > 0)
        assert not promise.held or low <= 0.03
    assert missed / worlds <= 0.05 + 3 * (0.05 * 0.95 / worlds) ** 0.5
    assert naive / worlds > 0.15
    assert kept(10, 9).at_its_look.low == pytest.approx(kept(10, 9).promised.low)
