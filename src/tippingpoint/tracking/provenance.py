"""Which code and which packages a run was made with."""

import subprocess
from functools import cache
from importlib.metadata import distributions

from tippingpoint.findings import Provenance
from tippingpoint.settings import config_folder


@cache
def provenance() -> Provenance:
    """Look it up, once a process."""
    untracked = "".join(f"untracked: {name}\n" for name in _git("ls-files", "-o", "--exclude-standard").splitlines())
    return Provenance(_git("rev-parse", "HEAD").strip(), _git("diff", "HEAD") + untracked, packages())


def packages() -> tuple[str, ...]:
    """Installed packages, `name==version`, sorted."""
    return tuple(sorted({f"{d.name.lower()}=={d.version}" for d in distributions() if d.name}))


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
