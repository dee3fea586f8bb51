"""Storages of studies: a journal file or a database, opened by several at once; their errors said in our form."""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.storages.journal._storage import JournalOperation

from tippingpoint.core.errors import OutsideError
from tippingpoint.core.redaction import masked

BEAT_SECONDS, GRACE_SECONDS = 10, 40
COLD_STARTS = 10
STUDIES = str(Path(".tippingpoint", "studies"))
"""The folder of journals."""
STORAGE_ERRORS: tuple[type[Exception], ...] = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)


class _KernelLock(BaseJournalFileLock):
    """The journal's lock as the kernel keeps it: a killed holder has none, where Optuna's own waits half a minute."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(f"{path}.lock", thread_local=False)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


class _Journal(JournalFileBackend):
    """A journal that waits for the disk once a trial, when it ends: its dozen other entries survive any kill, and a
    power cut makes no more of them than a trial to be tried again."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)
        ends = any(log["op_code"] == JournalOperation.SET_TRIAL_STATE_VALUES for log in logs)
        with get_lock_file(self._lock), Path(self._file_path).open("ab") as file:
            file.write(lines.encode())
            if ends:
                file.flush()
                os.fsync(file.fileno())


def open_storage(place: str) -> BaseStorage:
    """A journal file, or a database by its URL; several may start on a new one at once.

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
            return JournalStorage(_Journal(str(path), lock_obj=_KernelLock(path)))
        return _database(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", place))


def study_names(place: str) -> set[str]:
    """The studies in a database, or in a folder of journals."""
    if "://" not in place:
        return {path.stem for path in Path(place).glob("*.log")}
    with storage_errors(place):
        return set(optuna.get_all_study_names(open_storage(place)))


@contextlib.contextmanager
def storage_errors(place: str, more: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Say what the storage answers in our form.

    Raises
    ------
    OutsideError
        For what it refuses, and for `more`.
    """
    try:
        yield
    except STORAGE_ERRORS + more as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise OutsideError(
            f"tune.storage {masked(place)}",
            f"cannot be used ({reason[:200]})",
            "Give a postgresql:// URL that answers, or leave it out for a file beside the runs; what is there is kept.",
        ) from error


def _mend(path: Path) -> None:
    """Set a last line aside that a power cut tore: Optuna reads no journal that has one."""
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
    for attempt in range(COLD_STARTS):
        try:
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
