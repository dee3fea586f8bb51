"""The Dockerfile's own commands in an empty folder: what they install serves a version, with nothing else beside it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.dockerfile import stages, words
from tests.processes import Forked, typed
from tests.secured_server import QUIET
from tests.serving.services import PATIENCE

ROOT = Path(__file__).parents[2]
STAGES = stages(ROOT / "Dockerfile")
ABSOLUTE = re.compile(r"(?<![\w.])/(?=(?:opt|wheels|source)\b)")
"""Where a path of the image begins."""


def built(name: str, folder: Path) -> Path:
    """The root of a stage, made by its own COPY and RUN; `python` is that of the tests."""
    root = folder / name
    work = root
    for kind, text in STAGES[name].instructions:
        if kind == "WORKDIR":
            work = root / text.lstrip("/")
            work.mkdir(parents=True)
        if kind == "COPY":
            other = re.match(r"--from=(\S+) ", text)
            *sources, to = text.removeprefix(other[0] if other else "").split()
            for source in sources:
                of = folder / other[1] / source.lstrip("/") if other else ROOT / source
                copied(of, (root if to.startswith("/") else work) / to.lstrip("/"), of.is_dir() or len(sources) > 1)
        if kind == "RUN":
            line = ABSOLUTE.sub(f"{root}/", re.sub(r"\bpython -m venv", f"{sys.executable} -m venv", text))
            done = subprocess.run(["sh", "-c", line], cwd=work, capture_output=True, text=True, timeout=1500)
            assert done.returncode == 0, done.stderr
    return root


def copied(source: Path, to: Path, into: bool) -> None:
    """As COPY does: what a folder holds, or a file; compiled files stay behind, as .dockerignore says."""
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        return
    to.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, to)


@contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """The store of a folder, behind an MLflow server."""
    port = free_port()
    words = ["-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--serve-artifacts"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    environment = os.environ | QUIET
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen([sys.executable, *words], env=environment, cwd=folder, stderr=log, stdout=log)
    try:
        answers(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])


def answers(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < until, url
            time.sleep(0.2)


@pytest.mark.programs
@pytest.mark.timeout(3000)
@pytest.mark.skipif("ROUNDS" not in os.environ, reason="whole environments are installed: make test-all")
def test_the_service_image_serves_what_another_environment_registered(at_versions: Path, tmp_path: Path) -> None:
    built("wheels", tmp_path)
    packages = built("service-packages", tmp_path) / "opt/tippingpoint"
    checked = subprocess.run([packages / "bin/pip", "check"], capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout
    environment = {"PATH": f"{packages}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    port = free_port()
    with tracking_server(at_versions) as store:
        given = [word.replace("port=8000", f"port={port}") for word in words(STAGES, "service", "CMD")]
        line = [str(packages / "bin/tippingpoint"), *given]
        own = environment | {"MLFLOW_TRACKING_URI": store, "TIPPINGPOINT_API_KEY": "of the tests"}
        service = subprocess.Popen(line, env=own, cwd=tmp_path, stderr=subprocess.DEVNULL)
        try:
            answers(f"http://127.0.0.1:{port}/ready")
        finally:
            service.send_signal(signal.SIGTERM)
            assert service.wait(90) == 0
        users = tmp_path / "users.csv"
        brought = typed("data", "write", f"to={users}", "data.users=50", folder=tmp_path)
        assert brought.wait(PATIENCE) == 0
        for version in (1, 2, 3):  # boosting with xgboost-cpu, a line, a forest
            score = ["score", f"model=models:/conversion/{version}", f"input={users}", f"to={tmp_path}/{version}.csv"]
            done = subprocess.run(
                [packages / "bin/tippingpoint", *score], env=own, cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            whole: Forked = typed(*score[:3], f"to={tmp_path}/{version}w.csv", folder=tmp_path)
            assert whole.wait(PATIENCE) == 0
            with (tmp_path / f"{version}.csv").open() as small, (tmp_path / f"{version}w.csv").open() as large:
                assert [line.split(",")[:4] for line in small] == [line.split(",")[:4] for line in large]
