"""What someone with MLflow alone can do with a version."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.serving.services import Service

PYFUNC = """
import sys, json, mlflow, pandas as pd
client = mlflow.MlflowClient()
version = client.get_model_version_by_alias("conversion", "champion")
row = json.loads(sys.argv[1])
score = mlflow.pyfunc.load_model("models:/conversion@champion").predict(pd.DataFrame([row]))[0, 1]
aliases = client.get_registered_model("conversion").aliases
print(json.dumps([version.version, dict(version.tags), version.description, dict(aliases), float(score)]))
assert "tippingpoint" not in sys.modules
"""


@pytest.fixture(scope="module")
def asked(service: Service) -> tuple[dict, float]:
    example = service.example()
    (decision,) = service.post("/score", example).json()["decisions"]
    return {k: v for k, v in example.items() if k != "user_id"}, decision["propensity_score"]


@pytest.mark.programs
def test_a_vanilla_client_reads_and_scores_the_champion(at_versions: Path, asked: tuple[dict, float], tmp_path: Path):
    row, score = asked
    command = [sys.executable, "-c", PYFUNC, json.dumps(row)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    version, tags, description, aliases, theirs = json.loads(done.stdout.splitlines()[-1])
    assert (str(version), str(aliases["champion"])) == ("1", "1")
    assert tags["policy_name"] == "intent_bands"
    assert "conversion" in description
    assert theirs == pytest.approx(score, abs=1e-9)


@pytest.mark.programs
def test_mlflow_models_serve_answers_with_the_same_score(at_versions: Path, asked: tuple[dict, float], tmp_path: Path):
    row, score = asked
    binaries = Path(sys.executable).parent
    if shutil.which("uvicorn", path=str(binaries)) is None:
        pytest.skip(f"there is no uvicorn in {binaries}, which mlflow models serve runs")
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port = probing.getsockname()[1]
    words = ["models", "serve", "--env-manager", "local", "-m", "models:/conversion@champion", "-p", str(port)]
    environment = os.environ | {"PATH": f"{binaries}:{os.environ['PATH']}"}
    with (tmp_path / "mlflow.log").open("w") as log:
        command = [sys.executable, "-m", "mlflow", *words]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    body = json.dumps({"dataframe_records": [row]}).encode()
    asking = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
    try:
        deadline = time.monotonic() + 240
        while True:
            try:
                with urllib.request.urlopen(asking, timeout=60) as response:
                    (answer,) = json.load(response)["predictions"]
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "mlflow.log").read_text()
                time.sleep(0.3)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert answer[1] == pytest.approx(score, abs=1e-9)
