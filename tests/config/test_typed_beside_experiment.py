"""A policy that is typed beside an experiment is that policy, and no mixture with the experiment's own."""

from omegaconf import OmegaConf

from tippingpoint.config.compose import as_typed, compose, option
from tippingpoint.core.strict import Component
from tippingpoint.policies.policy import Policy


def chosen(*words: str) -> dict:
    config = compose("compare", words)
    as_typed(config, words)
    return OmegaConf.to_container(config.policy, resolve=True)  # type: ignore[return-value]  # a group of Hydra is always a dict


def test_another_class_of_policy_stands_alone_with_what_was_typed_of_it() -> None:
    node = chosen("experiment=hillstrom", "policy=top_fraction", "policy.actions.top=Mens E-Mail", "policy.share=0.3")
    written = option("policy", "top_fraction")
    assert node == written | {"share": 0.3, "actions": written["actions"] | {"top": "Mens E-Mail"}}
    assert Component.of(node, "policy").build(Policy, "policy").segments == ("rest", "top")


def test_without_another_policy_the_experiment_says_what_it_is() -> None:
    assert chosen("experiment=hillstrom")["cuts"] == [0.12, 0.18]
    assert chosen("policy=top_fraction") == option("policy", "top_fraction")
