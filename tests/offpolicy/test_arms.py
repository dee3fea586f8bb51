"""Differences between arms: equal to others' values, additive, and right in what they cover."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tippingpoint.offpolicy.arm_sums import ArmSums, joined
from tippingpoint.offpolicy.arms import Adjustment, Figure, arm_figures, differences, shrunk

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/arms.json").read_text())
NAMES = ("", "retained", "watched", "sessions", "before")


def sums_of(table: pd.DataFrame, group: np.ndarray | None = None) -> ArmSums:
    columns = np.column_stack([np.ones(len(table)), *(table[name] for name in NAMES[1:])]).astype(float)
    return ArmSums.of(table["arm"].to_numpy(), columns, 2, group)


def figure(name: str, below: str = "", scale: float = 1.0) -> Figure:
    row = np.tile(np.eye(len(NAMES))[NAMES.index(name)], (2, 1))
    rare = (1,) if name == "retained" else ()
    return Figure(name, "", row, np.eye(len(NAMES))[NAMES.index(below)], scale, rare)


def told(sums: ArmSums, of: Figure, adjustment: Adjustment | None = None) -> dict[str, Any]:
    found = arm_figures(sums, [of], (4,) if adjustment else (), adjustment or "regression")
    (one,) = differences(found, [[0]], np.random.default_rng(0))
    assert one.relative is not None
    ends = {"low": one.difference.low, "high": one.difference.high, "se": one.difference.se}
    relative = {"relative": one.relative.value, "relative_low": one.relative.low, "relative_high": one.relative.high}
    return {"value": one.value, "reference": one.reference, "difference": one.difference.value} | ends | relative


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.DataFrame(REFERENCE["table"])


@pytest.mark.parametrize("name", REFERENCE["found"])
def test_values_are_those_of_tea_tasting_and_statsmodels(name: str, table: pd.DataFrame) -> None:
    of, _, how = name.partition(", ")
    group = table["household"].to_numpy() if how == "households" else None
    shown = figure("watched", "sessions") if of == "ratio" else figure(of)
    adjustment: Adjustment | None = how if how in ("cuped", "regression") else None  # type: ignore[assignment]  # of two words
    found = told(sums_of(table, group), shown, adjustment)
    assert found == found | {key: pytest.approx(value, rel=1e-6) for key, value in REFERENCE["found"][name].items()}


def test_sums_of_parts_are_the_sum_of_the_whole(table: pd.DataFrame) -> None:
    whole = sums_of(table)
    columns = np.column_stack([np.ones(len(table)), *(table[name] for name in NAMES[1:])]).astype(float)
    about = columns - whole.shift * columns[:, :1]
    arm = table["arm"].to_numpy()
    halves = [
        ArmSums.of_units(
            unit=np.arange(len(rows)),
            arm=arm[rows],
            sums=about[rows],
            shift=whole.shift,
            users=np.bincount(arm[rows], minlength=2),
            some=np.stack([np.bincount(arm[rows], c != 0, 2) for c in columns[rows].T], axis=1),
            squares=(columns[rows] ** 2).sum(axis=0),
        )
        for rows in (np.arange(200), np.arange(200, len(table)))
    ]
    again = joined(halves)
    assert again.square == pytest.approx(whole.square)
    assert again.total == pytest.approx(whole.total, abs=1e-8)


def test_users_in_groups_of_one_are_users_alone(table: pd.DataFrame) -> None:
    shuffled = table.sample(frac=1, random_state=0)
    one, other = (
        told(sums_of(t, g), figure("watched"), "regression")
        for t, g in ((table, None), (shuffled, np.arange(len(table))))
    )
    assert one == pytest.approx(other)


def test_an_arm_without_any_outcome_is_not_sure_of_it() -> None:
    arm = np.repeat([0, 1], [40_000, 1_000])
    y = np.zeros(41_000)
    y[:600] = 1
    sums = ArmSums.of(arm, np.column_stack([np.ones_like(y), y]), 2)
    of = Figure("y", "", np.tile([0.0, 1.0], (2, 1)), np.array([1.0, 0.0]), 1000.0, (1,))
    (one,) = differences(arm_figures(sums, [of]), [[0]], np.random.default_rng(0))
    assert one.difference.high is not None
    assert one.difference.high > -8  # 15 per 1,000 were to be expected in both; none of 1,000 came


def test_few_expected_outcomes_have_no_interval() -> None:
    arm = np.tile([0, 1], 300)
    y = np.zeros(600)
    y[:6] = 1
    sums = ArmSums.of(arm, np.column_stack([np.ones_like(y), y]), 2)
    of = Figure("y", "", np.tile([0.0, 1.0], (2, 1)), np.array([1.0, 0.0]), 1000.0, (1,))
    (one,) = differences(arm_figures(sums, [of]), [[0]], np.random.default_rng(0))
    assert (one.difference.low, one.difference.high) == (None, None)
    assert one.expected == pytest.approx(6, rel=0.02)


def worlds(adjustment: Adjustment, times: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """(times, 3) differences of three unequal arms that do the same but the last, and whether all intervals cover."""
    rng, found, covered = np.random.default_rng(7), [], []
    true = np.array([0.0, 2.0, 2.0])  # of pairs (0, 1), (0, 2), (1, 2)
    for _ in range(times):
        x = rng.gamma(2.0, 1.0, 900)
        arm = rng.choice(3, 900, p=[0.5, 0.3, 0.2])
        y = np.where(arm == 2, 2 + 3 * (x - 2), 3 * (x - 2)) + rng.normal(0, 2, 900)
        sums = ArmSums.of(arm, np.column_stack([np.ones_like(x), y, x]), 3)
        of = Figure("y", "", np.tile([0.0, 1.0, 0.0], (3, 1)), np.array([1.0, 0.0, 0.0]))
        pairs = differences(arm_figures(sums, [of], (2,), adjustment), [[0]], rng)
        found.append([pair.difference.value for pair in pairs])
        ends = np.array([[pair.difference.low, pair.difference.high] for pair in pairs], dtype=float)
        covered.append(bool(((ends[:, 0] <= true) & (true <= ends[:, 1])).all()))
        assert pairs[0].saved > 0.6
    return np.array(found), np.array(covered)


@pytest.mark.parametrize("adjustment", ["regression", "cuped"])
def test_adjusted_intervals_of_all_pairs_cover_at_once(adjustment: Adjustment) -> None:
    found, covered = worlds(adjustment)
    assert found.mean(axis=0) == pytest.approx([0, 2, 2], abs=4 * 0.17 / 20)
    assert covered.mean() > 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(covered))


def test_segments_that_differ_by_chance_are_drawn_together() -> None:
    errors = np.array([1.0, 1.0, 2.0])
    assert shrunk(np.array([1.0, 1.5, 0.0]), errors) == pytest.approx(np.full(3, (1 + 1.5) / 2.25), rel=1e-9)
    apart = shrunk(np.array([0.0, 10.0, 20.0]), errors)
    assert 0 < apart[0] < apart[1] < apart[2] < 20
