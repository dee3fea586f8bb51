"""Storages of studies: a journal file or a database, opened by several processes at once."""

import contextlib
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tippingpoint.core.errors import OutsideError
from tippingpoint.core.redaction import masked

BEAT_SECONDS, GRACE_SECONDS = 10, 40
COLD_STARTS = 10
STUDIES = str(Path(".tippingpoint", "studies"))
"""The folder of journals."""
STORAGE_ERRORS: tuple[type[Exception], ...] = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)


class Journal(JournalFileBackend):
    """A journal file under a lock of the operating system, which a killed process no longer holds.

    Only the entry that ends a trial is waited for on disk: a process that is killed loses no entry, and a power cut
    at most the trials under way, which are tried again.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path, self._file_lock = path, FileLock(f"{path}.lock", thread_local=False)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)
        with self._file_lock, self._path.open("ab") as file:
            file.write(lines.encode())
            if any("datetime_complete" in log for log in logs):
                file.flush()
                os.fsync(file.fileno())


def open_storage(place: str) -> BaseStorage:
    """Open a journal file, or a database by its URL; several processes may create one at once.

    Raises
    ------
    OutsideError
        When it cannot be reached or written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with storage_errors(place, (OSError, ImportError, ValueError)):
        if "://" not in place:
            path = Path(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            _mend(path)
            return JournalStorage(Journal(path))
        return _database(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", place))


def study_names(place: str) -> set[str]:
    """The studies in a database, or in a folder of journals."""
    if "://" not in place:
        return {path.stem for path in Path(place).glob("*.log")}
    with storage_errors(place):
        return set(optuna.get_all_study_names(open_storage(place)))


@contextlib.contextmanager
def storage_errors(place: str, more: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise errors of the storage as OutsideError.

    Raises
    ------
    OutsideError
        For what it refuses, and for `more`.
    """
    try:
        yield
    except STORAGE_ERRORS + more as error:
        cause = error.__cause__ or error
        reason = masked(" ".join(str(getattr(cause, "orig", None) or cause).split()), str(place))
        raise OutsideError(
            f"tune.storage {masked(place)}",
            f"cannot be used ({reason[:200]})",
            "Give a postgresql:// URL that answers, or leave it out for a file beside the runs; what is there is kept.",
        ) from error


def _mend(path: Path) -> None:
    """Move an incomplete last line, left by a power cut, to another file: Optuna cannot read such a journal."""
    with FileLock(f"{path}.lock"):
        written = path.read_bytes() if path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        *_, last = whole.splitlines(keepends=True) or [b"{}"]
        try:
            json.loads(last)
        except ValueError:
            whole = whole.removesuffix(last)
        if torn := written[len(whole) :]:
            aside = path.with_suffix(".torn")
            with aside.open("ab") as file:
                file.write(torn + b"\n")
            with path.open("r+b") as file:
                file.truncate(len(whole))
            print(f"{path}: its last line was torn; it is set aside in {aside.name}, the rest is kept", file=sys.stderr)


def _database(url: str) -> BaseStorage:
    # Said of each trial that is asked for outside of Optuna's own loop; our workers record its heartbeats themselves.
    warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)
    for attempt in range(COLD_STARTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats are called so, in every worker
                return RDBStorage(
                    url,
                    heartbeat_interval=BEAT_SECONDS,
                    grace_period=GRACE_SECONDS,
                    engine_kwargs={"pool_pre_ping": True},
                )
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError, RuntimeError):
            if attempt == COLD_STARTS - 1:  # another process makes the same tables at this moment
                raise
            time.sleep(0.2 * (attempt + 1))
    raise AssertionError
