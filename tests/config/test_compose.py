"""Configs come of the shipped groups, the user's own, and words as typed."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from tests.refusals import Refusal
from tippingpoint.config.compose import compose, config_folder
from tippingpoint.core.errors import InputError


def test_config_dir_adds_groups_of_the_user_s_own(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    policy = yaml.safe_load((config_folder() / "policy/intent_bands.yaml").read_text()) | {"name": "mine"}
    (tmp_path / "policy/mine.yaml").write_text(yaml.safe_dump(policy))
    assert compose("run", ["policy=mine"], config_dir=str(tmp_path)).policy.name == "mine"


@pytest.mark.parametrize("group", ["data", "policy", "tune", "gate", "economics", "tracking", "model"])
@pytest.mark.parametrize("value", ["null", "7", ""])
def test_a_group_wants_a_name(group: str, value: str, refused: Callable[..., str]) -> None:
    verb = {"tune": "tune", "gate": "promote"}.get(group, "compare")
    said = refused(verb, f"{group}={value}")
    assert said.startswith(f"{group}: takes the name of an option; got {value or 'nothing'}. There are: ")
    with pytest.raises(InputError, match="takes the name of an option"):
        compose(verb, [f"{group}={value}"])


def test_a_key_at_the_root_has_a_nearest_where_data_of_one_s_own_bring_a_policy(refused: Callable[..., str]) -> None:
    assert refused("compare", "data=csv", "data.path=u.csv", "sead=1").startswith("sead: unknown key. Nearest: 'seed'.")


def test_a_dict_with_keys_of_one_s_own_is_typed_as_the_refusal_says(refused: Callable[..., str]) -> None:
    said = refused("compare", "policy=best_action", "policy.actions={none: none, letter: letter}")
    words = [word for word in shlex.split(said) if word[0] in "~+"]
    assert compose("compare", ["policy=best_action", *words]).policy.actions == {"none": "none", "letter": "letter"}


@pytest.mark.parametrize(
    ("verb", "word", "meant"),
    [
        ("compare", "economics.price=9,99", "economics.price=9.99"),
        ("plan", "rate=0,04", "rate=0.04"),
        ("plan", "rate=4,5%", "rate=0.045"),
    ],
)
def test_a_decimal_comma_is_told_with_its_point(
    verb: str, word: str, meant: str, refused: Callable[..., Refusal]
) -> None:
    assert refused(verb, word).typed[0] == [meant]
    assert OmegaConf.select(compose(verb, [meant]), meant.partition("=")[0]) == float(meant.partition("=")[2])


def test_a_key_of_a_group_of_which_nothing_is_chosen_says_what_to_choose(refused: Callable[..., Refusal]) -> None:
    given = ("data=csv", "data.path=u.csv", "data.target=y", "data.action=a", "economics.price=5")
    said = refused("measure", *given)
    assert said.startswith("economics.price: no economics is chosen yet. Type ")
    assert ["economics=freemium"] in said.typed
    assert compose("measure_arms", [*given, "economics=freemium"]).economics.price == 5


def test_names_of_a_list_are_quoted_where_they_are_not_plain(refused: Callable[..., Refusal]) -> None:
    (typed,) = refused("compare", "data=csv", "data.path=u.csv", "data.drop=[Gebühr, age,]").typed
    assert compose("compare", ["data=csv", *typed]).data["drop"] == ["Gebühr", "age"]


def test_a_key_of_a_group_typed_without_it_is_named(refused: Callable[..., Refusal]) -> None:
    assert refused("simulate", "contacts=500") == "contacts: unknown key. Type budget.contacts=…."
    assert refused("compare", "price=5").endswith("Type economics.price=….")


def test_a_bound_policy_is_an_option_as_everywhere() -> None:
    assert compose("policy_bind", ["policy=top_fraction", "policy.share=0.1"]).policies == ["top_fraction"]


@pytest.mark.parametrize(
    ("words", "policy", "outcome"),
    [
        (["data=event_log"], "early_intent", "conversion"),
        (["data=event_log_churn"], "leaving_early", "churn"),
        (["experiment=event_log_churn"], "leaving_early", "churn"),
        (["data=event_log_churn", "policy=offer"], "offer", "churn"),
    ],
)
def test_the_event_log_brings_a_policy_for_what_is_asked_of_it(words: list[str], policy: str, outcome: str) -> None:
    config = compose("compare", words)
    assert (config.policy.name, config.data.outcome) == (policy, outcome)
