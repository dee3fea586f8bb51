import numpy as np
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.economics import Economics

ACTIONS = ("none", "discount_10", "checkout_prompt")


def freemium(*overrides: str) -> Economics:
    return Settings.from_config(compose("run", list(overrides))).economics.build(Economics, "economics")


def test_reward_is_price_less_discount_or_advertising_less_contact() -> None:
    reward_intercept, reward_slope = freemium().line(ACTIONS, good=True)
    assert reward_intercept == pytest.approx([3.00, 2.95, 2.98])  # ad revenue, less the contact
    paying = [9.99 * 6, 9.99 * (6 - 0.1 * 3) - 0.05, 9.99 * 6 - 0.02]
    assert reward_intercept + reward_slope == pytest.approx(paying)


def test_an_unwanted_outcome_turns_the_line_round() -> None:
    good, bad = freemium().line(ACTIONS, good=True), freemium().line(ACTIONS, good=False)
    np.testing.assert_allclose(bad[0], good[0] + good[1])
    np.testing.assert_allclose(bad[1], -good[1])


def test_a_discount_lasts_no_longer_than_the_subscription() -> None:
    longer = freemium("economics.actions.discount_10.discount_months=99").line(ACTIONS, good=True)
    assert longer[0][1] + longer[1][1] == pytest.approx(9.99 * 6 * 0.9 - 0.05)


def test_an_action_without_a_price_is_named() -> None:
    with pytest.raises(InputError, match=r"'checkout' has no price\. Nearest: 'checkout_prompt'"):
        freemium().check({"none", "checkout"})


def test_none_must_be_priced() -> None:
    with pytest.raises(InputError, match="the action none must be priced too"):
        freemium("~economics.actions.none")
