"""Six estimators against obp's numbers, and the laws they share."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import Cells, Line, gather, grid, outcomes
from tippingpoint.offpolicy.estimators import ESTIMATORS, estimates, truth
from tippingpoint.offpolicy.evidence import Evidence, Log, check_support, clip, diagnose, doubly_robust, taken
from tippingpoint.offpolicy.value import policy_value

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "policy_value.json").read_text())
seeds = st.integers(0, 2**32 - 1)


def reference_log() -> tuple[Log, np.ndarray]:
    action = np.array(REFERENCE["action"])
    e = np.tile(REFERENCE["propensity"], (len(action), 1))
    log = Log(np.array(REFERENCE["reward"]), action, e, np.array(REFERENCE["reward_model"]))
    return log, np.array(REFERENCE["policy_action"])


def draw(seed: int, n: int = 300, k: int = 3) -> tuple[Log, np.ndarray, np.ndarray]:
    """A log with each user's own probabilities, scores with ties, and a policy."""
    rng = np.random.default_rng(seed)
    e = rng.dirichlet(np.full(k, 5.0), n) * 0.9 + 0.1 / k
    action = (rng.random((n, 1)) > e.cumsum(axis=1)[:, :-1]).sum(axis=1)
    log = Log(rng.binomial(1, 0.3, n), action, e, rng.random((n, k)))
    return log, np.round(rng.random(n), 2), rng.integers(0, k, n)


@pytest.mark.parametrize("name", REFERENCE["value"])
def test_value_is_what_obp_says(name: str):
    log, decision = reference_log()
    assert ESTIMATORS[name](log, decision).value == pytest.approx(REFERENCE["value"][name], abs=1e-9)


@pytest.mark.parametrize("key", REFERENCE["standard_error"])
def test_standard_error_is_the_reference_one(key: str):
    log, decision = reference_log()
    se = ESTIMATORS[key.removesuffix("_delta")](log, decision).estimate.se
    assert se == pytest.approx(REFERENCE["standard_error"][key], abs=1e-9)


def test_cells_give_the_reference_values_and_errors_too():
    log, decision = reference_log()
    outcome_scores = doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted)
    cells = gather(np.array([0.5, 1.5]), decision.astype(float), Evidence("experiment", outcome_scores), log=log)
    found = estimates(cells, outcomes(3), np.arange(3))
    for name, value in REFERENCE["value"].items():
        assert found[name].value == pytest.approx(value, abs=1e-9), name
    for key, se in REFERENCE["standard_error"].items():
        assert found[key.removesuffix("_delta")].se == pytest.approx(se, abs=1e-9), key
    direct = policy_value(Evidence("experiment", outcome_scores), np.zeros(3), np.ones(3), decision).value
    assert (direct.value, direct.se) == (pytest.approx(found["dr"].value), pytest.approx(found["dr"].se))


@pytest.mark.parametrize("k", [2, 3, 6])
def test_errors_are_those_of_leaving_each_user_out_for_any_number_of_actions(k: int):
    log, _, decision = draw(k, n=600, k=k)
    none = np.zeros_like(decision)
    for name, estimator in ESTIMATORS.items():

        def uplift(keep: np.ndarray | slice, estimator=estimator) -> float:
            some = Log(*(of[keep] for of in (log.outcome, log.action, log.logging_probability, log.predicted)))
            return (estimator(some, decision[keep]) - estimator(some, none[keep])).value

        left_out = np.array([uplift(np.arange(600) != i) for i in range(600)])
        jackknife = np.sqrt(599 / 600 * ((left_out - left_out.mean()) ** 2).sum())
        found = (estimator(log, decision) - estimator(log, none)).estimate
        assert found.value == pytest.approx(uplift(slice(None)))
        assert found.se == pytest.approx(jackknife, rel=0.05), name


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(0.01, 1000))
def test_scaling_money_scales_every_estimate(seed: int, factor: float):
    log, _, decision = draw(seed)
    reward_intercept, reward_slope = np.random.default_rng(seed).normal(0, 10, (2, 3))
    for estimator in ESTIMATORS.values():
        once, scaled = (
            estimator(log.priced(reward_intercept * f, reward_slope * f), decision).estimate for f in (1, factor)
        )
        assert scaled.value == pytest.approx(once.value * factor, rel=1e-9, abs=1e-9 * factor)
        assert scaled.se == pytest.approx(once.se * factor, rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_the_order_of_rows_changes_no_estimate(seed: int):
    log, _, decision = draw(seed)
    rows = np.random.default_rng(seed).permutation(len(decision))
    mixed = Log(*(of[rows] for of in (log.outcome, log.action, log.logging_probability, log.predicted)))
    for estimator in ESTIMATORS.values():
        before, after = estimator(log, decision).estimate, estimator(mixed, decision[rows]).estimate
        assert (after.value, after.se) == (pytest.approx(before.value), pytest.approx(before.se))


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_none_for_all_is_worth_exactly_nothing_more_than_none(seed: int):
    log, _, decision = draw(seed)
    evidence = Evidence("experiment", log.predicted)
    reward_intercept, reward_slope = np.random.default_rng(seed).normal(0, 10, (2, 3))
    found = policy_value(evidence, reward_intercept, reward_slope, np.zeros_like(decision))
    for estimate in (found.uplift, found.outcomes_per_1000):
        assert (estimate.value, estimate.se, estimate.low, estimate.high) == (0, 0, 0, 0)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_chunks_of_a_log_merge_to_the_whole(seed: int):
    log, score, _ = draw(seed)
    cuts, split = grid(score, 12), np.random.default_rng(seed).integers(1, 299)

    def gathered(rows: slice) -> Cells:
        some = Log(*(of[rows] for of in (log.outcome, log.action, log.logging_probability, log.predicted)))
        outcome_scores = doubly_robust(some.outcome, some.action, some.logging_probability, some.predicted)
        return gather(cuts, score[rows], Evidence("experiment", outcome_scores), log=some)

    whole, merged = gathered(slice(None)), gathered(slice(split)) + gathered(slice(split, None))
    decision, line = whole.decision([0, 2, 1], [3, 8]), Line(*np.random.default_rng(seed).normal(0, 10, (2, 3)))
    for name, expected in estimates(whole, line, decision).items():
        found = estimates(merged, line, decision)[name]
        assert (found.value, found.se) == (pytest.approx(expected.value), pytest.approx(expected.se))


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(-50, 50))
def test_a_constant_reward_has_a_self_normalised_value_without_width(seed: int, reward: float):
    log, _, decision = draw(seed)
    same = Log(np.full(len(log.outcome), reward), log.action, log.logging_probability)
    estimate = ESTIMATORS["snipw"](same, decision).estimate
    assert estimate.value == pytest.approx(reward, abs=1e-12)
    assert estimate.se == pytest.approx(0, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(-50, 50))
def test_a_constant_reward_has_no_width_in_cells_either(seed: int, reward: float):
    log, score, _ = draw(seed)
    cells = gather(grid(score, 12), score, Evidence("experiment", log.predicted), log=log)
    constant = Line(np.full(3, reward), np.zeros(3))
    found = estimates(cells, constant, cells.decision([0, 2, 1], [3, 8]))
    for name in ("snipw", "dr", "sndr"):
        assert found[name].value == pytest.approx(reward, abs=1e-12), name
        assert found[name].se == pytest.approx(0, abs=1e-12), name


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_a_policy_has_no_uplift_over_itself(seed: int):
    log, _, decision = draw(seed)
    for estimator in ESTIMATORS.values():
        difference = (estimator(log, decision) - estimator(log, decision)).estimate
        assert (difference.value, difference.se) == (0, 0)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_dice_that_always_fall_one_way_are_that_decision(seed: int):
    log, _, decision = draw(seed)
    sure = np.eye(3)[decision]
    for estimator in ESTIMATORS.values():
        assert estimator(log, sure).estimate == estimator(log, decision).estimate


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_cells_give_every_estimator_at_any_price_without_users(seed: int):
    log, score, _ = draw(seed)
    outcome_scores = doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted)
    cuts = grid(score, 20)
    cells = gather(cuts, score, Evidence("experiment", outcome_scores), log=log)
    rng = np.random.default_rng(seed)
    line = Line(*rng.normal(0, 10, (2, 3)))
    decision = cells.decision([0, 2, 1], [4, 11])
    users = decision[np.searchsorted(cuts, score, side="right")]
    priced = log.priced(line.reward_intercept, line.reward_slope)
    for name, of_cells in estimates(cells, line, decision).items():
        of_users = ESTIMATORS[name](priced, users).estimate
        assert of_cells.value == pytest.approx(of_users.value, rel=1e-10, abs=1e-10)
        if name == "dm":  # its spread says nothing of its bias
            assert of_cells.se is None
        else:
            assert of_cells.se == pytest.approx(of_users.se, rel=1e-10, abs=1e-10)


def test_truth_needs_no_log():
    p = np.array([[0.1, 0.3], [0.2, 0.1], [0.3, 0.3]])
    assert truth(p, np.array([1, 0, 0])).estimate.value == pytest.approx(0.8 / 3)


def test_scores_stay_unbiased_under_a_wrong_outcome_model():
    rng = np.random.default_rng(0)
    n = 200_000
    e = np.tile([0.2, 0.8], (n, 1))
    action = (rng.random(n) < 0.8).astype(int)
    outcome = (rng.random(n) < np.array([0.2, 0.25])[action]).astype(int)
    outcome_scores = doubly_robust(outcome, action, e, np.tile([0.6, 0.0], (n, 1)))
    assert outcome_scores.mean(axis=0) == pytest.approx([0.2, 0.25], abs=0.01)


def test_diagnostics_count_weights_arms_and_the_floor():
    e = np.array([[0.5, 0.5], [0.99, 0.01], [0.5, 0.5], [0.5, 0.5]])
    log = Log(np.zeros(4), np.array([0, 1, 1, 1]), e)
    found = diagnose(log, np.array([0, 1, 0, 1]), floor=0.01)
    assert found.counts == (1, 3)
    assert found.largest_weight == pytest.approx(100)
    assert found.clipped == 0.25
    assert diagnose(log, np.array([0, 1, 0, 1])).clipped is None  # known chances
    assert found.effective_sample_size == pytest.approx(104**2 / (4 + 100**2 + 4))


def test_clipped_probabilities_keep_their_sum_and_reach_the_floor():
    e = clip(np.array([[0.001, 0.499, 0.5], [0.2, 0.3, 0.5]]), 0.01)
    assert e.sum(axis=1) == pytest.approx([1, 1])
    assert e[0, 0] == 0.01
    assert e[1] == pytest.approx([0.2, 0.3, 0.5])


def test_no_probability_is_pushed_below_the_floor_by_making_room_for_others():
    e = clip(np.array([[0.001, 0.01005, 0.98895], [0.0, 0.0, 1.0]]), 0.01)
    assert e.min() == 0.01
    assert e.sum(axis=1) == pytest.approx([1, 1])
    at_random = clip(np.random.default_rng(0).dirichlet(np.full(6, 0.2), 500), 0.05)
    assert at_random.min() == 0.05
    assert at_random.sum(axis=1) == pytest.approx(np.ones(500))


GOOD = {
    "outcome": np.array([0.0, 1.0]),
    "action": np.array([0, 1]),
    "logging_probability": np.full((2, 2), 0.5),
    "predicted": np.zeros((2, 2)),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": np.array([0.0, np.nan])}, "log.outcome: 1 of 2 values are missing"),
        ({"outcome": np.zeros(3)}, "shapes do not fit"),
        ({"action": np.array([0, 2])}, "codes must be integers from 0 to 1"),
        ({"action": np.array([0.0, 1.0])}, "codes must be integers"),
        ({"logging_probability": np.array([[0.5, 0.5], [0.0, 1.0]])}, r"must lie in \(0, 1\]"),
        ({"logging_probability": np.array([[0.5, 0.5], [np.nan, 1.0]])}, r"must lie in \(0, 1\]"),
        ({"logging_probability": np.full((2, 2), 0.4)}, "rows must sum to 1"),
        ({"predicted": np.zeros((2, 3))}, "log.predicted: must have shape"),
        ({"predicted": np.full((2, 2), np.inf)}, "log.predicted: holds missing or infinite values"),
        (
            {"outcome": np.zeros(0), "action": np.zeros(0, int), "logging_probability": np.zeros((0, 2))},
            "no users",
        ),
    ],
)
def test_an_impossible_log_is_refused(change: dict, message: str):
    with pytest.raises(InputError, match=message):
        Log(**{**GOOD, **change})


def test_an_action_hardly_ever_taken_is_named():
    action = np.repeat([0, 1, 2], [500, 99, 12])
    with pytest.raises(InputError, match="'mail' was taken for 99 users, 'call' was taken for 12 users; 100 are"):
        check_support(action, ("none", "mail", "call"))
    check_support(action, ("none", "mail", "call"), least=12)


def test_a_policy_nobody_was_treated_by_is_refused():
    with pytest.raises(InputError, match="no user got what the policy decides"):
        ESTIMATORS["snipw"](Log(**GOOD), np.array([1, 0]))


def test_predictions_are_asked_for_where_they_are_needed():
    log = Log(**{**GOOD, "predicted": None})
    with pytest.raises(InputError, match="needs predictions"):
        ESTIMATORS["dr"](log, np.array([0, 1]))


def test_a_log_with_an_unpriced_action_cannot_be_priced():
    with pytest.raises(InputError, match=r"actions \[1\] have no price"):
        Log(**GOOD).priced(np.array([1, np.nan]), np.array([1, np.nan]))


def test_decisions_must_fit_the_users():
    with pytest.raises(InputError, match="decision: has shape"):
        taken(np.zeros((3, 2)), np.zeros(2, dtype=int))


def test_the_mean_of_one_user_has_no_interval() -> None:
    from tippingpoint.offpolicy.statistics import Estimate, mean

    assert mean(np.array([2.5])) == Estimate(2.5)
    assert mean(np.array([2.0, 3.0])).se == pytest.approx(0.5)
