"""How fast the dashboard's pages answer, how long it takes to start, and what the largest upload costs.

python -P benchmarks/dashboard.py [users]            the functions behind the pages, at 100,000 users
python -P benchmarks/dashboard.py filters [users]    from the click on a filter to the redrawn figures, in a browser
python -P benchmarks/dashboard.py upload [megabytes] an upload of 199 MB in a browser: seconds, and the server's memory
python -P benchmarks/dashboard.py start              from typing the command to the first page; run it where you like

The last three need a Chromium and playwright; memory is read from /proc.
"""

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from tippingpoint.dashboard import figures, intake, lists, scenario, segments, subject, uploads

T = TypeVar("T")
MINUTES = 120_000
WATCH = """() => {
  const drawn = '[data-testid=stPlotlyChart] .cartesianlayer';
  const charts = () => [...document.querySelectorAll(drawn)].map(c => c.innerHTML);
  const running = () => document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'notRunning';
  document.addEventListener('click', () => {
    const before = charts(), from = performance.now();
    window.first = window.all = null;
    window.clicked = from;
    const look = () => {
      if (window.clicked !== from) return;  // another click came since
      const now = charts(), changed = now.length === before.length && now.every((text, k) => text !== before[k]);
      if (changed && window.first === null) window.first = performance.now() - from;
      if (changed && !running()) window.all = performance.now() - from;
      else if (performance.now() - from < 20000) requestAnimationFrame(look);
    };
    look();
  }, true);
}"""
"""On every click: milliseconds until all figures are others, and until the page has run as well."""
REPEATS = 9
PROMISED = 0.3
"""Seconds a filter may take."""


def main(users: int) -> None:
    """Print a table."""
    about = subject.demonstration("conversion")
    table = made(about, users)
    content = io.BytesIO()
    table.write_csv(content)
    upload, looked = timed(lambda: uploads.look("users.csv", content.getvalue()), 1)
    found, decided = timed(lambda: intake.listed(upload, about, {}), 1)
    policy = about.policy

    def segments_page() -> None:
        left = segments.filtered(found.table, {"country": ["US", "DE"], "device": ["phone"]})
        own = segments.numbers(left, ("converted",))
        shown = segments.by_segment(left, policy.segments, policy.actions, own[:2])
        figures.sizes(shown)
        figures.scores(*segments.histogram(left, policy.segments), "converted")
        compared = segments.engagement(left, policy.segments, own[:8])
        users_of = dict(shown.select("segment", "users").iter_rows())
        figures.engagement(compared, policy.segments, users_of)
        figures.stacked(segments.by_category(left, "country", policy.segments), policy.segments)

    board = scenario.board(about)
    assert board is not None
    cuts = iter(np.linspace(0.2, 0.6, 1000))
    _, filtering = timed(segments_page, REPEATS)
    _, moving = timed(lambda: board.scenario((float(next(cuts)), 0.7)), REPEATS)
    _, limiting = timed(lambda: board.within(100), REPEATS)
    _, listing = timed(lambda: lists.targets(found, about, ("medium", "high"), False).csv(), 3)
    _, why = timed(lambda: lists.targets(found, about, ("medium", "high"), True).csv(), 1)
    megabytes = content.tell() / 1e6
    print(f"{users:,} users, {megabytes:.1f} MB of CSV; medians of {REPEATS}, seconds")
    rows = {
        "look at the upload": looked,
        "check and decide it": decided,
        f"everything of Segments under two filters (promised {PROMISED})": filtering,
        "a cut-off moved: value, uplift, spend, contacts": moving,
        "the best cut-offs within a budget": limiting,
        "the target list": listing,
        "the target list with reasons": why,
    }
    for name, seconds in rows.items():
        print(f"{name:66} {seconds:8.4f}")
    if filtering > PROMISED:
        sys.exit(f"filters took {filtering:.2f} s")


def filters(users: int) -> None:
    """Print how long a click on a filter takes."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (address, _, page):
        path = Path(folder, "users.csv")
        made(subject.demonstration("conversion"), users).write_csv(path)
        brought(page, address, path)
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Segments").click()
        page.wait_for_function("() => document.querySelectorAll('[data-testid=stPlotlyChart] .main-svg').length > 3")
        settled(page)
        page.evaluate(WATCH)
        drawn, ran = [], []
        for option in ("US", "DE", "BR") * 3:
            box = page.get_by_role("combobox", name="country", exact=True)
            box.click()
            page.wait_for_timeout(300)  # nobody clicks before the list is drawn
            page.get_by_role("option", name=option).click()
            page.wait_for_function("() => window.all", timeout=MINUTES)
            drawn.append(page.evaluate("window.first") / 1000)
            ran.append(page.evaluate("window.all") / 1000)
            page.keyboard.press("Escape")
            if len(drawn) % 3 == 0:
                page.get_by_role("button", name="Clear all").first.click()
                settled(page)
            page.wait_for_timeout(500)
    print(f"{users:,} users; from the click to all figures redrawn, medians of {len(drawn)}, seconds")
    print(f"redrawn {np.median(drawn):.3f} (slowest {max(drawn):.3f})")
    print(f"and the page done, tables too, {np.median(ran):.3f} (slowest {max(ran):.3f}; promised {PROMISED})")
    if np.median(ran) > PROMISED:
        sys.exit("filters are slower than promised")


def upload(megabytes: int) -> None:
    """Print what an upload costs."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (address, server, page):
        path = Path(folder, "users.csv")
        about = subject.demonstration("conversion")
        assert about.users is not None
        plain = about.users.drop("action", "converted")
        rows = int(megabytes * 1e6 / len(plain.write_csv()) * len(plain))
        tiled = plain[np.arange(rows) % len(plain)]
        tiled.with_columns(user_id=pl.format("v{}", pl.int_range(10**8, 10**8 + rows))).write_csv(path)
        there = set(Path(tempfile.gettempdir()).glob("tippingpoint-*"))
        page.goto(address)
        page.get_by_text("rows", exact=True).first.wait_for(timeout=MINUTES)
        before = memory(server)
        preview, scored = brought(page, address, path)
        print(f"{rows:,} users, {path.stat().st_size / 1e6:.0f} MB; the server held {before['VmRSS']} MB before")
        print(f"first preview {preview:.1f} s, all decided {scored:.1f} s; peak {memory(server)['VmHWM']} MB")
        for name in ("Segments", "Targets", "Why"):
            page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
            page.get_by_role("heading", name=name, level=1).wait_for(timeout=MINUTES)
            settled(page)
        held = memory(server)
        print(f"after Segments, Targets, Why: peak {held['VmHWM']} MB, held {held['VmRSS']} MB")
        page.context.close()
        time.sleep(2)
        left = set(Path(tempfile.gettempdir()).glob("tippingpoint-*")) - there
        print(f"left on disk: {len(left)} files")


def start() -> None:
    """Print when the first page says something, and when it is whole."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        with served(Path(folder)) as (address, _, page):
            page.goto(address)
            page.wait_for_selector("h1, [data-testid=stSpinner]", timeout=MINUTES)
            said = time.perf_counter() - begun
            page.get_by_text("rows", exact=True).first.wait_for(timeout=MINUTES)
            whole = time.perf_counter() - begun
            print(f"from the command to the first words {said:.1f} s, to the whole page {whole:.1f} s")


def made(about: subject.Subject, users: int) -> pl.DataFrame:
    """Users drawn from the demonstration's, with a country and a device."""
    assert about.users is not None
    drawn = np.random.default_rng(0).integers(0, len(about.users), users)
    return about.users.drop("action", "converted")[drawn].with_columns(
        user_id=pl.format("v{}", pl.int_range(users)),
        country=pl.Series(np.random.default_rng(1).choice(["US", "DE", "BR", "IN"], users)),
        device=pl.Series(np.random.default_rng(2).choice(["phone", "tv", "web"], users)),
    )


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int, Any]]:
    """The dashboard of a folder without a store: its address, the server's process, and a browser's page."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        command = [sys.executable, "-m", "tippingpoint", "dashboard", f"port={address.rpartition(':')[2]}"]
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        job = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            while not answers(address):
                time.sleep(0.05)
            children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
            yield address, int(children[0]), browser.new_page(viewport={"width": 1400, "height": 1000})
        finally:
            os.killpg(job.pid, signal.SIGINT)
            job.wait(30)


def answers(address: str) -> bool:
    """Whether the server is there."""
    try:
        urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
    except OSError:
        return False
    return True


def brought(page: Any, address: str, path: Path) -> tuple[float, float]:
    """Upload a file: seconds to the first preview, and until all is decided."""
    if page.url != f"{address}/":
        page.goto(address)
    page.get_by_text("rows", exact=True).first.wait_for(timeout=MINUTES)
    begun = time.perf_counter()
    page.locator("input[type=file]").first.set_input_files(path)
    page.get_by_text("its first rows").or_(page.get_by_text("in this tab only")).first.wait_for(timeout=MINUTES)
    preview = time.perf_counter() - begun
    page.get_by_text("in this tab only").wait_for(timeout=MINUTES)
    return preview, time.perf_counter() - begun


def settled(page: Any) -> None:
    """Wait until the page has run."""
    page.wait_for_timeout(300)
    state = "() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
    page.wait_for_function(state, timeout=MINUTES)
    page.wait_for_timeout(300)


def memory(process: int) -> dict[str, int]:
    """MB a process holds (`VmRSS`), and the most it held (`VmHWM`)."""
    lines = (line.split(":") for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return {name: int(value.split()[0]) // 1000 for name, value in lines if name in ("VmRSS", "VmHWM")}


def timed(work: Callable[[], T], times: int) -> tuple[T, float]:
    """What it gives, and the median seconds it takes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - start)
    return result, float(np.median(taken))


if __name__ == "__main__":
    what, *rest = [*sys.argv[1:], ""] if sys.argv[1:] and sys.argv[1].isalpha() else ["", *sys.argv[1:], ""]
    number = int(rest[0]) if rest[0] else 0
    if what == "filters":
        filters(number or 100_000)
    elif what == "upload":
        upload(number or 199)
    elif what == "start":
        start()
    else:
        main(number or 100_000)
