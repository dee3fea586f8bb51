"""Who may write a model and who its journal, where the tracking server (MLflow's basic auth) lets that be read."""

import json
import re
import shlex
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response

from tippingpoint.tracking import backend

CURRENT, USERS = "/api/2.0/mlflow/users/current", "/api/2.0/mlflow/users/list"
PERMISSION, GRANT, REVOKE = (f"/api/3.0/mlflow/users/permissions/{word}" for word in ("get", "grant", "revoke"))
WRITES = ("EDIT", "MANAGE")
MOST = 50
"""Users that are looked at: each costs two requests."""


def grant_line(user: str, resource: str, kind: str = "registered_model", permission: str = "EDIT") -> str:
    """What an admin types so that a user may edit a registered model, or the `experiment` of that id."""
    return _line(GRANT, {"username": user, "resource_id": resource, "permission": permission}, kind)


def revoke_line(user: str, model: str) -> str:
    """What an admin types to take from a user what was granted on a registered model."""
    return _line(REVOKE, {"username": user, "resource_id": model})


def _line(path: str, wanted: dict[str, str], kind: str = "registered_model") -> str:
    server = re.sub(r"(?<=://)[^/]*@", "", backend.uri().rstrip("/"))
    said = shlex.quote(json.dumps({**wanted, "resource_type": kind}))
    return f"curl -u ADMIN -X POST {server}{path} -H 'Content-Type: application/json' -d {said}"


def known() -> str:
    """As whom the server knows who asks; '' where the store knows no users, or does not say."""
    if not backend.is_server():
        return ""
    try:
        return str(_get(CURRENT)["user"]["username"])
    except (MlflowException, OSError, ValueError, KeyError, TypeError):  # another kind of server, or an older one
        return ""


def differing(model: str, journal: str) -> list[str]:
    """Users who may edit only one of a model and its journal, each in a sentence with what an admin types.

    An admin sees all users, others see themselves. Empty where the store knows no users, or tells nothing.
    """
    if not backend.is_server():
        return []
    found = []
    try:
        me = _get(CURRENT)["user"]
        names = [me["username"]]
        if me["is_admin"]:  # who may do everything, whatever is granted
            names = [user["username"] for user in _get(USERS)["users"] if not user["is_admin"]]
        for name in names[:MOST]:
            at_model, at_journal = (_permission(name, of) for of in (model, journal))
            if at_journal in WRITES and at_model not in WRITES:
                may, line = f"{journal} and not {model}: entries of theirs do not count", revoke_line(name, journal)
            elif at_model in WRITES and at_journal not in WRITES:
                may, line = f"{model} and not {journal}: they cannot promote", grant_line(name, journal)
            else:
                continue
            found.append(f"{name} may edit {may}. An admin types: {line}")
    except (MlflowException, OSError, ValueError, KeyError, TypeError):  # another kind of server, or an older one
        return []
    return found


def _permission(user: str, model: str) -> str:
    asked = {"username": user, "resource_type": "registered_model", "resource_id": model}
    return str(_get(PERMISSION, params=asked)["permission"])


def _get(path: str, **more: Any) -> Any:
    answer = http_request(get_default_host_creds(backend.uri()), path, "GET", max_retries=0, **more)
    return verify_rest_response(answer, path).json()
