"""Fixtures: a shared workspace with a finished comparison, the real tables, a PostgreSQL server of the tests' own."""

import os

# One thread each: the tests' workers fill the cores.
os.environ |= {"OMP_THREAD_LIMIT": "1", "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from filelock import FileLock

from tests.refusals import Refusal
from tests.secured_server import SecuredServer, secured

REAL = Path(os.environ.get("TIPPINGPOINT_REAL_DATA", Path(__file__).parents[2] / "shared/data"))
"""The real tables that some tests look at."""
ROUNDS = int(os.environ.get("ROUNDS", "1"))
"""How often tests kill, race and draw worlds and examples: once, and more in `make test-all`."""
LONGEST = ("test_tune.py", "test_search_survives.py", "test_kills_and_races.py", "test_dashboard.py", "test_pages.py")
"""Files that begin first: a file stays with one worker, and the last one keeps the other waiting."""
STEPS = (
    *("reading users", "writing ", "opening the store", "loading models", "reading statistics", "scoring users"),
    *("loading the model", "answering", "filing", "reading decisions", "uplift is ", "decided: "),
)
"""Lines on stderr that say how far a job is."""


# No deadline: how long an example takes says how busy the machine is.
hypothesis.settings.register_profile("tests", deadline=None, max_examples=40 if ROUNDS == 1 else 200)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def real() -> Path:
    """The folder of real tables, where it is at hand."""
    if not REAL.is_dir():
        pytest.skip(f"the real tables are not in {REAL} (TIPPINGPOINT_REAL_DATA)")
    return REAL


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """A folder and the store in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        yield


Once = Callable[[str, Callable[[Path], Any]], tuple[Any, Path]]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make something dear once for all workers of a run: its name and maker to (what the maker returned, its folder).

    The first worker that asks calls the maker, in a folder with a store of its own; the others wait and unpickle.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], Any]) -> tuple[Any, Path]:
        folder, result = shared / name, shared / f"{name}.pickle"
        with FileLock(shared / f"{name}.lock"):
            if not result.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a maker that failed
                folder.mkdir()
                with working_in(folder):
                    result.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(result.read_bytes()), folder

    return made


@pytest.fixture(scope="session")
def compared(once: Once) -> tuple:
    """A comparison of small settings: (result, folder it was made in); tests work in copies of its store."""
    from tippingpoint.comparison.job import compare
    from tippingpoint.comparison.settings import CompareSettings
    from tippingpoint.config.compose import compose

    words = ["data.users=3000", "explain_rows=50"]
    return once("compared", lambda _: compare(CompareSettings.from_config(compose("compare", words))))


@pytest.fixture(scope="session")
def simulation(compared: tuple, once: Once) -> tuple:
    """A simulation of the comparison's models with further policies and a budget: (result, folder with its store)."""
    from tippingpoint.config.compose import compose
    from tippingpoint.experiment.settings import SimulateSettings
    from tippingpoint.simulation.job import simulate

    words = [f"models=[{compared[0].filed.run_id}]", "policies=[top_fraction,best_action]", "budget.contacts=300"]

    def make(folder: Path) -> Any:
        shutil.copy(compared[1] / "mlflow.db", folder)
        return simulate(SimulateSettings.from_config(compose("simulate", ["cuts=40", *words])))

    return once("simulation", make)


@pytest.fixture(scope="module")
def at_compared(compared: tuple, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    """The comparison, and a folder in use for a whole module with a copy of its store that no other module sees."""
    with working_in(folder := tmp_path_factory.mktemp("copy")):
        shutil.copy(compared[1] / "mlflow.db", folder)
        yield compared[0], folder


@pytest.fixture(scope="module")
def simulated(simulation: tuple, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The simulation, with a copy of its store in use for a whole module."""
    with working_in(folder := tmp_path_factory.mktemp("copy")):
        shutil.copy(simulation[1] / "mlflow.db", folder)
        yield simulation[0]


@pytest.fixture(scope="module")
def users(at_compared) -> Any:
    """Test users of the comparison, as a file holds them."""
    test = at_compared[0].comparison.question.parts.test
    table = test.features.assign(user_id=test.user_id)
    table.to_csv("users.csv", index=False)
    table.to_parquet("users.parquet", index=False)
    return table


@pytest.fixture
def client(compared: tuple, workspace: Path) -> Any:
    """The store of a finished comparison, to do with as one likes: version 1 is its winner, 2 and 3 its others."""
    import mlflow

    from tippingpoint.tracking.registry import DEPLOYMENT, digest_of

    shutil.copy(compared[1] / "mlflow.db", workspace)
    client = mlflow.MlflowClient()
    parent = client.get_run(compared[0].filed.run_id)
    below = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    winner = client.get_model_version("conversion", "1")
    for run in sorted(below, key=lambda run: run.data.params["model"]):
        if run.info.run_id != winner.run_id:
            source = client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
            beside = mlflow.artifacts.load_dict(f"{source}/deployment.json")
            tags = winner.tags | {"model": run.data.params["model"], DEPLOYMENT: digest_of(beside)}
            client.create_model_version("conversion", source, run.info.run_id, tags)
    return client


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


@pytest.fixture(scope="session")
def empty_store(once: Once) -> Path:
    """A store without runs: to make one takes MLflow seconds, to copy it none."""
    from tippingpoint.tracking import backend

    def make(_: Path) -> None:
        backend.connect()

    return once("empty_store", make)[1] / "mlflow.db"


@pytest.fixture
def stored(workspace: Path, empty_store: Path) -> Path:
    """An empty folder to work in, whose store is there already."""
    shutil.copy(empty_store, workspace)
    return workspace


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A local Spark of two workers."""
    if shutil.which("java") is None:
        pytest.skip("no Java is installed, which Spark runs on")
    SparkSession = pytest.importorskip("pyspark.sql", reason="pyspark is not installed (extra: spark)").SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server that listens on a socket in a temporary folder, with one empty database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra: warehouse)")
    folders = [Path(p) for p in os.environ["PATH"].split(os.pathsep)]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = (folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists())
    if (bin_ := next(found, None)) is None:
        pytest.skip("no PostgreSQL server is installed (initdb, pg_ctl)")
    # The server refuses to run as root, and pytest's own temporary folders are closed to others.
    user = ("postgres" if _exists("postgres") else "nobody") if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="tp"))
    if user:
        shutil.chown(folder, user)

    def run(*command: str | Path) -> None:
        subprocess.run(
            [str(part) for part in command],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            timeout=240,
        )

    data = folder / "data"
    run(bin_ / "initdb", "-D", data, "-U", "tests", "--auth=trust", "--no-sync", "-E", "UTF8")
    options = f"-F -k {folder} -c listen_addresses=''"
    run(bin_ / "pg_ctl", "start", "-w", "-D", data, "-o", options, "-l", folder / "log")
    try:
        yield f"postgresql://tests@/postgres?host={folder}"
    finally:
        run(bin_ / "pg_ctl", "stop", "-m", "immediate", "-D", data)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def secured_server(
    request: pytest.FixtureRequest, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecuredServer]:
    """An MLflow server with basic auth of a module's own, whose default permission is READ, or the parameter's."""
    with secured(postgres, tmp_path_factory.mktemp("secured"), getattr(request, "param", "READ")) as server:
        yield server


def _exists(user: str) -> bool:
    import pwd

    return any(entry.pw_name == user for entry in pwd.getpwall())


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line in this process: words to exit code."""
    from tippingpoint.cli.main import main

    def command(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["tippingpoint", *words])
        try:
            main()
        except SystemExit as done:
            return int(done.code or 0)
        return 0

    return command


@pytest.fixture
def refused(call: Callable[..., int], capsys: pytest.CaptureFixture) -> Callable[..., Refusal]:
    """The command line with wrong words: what it says of them, and nothing besides."""

    def command(*words: str) -> Refusal:
        assert call(*words) == 2
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert captured.out == ""
        return Refusal("\n".join(line for line in captured.err.splitlines() if not line.startswith(STEPS)))

    return command


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    if (path := next(filter(None, found), None)) is None:
        pytest.skip("no Chromium is installed")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A headless browser without a profile; of a module, since its event loop would be in the way of others."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: dev)")
    with driver.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])


LOOK = """page => {
  const cut = plot => {
    const box = plot.getBoundingClientRect();
    return [...plot.querySelectorAll("text")].map(t => t.getBoundingClientRect()).some(
      r => r.width && (r.left < box.left - 1 || r.right > box.right + 1 || r.bottom > box.bottom + 1));
  };
  const plots = [...page.querySelectorAll(".plot")];
  return {
    drawn: Number(page.dataset.drawn),
    asked: plots.length,
    empty: plots.filter(p => !p.querySelector(".trace, .hm")).map(p => p.ariaLabel),
    cut: plots.filter(cut).map(p => p.ariaLabel),
    overflow: page.scrollWidth - page.clientWidth,
    title: document.title,
  };
}"""


@pytest.fixture(scope="module")
def look(browser: Any) -> Callable[..., dict[str, Any]]:
    """What is seen of one of our pages in a window of some width: figures drawn, empty or cut, what does not fit."""

    def at(path: Path, width: int, picture: Path | None = None) -> dict[str, Any]:
        page = browser.new_page(viewport={"width": width, "height": 900})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        found = page.wait_for_selector("html[data-drawn]", state="attached").evaluate(LOOK)
        if picture:
            page.screenshot(path=picture, full_page=True)
        page.close()
        return {**found, "said": said}

    return at
