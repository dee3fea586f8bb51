"""A real MLflow server with basic auth: its runs and users in PostgreSQL, artifacts through the server, four roles."""

import base64
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

Role = Literal["admin", "reader", "scorer", "promoter"]
ROLES: tuple[Role, ...] = ("reader", "scorer", "promoter")
"""Users without any grant of their own but what the server's default gives; `admin` may do everything."""
PASSWORD = "a-long-enough-word"  # 12 characters are the fewest the server takes
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests"}
TELLS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(b"a key of 32 bytes for tests only").decode(),
    "MLFLOW_WEBHOOK_CACHE_TTL": "1",
}
"""The server's own webhooks may tell a receiver of the tests' own, on this machine."""


@dataclass(frozen=True)
class SecuredServer:
    """The address of a server, and what its users need."""

    url: str

    def environment(self, role: str) -> dict[str, str]:
        """The variables by which a client is that user."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": role,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }

    @contextmanager
    def acting_as(self, role: str) -> Iterator[None]:
        """Be that user, in this process, for a while: clients read who they are with every request."""
        with pytest.MonkeyPatch.context() as patch:
            for key, value in self.environment(role).items():
                patch.setenv(key, value)
            yield

    def grant(self, role: str, kind: str, resource: str, permission: str) -> None:
        """Give a user a permission, as the admin: on a `registered_model` by name or an `experiment` by id."""
        from mlflow.server.auth.client import AuthServiceClient

        with self.acting_as("admin"):
            AuthServiceClient(self.url).grant_user_permission(role, kind, resource, permission)


@contextmanager
def secured(postgres: str, folder: Path, default: Literal["READ", "NO_PERMISSIONS"]) -> Iterator[SecuredServer]:
    """Start a server whose users have `default` on what nobody granted them; it ends with the block.

    Parameters
    ----------
    postgres
        What the fixture of that name gives; runs and users each get a new database of it.
    """
    pytest.importorskip("flask_wtf", reason="Flask-WTF is not installed, which MLflow's basic auth needs (extra: dev)")
    runs, users = _database(postgres), _database(postgres)
    config = folder / "auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = {default}\ndatabase_uri = {users}\nadmin_username = admin\n"
        f"admin_password = {PASSWORD}\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 600\n"  # a password is hashed once, not for each request
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--backend-store-uri", runs, "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | QUIET | TELLS | {"MLFLOW_AUTH_CONFIG_PATH": str(config)}
    environment.pop("MLFLOW_TRACKING_URI", None)  # of whoever starts it
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True, stdout=log, stderr=log) as up,
    ):
        try:
            server = SecuredServer(f"http://127.0.0.1:{port}")
            _wait(server, up, folder / "server.log")
            _users(server)
            yield server
        finally:
            os.killpg(up.pid, 9)


def _database(postgres: str) -> str:
    """A new database of a server, as SQLAlchemy names it."""
    import psycopg

    name = f"of_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


def _wait(server: SecuredServer, up: subprocess.Popen, log: Path) -> None:
    """Until it answers."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and up.poll() is None:
        try:
            urllib.request.urlopen(f"{server.url}/health", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")


def _users(server: SecuredServer) -> None:
    from mlflow.server.auth.client import AuthServiceClient

    with server.acting_as("admin"):
        client = AuthServiceClient(server.url)
        for role in ROLES:
            client.create_user(role, PASSWORD)
