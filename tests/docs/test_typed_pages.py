"""The README and the tutorials, typed: what stands below a command is what it answers."""

import difflib
import re
from pathlib import Path

import pytest
from documented_names import undocumented
from mlflow import MlflowClient

from docs.typed_pages import ROOT, settled, walk

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
NUMBER = re.compile(r"[+-]?\d[\d,]*\.?\d*")


def alike(shown: str, now: str) -> bool:
    """Whether two answers say the same, with numbers that another machine's last digits may move."""
    told, found = settled(shown), settled(now)
    if NUMBER.sub("#", told) != NUMBER.sub("#", found):
        return False
    pairs = zip(NUMBER.findall(told), NUMBER.findall(found), strict=True)
    return all(
        float(a.replace(",", "")) == pytest.approx(float(b.replace(",", "")), rel=0.05, abs=0.01) for a, b in pairs
    )


def typed(page: str, folder: Path) -> None:
    """Type a page, and compare each answer with the one it shows."""

    def compared(shown: str, now: str) -> str:
        lines = difflib.unified_diff(
            settled(shown).splitlines(), settled(now).splitlines(), "shown", "now", lineterm=""
        )
        assert alike(shown, now), "python docs/typed_pages.py PAGE writes it anew:\n" + "\n".join(lines)
        return shown

    walk(page, folder, compared)


@pytest.mark.programs
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [path for path in TUTORIALS if path.stem != "index"], ids=lambda path: path.stem)
def test_a_tutorial_answers_what_it_shows_and_files_what_is_documented(page: Path, tmp_path: Path) -> None:
    typed(page.read_text(), tmp_path)
    assert undocumented(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")) == []


@pytest.mark.programs
@pytest.mark.timeout(900)
def test_the_readme_answers_what_it_shows(tmp_path: Path) -> None:
    """In a folder like the repository; `serve` and `measure` have tests of their own."""
    assert re.search(r"^run:.*\n\t\$\(BIN\)/tippingpoint compare", (ROOT / "Makefile").read_text(), re.MULTILINE)
    page = (ROOT / "README.md").read_text().replace("make run ", "tippingpoint compare ")
    page = page.replace("source .venv/bin/activate\n", "")
    page = re.sub(r"^tippingpoint (serve|measure).*\n", "", page, flags=re.MULTILINE)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    typed(page, tmp_path)


def test_the_readme_is_short_and_shows_money_first() -> None:
    page = (ROOT / "README.md").read_text()
    assert len(page.splitlines()) <= 150
    assert "EUR" in page.split("```")[1]


def test_the_tables_of_the_tutorials_are_drawn_by_their_scripts() -> None:
    import pandas as pd

    from docs.tutorials import draw_emails, draw_users

    emails = pd.read_csv(ROOT / "docs/tutorials/emails.csv.gz")
    pd.testing.assert_frame_equal(emails, draw_emails.draw(), check_dtype=False)
    users = pd.read_csv(ROOT / "docs/tutorials/free_users.csv.gz", sep=";", dtype={"User ID": str})
    pd.testing.assert_frame_equal(users, draw_users.draw(), check_dtype=False)
