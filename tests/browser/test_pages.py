"""What a reviewer sees: MLflow's pages over a real comparison, search and simulation, in a headless browser.

Pictures of all of it, at 1400 px and 400 px, are in pytest's temporary folder (`--basetemp` says where).
"""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from tippingpoint.comparison.job import compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.core.overrides import override
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.reports.palette import FAMILIES
from tippingpoint.simulation.job import simulate
from tippingpoint.tuning.job import tune
from tippingpoint.tuning.settings import TuneSettings

pytestmark = pytest.mark.programs
HOSTILE = "<script>document.title='owned'</script>"
SEARCH = ["model=logistic", "tune.trials=2", "data.users=1500", "explain_rows=10"]


@pytest.fixture(scope="module")
def results(at_compared: tuple) -> dict[str, Any]:
    """A comparison, a simulation of it, and a search, in one store."""
    return {
        "compare": at_compared[0],
        "simulate": simulate(SimulateSettings.from_config(compose("simulate", ["cuts=30"]))),
        "tune": tune(TuneSettings.from_config(compose("tune", [*SEARCH, "tracking.register_model=false"]))),
    }


@pytest.fixture(scope="module")
def printed(results: dict[str, Any]) -> dict[str, str]:
    """The links the terminal shows at the end of each job, by the words before them; `compare Report` of one of all."""
    links: dict[str, str] = {}
    for job, result in results.items():
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(result.render(), crop=False)
        found = dict(re.findall(r"^(.+): (http://127\.0\.0\.1:5000/\S+)$", console.export_text(), re.M))
        links |= found | {f"{job} {name}": link for name, link in found.items()}
    return links


@pytest.fixture(scope="module")
def base(results: dict[str, Any], at_compared: tuple) -> Iterator[str]:
    """Address of `tippingpoint ui` over that store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tippingpoint", "ui", f"port={port}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    serving = subprocess.Popen(command, cwd=at_compared[1], start_new_session=True, **quiet)
    for _ in range(960):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            break
        except OSError:
            time.sleep(0.25)
    yield f"http://127.0.0.1:{port}"
    os.killpg(serving.pid, signal.SIGINT)
    serving.wait(timeout=240)


@pytest.fixture(scope="module")
def context(browser: Any) -> Any:
    """A window wide enough for every column of a table; one cache for all pages."""
    opened = browser.new_context(viewport={"width": 3000, "height": 1200})
    opened.add_init_script("try { localStorage.clear() } catch {}")  # each test is a reviewer's first visit
    return opened


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture
def visit(context: Any, base: str, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Any]]:
    """Open an address as it was printed, on the port that is served; its pictures are taken when the test is done."""
    page = context.new_page()
    page.set_default_timeout(240_000)

    def go(link: str) -> Any:
        page.goto(link.replace("http://127.0.0.1:5000", base))
        return page

    yield go
    for width in (1400, 400):
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=pictures / f"{re.sub(r'[^A-Za-z0-9]+', '_', request.node.name)}_{width}.png")
    page.close()


def rows(page: Any) -> list[str]:
    """Names of the runs in the table, from top to bottom."""
    page.wait_for_selector("[role=row] a[href*='/runs/']")
    by_height = "links => links.map(a => [a.getBoundingClientRect().y, a.innerText]).sort((a, b) => a[0] - b[0])"
    return [name for _, name in page.eval_on_selector_all("[role=row] a[href*='/runs/']", by_height) if name]


VIEWS = {
    "Leaderboard, roc_auc": ("validation/roc_auc", "test/roc_auc", "test/roc_auc_high", "test/log_loss", "model"),
    "Policy uplift, truth": ("policy/truth/uplift_per_user", "policy/truth/uplift_per_1000", "policy"),
    "Calibration": ("test/calibration_error", "test/calibration_slope", "test/calibration_intercept_low"),
    "Tuning, roc_auc of logistic": ("cv/roc_auc", "cv/gain", "model.C", "state"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_printed_link_opens_a_view_with_its_columns(
    name: str, printed: dict[str, str], visit: Callable[[str], Any]
) -> None:
    page = visit(printed[name])
    assert rows(page)
    heads = page.locator("[role=columnheader]").all_inner_texts()
    assert set(VIEWS[name]) <= {head.strip() for head in heads}
    assert page.get_by_text("Error loading shared view state").count() == 0
    assert page.get_by_role("button", name=name, exact=True).is_visible()


def test_the_leaderboard_is_in_the_order_of_validation(
    results: dict[str, Any], printed: dict[str, str], visit: Callable[[str], Any]
) -> None:
    ranked = {c.family: c.validation for c in results["compare"].comparison.candidates}
    names = rows(visit(printed["Leaderboard, roc_auc"]))
    shown = [name.split(" · ")[0] for name in names if not name.startswith("tune") and name.split(" · ")[0] in ranked]
    assert shown == sorted(ranked, key=lambda family: -ranked[family])


def test_the_report_draws_all_its_figures_where_mlflow_shows_it(
    results: dict[str, Any], printed: dict[str, str], visit: Callable[[str], Any]
) -> None:
    page = visit(printed["compare Report"])
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_selector("html[data-drawn]", state="attached")
    plots = frame.locator(".plot")
    drawn = frame.eval_on_selector_all(".plot", "plots => plots.map(p => p.querySelectorAll('.trace, .hm').length)")
    assert plots.count() >= 10
    assert min(drawn) >= 1
    text = frame.inner_text("main")
    parts = ["1. The question", "2. The signal", "3. The models", "4. The decision", "5. The recommendation"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert f"tippingpoint simulate {override('models', [results['compare'].filed.run_id])}" in text


def see_colours(page: Any, marks: str, property_: str, hues: Iterable[str]) -> None:
    """Wait until marks in all these colours are drawn: charts are drawn anew while data come in."""
    page.wait_for_function(
        """([marks, property, wanted]) => {
          const seen = new Set([...document.querySelectorAll(marks)].map(m => getComputedStyle(m)[property]));
          return wanted.every(hue => seen.has(hue));
        }""",
        arg=[marks, property_, [rgb(hue) for hue in hues]],
    )


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


def test_runs_overlay_in_charts_each_family_in_its_colour(printed: dict[str, str], visit: Callable[[str], Any]) -> None:
    page = visit(f"{printed['Leaderboard, roc_auc']}&compareRunsMode=CHART")
    page.wait_for_selector(".bars .point path")
    see_colours(page, ".bars .point path", "fill", FAMILIES.values())
    assert "test" in page.locator("[data-testid=experiment-view-compare-runs-chart-area]").inner_text()


def test_a_printed_link_opens_charts_in_their_order(printed: dict[str, str], visit: Callable[[str], Any]) -> None:
    page = visit(printed["Charts, truth"])
    area = page.locator("[data-testid=experiment-view-compare-runs-chart-area]")
    page.wait_for_selector(".scatterlayer .js-line")
    text = area.inner_text()
    shown = ["1 ROC, calibration, gains", "curve/roc/tpr", "curve/calibration/rate", "curve/gains/captured"]
    shown += ["2 Uplift by share treated", "uplift_per_user", "3 SHAP share"]
    assert [words for words in shown if words not in text] == [], text
    places = [text.index(words) for words in shown]
    assert places == sorted(places)
    see_colours(page, ".scatterlayer .js-line", "stroke", FAMILIES.values())


def test_curves_of_a_simulation_overlay_as_steps(printed: dict[str, str], visit: Callable[[str], Any]) -> None:
    page = visit(f"{printed['Policy uplift, truth']}&compareRunsMode=CHART")
    page.get_by_placeholder("Search metric charts").fill("curve/truth/checkout_prompt/uplift_per_user")
    page.wait_for_selector(".scatterlayer .js-line")
    see_colours(page, ".scatterlayer .js-line", "stroke", FAMILIES.values())


def test_runs_that_are_selected_are_compared(printed: dict[str, str], visit: Callable[[str], Any]) -> None:
    page = visit(printed["Leaderboard, roc_auc"])
    assert len(rows(page)) > 2
    boxes = page.locator("[role=row] input[type=checkbox]:visible")
    for at in (1, 2):  # the first is the whole table's
        boxes.nth(at).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_selector("text=Comparing 2 Runs")
    page.wait_for_selector(".js-plotly-plot .parcoords, .js-plotly-plot .scatterlayer .point", state="attached")


def test_the_description_leads_to_the_views(printed: dict[str, str], visit: Callable[[str], Any]) -> None:
    page = visit(printed["compare MLflow"])
    with page.expect_popup() as opened:  # links of a description open a page of their own
        page.get_by_role("link", name="Leaderboard, roc_auc").click()
    assert {"logistic", "random_forest", "boosting"} <= {name.split(" · ")[0] for name in rows(opened.value)}
    opened.value.close()


def test_a_table_is_read_beside_those_of_other_runs(printed: dict[str, str], visit: Callable[[str], Any]) -> None:
    link = printed["Policy uplift, truth"].partition("?")[0]
    page = visit(f"{link}?workflowType=machine_learning&compareRunsMode=ARTIFACT")
    page.wait_for_selector("text=tables/leaderboard.json")
    page.wait_for_selector("text=/0\\.\\d{3} \\[0\\.\\d{3}, 0\\.\\d{3}\\]/")


def test_models_are_listed_in_their_experiment(
    results: dict[str, Any], printed: dict[str, str], visit: Callable[[str], Any]
) -> None:
    page = visit(printed["Policy uplift, truth"].partition("/runs")[0] + "/models?workflowType=machine_learning")
    for family in FAMILIES:
        page.get_by_role("link", name=family, exact=True).first.wait_for()


def test_a_registered_version_shows_its_card(results: dict[str, Any], visit: Callable[[str], Any]) -> None:
    found = results["compare"]
    name, version = found.filed.registered.removeprefix("models:/").split("/")
    page = visit(f"http://127.0.0.1:5000/#/models/{name}/versions/{version}")
    page.wait_for_selector("text=policy_digest")
    text = page.inner_text("body")
    assert found.comparison.question.users.digest in text
    assert found.comparison.winner.family in text
    assert "roc auc" in text.lower().replace("_", " ")


@pytest.mark.parametrize("width", [1400, 400])
def test_the_report_fits(
    results: dict[str, Any], look: Callable[..., dict[str, Any]], pictures: Path, width: int
) -> None:
    run_id = results["compare"].filed.run_id
    path = Path(MlflowClient().download_artifacts(run_id, "report.html", str(pictures)))
    found = look(path, width, pictures / f"report_{width}.png")
    assert found["said"] == []
    assert found["drawn"] == found["asked"] >= 10
    assert (found["empty"], found["cut"], found["overflow"]) == ([], [], 0)


def test_a_report_of_a_table_that_means_harm_is_text_only(
    look: Callable[..., dict[str, Any]], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    n = 600
    table = pd.DataFrame(
        {
            HOSTILE: [float(i % 7) for i in range(n)],
            "plan": [HOSTILE if i % 3 else "<a href='https://example.com'>click</a> & $x$ %{y}" for i in range(n)],
            "a column of quite a long name, longer than any axis": [i % 11 / 3 for i in range(n)],
            "adopter": [int(i % 7 + i % 3 > 5) for i in range(n)],
        }
    )
    table.to_csv(tmp_path / "users.csv", index=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    words = ["data=csv", f"data.path={tmp_path}/users.csv", "data.target=adopter", "model=[logistic,boosting]"]
    words += ["model.boosting.n_estimators=20", "explain_rows=20"]
    filed = compare(CompareSettings.from_config(compose("compare", words))).filed
    path = Path(MlflowClient().download_artifacts(filed.run_id, "report.html", str(tmp_path)))
    assert HOSTILE not in path.read_text()
    for width in (1400, 400):
        found = look(path, width, pictures / f"hostile_{width}.png")
        assert found["said"] == []
        assert found["drawn"] == found["asked"] > 5
        assert (found["empty"], found["cut"], found["overflow"]) == ([], [], 0)
        assert "owned" not in found["title"]
