"""Promotions under load, versions that break, registries that are away."""

import http.client
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlparse

import pytest

from tests.conftest import ROUNDS
from tests.serving.services import NAME, PATIENCE, Service, crown, serving
from tippingpoint.comparison.run import run
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.metrics import Metrics
from tippingpoint.tracking import backend
from tippingpoint.tracking.stored import find

pytestmark = pytest.mark.programs


def under_load(service: Service, requests: int, swaps: int) -> None:
    """Ask on four connections while champions change; every answer is whole, and of one version."""
    client, example = backend.connect(), service.example()
    scores = {}
    for version in "123":
        crown(client, version)
        service.until(lambda ready, version=version: ready["version"] == version)
        (decision,) = service.post("/score", example).json()["decisions"]
        scores[f"models:/{NAME}/{version}"] = decision["propensity_score"]
    assert len(set(scores.values())) == 3
    left, wrong, seen, lock = [requests], [], set(), threading.Lock()
    body, address = json.dumps(example), urlparse(service.address)

    def ask() -> None:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)
        while True:
            with lock:
                if left[0] <= 0:
                    return
                left[0] -= 1
            connection.request("POST", "/score", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200 or scores[answer["model"]] != answer["decisions"][0]["propensity_score"]:
                wrong.append((response.status, answer))
            seen.add(answer["model"])

    def ask_or_tell() -> None:
        try:
            ask()
        except (OSError, http.client.HTTPException) as error:
            wrong.append((0, repr(error)))

    askers = [threading.Thread(target=ask_or_tell) for _ in range(4)]
    for asker in askers:
        asker.start()
    for k in range(swaps):
        due = requests * (swaps - k) / (swaps + 1)
        while left[0] > due:
            time.sleep(0.01)
        version = "123"[k % 3]
        crown(client, version)
        service.until(lambda ready, version=version: ready["version"] == version)
    for asker in askers:
        asker.join()
    assert not wrong, wrong[:3]
    assert left[0] <= 0
    assert seen == set(scores)
    assert (
        f'tippingpoint_requests_total{{path="/score",status="200"}} {requests + 3:.1f}' in service.get("/metrics").text
    )


def test_three_promotions_fail_no_request(at_versions: Path, tmp_path: Path):
    with serving(tmp_path) as service:
        under_load(service, 5_000, 3)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_promotions_fail_none_of_many_requests(at_versions: Path, tmp_path: Path):
    with serving(tmp_path, "access_log=false") as service:
        under_load(service, 10_000 * ROUNDS, max(3, 2 * ROUNDS))


def test_a_version_that_does_not_load_leaves_the_old_one(at_versions: Path, tmp_path: Path):
    settings = Settings.from_config(compose("run", ["model=logistic", "report=none", "data.users=2000", "seed=5"]))
    broken = str(run(settings).filed.registered).rpartition("/")[2]
    client = backend.connect()
    (found, *_) = find(client, f"models:/{NAME}/{broken}")
    location = client.get_logged_model(found.outputs.model_outputs[0].model_id).artifact_location
    file = Path(urlparse(location).path if "://" in location else location) / "model.skops"
    file.write_bytes(file.read_bytes()[:1000])
    with serving(tmp_path) as service:
        example = service.example()
        crown(client, broken)
        service.until(lambda ready: ready["failed"])
        ready = service.get("/ready").json()
        assert (ready["version"], ready["failed"]["version"]) == ("1", broken)
        assert "cannot be read" in ready["failed"]["why"]
        assert service.post("/score", example).json()["model"] == f"models:/{NAME}/1"
        assert "tippingpoint_failed_reloads_total 1.0" in service.get("/metrics").text
        (said,) = service.lines("version did not load")
        assert said["version"] == broken
        crown(client, "2")
        service.until(lambda ready: ready["version"] == "2" and ready["failed"] is None)


def test_the_openapi_is_that_of_the_version_that_serves(at_versions: Path, tmp_path: Path):
    with serving(tmp_path) as service:
        assert service.get("/openapi.json").json()["info"]["version"] == "1"
        crown(backend.connect(), "3")
        service.until(lambda ready: ready["version"] == "3")
        assert service.get("/openapi.json").json()["info"]["version"] == "3"


def version(number: str) -> SimpleNamespace:
    return SimpleNamespace(name=NAME, version=number, policy_digest="d", reference=f"models:/{NAME}/{number}", slow="")


def test_the_next_look_serves_what_was_promoted_since() -> None:
    answers = ["1", "2", "2", "3"]
    follower = Follower(version("1"), lambda: answers.pop(0), version, Metrics())
    served = []
    while answers:
        follower.look()
        served.append(follower.current.version)
    assert served == ["1", "2", "2", "3"]


def test_while_the_registry_is_away_it_goes_on(capsys: pytest.CaptureFixture):
    answers: list = ["1", OutsideError("store", "cannot be used"), OutsideError("store", "cannot be used"), "2"]

    def resolve() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    metrics = Metrics()
    follower = Follower(version("1"), resolve, version, metrics)
    for _ in range(3):
        follower.look()
        assert follower.current.version == "1"
    assert "cannot be used" in follower.away
    assert b"tippingpoint_store_reachable 0.0" in metrics.text()
    follower.look()
    assert (follower.current.version, follower.away) == ("2", "")
    assert capsys.readouterr().err.count("registry does not answer") == 1, "it is said once"


def test_a_version_that_failed_is_not_tried_at_every_look():
    tried = []

    def load(number: str) -> SimpleNamespace:
        tried.append(number)
        raise InputError("model", "is broken")

    follower = Follower(version("1"), lambda: "2", load, Metrics())
    for _ in range(5):
        follower.look()
    assert tried == ["2"]
    assert follower.failed.version == "2"
