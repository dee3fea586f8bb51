"""What a tracking server's errors mean: who it does not know, what it does not allow, and that it is away."""

import re
from dataclasses import dataclass
from urllib.error import URLError

from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS, MlflowException, RestException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, ErrorCode

from tippingpoint.core.errors import is_full

TABLE = "docs/how_to/team_rights.md lists what each verb needs."
ENDPOINT = re.compile(r"endpoint \S*?/mlflow(?:-artifacts)?/(\S+)")
STATUS = re.compile(r"failed with error code (\d{3})|\b([45]\d{2}) (?:Client|Server) Error|too many (5\d{2}|429) error")
AWAY = re.compile(r"Max retries exceeded|Connection aborted|RemoteDisconnected|ConnectTimeout|Read timed out")
OF_EXPERIMENTS = ("experiments", "runs", "logged-models", "artifacts", "metrics", "traces")
READS = re.compile(r"/(get|search|list|download)[^/]*$|^artifacts")


@dataclass(frozen=True)
class Refusal:
    """An error of a tracking server, in our words.

    Parameters
    ----------
    status
        401, 403 or 404 of a server that will answer the same when asked again; 0 of one that is away, or in trouble.
    what, remedy
        As for an `OutsideError`.
    """

    status: int
    what: str
    remedy: str


def status_of(error: BaseException) -> int | None:
    """The HTTP status that a server answered, if the error is of one."""
    response = getattr(error, "response", None)
    if (status := getattr(response, "status_code", None)) is not None:
        return int(status)
    if found := STATUS.search(str(error)):
        return int(next(filter(None, found.groups())))
    if not isinstance(error, MlflowException):
        return None
    internal = error.error_code == ErrorCode.Name(INTERNAL_ERROR) and not isinstance(error, RestException)
    return None if internal else ERROR_CODE_TO_HTTP_STATUS.get(error.error_code)


def is_refusal(error: BaseException) -> bool:
    """Whether the server said no to who asks, and will again."""
    return status_of(error) in (401, 403)


def is_missing(error: BaseException) -> bool:
    """Whether what was asked for is not there, as far as can be told: nothing was refused, away or full."""
    if AWAY.search(str(error)) or is_full(error):
        return False
    status = status_of(error)
    return status is None or (status not in (401, 403, 429) and status < 500)


def refusal(error: BaseException, user: str, reading: bool = False) -> Refusal | None:
    """What an error of a tracking server means; None where it is no answer of one.

    Parameters
    ----------
    user
        As whom the client asks; '' for nobody.
    reading
        Whether what failed only reads, where the error does not say.
    """
    status, said = status_of(error), str(error)
    found = ENDPOINT.search(said)
    at = found[1] if found else ""
    if status == 401:
        what = f"does not accept the password of user {user!r} (401)" if user else "asks who you are (401)"
        remedy = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        return Refusal(401, what, remedy)
    if status == 403:
        return _denied(at, user, reading)
    if status == 404 and not isinstance(error, RestException):
        what = f"answers, but not as an MLflow tracking server does (404{f' at {at}' if at else ''})"
        return Refusal(404, what, "Set MLFLOW_TRACKING_URI to the address at which the server's pages are.")
    if status is not None and (status >= 500 or status == 429):
        return Refusal(0, f"is in trouble ({reason_of(error)})", "Try again later; its log says why.")
    if AWAY.search(said) or isinstance(error, ConnectionError | TimeoutError | URLError):
        return Refusal(0, f"cannot be reached ({reason_of(error)})", "Start it, or set MLFLOW_TRACKING_URI to another.")
    return None


def _denied(at: str, user: str, reading: bool) -> Refusal:
    """The right that is missing, from what was asked at which endpoint."""
    if at == "experiments/search":  # this one is never refused, only its answer cut down
        what = f"lets {user or 'nobody'} in nowhere (403 at {at})"
        return Refusal(403, what, "Look at the path in MLFLOW_TRACKING_URI, and ask its admin for an account.")
    kind = "experiment" if at.startswith(OF_EXPERIMENTS) else "registered model"
    reads = reading or bool(READS.search(at))
    may = f"read what is in the {kind}" if reads else f"write to the {kind}"
    if reads and not at.startswith(
        ("runs", "logged-models", "artifacts", "metrics")
    ):  # hidden, and not there, look alike
        may = f"read the {kind}, or there is none of that name"
    what = f"does not let {f'user {user!r}' if user else 'you'} {may} (403{f' at {at}' if at else ''})"
    needed = "READ" if reads else "EDIT"
    return Refusal(403, what, f"{needed} on the {kind} is needed: ask its owner, or an admin, to grant it. {TABLE}")


def reason_of(error: BaseException) -> str:
    """The first line of what a library says, without what it wraps around a connection's error."""
    reason = str(getattr(error, "orig", None) or getattr(error, "reason", None) or error).strip()
    reason = reason.splitlines()[0] if reason else type(error).__name__
    inner = re.search(r"(\[Errno -?\d+\] [^'\")]+|Read timed out|timed out|too many \d{3} error responses)", reason)
    return inner[1] if inner else reason
