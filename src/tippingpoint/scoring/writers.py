"""Decisions as files: whole or not at all, whatever is killed; one job at a time on one place."""

import gzip
import hashlib
import os
import re
import socket
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError, unwritable
from tippingpoint.core.overrides import override
from tippingpoint.data.writing import for_spreadsheets


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a place against other jobs; the kernel lets go of it when this process dies.

    Raises
    ------
    OutsideError
        When another job is writing there.
    InputError
        When it cannot be written.
    """
    beside = path.parent / f".{path.name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(beside)
        lock.acquire(timeout=0)
    except Timeout as error:
        what = "another job is writing it"
        raise OutsideError(f"to={path}", what, "Wait until it is done, or name another place.") from error
    except OSError as error:
        raise unwritable(f"to={path}", error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            beside.unlink()
        lock.release()


def refuse_other(path: Path) -> None:
    """Refuse a file that would be written over and holds no decisions: the users themselves, or somebody's notes.

    Decisions are written over: a job of every night names the same file.

    Raises
    ------
    InputError
        When there is such a file.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        if path.name.lower().endswith(".parquet"):
            names = set(pq.read_schema(path).names)
        else:
            with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
                names = {name.strip('"') for name in file.readline(1 << 16).decode(errors="replace").strip().split(",")}
    except (OSError, EOFError, zlib.error, pa.ArrowInvalid):
        names = set()
    if not {"policy_digest", "scored_at"} <= names:
        what = "is there already and holds no decisions, which alone are written over"
        raise InputError(f"to={path}", what, f"Type {override('to', str(path.with_name(f'decisions_{path.name}')))}.")


class File:
    """A table written in pieces; it takes its place when all is written, and never in part.

    Whoever writes it holds its place (`alone`), or has an `attempt` of its own; what a killed job left beside it is
    written over.
    """

    def __init__(self, path: Path, attempt: str = "") -> None:
        self.path, self.part = path, path.parent / f".{path.name}{attempt}.part"
        self._parquet = path.name.lower().endswith(".parquet")
        self._writer: Any = None
        self._begun = False

    def __enter__(self) -> Self:
        with _said(self.path):
            if self.path.is_dir():
                raise InputError(f"to={self.path}", "is a folder", "Name a file, or type parts=true.")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.part.open("wb")
        packed = self.path.name.lower().endswith(".gz")
        self._to: Any = gzip.GzipFile("", "wb", fileobj=self._file, mtime=0, compresslevel=6) if packed else self._file
        return self

    def add(self, table: pl.DataFrame) -> None:
        """Write more rows; of a table without rows the header."""
        with _said(self.path):
            if not self._parquet:
                table.write_csv(self._to, include_header=not self._begun, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            else:
                arrow = table.to_arrow()
                # Without polars' own schema every reader sees plain text.
                self._writer = self._writer or pq.ParquetWriter(
                    self._file, arrow.schema, store_schema=False, use_dictionary=_few_values(table)
                )
                self._writer.write_table(arrow)
        self._begun = True

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                with _said(self.path):
                    if self._writer is not None:
                        self._writer.close()
                    if self._to is not self._file:
                        self._to.close()
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    stopping.check()
                    self.part.replace(self.path)
                    kept(self.path.parent)
        finally:
            # What was to be kept is on the disk by now: a full one says so again at each of these.
            for open_yet in (self._writer, self._to, self._file):
                with suppress(OSError, ValueError):
                    if open_yet is not None:
                        open_yet.close()
            with suppress(OSError):
                self.part.unlink()


class Writing:
    """Writes one table while the next is decided: scoring leaves a core free now and then."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, table: pl.DataFrame) -> None:
        """Write more rows, once those before are written."""
        self.wait()
        self._last = self._pool.submit(self._file.add, table)

    def wait(self) -> None:
        """Until all is written; what went wrong is raised."""
        if self._last is not None:
            self._last.result()

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


class Quarantine:
    """Quarantined rows, in a file named after their source and its content; no file where there are none."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder, self.path = folder, None
        self._name = re.sub(r"[^A-Za-z0-9_.-]+", "-", origin).strip("-.")[:80] or "table"
        self._part: Path | None = None
        self._digest = hashlib.sha256()

    path: Path | None

    def add(self, broken: pl.DataFrame) -> None:
        """Set rows aside."""
        if not len(broken):
            return
        with _said(self.folder):
            if self._part is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                mine = f".{self._name}-{socket.gethostname()}-"
                _sweep(self.folder, mine)
                self._part = self.folder / f"{mine}{os.getpid()}.part"
                self._part.unlink(missing_ok=True)
            text = for_spreadsheets(broken)[0].write_csv(include_header=not self._part.exists()).encode()
            self._digest.update(text)
            with self._part.open("ab") as file:
                file.write(text)

    def close(self) -> Path | None:
        """Give the file its name; where it is."""
        if self._part is not None:
            with _said(self.folder):
                with self._part.open("ab") as file:
                    os.fsync(file.fileno())
                self.path = self.folder / f"{self._name}-{self._digest.hexdigest()[:16]}.csv"
                self._part.replace(self.path)
        return self.path

    def drop(self) -> None:
        """Delete the quarantined rows."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None
        self._digest = hashlib.sha256()


def _sweep(folder: Path, mine: str) -> None:
    """Delete quarantine files that killed jobs of this name and machine left behind."""
    for left in folder.iterdir():
        found = re.fullmatch(rf"{re.escape(mine)}(\d+)\.part", left.name)
        if found and not _running(int(found[1])):
            left.unlink(missing_ok=True)


def _running(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # there, and somebody else's
        return True
    return True


def _few_values(table: pl.DataFrame) -> list[str]:
    """Columns worth a dictionary: text and times, but for the first, which is the id."""
    return [name for name in table.columns[1:] if not table[name].dtype.is_numeric()]


def kept(folder: Path) -> None:
    """Let a folder's entries outlive a power cut."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(f"to={path}", error) from error
