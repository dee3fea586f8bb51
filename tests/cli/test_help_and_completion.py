"""Help says what one needs first and where it is explained; shells complete verbs, groups, options and keys."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.refusals import Refusal
from tippingpoint.cli.completion import SHELLS, completion
from tippingpoint.cli.help import ABOUT, PAGES, about, screen

ROOT = Path(__file__).parents[2]
SHOWN = re.sub(r"\s+", " ", " ".join(path.read_text() for path in (ROOT / "docs/tutorials").glob("*.md")))
"""What the tutorials show: the tests type them."""


@pytest.mark.parametrize("verb", ABOUT)
def test_the_help_of_a_verb_names_five_keys_at_most_an_example_and_a_page_that_is_there(verb: str) -> None:
    of = ABOUT[verb]
    assert 1 <= len(of.keys) <= 5
    assert (ROOT / "docs" / of.page).is_file()
    said = about(verb)
    assert f"docs/{of.page}" in said
    assert said.index("Example") < said.index(of.answers)


@pytest.mark.parametrize("verb", ["compare", "simulate", "score", "data"])
def test_the_result_of_an_example_is_what_a_tutorial_shows(verb: str) -> None:
    assert ABOUT[verb].answers in SHOWN


def test_alone_it_shows_the_way() -> None:
    way = screen().split("The way\n")[1].split("\n\n")[0]
    assert [line.split()[0] for line in way.splitlines()] == ["compare", "simulate", "promote", "score", "measure"]


@pytest.mark.parametrize("words", [("compare", "policy=none_such"), ("compare", "data=csv", "data.path=none.csv")])
def test_a_refusal_names_the_page_of_its_key_to_a_person_alone(
    words: tuple[str, ...], call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all((ROOT / "docs" / page).is_file() for page in PAGES.values())
    assert call(*words) == 2
    assert "docs/" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert call(*words) == 2
    key = words[-1].partition("=")[0].partition(".")[0]
    assert f"See docs/{PAGES[key]}" in capsys.readouterr().err.splitlines()


def bash(*lines: str) -> list[list[str]]:
    """What bash proposes where each of the lines was typed so far."""
    script = completion("bash") + "\n".join(
        f'COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; COMPREPLY=(); _tippingpoint; echo "${{COMPREPLY[*]}}"'
        for line in lines
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return [line.split() for line in done.stdout.splitlines()]


def test_bash_completes_verbs_second_words_options_and_keys(tmp_path: Path) -> None:
    (tmp_path / "users.csv").touch()
    verbs, second, policies, option, key, gates, file = bash(
        "tippingpoint com", "tippingpoint data d", "tippingpoint compare policy=top", "tippingpoint compare data.tar",
        "tippingpoint data describe data.pat", "tippingpoint promote gate=st",
        f"tippingpoint score input={tmp_path}/us",
    )  # fmt: skip
    assert verbs == ["compare", "completion"]
    assert second == ["describe"]
    assert policies == ["top_fraction"]  # bash replaces what stands behind the =
    assert option == ["data.target="]
    assert key == ["data.path="]
    assert gates == ["standard", "strict"]
    assert file == [f"{tmp_path}/users.csv"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_takes_its_script(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(completion(shell))
    done = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_completes_keys_of_the_verb_alone(tmp_path: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    (tmp_path / "script").write_text(completion("fish"))
    ask = f"source {tmp_path}/script; complete -C 'tippingpoint compare policy=top'; complete -C 'tippingpoint data d'"
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["fish", "-c", ask], capture_output=True, text=True, timeout=60, env=home)
    assert done.stdout.split() == ["policy=top_fraction", "describe"]


def test_completion_refuses_another_shell(refused: Callable[..., Refusal]) -> None:
    assert "Nearest: 'bash'" in refused("completion", "bsh")


def test_the_script_is_written_without_what_fits_or_tracks() -> None:
    heavy = "{'hydra', 'numpy', 'pandas', 'mlflow', 'sklearn', 'rich', 'pydantic'}"
    code = (
        "import sys; from tippingpoint.cli.completion import completion; completion('bash');"
        f"print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
