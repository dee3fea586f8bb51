"""Money that was measured: a measure as the reward, alone or beside the outcome, by users and by statistics."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROUNDS
from tippingpoint.core.errors import InputError
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.economics import Economics, PerUser
from tippingpoint.experiment.collected_evidence import EvidenceModels, PartEvidence
from tippingpoint.experiment.evidence import fit_measures, fit_rewards, log_of, reward_model
from tippingpoint.experiment.revaluation import priced_line, uplift
from tippingpoint.experiment.valuation import BindingUsers, ValuedUsers
from tippingpoint.offpolicy.sufficient_statistics import join
from tippingpoint.policies.policy_tree import PolicyTree

ACTIONS = ("none", "mail")
PRICES = {"price": 3.0, "months": 1.0, "ad_revenue": 0.0, "actions": {"none": {}, "mail": {"contact_cost": 0.1}}}
MEAN = 20.0


def priced(reward: object) -> Economics:
    return Economics.model_validate({**PRICES, "reward": reward})


def spenders(seed: int, n: int = 3000, buying: float = 0.1) -> Users:
    """Users of whom the mail makes half as many again buy, if x is positive; half get it."""
    rng = np.random.default_rng(seed)
    x, action = rng.normal(size=n), rng.integers(0, 2, n)
    buys = rng.random(n) < buying * (1 + 0.5 * action * (x > 0))
    return Users(
        features=pd.DataFrame({"x": x}),
        outcome=(rng.random(n) < 0.3 + 0.1 * action).astype(np.int64),
        user_id=np.array([f"{seed}-{i}" for i in range(n)]),
        contract=FeatureSchema((Column("x", "number"),), "visit"),
        actions=ACTIONS,
        action=action,
        logging_probability=np.full((n, 2), 0.5),
        measures=pd.DataFrame({"spend": np.where(buys, rng.gamma(2.0, MEAN / 2, n), 0.0)}),
    )


def valued(reward: object, users: Users, kind: str = "experiment") -> ValuedUsers:
    return ValuedUsers.of(kind, spenders(99, 2000), users, ACTIONS, priced(reward), 0)


def everyone(users: Users) -> np.ndarray:
    return np.ones(len(users), dtype=np.int64)


def test_a_measure_alone_is_the_reward_and_the_outcome_counts_nothing():
    users = spenders(10, 20_000)
    found = valued("spend", users).value_of(everyone(users))
    spend, got = users.measures["spend"], users.action == 1
    plain = spend[got].mean() - spend[~got].mean() - 0.1
    assert found.uplift.value == pytest.approx(plain, abs=0.5 * found.uplift.se)
    assert found.uplift.low <= 0.1 * 0.25 * MEAN - 0.1 <= found.uplift.high
    assert found.outcomes_per_1000.value == pytest.approx(100, abs=30)


def test_rewards_of_several_add_up_whatever_way_they_are_written():
    users = spenders(1)
    alone, outcome = (valued(of, users).reward for of in ("spend", "outcome"))
    cost = np.array([0.0, 0.1])
    assert valued(["outcome", "spend"], users).reward == pytest.approx(alone + outcome + cost)
    assert valued({"outcome": 2, "spend": 0.4}, users).reward == pytest.approx(
        0.4 * (alone + cost) + 2 * (outcome + cost) - cost
    )


def test_statistics_price_a_measure_as_users_do_and_anew():
    train, users = spenders(99, 2000), spenders(2)
    models = EvidenceModels.on("experiment", train, 0)
    known = PartEvidence.of("experiment", models, train, users, ACTIONS, priced("outcome"), 0)
    decision = (users.features["x"].to_numpy() > 0.3).astype(np.int64)
    joint = join({"some": decision}, known.valued.evidence, known.further)
    about = {"actions": ACTIONS, "good": True, "kind": "experiment", "per_user_prices": False, "measures": ["spend"]}
    for reward in ("spend", "outcome", {"outcome": 1.0, "spend": 0.3}):
        found = uplift(joint, priced_line(about, priced(reward)), joint.decisions["some"])
        expected = valued(reward, users).value_of(decision).uplift
        assert (found.value, found.se) == pytest.approx((expected.value, expected.se))
    with pytest.raises(InputError, match="no measure 'spent' was gathered"):
        priced_line(about, priced("spent"))


def test_users_with_any_of_it_are_what_outcomes_are():
    train = spenders(99, 2000, buying=0.005)
    for n, told in ((600, False), (30_000, True)):
        users = spenders(3, n, buying=0.005)
        of = ValuedUsers.of("experiment", train, users, ACTIONS, priced("spend"), 0)
        assert (of.value_of(everyone(users)).uplift.low is not None) == told
        assert (of.measured_basis(everyone(users)).expected >= 10) == told


def test_what_learns_from_rewards_learns_from_measures():
    train, users = spenders(99, 20_000, buying=0.4), spenders(4, 20_000, buying=0.4)
    expected = reward_model(train, priced("spend"), 0)
    gain = expected(pd.DataFrame({"x": [-2.0, 2.0]}), ACTIONS) @ [-1.0, 1.0]
    assert gain[1] > gain[0] + 2
    binding = BindingUsers.of(
        train,
        users,
        Economics.model_validate(
            {**PRICES, "reward": "spend"} | {"actions": {"none": {}, "mail": {"contact_cost": 1.5}}}
        ),
        0,
    )
    tree = PolicyTree(actions={"none": "none", "mail": "mail"}, depth=1, features=["x"])
    bound = binding.bind(tree, np.zeros(len(users)))
    assert bound.segment(np.zeros(2), pd.DataFrame({"x": [-1.0, 1.0]})).tolist() == [0, 1]
    same = BindingUsers.of(users, users, priced("spend"), 0).measured(ACTIONS)[0]
    assert same.mean(axis=0) == pytest.approx(
        BindingUsers.of(train, users, priced("spend"), 0).measured(ACTIONS)[0].mean(axis=0), abs=0.1
    )


def test_a_measure_that_is_not_known_under_each_action_is_refused():
    users = spenders(5, 500)
    with pytest.raises(InputError, match="no measure 'spent' in the data"):
        valued("spent", users)
    with pytest.raises(InputError, match="is in no log"):
        valued("spend", users, "assumed")
    with pytest.raises(InputError, match="must name the outcome or measures"):
        Economics(price=1, reward={})
    with pytest.raises(InputError, match="costs of each user are the reward"):
        PerUser(costs={"none": {"one": "a", "zero": "b"}}, reward="spend")


def test_a_policy_learnt_on_validation_is_judged_there_by_folds():
    apparent, held_out = [], []
    for seed in range(8):
        users = spenders(seed, 1500, buying=0.1)
        side = np.sign(users.features["x"].to_numpy())  # the mail helps one half, and harms the other
        users.outcome[:] = np.random.default_rng(seed).random(len(users)) < 0.4 + 0.08 * users.action * side
        binding = BindingUsers.of(spenders(99, 2000), users, priced("outcome"), 0)
        tree, score = PolicyTree(actions={"none": "none", "mail": "mail"}, least=50), np.zeros(len(users))
        money = binding.measured(ACTIONS)[0] @ [-1.0, 1.0]
        apparent.append(money[binding.bind(tree, score).decide(score, users.features, ACTIONS) == 1].sum())
        held_out.append(money[binding.decide_held_out(tree, score, ACTIONS, 0) == 1].sum())
    assert 0 < np.mean(held_out) < 0.7 * np.mean(apparent)


@pytest.mark.worlds
@pytest.mark.parametrize("buying", [0.30, 0.04])
def test_intervals_of_measured_money_hold_what_they_promise(buying: float):
    worlds, train = 100 * ROUNDS, spenders(7, 1000, buying)
    predict, measured = fit_rewards(train, 0), fit_measures(train, ["spend"], 0)
    true = buying * 0.25 * MEAN - 0.1
    held = 0
    for world in range(worlds):
        users = spenders(1000 + world, 3000, buying)
        log = log_of("experiment", train, users, 0, predict)
        found = ValuedUsers.of("experiment", train, users, ACTIONS, priced("spend"), 0, log, measured=measured)
        of = found.value_of(everyone(users)).uplift
        held += of.low <= true <= of.high
    assert held / worlds >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / worlds)
