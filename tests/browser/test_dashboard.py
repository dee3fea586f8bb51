"""What marketing sees: the dashboard in a headless browser, over a registered version and over a demonstration.

Pictures of every page, at 1400 px and 400 px, go to pytest's temporary folder (`--basetemp` says where); with
TIPPINGPOINT_PICTURES=docs/pictures those of the README are made anew.
"""

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("streamlit", reason="streamlit is not installed (extra: dashboard)")

from tippingpoint.config.compose import compose
from tippingpoint.scoring.job import score
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.tracking import backend

pytestmark = pytest.mark.programs
PAGES = ["users", "segments", "cut-offs", "targets", "why", "k-means", "over-time", "registry"]
IN_README = {("segments", 1400), ("cut-offs", 1400), ("targets", 400)}
START_SECONDS = 240
PATIENCE = 240_000
ROOT = Path(__file__).parents[2]
ROW = 35
"""Pixels of a table's row, its header too."""
HOSTILE = "<img src=x onerror=document.title='owned'>"


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[str]:
    """The dashboard of a folder: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tippingpoint", "dashboard", f"port={port}", *words]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    served = subprocess.Popen(command, cwd=folder, start_new_session=True, **quiet)
    try:
        for _ in range(4 * START_SECONDS):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(served.pid, signal.SIGINT)
        served.wait(timeout=240)


@pytest.fixture(scope="module")
def base(at_compared: tuple) -> Iterator[str]:
    """Over the shared comparison's registered version."""
    with serving(at_compared[1], "model=models:/conversion/1") as address:
        yield address


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """In a folder without a store."""
    folder = tmp_path_factory.mktemp("nowhere")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
            address = stack.enter_context(serving(folder))
        yield address
    assert not (folder / "mlflow.db").exists()  # looking makes no store


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture
def table(at_compared: tuple, tmp_path: Path) -> Path:
    """The comparison's users as a CSV with a column of countries."""
    config = at_compared[0].comparison.question
    users = pl.from_pandas(config.users.table()).drop("action", "converted")
    countries = [["US", "DE", "BR"][i % 3] for i in range(len(users))]
    path = tmp_path / "users.csv"
    users.with_columns(country=pl.Series(countries)).write_csv(path)
    return path


def settled(page: Any) -> Any:
    """Wait until the page has run and all is drawn."""
    page.wait_for_selector("h1", timeout=PATIENCE)
    done = """() => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === "notRunning"
      && !document.querySelector('[data-testid="stSkeleton"], [data-testid="stSpinner"]')
      && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(p => p.querySelector('.main-svg'))"""
    page.wait_for_function(done, timeout=PATIENCE)
    page.wait_for_timeout(250)
    return page


def opened(context: Any, address: str) -> Any:
    page = context.new_page()
    page.goto(address)
    return settled(page)


class Clicks:
    """Clicks and drags, counted."""

    def __init__(self, page: Any) -> None:
        self.page, self.count = page, 0

    def on(self, what: Any) -> None:
        what.click(timeout=PATIENCE)
        self.count += 1
        settled(self.page)

    def to(self, name: str) -> None:
        self.on(self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name))


@pytest.mark.timeout(600)
def test_five_tasks_take_at_most_five_clicks_each_and_the_list_is_that_of_score(browser, base, table, tmp_path):
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    page = opened(context, base)

    page.locator("input[type=file]").set_input_files(table)  # 1: bring users
    page.get_by_text("users.csv, in this tab only").wait_for(timeout=PATIENCE)
    settled(page)

    clicks = Clicks(page)  # 2: who is at risk in one country
    clicks.to("Segments")
    clicks.on(page.get_by_role("combobox", name="country", exact=True))
    clicks.on(page.get_by_role("option", name="DE"))
    page.keyboard.press("Escape")
    assert page.get_by_text("1,000 of 3,000 users.").is_visible()
    assert clicks.count <= 5

    clicks = Clicks(page)  # 3: what if the discount band started at 0.5
    clicks.to("Cut-offs")
    before = page.get_by_test_id("stMetricValue").last.inner_text()
    thumb = page.get_by_role("slider").first
    thumb.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    clicks.count += 1
    page.get_by_text("would get another action").wait_for(timeout=PATIENCE)
    settled(page)
    assert thumb.input_value() == "0.5"
    assert int(page.get_by_test_id("stMetricValue").last.inner_text()) < int(before)
    assert clicks.count <= 5

    clicks = Clicks(page)  # 4: download the list; the filter is still there, and taken away
    clicks.to("Targets")
    page.get_by_role("button", name="Clear all").first.click()
    settled(page)
    clicks.count += 1
    with page.expect_download() as download:
        clicks.on(page.get_by_role("button", name="Download CSV"))
    assert clicks.count <= 5
    downloaded = Path(download.value.path()).read_bytes()
    at = pl.read_csv(io.BytesIO(downloaded), infer_schema=False)["scored_at"][0].removesuffix("Z")
    words = [f"input={table}", f"to={tmp_path}/list.csv", "only=[medium]", "reasons=true", "tracking.log=false"]
    score(ScoreSettings.from_config(compose("score", [*words, f"scored_at={at}", "model=models:/conversion/1"])))
    assert downloaded == (tmp_path / "list.csv").read_bytes()

    clicks = Clicks(page)  # 5: explain one user: the second of the list
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    page.mouse.click(box["x"] + 18, box["y"] + 1.5 * ROW + ROW)
    clicks.count += 1
    clicks.on(page.get_by_role("link", name="Why u"))
    page.get_by_text("What would move them").wait_for(timeout=PATIENCE)
    second = pl.read_csv(io.BytesIO(downloaded), infer_schema=False)["user_id"][1]
    assert page.get_by_role("textbox", name="User").input_value() == second
    assert page.get_by_test_id("stMetricValue").nth(1).inner_text() in ("low", "medium", "high")
    assert clicks.count <= 5
    context.close()


@pytest.mark.timeout(300)
def test_a_click_after_another_version_became_the_one_that_decides_draws_all_anew(browser, at_compared):
    client = backend.connect()
    first = client.get_model_version("conversion", "1")
    made = client.create_model_version("conversion", first.source, first.run_id, first.tags, model_id=first.model_id)
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    with serving(at_compared[1], "model=models:/conversion@challenger") as address:
        page = opened(context, f"{address}/segments")
        sidebar = page.get_by_test_id("stSidebarUserContent")
        assert "conversion/1" in sidebar.inner_text()
        client.set_registered_model_alias("conversion", "challenger", made.version)
        try:
            page.wait_for_timeout(11_000)  # an alias is looked up again after ten seconds
            page.get_by_role("combobox", name="country_tier", exact=True).click()
            page.get_by_role("option", name="tier_1").click()
            page.get_by_text("another version decides").wait_for(timeout=PATIENCE)
            assert f"conversion/{made.version}" in settled(page).get_by_test_id("stSidebarUserContent").inner_text()
        finally:
            client.set_registered_model_alias("conversion", "challenger", "1")
    context.close()


@pytest.mark.timeout(300)
def test_keys_pressed_fast_never_leave_figures_of_another_cut_off(browser, demo):
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = opened(context, f"{demo}/cut-offs")
    thumb = page.get_by_role("slider").first
    thumb.focus()
    for _ in range(50):  # past the other cut-off
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(33)
    page.get_by_text("Each segment must start above").wait_for(timeout=PATIENCE)
    assert float(thumb.input_value()) == 0.9
    assert page.get_by_test_id("stMetricValue").count() == 0
    context.close()


@pytest.mark.timeout(600)
def test_an_upload_is_seen_by_its_own_tab_alone_and_its_text_is_never_markup(browser, base, table):
    hostile = table.with_name("hostile.csv")
    users = pl.read_csv(table).with_columns(plan=pl.lit(HOSTILE)).with_columns(pl.lit(HOSTILE).alias(HOSTILE))
    users.with_columns(plan=pl.when(pl.arange(0, pl.len()) % 2 == 0).then(pl.lit("free")).otherwise("plan")).write_csv(
        hostile
    )
    one, other = (browser.new_context(viewport={"width": 1400, "height": 1000}) for _ in range(2))
    mine, theirs = opened(one, base), opened(other, base)
    mine.locator("input[type=file]").set_input_files(hostile)
    mine.get_by_text("hostile.csv, in this tab only").wait_for(timeout=PATIENCE)
    for name in ("Segments", "Targets", "Why", "Users"):
        for page in (mine, theirs):
            Clicks(page).to(name)
        assert "hostile.csv" not in theirs.inner_text("body")
        assert HOSTILE not in theirs.inner_text("body")
        assert mine.locator("img[src=x]").count() == 0
        assert mine.title() != "owned"
    assert "hostile.csv" in mine.inner_text("body")
    one.close(), other.close()


@pytest.mark.timeout(600)
def test_no_text_of_an_upload_becomes_a_link_and_a_table_downloads_with_its_formulas_marked(browser, base, table):
    users = pl.read_csv(table).with_columns(pl.lit("=1+1").alias("www.evil.com"), plan=pl.lit("@cmd"))
    links = table.with_name("http:evil.com www.evil.com a@evil.com.csv")
    users.with_columns(country_tier=pl.lit("http://evil.com/x")).write_csv(links)
    users.write_csv(table)
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    # Nobody answers a headless browser's own dialog: Streamlit's other way is a plain download.
    context.add_init_script("window.showSaveFilePicker = () => { throw new TypeError('nobody answers') }")
    page = opened(context, base)
    for path in (links, table):
        page.locator("input[type=file]").set_input_files(path)
        page.get_by_text(f"{path.name[-12:]}").first.wait_for(timeout=PATIENCE)
        settled(page)
        leading = page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href') || '')")
        assert not [to for to in leading if "evil" in to and not to.startswith("#")]  # a heading's anchor stays here
    page.get_by_text("in this tab only").wait_for(timeout=PATIENCE)
    shown = page.get_by_test_id("stDataFrame").first
    shown.hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").first.click()
    saved = pl.read_csv(download.value.path())
    assert set(saved["plan"]) == {"'@cmd"}
    assert set(saved["www.evil.com"]) == {"'=1+1"}
    page.get_by_role("button", name="Forget my users").click()
    page.get_by_text("in this tab only").wait_for(state="detached", timeout=PATIENCE)
    context.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("width", [1400, 400])
def test_what_cannot_be_opened_is_said_where_one_looks(browser, at_compared, pictures, width):
    context = browser.new_context(viewport={"width": width, "height": 700})
    with serving(at_compared[1], "model=models:/conversion/99") as address:
        page = context.new_page()
        page.goto(address)
        said = page.get_by_test_id("stAlertContentError")
        said.wait_for(timeout=PATIENCE)
        box = said.bounding_box()
        page.screenshot(path=pictures / f"error_{width}.png")
        assert "conversion/99" in said.inner_text().replace("\\", "")
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    context.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("over", ["version", "demo"])
def test_every_page_is_drawn_and_fits_its_window(browser, base, demo, pictures, width, over):
    context = browser.new_context(viewport={"width": width, "height": 900})
    asked: list[str] = []
    context.on("request", lambda r: None if r.url.startswith(("data:", "blob:", base, demo)) else asked.append(r.url))
    for name in PAGES:
        page = opened(context, f"{base if over == 'version' else demo}/{'' if name == 'users' else name}")
        tall = page.eval_on_selector("[data-testid=stMain]", "m => m.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(int(tall) + 20, 2600)})
        settled(page)
        page.screenshot(path=pictures / f"{over}_{name}_{width}.png")
        if over == "version" and (name, width) in IN_README and (folder := os.environ.get("TIPPINGPOINT_PICTURES")):
            small(pictures / f"{over}_{name}_{width}.png", ROOT / folder / f"dashboard_{name}_{width}.png")
        assert page.get_by_test_id("stException").count() == 0, name
        assert page.get_by_test_id("stAlertContentError").count() == 0, name
        main = "[data-testid=stMain]"
        assert page.eval_on_selector(main, "m => m.scrollWidth - m.clientWidth") <= 1, name
        page.close()
    assert not [url for url in asked if not url.startswith("ws")]  # nothing is fetched from anywhere else
    context.close()


def small(picture: Path, to: Path) -> None:
    """A picture of few colours, for the repository."""
    from PIL import Image

    to.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(picture).convert("RGB")
    image.crop((0, 0, image.width, min(image.height, 1250))).quantize(200).save(to, optimize=True)
