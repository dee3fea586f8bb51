"""Words that ask again of the same users."""

import shlex

import pytest

from tippingpoint.cli.main import as_overrides
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.config.retyped import PARTS, retyped


def settings(words: str) -> dict:
    return CompareSettings.from_config(compose("compare", as_overrides(shlex.split(words)))).model_dump(mode="json")


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        ("", ""),
        ("seed=3 model=[logistic]", ""),
        ("data=retention data.users=500", "data=retention data.users=500 policy=renewal_bands economics=retention"),
        ("data=event_log_churn data.profiles=900", "data=event_log_churn data.profiles=900"),
        ("data=csv data.path='\"a, b.csv\"' data.target=y data.drop='[\"c, d\",e]' split.train=0.5", "data=csv"),
        ("data=sql data.url=duckdb:///x.db data.query='\"select $at\"' data.parameters.at=3", "data=sql"),
        ("data=csv data.path=a.csv data.logging_probability='{none: 0.5, x: p_x}' evidence=experiment", "data=csv"),
        ("policy.cuts='[0.1,0.3]' policy.actions.high=email economics.actions.email.contact_cost=1", "policy.cuts="),
        ("guardrails='{watched: -2}'", "guardrails="),
        ("split=time split.test_from=2026-03-01 split.gap_days=7", "split=time"),
        ("policy=top_fraction policy.share=0.2 '~economics.actions.checkout_prompt'", "policy=top_fraction"),
    ],
)
def test_what_is_typed_again_makes_the_same_config(words: str, begins: str) -> None:
    before = settings(words)
    again = retyped(before)
    assert again.startswith(begins)
    after = settings(again)
    assert {part: after.get(part) for part in PARTS} == {part: before.get(part) for part in PARTS}


def test_a_class_that_no_option_has_is_a_place_to_fill_in() -> None:
    assert retyped({"policy": {"_target_": "mine.middle.Middle", "low": 0.2}}) == "policy=…"
