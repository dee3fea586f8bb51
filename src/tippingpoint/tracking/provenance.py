"""Which code and which packages a run was made with."""

import hashlib
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions

from tippingpoint import __version__
from tippingpoint.settings import config_folder


@dataclass(frozen=True)
class Provenance:
    """What would be needed to make the run again.

    Parameters
    ----------
    commit
        Commit of the checkout tippingpoint runs from; empty for an installed wheel.
    diff
        What differs from that commit, untracked files excepted; empty when clean.
    packages
        Installed packages, `name==version`, sorted.
    """

    commit: str
    diff: str
    packages: tuple[str, ...]

    @property
    def lock_digest(self) -> str:
        """16 hex digits of the installed packages."""
        return hashlib.sha256("\n".join(self.packages).encode()).hexdigest()[:16]

    def tags(self) -> dict[str, str]:
        """MLflow tags."""
        git = {"mlflow.source.git.commit": self.commit} if self.commit else {}
        return {
            **git,
            "tippingpoint.version": __version__,
            "tippingpoint.dirty": str(bool(self.diff)).lower(),
            "tippingpoint.lock_digest": self.lock_digest,
        }


@cache
def provenance() -> Provenance:
    """Look it up, once a process."""
    return Provenance(_git("rev-parse", "HEAD").strip(), _git("diff", "HEAD"), packages())


def packages() -> tuple[str, ...]:
    """Installed packages, `name==version`, sorted."""
    return tuple(sorted({f"{d.name.lower()}=={d.version}" for d in distributions() if d.name}))


def _git(*words: str) -> str:
    checkout = config_folder().parent
    if not (checkout / ".git").exists():
        return ""
    try:
        return subprocess.run(
            ["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
