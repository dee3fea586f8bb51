"""What deploys the service, looked at without an engine: no image is built, no cluster is asked."""

import fnmatch
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.dockerfile import lineage, stages, words
from tests.understood import understood
from tippingpoint.dashboard.login import SECRETS
from tippingpoint.serving.api import PATHS
from tippingpoint.serving.decision_log import LASTS
from tippingpoint.serving.server import GRACE

ROOT = Path(__file__).parents[2]
STAGES = stages(ROOT / "Dockerfile")
TARGETS = ("service", "batch", "dashboard")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = [
    found
    for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for found in yaml.safe_load_all(path.read_text())
]
WORKFLOW = ROOT / "examples/github-actions/compare-and-promote.yml"
DEPLOY = (ROOT / "docs/how_to/deploy.md").read_text()
HEALTH = {"service": PATHS, "dashboard": ("/_stcore/health",)}
"""Paths that answer, by image; Streamlit's own of the dashboard."""
PORTS = {"service": 8000, "dashboard": 8501}
DAY = "2026-03-01"


def pods() -> dict[str, dict[str, Any]]:
    """Templates of pods by the name of what makes them."""
    found = {}
    for one in KUBERNETES:
        if one["kind"] == "Deployment":
            found[one["metadata"]["name"]] = one["spec"]["template"]
        if one["kind"] == "CronJob":
            found[one["metadata"]["name"]] = one["spec"]["jobTemplate"]["spec"]["template"]
    return found


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in KUBERNETES if one["kind"] == kind}


def typed(entrypoint: list[str], given: list[str]) -> str:
    """The `tippingpoint …` line that an entry point and its words run; the day of a shell is put in."""
    if entrypoint == ["sh", "-c"]:
        return given[0].removeprefix("exec ").replace("$$", "$").replace("$(date -u +%F)", DAY)
    return shlex.join([*entrypoint, *given])


def lines() -> list[str]:
    """All lines of ours that images, containers, pods and the workflow run."""
    found = [typed(words(STAGES, name, "ENTRYPOINT"), words(STAGES, name, "CMD")) for name in TARGETS]
    for service in COMPOSE["services"].values():
        if "build" in service and service.get("entrypoint") != ["mlflow", "server"]:
            found.append(typed(service.get("entrypoint", ["tippingpoint"]), service["command"]))
    for pod in pods().values():
        (container,) = pod["spec"]["containers"]
        found.append(typed(container.get("command", ["tippingpoint"]), container["args"]))
    steps = [step for job in yaml.safe_load(WORKFLOW.read_text())["jobs"].values() for step in job["steps"]]
    found += [step["run"].partition(" > ")[0] for step in steps if step.get("run", "").startswith("tippingpoint")]
    return sorted({line for line in found if not line.endswith("--help")})


@pytest.mark.parametrize("line", lines())
def test_each_command_is_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert understood(line, monkeypatch)


def test_what_is_copied_into_an_image_is_there_and_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let = [pattern.removeprefix("!") for pattern in ignored if pattern.startswith("!")]
    for stage in STAGES.values():
        for text in stage.of("COPY"):
            *sources, _ = (word for word in text.split() if not word.startswith("--from="))
            other = re.search(r"--from=(\S+)", text)
            assert other is None or other[1] in STAGES
            for source in [] if other else sources:
                assert (ROOT / source).exists()
                assert any(fnmatch.fnmatch(source.rstrip("/"), f"{pattern}*") for pattern in let), source


def test_images_are_pinned_and_their_packages_are_locked() -> None:
    outside = {stage.base for stage in STAGES.values() if stage.base not in STAGES}
    outside |= {service["image"] for service in COMPOSE["services"].values() if "image" in service}
    assert all(re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-[\w-]+", image) for image in outside), outside
    for stage in STAGES.values():
        for text in stage.of("RUN"):
            for install in re.findall(r"pip install [^&]*", text):
                assert "--require-hashes" in install or "--no-deps" in install
                assert "--no-cache-dir" in install
        assert not {"ADD", "VOLUME"} & {kind for kind, _ in stage.instructions}


@pytest.mark.parametrize("name", TARGETS)
def test_an_image_runs_as_a_user_without_rights(name: str) -> None:
    built = lineage(STAGES, name)
    (user,) = [text for stage in built for text in stage.of("USER")]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert not built[-1].of("RUN")  # nothing is installed by it
    created = " ".join(built[-2].of("RUN"))
    assert f"--uid {user.partition(':')[0]}" in created


@pytest.mark.parametrize("name", PORTS)
def test_ports_agree(name: str) -> None:
    port = PORTS[name]
    assert STAGES[name].of("EXPOSE") == [str(port)]
    assert f"port={port}" in words(STAGES, name, "CMD")
    assert f"127.0.0.1:{port}/" in STAGES[name].of("HEALTHCHECK")[0]
    service = COMPOSE["services"][name]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"port={port}" in service["command"]
    (container,) = pods()[name]["spec"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert f"port={port}" in container["args"]
    assert of_kind("Service")[name]["spec"]["ports"][0]["targetPort"] == "http"


@pytest.mark.parametrize("name", PORTS)
def test_probes_ask_what_answers(name: str) -> None:
    (container,) = pods()[name]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] in HEALTH[name]
        assert asked["port"] == "http"
    found = re.search(r"127\.0\.0\.1:\d+(/[\w/]+)", STAGES[name].of("HEALTHCHECK")[0])
    assert found is not None
    assert found[1] in HEALTH[name]


def test_whoever_is_told_to_stop_has_time_to_finish() -> None:
    assert pods()["service"]["spec"]["terminationGracePeriodSeconds"] > GRACE + LASTS
    assert int(COMPOSE["services"]["service"]["stop_grace_period"].rstrip("s")) > GRACE + LASTS


def test_compose_names_only_what_is_there() -> None:
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    examples = {
        line.partition("=")[0]
        for line in (ROOT / "deploy/env.example").read_text().splitlines()
        if not line.startswith("#")
    }
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert asked == examples
    for name, service in services.items():
        assert service.get("build", {"target": "batch"})["target"] in TARGETS
        assert set(service.get("depends_on", {})) <= set(services)
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(volumes)
        for other, when in service.get("depends_on", {}).items():
            assert when["condition"] != "service_healthy" or "healthcheck" in services[other], (name, other)
    assert "mlflow:5000" in " ".join(services["mlflow"]["command"])  # a name that MLflow does not know gets 403
    assert services["service"]["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"


def test_the_day_is_run_by_cron() -> None:
    (line,) = [each for each in (ROOT / "deploy/crontab").read_text().splitlines() if not each.startswith("#")]
    minute, hour, *_, last = line.split()
    assert "docker compose run --rm" in line
    assert last in COMPOSE["services"]
    assert of_kind("CronJob")["daily"]["spec"]["schedule"].split()[:2] == [minute, hour]


@pytest.mark.parametrize("name", ["service", "dashboard", "daily"])
def test_a_pod_has_no_rights_and_a_limit(name: str) -> None:
    pod = pods()[name]["spec"]
    (user,) = STAGES["runtime"].of("USER")
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == int(user.partition(":")[0])
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"]
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert not own["allowPrivilegeEscalation"]
    assert {"memory"} <= set(container["resources"]["limits"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert {"/tmp", "/home/tippingpoint"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
    assert container["image"].removeprefix("tippingpoint-") in TARGETS


def test_a_dashboard_that_others_reach_asks_who_they_are() -> None:
    pod = pods()["dashboard"]["spec"]
    (container,) = pod["containers"]
    assert "public=true" not in [*container["args"], *words(STAGES, "dashboard", "CMD")]
    (login,) = [volume for volume in pod["volumes"] if "secret" in volume]
    (mounted,) = [mount for mount in container["volumeMounts"] if mount["name"] == login["name"]]
    assert mounted["mountPath"] == f"/home/tippingpoint/{Path(SECRETS).parent}"
    assert f"create secret generic {login['secret']['secretName']} --from-file={Path(SECRETS).name}" in DEPLOY
    given = COMPOSE["services"]["dashboard"]
    assert "public=true" in given["command"]
    assert all(port.startswith("127.0.0.1:") for port in given["ports"])


def test_what_selects_pods_finds_them() -> None:
    templates = pods()
    for one in KUBERNETES:
        if one["kind"] in ("Deployment", "PodDisruptionBudget"):
            assert one["spec"]["selector"]["matchLabels"] == templates[one["metadata"]["name"]]["metadata"]["labels"]
        if one["kind"] == "Service":
            assert one["spec"]["selector"] == templates[one["metadata"]["name"]]["metadata"]["labels"]
    configs = set(of_kind("ConfigMap"))
    for template in templates.values():
        (container,) = template["spec"]["containers"]
        assert {one["configMapRef"]["name"] for one in container["envFrom"] if "configMapRef" in one} <= configs


def test_the_kustomization_holds_every_file() -> None:
    (kustomization,) = [one for one in KUBERNETES if one["kind"] == "Kustomization"]
    there = {path.name for path in (ROOT / "deploy/kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == there
    images = {container["image"] for pod in pods().values() for container in pod["spec"]["containers"]}
    assert {image["name"] for image in kustomization["images"]} == images


def test_kustomize_builds_it() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, whose kustomize needs no cluster, is not installed")
    words = ["kubectl", "kustomize", str(ROOT / "deploy/kubernetes")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(KUBERNETES) - 1
    assert "image: registry.example.org/tippingpoint-service:" in done.stdout


def test_the_workflow_judges_branches_and_promotes_main() -> None:
    found = yaml.safe_load(WORKFLOW.read_text())
    steps = found["jobs"]["compare"]["steps"]
    when = {step["run"]: step.get("if", "") for step in steps if "run" in step}
    (judged,) = [line for line in when if "--dry-run" in line]
    (promoted,) = [line for line in when if line.startswith("tippingpoint promote to=")]
    assert when[judged] == "github.event_name == 'pull_request'"
    assert when[promoted] == "github.event_name != 'pull_request'"
    assert "${{" not in promoted  # what others wrote never becomes part of a shell's line
