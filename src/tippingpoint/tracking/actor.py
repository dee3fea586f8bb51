"""Who acts, as far as anybody can say: MLflow keeps no creator of a version, so all of it is claimed."""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tippingpoint.core.errors import OutsideError
from tippingpoint.tracking import backend


@dataclass(frozen=True)
class Actor:
    """Who writes an entry.

    Parameters
    ----------
    who
        As whom the client asks the tracking server; who is logged in where the store asks for no name.
    claimed
        What is said besides: `login`, where it is another, `ci` and `ci_commit`, `on_behalf_of`.
    """

    who: str
    claimed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, on_behalf_of: str | None = None) -> "Actor":
        """Who acts in this process.

        Raises
        ------
        OutsideError
            When neither the server nor the system knows a name.
        """
        login, user = _login(), backend.user()
        if not (who := user or login):
            raise OutsideError("who", "nobody is logged in by name", "Set LOGNAME in the environment.")
        claimed = {"login": login if user else "", "on_behalf_of": on_behalf_of or "", **_ci(os.environ)}
        return cls(who, {key: value for key, value in claimed.items() if value})


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _ci(environment: Mapping[str, str]) -> dict[str, str]:
    """The run of GitHub Actions or GitLab CI that this process is part of, and its commit.

    >>> _ci({"CI_PIPELINE_URL": "https://gitlab.example/app/-/pipelines/7", "CI_COMMIT_SHA": "ab12"})
    {'ci': 'https://gitlab.example/app/-/pipelines/7', 'ci_commit': 'ab12'}
    """
    if "GITHUB_ACTIONS" in environment:
        parts = [environment.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
        return {"ci": f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}", "ci_commit": environment.get("GITHUB_SHA", "")}
    if "CI_PIPELINE_URL" in environment:
        return {"ci": environment["CI_PIPELINE_URL"], "ci_commit": environment.get("CI_COMMIT_SHA", "")}
    return {}
