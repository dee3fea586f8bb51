"""Options in a folder of the user's own that are wrong: one message names the file, and the line where there is one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tippingpoint.config.compose import compose, config_folder
from tippingpoint.core.errors import InputError
from tippingpoint.exploration.settings import TableSettings

POLICY = (config_folder() / "policy/intent_bands.yaml").read_text()
NEXT = f"line {POLICY.count(chr(10)) + 1}"
"""After its last."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (POLICY + "cuts: [0.1", NEXT),
        (POLICY + "name: again\n", NEXT),
        (POLICY.replace("0.40", "&a [*a]"), "line 5"),
        ("# @package a b\n" + POLICY, "Too many components"),
        ("defaults: 3\n" + POLICY, "must be a list of options"),
        ("- a\n", "holds no keys"),
    ],
)
@pytest.mark.parametrize("words", [("lint", "policy=mine"), ("diff", "mine", "intent_bands")])
def test_an_option_that_is_wrong_is_named(
    tmp_path: Path, refused: Callable[..., str], words: tuple[str, ...], text: str, said: str
) -> None:
    if words[0] == "diff" and ("@package" in text or "defaults" in text):
        pytest.skip("policy diff reads the file without Hydra, which alone knows these")
    (path := tmp_path / "policy/mine.yaml").parent.mkdir()
    path.write_text(text)
    message = refused("policy", *words, "data.users=200", "--config-dir", str(tmp_path))
    assert str(path) in message
    assert said in message


EXPERIMENT = """# @package _global_
defaults:
  - override /policy: mine
policy:
  cuts: [0.9, 0.4]
"""


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (["policy=mine"], "policy/mine.yaml, line 5"),
        (["policy=mine", "policy.version=2"], "policy/mine.yaml, line 5"),
        (["policy=mine", "policy.cuts=[0.8,0.4]"], None),
        (["experiment=mine"], "experiment/mine.yaml, line 5"),
    ],
)
def test_a_value_that_is_wrong_is_named_with_the_line_that_sets_it(
    tmp_path: Path, refused: Callable[..., str], words: list[str], at: str | None
) -> None:
    for group, text in {"policy": POLICY.replace("[0.40, 0.70]", "[0.7, 0.4]"), "experiment": EXPERIMENT}.items():
        (path := tmp_path / group / "mine.yaml").parent.mkdir()
        path.write_text(text)
    said = refused("run", *words, "data.users=200", "--config-dir", str(tmp_path))
    assert said.startswith("policy.cuts: must rise; got [0.")
    assert (f"({tmp_path / at})" in said) if at else (str(tmp_path) not in said)


def test_a_policy_of_the_users_own_is_compared(tmp_path: Path, call: Callable[..., int]) -> None:
    (path := tmp_path / "policy/mine.yaml").parent.mkdir()
    path.write_text((config_folder() / "policy/retention.yaml").read_text().replace("<= 60", "<= 50"))
    words = ("data=retention", "data.users=300", "economics=retention")
    assert call("policy", "diff", "mine", "retention", "--config-dir", str(tmp_path), *words) == 0


def test_what_the_environment_holds_is_filed_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE", "duckdb:///users.duckdb?password=s3cret")
    words = ["data=sql", "data.url=${oc.env:TABLE}", "data.query=select 1", "data.target=${oc.env:NONE,y}"]
    settings = TableSettings.from_config(compose("table", words))
    assert "s3cret" in str(settings.model_dump())
    assert settings.filed()["data"]["url"] == "${oc.env:TABLE}"
    assert settings.filed()["data"]["target"] == "${oc.env:NONE,y}"
    assert settings.filed()["data"]["query"] == "select 1"


@pytest.mark.parametrize(
    ("words", "key", "typed"),
    [
        (("run", "-m", "seed=-1,range(0,3)"), "seed", ["seed=-1,0,1,2"]),
        (("run", "seed=${oc.env:NOT_THERE}"), "seed", []),
        (("run", "seed=${nothing}"), "seed", []),
        (("run", "seed=${odd:1}"), "seed", []),
        (("run", "hydra.mode=X", "seed=1"), "hydra.mode", []),
        (("run", "seed=1", "hydra.sweeper.params.x=1"), "hydra.sweeper.params.x", []),
        (("run", "~nothing"), "nothing", []),
        (("run", "hydra.run.dir=/proc/none"), "hydra.run.dir", []),
        (("run", "--config-name=x"), "--config-name", []),
        (("run", "-x"), "command line", []),
    ],
)
def test_hydras_own_words_do_not_reach_the_screen(
    refused: Callable[..., str], words: tuple[str, ...], key: str, typed: list[str]
) -> None:
    message = refused(*words)
    assert message.key == key
    assert typed == [] or typed in message.typed
    assert not any(word in message for word in ("Error executing", "full_key", "hydra.cc", "Unexpected type", "usage:"))


def test_an_option_that_goes_by_a_shipped_name_is_refused_as_it_would_not_be_read(
    tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "mine/policy/intent_bands.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("name: intent_bands\n")
    assert call("run", "--config-dir", str(tmp_path / "mine"), "policy=intent_bands") == 2
    assert "policy=intent_bands is there already" in capsys.readouterr().err
    own.rename(own.with_name("my_intent_bands.yaml"))  # what it says to do
    assert call("policy", "lint", "--config-dir", str(tmp_path / "mine"), "policy=intent_bands") == 0


@pytest.mark.parametrize("verb", ["simulate", "compare"])
def test_prices_without_a_class_are_refused_by_name_and_taken_with_it(verb: str, tmp_path: Path) -> None:
    (tmp_path / "economics").mkdir()
    ours = tmp_path / "economics/ours.yaml"
    prices = "name: ours\nprice: 12\nactions: {none: {contact_cost: 0}, call: {contact_cost: 2}}\n"
    ours.write_text(prices)
    with pytest.raises(InputError) as refused:
        compose(verb, ["economics=ours"], str(tmp_path))
    assert refused.value.where == str(ours)
    line = refused.value.remedy.partition(", as ")[2].partition(";")[0]
    ours.write_text(f"{line}\n{prices}")
    assert [*compose(verb, ["economics=ours"], str(tmp_path)).economics.actions] == ["none", "call"]
