"""Where overlap is vetoed: the users acted on who could have got either, and nobody else."""

import numpy as np
import pytest

from tippingpoint.offpolicy.cells import outcomes
from tippingpoint.offpolicy.common_support import common_support
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.statistics import mean
from tippingpoint.offpolicy.sufficient_statistics import join
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.value import PolicyValue, policy_value

N = 8000
LINE = outcomes(3)


def users(never: float) -> tuple[np.ndarray, Evidence, np.ndarray]:
    """A column of users, what a log says of them, and who of a share `never` could not have got action 1."""
    rng = np.random.default_rng(0)
    x = rng.random(N)
    lacks = x < never
    chances = np.where(lacks[:, None], [0.68, 0.005, 0.315], [0.4, 0.3, 0.3])
    action = (rng.random((N, 1)) > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    outcome = (rng.random(N) < 0.2 + 0.2 * (action == 1)).astype(np.float64)
    predicted = np.full((N, 3), 0.25)
    scores = doubly_robust(outcome, action, chances, predicted)
    return x, Evidence("logged", scores, {"phi": Support.of(chances, predicted, estimated=True)}), lacks


def valued(evidence: Evidence, decision: np.ndarray) -> PolicyValue:
    return policy_value(evidence, LINE.reward_intercept, LINE.reward_slope, decision)


def test_it_is_the_mean_of_those_who_could_have_got_either() -> None:
    x, evidence, lacks = users(0.5)
    decision = np.where(x > 0.8, 2, np.where(x > 0.3, 1, 0))
    of = valued(evidence, decision)
    assert of.uplift.low is None  # vetoed as a whole
    kept = (decision == 2) | ((decision == 1) & ~lacks)
    gain = evidence.outcome_scores[np.arange(N), decision] - evidence.outcome_scores[:, 0]
    wanted = mean(gain[kept])
    assert of.common is not None
    assert (of.common.users, of.common.acted) == (kept.sum(), (decision > 0).sum())
    assert of.common.uplift is not None
    assert of.common.uplift.value == pytest.approx(wanted.value)
    assert of.common.uplift.se == pytest.approx(wanted.se, rel=0.05)  # no less than outcomes are expected to give
    assert of.common.uplift.low < 0.2 * (decision[kept] == 1).mean() < of.common.uplift.high
    assert f"among the {kept.sum():,} of" in str(of.common)


def test_cells_say_the_same() -> None:
    x, evidence, _ = users(0.5)
    decisions = {"bands": np.where(x > 0.8, 2, np.where(x > 0.3, 1, 0)), "all": np.ones(N, dtype=np.int64)}
    joint = join(decisions, evidence)
    L = joint.cells.coefficients(LINE, [0, 1, 2])
    for name, decided in joint.decisions.items():
        of_cells = common_support(joint.cells, L[decided] - L[0], decided, "phi")
        of_users = valued(evidence, decisions[name]).common
        assert of_cells is not None
        assert of_users is not None
        assert (of_cells.users, of_cells.acted) == (of_users.users, of_users.acted)
        assert vars(of_cells.uplift) == pytest.approx(vars(of_users.uplift))


def test_without_anybody_there_is_the_sentence_alone() -> None:
    _, evidence, _ = users(1.0)
    of = valued(evidence, np.ones(N, dtype=np.int64)).common
    assert of is not None
    assert (of.users, of.uplift) == (0, None)
    assert str(of).startswith(f"none of the {N:,} users acted on could have got either")
    x, evidence, _ = users(0.995)
    of = valued(evidence, np.where(x > 0.99, 1, 0)).common
    assert of is not None
    assert of.uplift is None
    assert not [c for c in str(of) if c in "+["]


def test_there_is_none_where_overlap_is_no_fault_or_was_accepted() -> None:
    x, evidence, _ = users(0.5)
    everyone = np.ones(N, dtype=np.int64)
    assert valued(evidence.waived(["TP301"]), everyone).common is None
    assert valued(evidence, np.where(x > 0.6, 1, 0)).common is None
    joint = join({"all": everyone}, evidence.waived(["TP301"]))
    L = joint.cells.coefficients(LINE, [0, 1])
    assert common_support(joint.cells, L[joint.decisions["all"]] - L[0], joint.decisions["all"], "phi") is None
