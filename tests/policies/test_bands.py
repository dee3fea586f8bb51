import shlex

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy


def intent(*overrides: str) -> Policy:
    return Settings.from_config(compose("run", list(overrides))).policy.build(Policy, "policy")


def names(policy: Policy, *scores: float) -> list[str]:
    return [policy.segments[code] for code in policy.segment(np.array(scores), pd.DataFrame())]


def test_a_score_at_either_cut_is_medium() -> None:
    assert names(intent(), 0.0, 0.39999, 0.40, 0.55, 0.70, 0.70001, 1.0) == [
        "low", "low", "medium", "medium", "medium", "high", "high",
    ]  # fmt: skip


def test_segments_have_their_actions() -> None:
    decided = intent().decide(np.array([0.1, 0.5, 0.9]), pd.DataFrame(), ("none", "checkout_prompt", "discount_10"))
    assert decided.tolist() == [0, 2, 1]


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True), st.floats(0, 1))
def test_a_higher_score_is_never_in_a_lower_band(cuts: list[float], score: float) -> None:
    cuts = sorted(cuts)
    bands = [f"b{i}" for i in range(len(cuts) + 1)]
    policy = Bands(
        name="p",
        version=1,
        cuts=cuts,
        cut_belongs=["above"] * len(cuts),
        bands=bands,
        actions=dict.fromkeys(bands, "none"),
    )
    codes = policy.segment(np.sort([0.0, score, *cuts, 1.0]), pd.DataFrame())
    assert np.all(np.diff(codes) >= 0)


def test_the_digest_follows_the_specification_and_nothing_else() -> None:
    one = intent()
    assert one.digest == intent("seed=9").digest
    assert one.digest != intent("policy.cuts=[0.4,0.71]").digest
    assert one.digest != intent("policy.version=2").digest
    again = Component.model_validate(one.specification()).build(Policy, "policy")
    assert again == one
    assert again.digest == one.digest


@pytest.mark.parametrize("cut_belongs", [["above"], ["above", "sideways"]])
def test_sides_of_cuts_are_checked(cut_belongs: list[str]) -> None:
    with pytest.raises(InputError):
        Bands(**(intent().model_dump() | {"cut_belongs": cut_belongs}))


def test_segments_of_one_s_own_are_named_as_the_refusal_says() -> None:
    node = {"name": "ours", "cuts": [0.1, 0.3], "actions": {"cold": "none", "warm": "email", "hot": "call"}}
    with pytest.raises(InputError, match="bands: names the segments") as refused:
        Component.of({"_target_": "tippingpoint.policies.bands.Bands", **node}, "policy").build(Policy, "policy")
    word = shlex.split(str(refused.value).partition(" type ")[2].removesuffix("."))[0]
    assert compose("run", [word]).policy.bands == ["cold", "warm", "hot"]
    assert Bands(**node, bands=compose("run", [word]).policy.bands).segments == ("cold", "warm", "hot")
