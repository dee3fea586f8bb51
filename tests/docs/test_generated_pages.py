"""The pages that are made of the code: no key without a meaning, no name that is not filed."""

import re
from pathlib import Path

import pytest
from documented_names import filed, undocumented
from mlflow import MlflowClient

from docs import generated_pages
from docs.generated_pages import DOCS, GROUPS, all_pages, keys, said_of
from tippingpoint.cli.launched_job import JOBS, job_of


@pytest.mark.parametrize("verb", JOBS)
def test_every_key_of_a_verb_says_what_it_means(verb: str) -> None:
    _, settings = job_of(verb)
    assert [key.name for key in keys(settings, said_of(verb)) if not key.meaning] == []


def test_every_key_of_an_option_says_what_it_means() -> None:
    rows = [row for group in GROUPS for row in generated_pages.option_page(group).splitlines() if row.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_index_of_decisions_lists_them_in_order() -> None:
    written = (DOCS / "decisions/README.md").read_text()
    assert written == generated_pages.decisions_index(), "python docs/generated_pages.py"
    numbers = [int(n) for n in re.findall(r"^\| \[(\d+)\. ", written, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_decision_that_is_named_is_there() -> None:
    """Code, tests and pages name decisions by number."""
    there = {int(path.name[:3]) for path in DOCS.glob("decisions/[0-9]*.md")}
    root = DOCS.parent
    read = [path for part in ("src", "tests", "docs", "experiments") for path in (root / part).rglob("*.*")
            if path.suffix in (".py", ".md", ".yaml")]  # fmt: skip
    named = {
        int(n) for path in [*read, *root.glob("*.md")] for n in re.findall(r"\bdecision (\d+)\b", path.read_text())
    }
    assert named
    assert named <= there


def test_there_is_a_page_for_each_code() -> None:
    from tippingpoint.experiment.diagnostics import catalogue

    pages = all_pages()
    for code, entry in catalogue().items():
        page = pages[f"reference/diagnostics/{code}.md"]
        assert entry.why in page
        assert f"diagnostics.{'accept' if entry.level == 'veto' else 'silence'}=" in page


def test_metrics_and_tags_of_a_comparison_are_documented(at_compared: tuple[object, Path]) -> None:
    assert len(filed(MlflowClient())) > 60
    assert undocumented(MlflowClient()) == []
