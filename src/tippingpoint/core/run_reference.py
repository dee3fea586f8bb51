"""Where a result is filed, and what it was made with."""

import hashlib
from dataclasses import dataclass, field

from tippingpoint.core.version import __version__


@dataclass(frozen=True)
class RunReference:
    """Where something was filed: its run, the run's page, the registered version if there is one, and saved views."""

    run_id: str
    page: str
    registered: str | None
    views: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Provenance:
    """What would be needed to make the run again.

    Parameters
    ----------
    commit
        Commit of the checkout tippingpoint runs from; empty for an installed wheel.
    diff
        What differs from that commit, and the names of untracked files; empty when clean.
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
