"""Each spelling of the release before does what the new one does, and says on stderr what to type."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tippingpoint.config.compose import compose
from tippingpoint.config.gate_settings import Gate
from tippingpoint.config.old_spellings import OLD_SPELLINGS, OldSpelling
from tippingpoint.core.errors import InputError
from tippingpoint.promotion.settings import PromoteSettings
from tippingpoint.scoring.settings import ScoreSettings

VERSION = "models:/conversion/1"
WORDS = {
    r"output=(?!['\"]?(?:text|json)['\"]?$)": ("output=decisions.csv", "to=decisions.csv"),
    r"picture=": ("picture=groups.png", "to=groups.png"),
    r"version=": (f"version={VERSION}", f"model={VERSION}"),
    r"scored_by=": (f"scored_by={VERSION}", f"model={VERSION}"),
    r"(gate\.\w+)\.cannot_tell=": ("gate.better.cannot_tell=passes", "gate.better.inconclusive=passes"),
}
"""For each pattern of the table: what was typed, and what is."""
CASES = [(verb, spelling) for spelling in OLD_SPELLINGS for verb in spelling.verbs]


@pytest.mark.parametrize(("verb", "spelling"), CASES)
def test_an_old_spelling_composes_what_the_new_one_does(
    verb: str, spelling: OldSpelling, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = WORDS[spelling.old]
    others = ["policies=[intent_bands,retention]"] if verb == "policy_diff" else []
    meant = compose(verb, [new, *others])
    assert capsys.readouterr().err == ""
    assert compose(verb, [old, *others]) == meant
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert old in said
    assert f"type {new}\n" in said


def test_the_command_line_understands_them_too(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("score", "--output", "a folder/decisions.csv", f"version={VERSION}", "--cfg", "job") == 0
    answer = capsys.readouterr()
    shown = yaml.safe_load(answer.out)
    assert (shown["to"], shown["output"], shown["model"]) == ("a folder/decisions.csv", "text", {"version": VERSION})
    assert answer.err.count("is an old spelling") == 2


def test_a_password_in_an_old_word_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    compose("score", ["output='postgresql://ann:secret@host/app'"])
    said = capsys.readouterr().err
    assert "to=" in said
    assert "secret" not in said


@pytest.mark.parametrize("word", ["output=json", "output=text", "output='json'"])
def test_how_to_answer_is_still_output(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ScoreSettings.from_config(compose("score", [word, "to=decisions.csv"]))
    assert settings.to == "decisions.csv"
    assert settings.output in word
    assert capsys.readouterr().err == ""


def test_a_key_in_both_spellings_is_refused() -> None:
    with pytest.raises(InputError, match=r"^to: given twice, once as output\. Give to= alone\."):
        compose("score", ["output=a.csv", "to=b.csv"])


@pytest.fixture
def own_gate(tmp_path: Path) -> str:
    """A folder with a gate written for the release before, laid over the shipped one."""
    (tmp_path / "gate").mkdir()
    own = "defaults: [standard, _self_]\nname: mine\nbetter: {cannot_tell: passes}\nlooks: null\n"
    (tmp_path / "gate/mine.yaml").write_text(own)
    return str(tmp_path)


def test_a_gate_of_the_user_s_own_may_say_cannot_tell(own_gate: str, capsys: pytest.CaptureFixture[str]) -> None:
    gate = PromoteSettings.from_config(compose("promote", ["gate=mine"], own_gate)).gate
    assert gate.better
    assert gate.better.inconclusive == "passes"
    assert gate.looks is None
    assert "type gate.better.inconclusive\n" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["cannot_tell", "inconclusive"])
def test_what_is_typed_counts_more_than_a_gate_in_the_old_spelling(own_gate: str, key: str) -> None:
    config = compose("promote", ["gate=mine", f"gate.better.{key}=blocks"], own_gate)
    better = PromoteSettings.from_config(config).gate.better
    assert better
    assert better.inconclusive == "blocks"


def test_a_gate_keeps_the_digest_that_journals_hold() -> None:
    gate = Gate.model_validate(yaml.safe_load(SHIPPED))
    written = gate.model_dump(mode="json", by_alias=True)
    assert written["reload"] == {"rows": 200, "cannot_tell": "blocks"}


SHIPPED = """
{name: x, alpha: 0.05, quality: null, better: null, value: null, calibration: null, slices: null, signature: null,
 reload: {rows: 200, inconclusive: blocks}, speed: null, explanation: null, fresh: null, looks: null}
"""
