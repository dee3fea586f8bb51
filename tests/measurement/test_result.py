"""What a version's policy brought, from rows whose chances are known."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.data.decisions import CHANCE
from tippingpoint.economics import ActionPrice, Economics
from tippingpoint.experiment.promise import Promise
from tippingpoint.measurement.next_experiment import as_evidence
from tippingpoint.measurement.outcomes import KNOWN, Counts, DecisionsWithOutcomes
from tippingpoint.measurement.result import Measured, against, measured, waiting
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.value import policy_value

PRICES = Economics(
    name="test",
    currency="EUR",
    price=10,
    months=1,
    ad_revenue=1,
    actions={"none": ActionPrice(), "prompt": ActionPrice(contact_cost=0.5), "email": ActionPrice(contact_cost=0.1)},
)
PROMISE = Promise("truth", Estimate(30.0, None, 20.0, 40.0), None)


def rows(
    n: int = 4000, holdout: float = 0.2, to: tuple[str, ...] = ("none", "prompt", "email"), lift: float = 0.2
) -> pl.DataFrame:
    """Users of ten days; those who score above 0.5 are prompted, but for a share that the lot sends elsewhere."""
    rng = np.random.default_rng(0)
    names = np.array(["none", "prompt", "email"])
    score = rng.random(n)
    policy = np.where(score > 0.5, "prompt", "none")
    action = np.where(rng.random(n) < holdout, rng.choice(to, n), policy)
    chance = {a: (1 - holdout) * (policy == a) + holdout * (a in to) / len(to) for a in names}
    y = rng.random(n) < score + lift * (action != "none") * (1 - score)
    start = datetime(2026, 11, 1)
    return pl.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(n)],
            "propensity_score": score,
            "segment": policy,
            "action": action,
            "policy_action": policy,
            **{f"{CHANCE}{a}": chance[a] for a in names},
            "scored_at": [start + timedelta(days=i * 10 // n) for i in range(n)],
            "converted": y.astype(int),
        }
    ).with_columns(pl.col("scored_at").alias(KNOWN))


def value(table: pl.DataFrame, good: bool = True) -> Measured:
    return measured(table, "converted", "models:/conversion/1", PRICES, good, PROMISE)


def test_the_last_look_is_the_doubly_robust_value_with_the_score_as_prediction() -> None:
    table, names = rows(), ("none", "prompt", "email")
    code = {a: k for k, a in enumerate(names)}
    action, decision = (
        table[c].replace_strict(code, return_dtype=pl.Int64).to_numpy() for c in ("action", "policy_action")
    )
    predicted = np.repeat(table["propensity_score"].to_numpy()[:, None], 3, axis=1)
    chance = table.select(f"{CHANCE}{a}" for a in names).to_numpy()
    outcome_scores = doubly_robust(table["converted"].to_numpy().astype(float), action, chance, predicted)
    for good in (True, False):
        want = policy_value(Evidence("experiment", outcome_scores), *PRICES.line(names, good), decision)
        found = value(table, good)
        assert found.per_1000 is not None
        assert found.per_user is not None
        assert found.per_1000.last.value == pytest.approx(want.outcomes_per_1000.value, rel=1e-9)
        assert found.per_user.last.value == pytest.approx(want.uplift.value, rel=1e-9)
        assert found.per_user.fixed_high[-1] == pytest.approx(want.uplift.high, rel=1e-9)


def test_a_plain_hold_out_measures_too_but_is_no_evidence_of_other_actions() -> None:
    table = rows(to=("none",))
    found = value(table)
    assert found.per_1000 is not None
    assert found.per_1000.last.low < 1000 * 0.2 * 0.125 < found.per_1000.last.high  # 0.2 (1 - score) of half the users
    assert found.actions["email"] == 0
    decided = DecisionsWithOutcomes(table, "user_id", "converted", Counts(*[0] * 8))
    with pytest.raises(InputError, match="to: some actions could not be taken by lot"):
        as_evidence(decided, None, None)


def test_days_before_there_is_enough_are_no_looks() -> None:
    found = value(rows(n=1000))
    assert found.start is not None
    assert found.start > 0
    assert len(found.table()) == len(found.days) - found.start
    assert found.to_dict()["first_look"] == found.days[found.start].isoformat()


def test_later_measurements_say_of_earlier_days_what_was_said_then() -> None:
    whole = rows()
    early = value(whole.head(2400))
    late = measured(whole, "converted", "models:/conversion/1", PRICES, True, PROMISE, first=early.first)
    assert early.per_1000 is not None
    assert late.per_1000 is not None
    np.testing.assert_allclose(late.per_1000.low[: len(early.looked)], early.per_1000.low, rtol=1e-12)
    batch = whole.with_columns(pl.lit(whole["scored_at"][-1]).alias(KNOWN))  # nothing says when: one look, by the same
    found = measured(batch, "converted", "models:/conversion/1", PRICES, True, PROMISE, first=early.first)
    assert found.looked == late.looked[-1:]
    assert found.per_1000 is not None
    assert found.per_1000.last.low == pytest.approx(late.per_1000.last.low, rel=1e-12)
    assert value(batch).per_1000.last.low != found.per_1000.last.low  # type: ignore[union-attr]  # it is there, or this fails


def test_outcomes_that_may_yet_change_get_the_interval_of_one_planned_look() -> None:
    found = measured(rows(), "converted", "models:/conversion/1", PRICES, True, PROMISE, settled=False)
    sure = value(rows())
    assert found.per_1000 is not None
    assert sure.per_1000 is not None
    assert found.per_1000.last.low == sure.per_1000.fixed_low[-1] > sure.per_1000.low[-1]
    assert len(found.table()) == 1
    assert (found.to_dict()["holds_at"], sure.to_dict()["holds_at"]) == ("one look", "all looks")


def test_a_policy_that_acts_on_nobody_brings_nothing_and_says_so() -> None:
    found = value(rows().with_columns(pl.lit("none").alias("policy_action")))
    assert found.so_far == 0
    assert found.verdict == "inconclusive"
    assert waiting(found) == "The policy acts on none of these users: its uplift is 0."


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (41, 50, "more than promised (truth)"),
        (5, 19, "less than promised (truth)"),
        (39, 50, "not to be told from the"),
    ],
)
def test_a_promise_is_broken_only_where_the_intervals_do_not_meet(low: float, high: float, said: str) -> None:
    assert against(Estimate((low + high) / 2, None, low, high), PROMISE.per_1000, "truth").startswith(said)
    bare = Estimate(30.0)  # assumed: no interval of its own
    assert against(Estimate(35.0, None, 31.0, 39.0), bare, "assumed") == "more than promised (assumed)"
