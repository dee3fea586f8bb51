"""What a refusal says to type is typed, as a shell hands it on, and comes to something else."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tests.refusals import Refusal, retyped
from tippingpoint.cli.main import as_overrides
from tippingpoint.core.overrides import override

ODD = "Customer, \"ID\" ='${x}' [é]\\"
"""A name that a shell, Hydra and OmegaConf would each misread."""
CARD = f"{ODD} cardId"
TABLE, DROPPED = "data=csv data.path=users.parquet data.target=bought", override("data.drop", [CARD])
TEXT = st.one_of(
    st.text("ab1é ,'\"\\=:()[]{}$.~#!&|;\n\t-+_%@", max_size=8),
    st.sampled_from(["null", "True", "NaN", "07", "1e5", "1_000", "${x}", "\\${x}", "\\", "-m"]),
)


def arrived(typed: str) -> Any:
    """What becomes of the value of an override that is typed in a shell."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (word,) = as_overrides(shlex.split(typed))
    value = OverridesParser.create().parse_override(word).value()
    return OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)["value"]


@given(TEXT | st.lists(TEXT, max_size=3) | st.none() | st.booleans() | st.integers() | st.floats(0, 1))
def test_a_value_typed_as_it_is_written_arrives_as_it_stands(value: Any) -> None:
    assert arrived(override("data.drop", value)) == value


@given(st.dictionaries(TEXT, TEXT | st.floats(0, 1), min_size=1, max_size=3))
def test_a_dict_arrives_or_is_said_to_have_no_form(value: dict) -> None:
    try:
        typed = override("data.logging_probability", value)
    except ValueError:
        return
    assert {str(key): inner for key, inner in arrived(typed).items()} == value


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, workspace: Path, refused: Callable, call: Callable) -> Callable[..., Refusal]:
    """`tippingpoint run` until the users are read: what is said of a line; empty where nothing is wrong with it."""
    from tippingpoint.comparison import run

    asked = run.ask

    def read_only(*given: Any) -> None:
        asked(*given)
        raise SystemExit(0)

    monkeypatch.setattr(run, "ask", read_only)
    rows = range(60)
    columns = {
        CARD: [f"c{max(i, 1)}" for i in rows],
        ODD: [i % 7 + 0.5 for i in rows],
        "plan": [("none", "e-mail, or ${x}")[i % 2] for i in rows],
        "yes, no": [("${a}, 'b'", "null")[i % 3 > 0] for i in rows],
        "bought": [i % 3 % 2 for i in rows],
    }
    pl.DataFrame(columns).write_parquet("users.parquet")

    def command(*words: str) -> Refusal:
        try:
            return refused("run", *words)
        except AssertionError:
            assert call("run", *words) == 0
            return Refusal()

    return command


@pytest.mark.parametrize(
    ("line", "least"),
    [
        (TABLE, 1),
        (f"{TABLE} data.drop='[plan]'", 1),
        (f"{TABLE} {DROPPED} data.id='\"Customer, ID [é]\"'", 1),
        (f"{TABLE} data.drop='[plan,\"Customer, ID [é]\"]'", 1),
        (f"{TABLE} {DROPPED} data.action=plan data.control=e-mail", 1),
        (f"{TABLE} {DROPPED} data.action=plan data.logging_probability='{{none: 1}}'", 2),
        (f"data=csv data.path=users.parquet {DROPPED} data.target='\"yes, no\"'", 2),
        ("policy.cuts='[0.7,0.4]'", 1),
        ("policy.cuts=0.4,0.7", 2),
        ("data=csv data.path='a=b (1)'", 1),
        ('data=csv data.path="\'a"', 1),
    ],
)
def test_what_a_refusal_says_to_type_comes_to_something_else(
    line: str, least: int, says: Callable[..., Refusal]
) -> None:
    words = ("report=none", *shlex.split(line))
    said = says(*words)
    assert len(said.typed) >= least, said
    for typed in said.typed:
        assert says(*retyped(words, typed)) != said, typed


@pytest.mark.programs
def test_a_shell_hands_on_what_is_said_to_type(says: Callable[..., Refusal]) -> None:
    said = says(*shlex.split(TABLE))
    typed = said.partition("or type ")[2].partition(" if it is none")[0]
    line = f"{shlex.quote(sys.executable)} -m tippingpoint data describe {TABLE} {typed} output=json"
    shown = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert {column["name"]: column["role"] for column in json.loads(shown)["columns"]}[CARD] == "data.drop"


def test_what_is_said_to_install_is_an_extra() -> None:
    from importlib.metadata import metadata

    source = Path(__file__).parents[2] / "src"
    named = {name for path in source.rglob("*.py") for name in re.findall(r"'tippingpoint\[(\w+)\]'", path.read_text())}
    assert named
    assert named <= set(metadata("tippingpoint").get_all("Provides-Extra") or ())
