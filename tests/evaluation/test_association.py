"""How the outcome goes with one column: the arithmetic, and that nobody is lost on the way."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tippingpoint.data.profile import describe
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.evaluation.association import (
    associations,
    bins,
    incidence,
    mean_percentile,
    rate,
    rates,
    separation,
    spearman,
)

OUTCOMES = st.lists(st.tuples(st.integers(0, 1), st.one_of(st.none(), st.floats(-1e6, 1e6))), min_size=1, max_size=200)


def table(outcome: np.ndarray, good: bool = True, **columns: np.ndarray) -> Users:
    kinds = {name: "number" if v.dtype.kind == "f" else "category" for name, v in columns.items()}
    frame = {name: v if kinds[name] == "number" else pd.Series(v, dtype="str") for name, v in columns.items()}
    return Users(
        features=pd.DataFrame(frame),
        outcome=outcome,
        user_id=np.array([f"u{i}" for i in range(len(outcome))], dtype=object),
        contract=FeatureSchema(tuple(Column(n, k) for n, k in kinds.items()), "converted", good=good),
    )


def kinds(users: Users) -> dict[str, str]:
    return {column.name: column.kind for column in users.contract.columns}


def by_name(users: Users) -> dict:
    return {a.name: a for a in associations(users)}


@pytest.mark.parametrize(
    ("outcomes", "users", "low", "high"),
    [  # worked out by hand from Wilson's formula with z = 1.959964; statsmodels' proportion_confint(method="wilson")
        (8, 10, 0.4901625, 0.9433178),
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (15, 148, 0.0624, 0.1605),  # Newcombe 1998, table I
        (1, 29, 0.0061, 0.1718),  # Newcombe 1998, table I
    ],
)
def test_wilson_intervals(outcomes: int, users: int, low: float, high: float) -> None:
    found = rate(outcomes, users)
    assert found.value == outcomes / users
    assert found.low == pytest.approx(low, abs=6e-5)
    assert found.high == pytest.approx(high, abs=6e-5)


@given(OUTCOMES)
def test_every_user_is_in_one_bin_and_counts_add_up(rows: list[tuple[int, float | None]]) -> None:
    outcome = np.array([y for y, _ in rows])
    values = np.array([np.nan if v is None else v for _, v in rows])
    found = bins(values, outcome)
    assert found["users"].sum() == len(rows)
    assert found["outcomes"].sum() == outcome.sum()
    for row in found.itertuples():
        members = np.isnan(values) if np.isnan(row.low) else (values >= row.low) & (values <= row.high)
        assert (members.sum(), outcome[members].sum()) == (row.users, row.outcomes)
        assert row.rate_low <= row.rate <= row.rate_high
    known = found.dropna()
    assert (known["low"].to_numpy()[1:] > known["high"].to_numpy()[:-1]).all()


def test_bins_of_many_values_are_of_about_equal_size() -> None:
    rng = np.random.default_rng(0)
    found = bins(rng.lognormal(size=1000), rng.integers(2, size=1000))
    assert found["users"].tolist() == [100] * 10


def test_few_values_have_a_bin_each_and_a_rare_one_at_the_end_joins_its_neighbour() -> None:
    values = np.repeat([0.0, 1.0, 2.0, 9.0], [500, 300, 195, 5])
    found = bins(values, np.zeros(1000, int))
    assert found[["low", "high", "users"]].to_numpy().tolist() == [[0, 0, 500], [1, 1, 300], [2, 9, 200]]
    flag = bins(np.repeat([0.0, 1.0], [999, 1]), np.zeros(1000, int))
    assert flag["users"].tolist() == [999, 1]


@given(st.lists(st.tuples(st.integers(0, 1), st.one_of(st.none(), st.integers(0, 40))), min_size=1, max_size=300))
def test_rates_count_everybody_once_whatever_the_order(rows: list[tuple[int, int | None]]) -> None:
    outcome = np.array([y for y, _ in rows])
    values = pd.Series([None if v is None else f"c{v}" for _, v in rows], dtype="str")
    found = rates(values, outcome, most=6)
    assert len(found) <= 7
    assert found["users"].sum() == len(rows)
    assert found["outcomes"].sum() == outcome.sum()
    assert found["categories"].sum() == values.nunique()
    assert found.loc[found["categories"] == 0, "users"].sum() == values.isna().sum()
    back = rates(values[::-1].reset_index(drop=True), outcome[::-1], most=6)
    pd.testing.assert_frame_equal(found, back)


def test_beyond_the_most_the_smallest_categories_are_one_group() -> None:
    values = pd.Series(["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["others"] * 2 + ["e"], dtype="str")
    found = rates(values, np.ones(15, int), most=4)
    assert found["group"].tolist() == ["a", "b", "c", None]
    assert found["categories"].tolist() == [1, 1, 1, 2]
    assert found["users"].tolist() == [5, 4, 3, 3]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=2, max_size=8))
def test_separation_is_the_roc_auc_of_the_groups_rates(groups: list[tuple[int, int]]) -> None:
    users = np.array([a + b for a, b in groups])
    outcomes = np.array([a for a, _ in groups])
    if not 0 < outcomes.sum() < users.sum():
        assert separation(users, outcomes) == 0.5
        return
    y = np.concatenate([np.repeat([1, 0], [a, b]) for a, b in groups])
    score = np.repeat(outcomes / users, users)
    assert separation(users, outcomes) == pytest.approx(roc_auc_score(y, score))


def test_shapes_are_named_and_what_knows_the_outcome_is_suspect() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-x))).astype(int)
    bent = (rng.random(4000) < np.where(np.abs(x) < 0.7, 0.7, 0.2)).astype(int)
    found = by_name(table(y, up=x, down=-x, noise=rng.normal(size=4000), leak=y + 0.1 * x))
    assert {n: a.shape for n, a in found.items()} == {"up": "rises", "down": "falls", "noise": "flat", "leak": "rises"}
    assert [n for n, a in found.items() if a.suspect] == ["leak"]
    assert next(iter(found)) == "leak"
    assert by_name(table(bent, x=x))["x"].shape == "bends"


def test_one_outcome_only_tells_nothing_and_breaks_nothing() -> None:
    users = table(np.zeros(20, int), x=np.arange(20.0), c=np.array(["a", "b"] * 10), empty=np.full(20, np.nan))
    assert {a.alone for a in associations(users)} == {0.5}
    assert mean_percentile(users, associations(users))[0] == {}


def test_mean_percentile_counts_from_the_unwanted_side() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=2000)
    y = (rng.random(2000) < 1 / (1 + np.exp(-x))).astype(int)
    for good, best in ((True, x.argmax()), (False, x.argmin())):
        users = table(y, good=good, x=x, noise=rng.normal(size=2000))
        rules, percentile = mean_percentile(users, associations(users))
        assert rules == {"x": good}
        assert percentile.argmax() == best
        assert 0 < percentile.min() < percentile.max() < 100


def test_spearman_sees_ranks_only() -> None:
    x = np.arange(1.0, 30)
    found = spearman(pd.DataFrame({"x": x, "exp": np.exp(x / 3), "down": -(x**3), "constant": 1.0}))
    assert found.loc["x", ["exp", "down"]].tolist() == pytest.approx([1, -1])
    assert np.isnan(found.loc["x", "constant"])


def test_incidence_by_hand() -> None:
    # Ten users: on day 0 one, on day 2 two of the eight left (one was lost on day 1), on day 5 nobody, five leave.
    found = incidence(np.array([0, 1, 2, 5]), np.array([1, 0, 2, 0]), np.array([0, 1, 0, 6]))
    assert found["at_risk"].tolist() == [10, 9, 8, 6]
    assert found["share"].tolist() == pytest.approx([0.1, 0.1, 1 - 0.9 * 0.75, 1 - 0.9 * 0.75])
    # Greenwood on the log(-log) scale for day 0: se(log S) = sqrt(1 / (10 * 9)), S = 0.9
    spread = np.exp(1.959964 * np.sqrt(1 / 90) / np.log(0.9))
    assert sorted([found["low"][0], found["high"][0]]) == pytest.approx(
        sorted([1 - 0.9**spread, 1 - 0.9 ** (1 / spread)])
    )
    assert (found["low"] <= found["share"]).all()
    assert (found["share"] <= found["high"]).all()


def test_incidence_without_loss_is_the_plain_share() -> None:
    found = incidence(np.arange(4), np.array([3, 2, 0, 5]), np.array([0, 0, 0, 10]))
    assert found["share"].tolist() == pytest.approx([3 / 20, 5 / 20, 5 / 20, 10 / 20])


def test_noise_tells_nothing_alone_and_describe_says_the_same_number() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(1000) < 0.3).astype(int)
    users = table(y, noise=rng.normal(size=1000), codes=np.char.add("c", rng.integers(0, 200, 1000).astype(str)))
    found = {a.name: a.alone for a in associations(users)}
    assert max(found.values()) < 0.56
    assert separation(*(rates(users.features["codes"], y, 200)[c].to_numpy() for c in ("users", "outcomes"))) > 0.7
    columns = describe(pl.from_pandas(users.table()), {"user_id": "id", "converted": "outcome"} | kinds(users), y)
    assert {c.name: c.alone for c in columns if c.alone is not None} == found
