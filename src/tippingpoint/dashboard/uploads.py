"""Uploads: a file or a table of a database, its first rows, and its columns matched to a contract."""

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.dashboard.job import scratch
from tippingpoint.data import database
from tippingpoint.data.contract import TableSchema
from tippingpoint.data.inference import typed
from tippingpoint.scoring.readers import Files, Input, Query, open_input

PREVIEW = 50
HEAD = 1 << 18
"""Bytes of a file from which its rows are guessed."""
DECIDED = ("propensity_score", "segment", "action", "scored_at")
"""Columns of a table that holds decisions."""
NEAR = 0.7
"""How alike names must be before one is taken for the other."""


@dataclass(frozen=True)
class Upload:
    """Users as they came: a file in memory, or a table of a database.

    Parameters
    ----------
    preview
        Its first rows.
    rows
        About how many it has; None where that is not known.
    """

    name: str
    content: bytes | Query
    columns: tuple[str, ...]
    preview: pl.DataFrame
    rows: int | None

    @property
    def decided(self) -> bool:
        """Whether it holds decisions, as `score` writes them: they are shown as they are."""
        return set(DECIDED) <= set(self.columns)


def look(name: str, content: bytes) -> Upload:
    """Look at the beginning of a file.

    Raises
    ------
    InputError
        When it is no table.
    """
    with _files(name, content) as files:
        columns = files.columns()
        preview = next(files.chunks(columns, {}, PREVIEW), pl.DataFrame())
        if files.untyped:
            preview = typed(preview)
        rows = files.rows
    if rows is None and not content.startswith(b"\x1f\x8b"):
        head = content[:HEAD]
        rows = round(len(content) / len(head) * head.count(b"\n"))
    return Upload(name, content, tuple(columns), preview.head(PREVIEW), rows)


def look_at_table(url: str) -> Upload:
    """Look at the beginning of a table of a database, in the words of `score input=`.

    Raises
    ------
    InputError
        When it is none, or the URL holds a password: those belong into the environment.
    OutsideError
        When the database cannot be reached.
    """
    if "://" not in url:
        what, remedy = (
            f"{url!r} is no address of a table",
            "Type duckdb:///app.duckdb?table=users, or postgresql://…?table=users.",
        )
        raise InputError("table", what, remedy)
    if urlsplit(url).password is not None or "password" in parse_qs(urlsplit(url).query):
        what = f"the address of {database.shown(url)} holds a password, which all would see here"
        raise InputError("table", what, "Leave it out; PGPASSWORD or ~/.pgpass of whoever starts the pages has it.")
    source = open_input(url, None, {})
    assert isinstance(source, Query)
    if not database.has(source.url, source.table):
        what = f"there is no such table in {database.shown(url)}, or no such database"
        raise InputError("table", what, "Type duckdb:///app.duckdb?table=users, or postgresql://…?table=users.")
    preview = next(source.chunks(source.columns(), {}, PREVIEW), None)
    if preview is None:
        raise InputError(
            "table", f"{source.origin} has no rows", "The table is empty; upload one with at least one row."
        )
    return Upload(source.origin, source, tuple(preview.columns), preview.head(PREVIEW), None)


@contextmanager
def opened(upload: Upload) -> Iterator[Input]:
    """Open an upload for as long as it is read."""
    if isinstance(upload.content, Query):
        yield upload.content
        return
    with _files(upload.name, upload.content) as files:
        files.origin = upload.name
        yield files


def lacking(columns: tuple[str, ...], terms: TableSchema, outcome: str = "") -> dict[str, list[str]]:
    """Columns of the contract that a table lacks, each with those it has to spare, the nearest name first.

    The outcome is none of them: what came of users is no column to decide by.
    """
    spare = [c for c in columns if c not in terms.columns and c != outcome]
    return {name: sorted(spare, key=lambda c: (-_near(name, c), c)) for name in terms.columns if name not in columns}


def likely(lacks: Mapping[str, list[str]]) -> dict[str, str]:
    """Which column is probably which, no column twice; what nothing is near to is left out.

    Examples
    --------
    >>> likely({"paywall_views_7d": ["Paywall Views", "age"], "country_tier": ["Paywall Views", "age"]})
    {'paywall_views_7d': 'Paywall Views'}
    """
    pairs = sorted(((_near(name, c), name, c) for name, there in lacks.items() for c in there), reverse=True)
    found: dict[str, str] = {}
    for near, name, column in pairs:
        if near >= NEAR and name not in found and column not in found.values():
            found[name] = column
    return found


def _near(wanted: str, there: str) -> float:
    """How alike two names are, 0 to 1; 0.9 at least where one has all words of the other."""
    spaced = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).casefold() for text in (wanted, there)]
    one, other = (set(re.findall(r"[^\W_]+", text)) for text in spaced)
    within = bool(one and other) and (one <= other or other <= one)
    first, second = ("".join(filter(str.isalnum, text)) for text in spaced)
    return max(difflib.SequenceMatcher(None, first, second).ratio(), 0.9 * within)


@contextmanager
def _files(name: str, content: bytes) -> Iterator[Files]:
    """An upload as a file, for as long as it is read: `score` reads files, and nothing is kept of this one."""
    with scratch() as folder:
        path = Path(folder, "brought-by-you")  # its content says what it is
        path.write_bytes(content)
        try:
            yield Files(path)
        except InputError as error:
            raise InputError(name, error.what.replace(path.name, name), error.remedy) from error
