"""What each segment's action brought, and what to do next."""

from datetime import date

import numpy as np
import pytest

from tippingpoint.measurement.by_segment import by_segment, what_next

DAYS = np.datetime64("2026-01-01") + np.arange(60)


def measured(effects, n=30_000, seed=0, days=60):
    """Two segments whose action changes the chance of the outcome by `effects`; three of ten are left alone."""
    rng = np.random.default_rng(seed)
    second = rng.random(n) < 0.5
    decision, action = np.ones(n, dtype=int), (rng.random(n) > 0.3).astype(int)
    y = rng.random(n) < 0.3 + np.where(second, effects[1], effects[0]) * action
    weight = np.where(action == 1, 1 / 0.7, -1 / 0.3)
    segment = np.where(second, "b", "a")
    day = DAYS[np.arange(n) * days // n]
    gains = {"per_1000": 1000 * weight * (y - 0.3)}
    return by_segment(segment, y.astype(int), action, decision, ("none", "call"), day, gains, True)


def test_segments_whose_action_brings_and_costs_are_told_apart():
    found = measured((0.1, -0.1))
    assert [of.verdict(True) for of in found] == ["keep", "stop"]
    assert [of.verdict(False) for of in found] == ["stop", "keep"]  # the outcome is not wanted
    assert what_next(found, True) == "Keep a; stop b."
    for of, truth in zip(found, (100, -100), strict=True):
        assert of.action == "call"
        assert of.per_1000.last.low < truth < of.per_1000.last.high
        assert isinstance(of.days[-1], date)


def test_an_open_segment_is_forecast_by_its_own_pace():
    found = measured((0.1, 0.012), n=12_000)
    assert found[1].verdict(True) == "inconclusive"
    weeks, of = found[1].weeks_left(), found[1].per_1000.last
    half = (of.high - of.low) / 2
    if weeks is None:
        assert (half / of.value) ** 2 > 6
        assert "within a year" in what_next(found, True)
    else:
        assert weeks == pytest.approx(((half / of.value) ** 2 - 1) * 60 / 7, rel=0.15, abs=1.5)
        assert f"b: about {weeks} more week" in what_next(found, True)


def test_one_look_is_forecast_by_users_as_it_has_no_pace():
    """Where all came on one day nothing is known of weeks."""
    found = measured((0.1, 0.012), n=12_000, days=1)
    times = found[1].times_the_users()
    assert found[1].weeks_left() is None
    assert times > 1
    said = what_next(found, True)
    assert f"{times:.2g} times as many users" in said if times <= 100 else "many times" in said
    assert "year" not in said
    assert "too few outcomes" in what_next(measured((0.1, 0.1), n=20, days=1), True)


def test_intervals_of_all_segments_hold_at_once():
    """Without any effect a verdict on any of both, at any look, is to come in at most 5 of 100 worlds."""
    wrong = 0
    for seed in range(100):
        found = measured((0.0, 0.0), n=4_000, seed=seed)
        wrong += any((of.per_1000.low > 0).any() or (of.per_1000.high < 0).any() for of in found)
    assert wrong <= 8  # 5 and a Monte-Carlo error and a half
