"""Which code and which packages a run was made with."""

import hashlib
import inspect
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from tippingpoint.config.compose import config_folder
from tippingpoint.core.installed import version_of
from tippingpoint.core.run_reference import Provenance


@cache
def provenance() -> Provenance:
    """Look it up, once a process."""
    untracked = "".join(f"untracked: {name}\n" for name in _git("ls-files", "-o", "--exclude-standard").splitlines())
    return Provenance(_git("rev-parse", "HEAD").strip(), _git("diff", "HEAD") + untracked, packages())


def packages() -> tuple[str, ...]:
    """Installed packages, `name==version`, sorted."""
    return tuple(sorted({f"{d.name.lower()}=={d.version}" for d in distributions() if d.name}))


def code_version(classes: Iterable[type], packages: Iterable[str]) -> str:
    """Digest of the code that decides a result: this package's Python files, plugins' files, what models are made with.

    Of the files as they are, not of the commit: an edit that is not committed counts, one of the README does not, and
    it is there in an installed wheel too.
    """
    digest = hashlib.sha256(_sources())
    for plugin in sorted({inspect.getfile(c) for c in classes if not c.__module__.startswith("tippingpoint.")}):
        digest.update(Path(plugin).read_bytes())
    digest.update(_versions(frozenset(packages)))
    return digest.hexdigest()[:16]


@cache
def _versions(packages: frozenset[str]) -> bytes:
    return "\n".join(f"{name}=={version_of(name)}" for name in sorted(packages)).encode()


@cache
def _sources() -> bytes:
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.digest()


def _git(*words: str) -> str:
    checkout = config_folder().parent
    if not (checkout / ".git").exists():
        return ""
    try:
        return subprocess.run(
            ["git", "-C", str(checkout), *words],
            capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=10,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
