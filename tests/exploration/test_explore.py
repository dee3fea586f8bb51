"""The page of a table of users: whole, self-contained, harmless, and drawn in a browser."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from tippingpoint.comparison.run import run
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.exploration.explore import ExploreResult, explore
from tippingpoint.exploration.settings import TableSettings

HOSTILE = "<script>document.title='owned'</script>"
LINK = "<a href='https://example.com'>click</a> & $x$ %{y}"


def explored(*overrides: str) -> ExploreResult:
    return explore(TableSettings.from_config(compose("table", list(overrides))))


WIDTHS = (1400, 400)


class Page(HTMLParser):
    """What a page would load, and the names of its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.loads += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "data", "action")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, ExploreResult]:
    """One page of a generated world, one of events, one of a table that means harm."""
    n = 400
    rows = pd.DataFrame(
        {
            HOSTILE: [float(i % 7) for i in range(n)],
            "plan": [HOSTILE if i % 3 else LINK for i in range(n)],
            "city": [f"a city of quite a long name, number {i % 40}" for i in range(n)],
            "gap": [None if i % 5 == 0 else i / 3 for i in range(n)],
            "adopter": [int(i % 7 + i % 3 > 5) for i in range(n)],
        }
    )
    rows.to_csv(folder / "users.csv", index=False)
    asked = {
        "world": ["data=streamzone", "data.users=2000"],
        "events": ["data=event_log", "data.profiles=2000"],
        "hostile": ["data=csv", f"data.path={folder}/users.csv", "data.target=adopter"],
    }
    return {name: explored(*keys, f"to={folder}/{name}.html") for name, keys in asked.items()}


NAMES = pytest.mark.parametrize("name", ["world", "events", "hostile"])


@NAMES
def test_the_page_is_one_file_that_loads_nothing(pages: dict[str, ExploreResult], name: str) -> None:
    text = pages[name].path.read_text()
    page = Page(text)
    assert page.loads == []
    assert "default-src 'none'" in page.policy
    assert text.count("plotly.js v") == 1
    assert len(text.encode()) < 7_000_000
    assert [p.name for p in pages[name].path.parent.iterdir() if p.suffix == ".part"] == []


def test_names_of_columns_and_categories_are_text_only(pages: dict[str, ExploreResult]) -> None:
    text = pages["hostile"].path.read_text()
    assert HOSTILE not in text
    assert Page(text).tags.count("script") == 3
    assert Page(text).tags.count("a") == 0
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]  # a page without figures fails here, as it should
    shown = json.dumps(figures)
    assert "<script" not in shown
    assert "<a" not in shown
    assert "&lt;script&gt;" in shown


def test_a_long_list_of_categories_is_bounded(pages: dict[str, ExploreResult]) -> None:
    (city,) = (a for a in pages["hostile"].explored.found if a.name == "city")
    assert len(city.groups) == 12
    assert "29 others" in pages["hostile"].path.read_text()


def test_the_answer_is_one_json_object(pages: dict[str, ExploreResult]) -> None:
    answer = json.loads(json.dumps(pages["events"].to_dict()))
    assert answer["evidence"] == ["truth", "experiment"]
    assert answer["funnel"]["Sign Up"] == 2000
    assert answer["outcome_rate"]["low"] < answer["outcome_rate"]["value"] < answer["outcome_rate"]["high"]
    world = pages["world"].to_dict()
    assert 0.75 < world["best_roc_auc"] < 0.9
    assert {c["name"] for c in world["columns"]} == {c.name for c in pages["world"].explored.users.contract.columns}


def test_the_north_star_stands_first(pages: dict[str, ExploreResult]) -> None:
    assert ">converted against weekly_watch_hours</h2>" in pages["world"].path.read_text()


def test_the_page_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert explored("data.users=300").path == Path(".tippingpoint/explore/case_study.html")


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="cannot be written"):
        explored("data.users=300", f"to={tmp_path}/file/page.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        explored("data.users=300", f"to={tmp_path}/folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_table_with_one_column_has_a_page_too(folder: Path) -> None:
    path = folder / "one.csv"
    path.write_text("plan,adopter\n" + "a,1\nb,0\n" * 20)
    assert explored("data=csv", f"data.path={path}", "data.target=adopter", f"to={folder}/one.html").path.is_file()


@NAMES
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_draws_and_fits(
    pages: dict[str, ExploreResult], look: Callable[..., dict[str, Any]], name: str, width: int
) -> None:
    found = look(pages[name].path, width)
    assert found["said"] == []
    assert found["drawn"] == found["asked"] > 5
    assert found["empty"] == []
    assert found["overflow"] == 0
    assert found["cut"] == []
    assert "owned" not in found["title"]


def test_each_comparison_and_each_of_its_runs_has_an_overview_of_its_users(compared: tuple) -> None:
    client = MlflowClient(f"sqlite:///{compared[1]}/mlflow.db")
    parent = client.get_run(compared[0].filed.run_id)
    below = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    children = client.search_runs([parent.info.experiment_id], below)
    assert children
    for each in (parent, *children):
        found = client.list_artifacts(each.info.run_id, "figures")
        (picture,) = (f for f in found if f.path == "figures/explore.png")
        assert 10_000 < picture.file_size < 150_000


def test_each_run_has_an_overview_of_its_users(stored: Path) -> None:
    overrides = ["model=logistic", "data.users=1000", "explain_rows=5", "tracking.register_model=false"]
    filed = run(Settings.from_config(compose("run", overrides))).filed
    found = MlflowClient().list_artifacts(filed.run_id, "figures")
    assert "figures/explore.png" in {f.path for f in found}
