"""Bands say whom they act on; acting on those least likely to have an outcome that is not wanted is refused."""

import shlex
from typing import Any

import pytest

from tests.refusals import overrides_in
from tippingpoint.config.compose import compose, option
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.users import FeatureSchema
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.direction import check_direction
from tippingpoint.policies.policy import Policy


def contract(good: bool) -> FeatureSchema:
    return FeatureSchema(columns=(), outcome="churned", positive=1, good=good, user_id=None)


def policy(*words: str) -> Policy:
    return Settings.from_config(compose("run", list(words))).policy.build(Policy, "policy")


def turned(**changed: Any) -> Bands:
    actions = {"low": "discount_10", "medium": "none", "high": "none"}
    return Bands(**{"actions": actions, **changed})


@pytest.mark.parametrize(
    ("words", "fine"),
    [
        (["policy=intent_bands"], False),  # which end it means is not said
        (["policy=intent_shares"], False),
        (["policy=intent_bands", "policy.acts_on=high"], True),
        (["policy=intent_bands", "policy.acts_on=any"], True),
        (["policy=leaving_early"], True),
        (["policy=renewal_bands"], False),
        (["policy=renewal_bands", "policy.acts_on=any"], True),
        (["policy=top_fraction"], True),
        (["policy=top_fraction", "policy.actions={rest: offer, top: none}"], False),
        (["policy=retention"], True),  # rules
        (["policy=intent_bands", "policy.actions={low: none, medium: none, high: none}"], True),
    ],
)
def test_an_outcome_that_is_not_wanted_is_acted_on_where_it_is_likely(words: list[str], fine: bool) -> None:
    found = policy(*words)
    check_direction(found, contract(good=True))
    if fine:
        check_direction(found, contract(good=False))
        return
    with pytest.raises(InputError) as refused:
        check_direction(found, contract(good=False))
    assert "churned" in refused.value.what
    typed = [word for line in overrides_in(refused.value.remedy) for word in shlex.split(line)]
    remedy = [word for word in typed if word.startswith("policy")]
    check_direction(policy(*words, *remedy), contract(good=False))


def test_of_what_is_registered_only_the_wrong_end_is_refused() -> None:
    check_direction(Bands(), contract(good=False), said=False)
    with pytest.raises(InputError, match=r"tippingpoint compare data=mine policy\.actions="):
        check_direction(turned(), contract(good=False), said=False, again="tippingpoint compare data=mine ")


def test_bands_that_act_on_the_other_end_than_they_say_are_refused() -> None:
    assert turned(acts_on="low").acts_on == "low"
    with pytest.raises(InputError, match="but low gets discount_10 and high gets none"):
        turned(acts_on="high")
    with pytest.raises(InputError, match="but high gets checkout_prompt and low gets none"):
        Bands(acts_on="low")


def test_what_is_meant_decides_nothing_and_changes_no_digest() -> None:
    said, unsaid = Bands(acts_on="high"), Bands()
    assert said.digest == unsaid.digest
    assert said.bound_digest == unsaid.bound_digest
    assert "acts_on" not in unsaid.specification()  # as versions that were registered before have it
    again = Component.of(said.bound(), "policy").build(Policy, "policy")
    assert again.acts_on == "high"


def test_shipped_bands_for_outcomes_that_are_not_wanted_say_whom_they_mean() -> None:
    for name in ("leaving_early", "renewal_bands", "offer"):
        assert option("policy", name)["acts_on"] in ("high", "low")
