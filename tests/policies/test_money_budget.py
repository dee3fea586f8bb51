"""The most that a budget of money brings, where actions cost different amounts."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.economics import ActionPrice, Economics
from tippingpoint.policies.effects import Predicted
from tippingpoint.policies.money_budget import MoneyBudget
from tippingpoint.policies.policy import FitContext

ACTIONS = ("none", "mail", "call")
PRICES = Economics(
    price=20, months=1, ad_revenue=0,
    actions={"none": ActionPrice(), "mail": ActionPrice(contact_cost=0.2), "call": ActionPrice(contact_cost=2)},
)  # fmt: skip
NOBODY = pd.DataFrame()


def found(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    none = rng.uniform(0.1, 0.4, n)
    return np.column_stack([none, none, rng.uniform(-0.02, 0.1, n), rng.uniform(-0.05, 0.3, n)])


def context(of: np.ndarray) -> FitContext:
    lines = (lambda names: PRICES.line(names, True)), (lambda names: PRICES.spend(names, True))
    return FitContext(NOBODY, NOBODY, of[:, 0], None, Predicted(ACTIONS, True, of, *lines))


def policy(budget: float) -> MoneyBudget:
    return MoneyBudget(money_per_1000=budget, actions={a: a for a in ACTIONS})


def money(of: np.ndarray, taken: np.ndarray) -> tuple[float, float]:
    """Gain and spend per user of what was decided."""
    intercept, slope = PRICES.line(ACTIONS, True)
    chance = of[:, [1]] + np.column_stack([np.zeros(len(of)), of[:, 2:]])
    value = intercept + slope * chance
    rows = np.arange(len(of))
    return float((value[rows, taken] - value[:, 0]).mean()), float(np.array([0, 0.2, 2])[taken].mean())


def test_the_budget_is_kept_nearly_spent_and_no_other_choice_brings_more_for_it():
    of = found(6, 1)
    bound = policy(900).bind(context(of))
    gain, spend = money(of, bound.decide(of, NOBODY, ACTIONS))
    assert spend <= 0.9
    tried = (money(of, np.array(taken)) for taken in product(range(3), repeat=len(of)))
    assert gain == pytest.approx(max(g for g, s in tried if s <= spend + 1e-12))
    many = found(4000, 2)
    assert money(many, policy(900).bind(context(many)).decide(many, NOBODY, ACTIONS))[1] == pytest.approx(0.9, abs=0.01)


def test_money_enough_is_each_user_s_best_action_and_costs_nothing_more():
    of = found(500, 3)
    bound = policy(10_000).bind(context(of))
    assert bound.price == 0
    taken = bound.decide(of, NOBODY, ACTIONS)
    assert money(of, taken)[0] == pytest.approx(max(money(of, taken)[0], 0))
    assert set(taken) == {0, 1, 2}
    again = MoneyBudget.model_validate_json(bound.model_dump_json())
    assert (again.decide(of[:1], NOBODY, ACTIONS) == taken[:1]).all()


def test_of_a_chance_alone_it_is_refused():
    with pytest.raises(InputError, match="learner=dr"):
        policy(100).bind(FitContext(NOBODY, NOBODY, np.array([0.1, 0.2])))
