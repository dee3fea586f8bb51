"""The MLflow store: found, created once however many start at the same time, and linked to."""

import contextlib
import logging
import os
import re
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import mlflow
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils import get_results_from_paginated_fn
from mlflow.utils.credentials import read_mlflow_creds

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError, is_full
from tippingpoint.core.foreign import as_theirs
from tippingpoint.core.redaction import masked
from tippingpoint.tracking.refusals import TABLE, reason_of, refusal

INITIALISE_SECONDS = 120
PROBE_SECONDS = 5


def store_failures() -> tuple[type[Exception], ...]:
    """What a store raises; SQLAlchemy's errors where it is loaded: a tracking server needs none of it."""
    sql = [sys.modules["sqlalchemy"].exc.SQLAlchemyError] if "sqlalchemy" in sys.modules else []
    return (OSError, sqlite3.Error, Timeout, MlflowException, *sql)


def connect(writing: bool = True) -> MlflowClient:
    """A client of the store that `MLFLOW_TRACKING_URI` names, or of MLflow's own default in the working folder.

    A new SQLite store is created under a file lock: several processes that migrate it at once would break it.

    Parameters
    ----------
    writing
        Whether the store must let itself be written; one that is only read may lie on a disk that cannot be.

    Raises
    ------
    OutsideError
        When the store cannot be reached, or written where that is asked.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # a server makes its client chat
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")  # half a minute, where its own 7 are four
    store = uri()
    path = sqlite_path(store)
    with store_errors():
        if path and not writing and path.is_file() and path.stat().st_size:  # whole, as stores are made beside it
            _read(path)
            return _touch(store)
        probe(store)
        with FileLock(f"{path}.lock", timeout=INITIALISE_SECONDS) if path else contextlib.nullcontext():
            if path and not path.stat().st_size:  # made beside it: a kill leaves no half-migrated store behind
                fresh = path.with_name(f"{path.name}.new")
                fresh.unlink(missing_ok=True)
                _touch(f"sqlite:///{quote(str(fresh))}")
                fresh.replace(path)
            return _touch(store)


def _touch(store: str) -> MlflowClient:
    """A client of a store that is there and migrated: its making and its first look see to that."""
    client = MlflowClient(store)
    client.search_experiments(max_results=1)
    client.search_registered_models(max_results=1)
    return client


class StoreRefusedError(OutsideError):
    """A server that does not know, or does not let in, who asks; asked again it answers the same."""


@contextlib.contextmanager
def store_errors(reading: bool = False) -> Iterator[None]:
    """Say what the store or its artifact folder answers in our form.

    Parameters
    ----------
    reading
        Whether the block only reads: a right that is missing is that to read.

    Raises
    ------
    StoreRefusedError
        Where a server answers 401, 403, or 404 to all that an MLflow server knows.
    OutsideError
        For whatever else MLflow, its database, or the file system refuses.
    InputError
        For an error of the same kind that a model, a policy or a generator of the user's own raised.
    """
    try:
        yield
    except store_failures() as error:
        if theirs := as_theirs(error):
            raise theirs from theirs.__cause__
        raise outside(error, reading) from error


def outside(error: BaseException, reading: bool = False, of: str = "") -> OutsideError:
    """What a store's error is told as, by whoever knows `of` what it is."""
    where = of or f"store {shown()}"
    if is_full(error):
        there = "" if reading else "where its files are, or "
        remedy = f"Make room {there}where temporary files go, or set TMPDIR to a folder that has some."
        return OutsideError(where, f"a disk is full ({masked(reason_of(error), uri())})", remedy)
    if is_server() and (told := refusal(error, user(), reading)):
        return (StoreRefusedError if told.status else OutsideError)(where, masked(told.what, uri()), told.remedy)
    return OutsideError(
        where,
        f"cannot be used ({masked(reason_of(error), uri())})",
        "Set MLFLOW_TRACKING_URI to a store you can write, e.g. sqlite:////home/you/mlflow.db, or see"
        " `tippingpoint doctor`.",
    )


def named(client: MlflowClient, name: str, note: str | None = None, tags: dict[str, str] | None = None) -> None:
    """See to it that there is a registered model of this name.

    It is looked for first: a server that many ask at once to make what is there already runs out of connections, as
    each of these requests takes a second one while it holds its first. A server that shows a user nothing by default
    refuses to say whether it is there; making it is allowed all the same, if it is not.
    """
    hidden: MlflowException | None = None
    try:
        client.get_registered_model(name)
        return
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(PERMISSION_DENIED):
            hidden = error
        elif error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
    stopping.check()
    try:
        client.create_registered_model(name, tags=tags, description=note)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        if hidden is not None:
            raise _hidden(f"models:/{name}") from hidden


def _hidden(where: str, instead: str = "") -> StoreRefusedError:
    """Of what is there, as it cannot be made, and is not shown to the user."""
    what = f"is there, and not shown to user {user()!r} (403)"
    return StoreRefusedError(where, what, f"Ask its owner, or an admin, for what is needed. {TABLE} {instead}".rstrip())


def every(search: Callable[..., Any]) -> list[Any]:
    """All that a search of the client finds, page after page."""
    with store_errors(reading=True):
        return list(get_results_from_paginated_fn(lambda most, token: search(max_results=most, page_token=token), 1000))


def literal(name: str, where: str = "name") -> str:
    """A text as the store's filters take it; they know no escape.

    Raises
    ------
    InputError
        At `where`, when it holds both kinds of quotes.
    """
    quote = '"' if "'" in name else "'"
    if quote in name:
        raise InputError(where, f"{name} holds both kinds of quotes", "Leave one out.")
    return f"{quote}{name}{quote}"


def probe(store: str) -> None:
    """Fail at once where MLflow would retry for minutes: open the database for writing, or ask the server."""
    if path := sqlite_path(store):
        if not path.parent.is_dir():
            raise NotADirectoryError(f"there is no folder {path.parent}")
        Path(f"{path}.lock").touch()  # where this cannot be written, the lock would try on for its whole timeout
        with FileLock(f"{path}.lock", timeout=INITIALISE_SECONDS):
            connection = sqlite3.connect(path, timeout=PROBE_SECONDS)
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
            finally:
                connection.close()
    elif is_server():
        # A server that answers with an error answers; whether it lets us in, the first real request will say.
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{store.rstrip('/')}/health", timeout=PROBE_SECONDS).close()
    elif "://" in store and not store.startswith(("file://", "databricks")):
        import sqlalchemy

        engine = sqlalchemy.create_engine(store)
        engine.connect().close()
        engine.dispose()


def _read(path: Path) -> None:
    """Fail at once where MLflow would retry for minutes: the file is no database, or locked by who writes."""
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", PROBE_SECONDS, uri=True)) as database:
        database.execute("SELECT 1 FROM sqlite_master").fetchall()


def sqlite_path(store: str) -> Path | None:
    """The file of a SQLite store, None for other stores; in an address a blank, a # or a ? stands encoded."""
    if not store.startswith("sqlite:///"):
        return None
    from sqlalchemy import make_url

    database = make_url(store).database
    return Path(database) if database else None


def experiment_id(client: MlflowClient, name: str) -> str:
    """Id of the experiment of that name, created if it is new; several may ask at once.

    Raises
    ------
    OutsideError
        When the store cannot be used, or the experiment is deleted in it.
    """
    with store_errors():
        hidden: MlflowException | None = None
        try:
            found = client.get_experiment_by_name(name)
        except MlflowException as error:  # a server that shows nothing by default does not say that it is not there
            if error.error_code != ErrorCode.Name(PERMISSION_DENIED):
                raise
            found, hidden = None, error
        if found is None:
            try:
                return str(client.create_experiment(name))
            except MlflowException as error:
                if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                    raise
                if hidden is not None:
                    remedy = "Or type tracking.experiment=another."
                    raise _hidden(f"experiment {name!r}", remedy) from hidden
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
    if found.lifecycle_stage == "deleted":
        raise OutsideError(
            f"experiment {name!r}",
            "is deleted in the store",
            "Restore it, or type tracking.experiment=another.",
        )
    return str(found.experiment_id)


def page(path: str, host: str = "127.0.0.1", port: int = 5000) -> str:
    """Address of a page of the MLflow UI: the server's own, or where `tippingpoint ui` serves.

    A browser that has not been there before shows an experiment as one of chats, unless the address says otherwise.
    Who may enter the store stays out of it: others see it too.
    """
    base = re.sub(r"(?<=://)[^/]*@", "", uri().rstrip("/")) if is_server() else f"http://{host}:{port}"
    return f"{base}/#/{path}{'&' if '?' in path else '?'}workflowType=machine_learning"


def uri() -> str:
    """The store's address."""
    return str(mlflow.get_tracking_uri())


def user() -> str:
    """As whom the client asks a tracking server; '' where it gives no name, or the store asks for none."""
    if not is_server():
        return ""
    return unquote(urlsplit(uri()).username or "") or read_mlflow_creds().username or ""


def visible() -> str:
    """To whom, for a clause that says that nothing is there: a server may hide what there is."""
    return f" that user {user()!r} may read" if user() else ""


def shown() -> str:
    """The store's address without a password."""
    return str(masked(uri()))


def is_server() -> bool:
    """Whether the store is an MLflow server, which has its own pages."""
    return uri().startswith(("http://", "https://"))


def server(host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """The command that serves this store's pages, and its environment."""
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1"]
    # Seven processes for jobs of MLflow's that nothing here asks for, and that would outlive the server.
    return command, os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_BACKEND_STORE_URI": uri()}
