"""Configs come of the shipped groups, the user's own, and words as typed."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

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
    (word,) = [word for word in shlex.split(said) if word.startswith("++")]
    assert compose("compare", ["policy=best_action", word]).policy.actions.letter == "letter"


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
