"""A PostgreSQL server of the tests' own, thrown away after them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


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
            timeout=60,
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


def _exists(user: str) -> bool:
    import pwd

    return any(entry.pw_name == user for entry in pwd.getpwall())
