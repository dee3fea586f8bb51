"""An upload: its columns matched to a contract, read as `score` reads a file, held against the contract, decided."""

import difflib
import hashlib
import re
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.dashboard.compact import Compact
from tippingpoint.dashboard.segments import free
from tippingpoint.dashboard.subject import Subject
from tippingpoint.data import database
from tippingpoint.data.contract import TableContract
from tippingpoint.data.decisions import times
from tippingpoint.data.door import as_text
from tippingpoint.data.writing import neutralised
from tippingpoint.deciding.tally import Tally
from tippingpoint.errors import InputError
from tippingpoint.explanation.reasons import REASONS
from tippingpoint.serving.batch import TIMES, Batch, best_first
from tippingpoint.serving.inputs import Files, Input, Query, Retyped, open_input
from tippingpoint.serving.outputs import File
from tippingpoint.serving.stream import Stream

CHUNK = 100_000
"""Rows worked on at once, as `score` does."""
PREVIEW = 50
HEAD = 1 << 18
"""Bytes of a file from which its rows are guessed."""
DECISIONS = ("propensity_score", "segment", "action", "expected_value")
DECIDED = ("propensity_score", "segment", "action", "scored_at")
"""Columns of a table that holds decisions."""
KEPT = re.compile(r"model|policy_digest|scored_at|explored|policy_action|logging_probability(_.*)?")
"""Further columns of decisions, in their order."""
ROW = "row of the users"
NEAR = 0.7
"""How alike names must be before one is taken for the other."""
NUMBER = r"^[+-]?\d+([.,]\d+)?$"
COMMA = r"^[+-]?\d+(\.\d{3})*,\d+$"
"""A number with a decimal comma."""


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


class Held:
    """Users in memory, read as a file would be."""

    def __init__(self, origin: str, table: pl.DataFrame) -> None:
        self.origin, self.table = origin, table

    @property
    def rows(self) -> int:
        return len(self.table)

    def columns(self) -> list[str]:
        return self.table.columns

    def chunks(self, columns: list[str], numbers: frozenset[str], size: int) -> Iterator[pl.DataFrame]:
        yield from self.table.select(columns).iter_slices(size)

    def settle(self) -> None:
        """Types are what they are."""

    def digest(self) -> str:
        return hashlib.sha256(self.table.hash_rows().to_numpy().tobytes()).hexdigest()[:16]


class Beside:
    """An input under the contract's names; of each chunk it lays aside what decisions do not read.

    Parameters
    ----------
    names
        Columns that go by another name in the contract, and that name.
    read
        Columns that are known from the decisions themselves.
    """

    def __init__(self, source: Input, names: Mapping[str, str], read: Collection[str]) -> None:
        self.source, self.names, self.read = source, names, read
        self.origin = source.origin
        self.aside: deque[pl.DataFrame] = deque()

    @property
    def rows(self) -> int | None:
        return self.source.rows

    def columns(self) -> list[str]:
        return [self.names.get(c, c) for c in self.source.columns()]

    def chunks(self, columns: list[str], numbers: frozenset[str], size: int) -> Iterator[pl.DataFrame]:
        self.aside.clear()
        there = self.source.columns()
        known = frozenset(c for c in there if self.names.get(c, c) in numbers)
        for chunk in self.source.chunks(there, known, size):
            table = chunk.rename(dict(self.names))
            self.aside.append(table.drop(c for c in table.columns if c in self.read))
            yield table.select(columns)

    def settle(self) -> None:
        self.source.settle()

    def digest(self) -> str:
        return self.source.digest()


@dataclass(frozen=True)
class Listed:
    """Users, and what is decided for each.

    Parameters
    ----------
    names
        The upload's columns that go by another name in the contract, and that name.
    table
        The users let in: id, score, segment, action and expected value, then their own columns; those of the name of
        a column of the decisions end in `(table)`.
    broken
        The rows set aside, `row` and `reason` first.
    at
        What decisions are dated with, UTC.
    numbered
        Whether ids came as numbers, which no spreadsheet runs.
    readable
        Whether the columns that the model reads are there.
    by
        Which version decided, where it was not the pages' own just now.
    """

    origin: str
    names: dict[str, str]
    table: pl.DataFrame
    broken: pl.DataFrame
    tally: Tally
    at: datetime
    numbered: bool = False
    readable: bool = True
    by: str | None = None


def look(name: str, content: bytes) -> Upload:
    """Look at the beginning of a file.

    Raises
    ------
    InputError
        When it is no table.
    """
    with _files(name, content) as files:
        columns = files.columns()
        preview = _first(files, columns)
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
    preview = next(source.chunks(source.columns(), frozenset(), PREVIEW), None)
    if preview is None:
        raise InputError("table", f"{source.origin} has no rows", "Bring users.")
    return Upload(source.origin, source, tuple(preview.columns), preview.head(PREVIEW), None)


def lacking(columns: tuple[str, ...], terms: TableContract, outcome: str = "") -> dict[str, list[str]]:
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


def listed(
    upload: Upload, subject: Subject, names: Mapping[str, str], progress: Callable[[int], None] = lambda rows: None
) -> Listed:
    """Read, check and decide what was brought; decisions that are there already stay as they are.

    Parameters
    ----------
    names
        Its columns that go by another name in the contract, and that name.
    progress
        Told the rows done after each chunk.

    Raises
    ------
    InputError
        When it lacks columns, or cannot be read.
    """
    there = [names.get(c, c) for c in upload.columns]
    if twice := {c for c in there if there.count(c) > 1}:
        raise InputError("columns", f"two columns would be called {sorted(twice)[0]!r}", "Match each column once.")
    with _opened(upload) as source:
        if upload.decided:
            return as_they_are(source, subject, progress)
        return decided(subject, source, batch_of(subject, _now()), dict(names), progress)


def own_users(subject: Subject) -> Listed:
    """The users the champion was judged on, decided.

    Raises
    ------
    InputError
        When they cannot be read any more.
    """
    if subject.users is None:
        raise InputError(
            "users", f"those the champion was judged on cannot be read ({subject.why_not})", "Upload some."
        )
    return decided(subject, Held(subject.origin, subject.users), batch_of(subject, _now()), {})


def decided(
    subject: Subject,
    source: Input,
    batch: Batch,
    names: dict[str, str],
    progress: Callable[[int], None] = lambda rows: None,
) -> Listed:
    """Decide for users chunk by chunk, and lay the decisions beside their columns."""
    known = {batch.user_id, *subject.decider.columns}
    beside = Beside(source, names, known)
    while True:
        gathered, broken, tally, numbered, first = Compact(), [], Tally(), False, 0
        try:
            for decisions in Stream(batch, beside, CHUNK, progress=progress):
                own, users = beside.aside.popleft(), decisions.users
                kept = np.setdiff1d(np.arange(len(own)), users.broken.to_series(0).to_numpy() - 1 - first)
                read = pl.from_pandas(users.features)
                mine = pl.concat([read, own[kept]], how="horizontal") if own.width else read
                mine = mine.rename(names_beside(mine.columns, batch.columns()))
                gathered.add(pl.concat([decisions.table.select(batch.user_id, *DECISIONS), mine], how="horizontal"))
                broken.append(decisions.broken)
                tally += decisions.tally
                numbered, first = users.written is None, first + len(own)
            break
        except Retyped:
            continue
    return Listed(source.origin, names, gathered.table(), pl.concat(broken), tally, batch.scored_at, numbered)


def as_they_are(source: Input, subject: Subject, progress: Callable[[int], None] = lambda rows: None) -> Listed:
    """Decisions that `score` wrote: of each user the last.

    Raises
    ------
    InputError
        When another policy made them, whose segments are not those of the pages.
    """
    segments, columns = subject.policy.segments, source.columns()
    user_id = "user_id" if "user_id" in columns else columns[0]
    while True:
        gathered, done = Compact(), 0
        try:
            for chunk in source.chunks(columns, frozenset({"propensity_score", "expected_value"}), CHUNK):
                gathered.add(
                    chunk.with_columns(
                        as_text(chunk[user_id]).alias(user_id),
                        times(chunk["scored_at"], "scored_at").alias("scored_at"),
                        pl.col("propensity_score").cast(pl.Float64),
                        pl.col("action").cast(pl.String).alias("action"),
                    )
                )
                progress(done := done + len(chunk))
            break
        except Retyped:
            continue
    if not done:
        raise InputError("input", f"{source.origin} has no rows", "Bring decisions.")
    table = gathered.table()
    if other := sorted(set(table["segment"].cast(pl.String).unique().drop_nulls()) - set(segments)):
        what = f"{source.origin} has the segment {other[0]!r}, which {subject.policy.name} has not"
        raise InputError("segment", what, "Open the pages on the version that decided: model=models:/…")
    last = table.sort("scored_at", maintain_order=True).unique(user_id, keep="last", maintain_order=True)
    worth = pl.col("expected_value").cast(pl.Float64) if "expected_value" in columns else pl.lit(None, pl.Float64)
    last = last.with_columns(pl.col("segment").cast(pl.String).cast(pl.Enum(segments)), worth.alias("expected_value"))
    rest = [c for c in columns if c not in (user_id, *DECISIONS)]
    by = ", ".join(last["model"].cast(pl.String).unique().sort()) if "model" in columns else "another job"
    counted = last.group_by("segment").len()
    users = np.array([counted.filter(pl.col("segment") == s)["len"].sum() for s in segments])
    return Listed(
        origin=source.origin,
        names={},
        table=last.select(user_id, *DECISIONS, *rest),
        broken=pl.DataFrame({"row": [], "reason": []}),
        tally=Tally(rows=done, decided=len(last), kept=len(last), users=users),
        at=last["scored_at"].max(),  # type: ignore[arg-type]  # times
        readable=set(subject.decider.columns) <= set(columns),
        by=by,
    )


def names_beside(own: Sequence[str], decisions: Collection[str]) -> dict[str, str]:
    """What users' own columns are called beside decisions, where a decision's column is called so already."""
    names: dict[str, str] = {}
    for column in own:
        if column in decisions:
            names[column] = free(column, {*own, *decisions, *names.values()})
    return names


def features(of: Listed, subject: Subject, rows: np.ndarray) -> pd.DataFrame:
    """What the model reads of users, by their positions in `of.table`."""
    names = {c: f"{c} (table)" for c in subject.decider.columns if f"{c} (table)" in of.table.columns}
    table = of.table[rows].select(pl.col(names.get(c, c)).alias(c) for c in subject.decider.columns)
    return batch_of(subject, of.at).features(table.with_columns(pl.col(pl.Enum).cast(pl.String)))


def batch_of(subject: Subject, at: datetime) -> Batch:
    """How `tippingpoint score` decides, at that moment."""
    return Batch(decider=subject.decider, policy_digest=subject.policy_digest, scored_at=at)


@dataclass(frozen=True)
class Targets:
    """A target list, best first.

    Parameters
    ----------
    table
        Decisions, without what is the same for all or takes long.
    rows
        (n,) their positions in the table of users.
    neutralised
        Cells of its CSV that a spreadsheet would have run.
    """

    of: Listed
    subject: Subject
    table: pl.DataFrame
    rows: np.ndarray
    reasons: bool
    neutralised: int

    def shown(self, most: int, chosen: np.ndarray | None = None) -> pl.DataFrame:
        """The first, with their reasons; of some of its rows if they are chosen."""
        rows = np.arange(min(most, len(self.table))) if chosen is None else chosen[:most]
        return self._with_reasons(self.table[rows], self.rows[rows])

    def csv(self, chosen: np.ndarray | None = None) -> bytes:
        """Byte for byte what `score … only=…` writes at that moment; of some of its rows if they are chosen."""
        rows = np.arange(len(self.table)) if chosen is None else chosen
        pieces = [rows[i : i + CHUNK] for i in range(0, max(len(rows), 1), CHUNK)]
        return as_csv(self._written(self.table[piece], self.rows[piece]) for piece in pieces)

    def _written(self, table: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
        """Rows as they stand in the file."""
        table, of = self._with_reasons(table, rows), self.of
        if of.by is None:
            table = table.with_columns(
                pl.lit(self.subject.decider.reference).alias("model"),
                pl.lit(self.subject.policy_digest).alias("policy_digest"),
                pl.lit(of.at).dt.replace_time_zone("UTC").cast(TIMES).alias("scored_at"),
            )
        else:
            kept = [c for c in of.table.columns if KEPT.fullmatch(c) and c not in table.columns]
            table = pl.concat([table, of.table[rows].select(kept)], how="horizontal")
        table = table.with_columns(pl.col(pl.Enum).cast(pl.String))
        return neutralised(table, _texts(table, of))[0]

    def _with_reasons(self, table: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
        if not self.reasons:
            return table
        why = [f"reason_{k + 1}" for k in range(REASONS)]
        if self.of.by is not None:
            return pl.concat(
                [table, self.of.table[rows].select(c for c in why if c in self.of.table.columns)], how="horizontal"
            )
        texts = [np.zeros(0, dtype=object)] * REASONS
        if len(rows):
            texts = self.subject.reasons.words(features(self.of, self.subject, rows))
        return table.with_columns(pl.Series(c, text, dtype=pl.String) for c, text in zip(why, texts, strict=True))


def targets(of: Listed, subject: Subject, only: tuple[str, ...], reasons: bool) -> Targets:
    """The target list of some segments, of decisions as they were made."""
    user_id = of.table.columns[0]
    rows = np.flatnonzero(np.isin(of.table["segment"].to_physical(), [subject.policy.segments.index(s) for s in only]))
    table = of.table[rows].select(user_id, *DECISIONS, pl.Series(ROW, rows))
    table = best_first([table], user_id, subject.decider.deployment)
    plain = table.drop(ROW)
    hits = neutralised(plain.with_columns(pl.col(pl.Enum).cast(pl.String)), _texts(plain, of))[1]
    return Targets(of, subject, plain, table[ROW].to_numpy(), reasons, hits)


def _texts(table: pl.DataFrame, of: Listed) -> list[str]:
    """Columns whose cells a spreadsheet might run."""
    text = [c for c, t in table.schema.items() if t == pl.String or isinstance(t, pl.Enum)]
    return [c for c in text if not (of.numbered and c == table.columns[0])]


def as_csv(pieces: Iterable[pl.DataFrame]) -> bytes:
    """A table, which comes in pieces, as the jobs write it."""
    with tempfile.TemporaryDirectory(prefix="tippingpoint-") as folder:
        path = Path(folder, "table.csv")
        with File(path) as file:
            for piece in pieces:
                file.add(piece)
        return path.read_bytes()


def broken_csv(broken: pl.DataFrame) -> tuple[bytes, int]:
    """The rows set aside as a CSV, and how many cells of it a spreadsheet would have run.

    A plain number, as -4, stays one: mended rows come back.
    """
    texts = [c for c in broken.columns if broken[c].dtype == pl.String]
    marked = [pl.when(~pl.col(c).str.contains(NUMBER)).then(pl.col(c)).alias(c) for c in texts]
    table, cells = neutralised(broken.with_columns(marked), texts)
    table = table.with_columns(pl.coalesce(pl.col(c), broken[c]).alias(c) for c in texts)
    return as_csv([table]), cells


def reasons_by_column(broken: pl.DataFrame, reasons: Mapping[str, int]) -> pl.DataFrame:
    """What is wrong: one row a column and kind of fault, with the rows it is in and three of the values.

    Parameters
    ----------
    reasons
        What was broken and in how many rows, as the tally has it.
    """
    row, reason = broken.columns[:2]
    found = []
    for general, n in reasons.items():
        column = max((c for c in broken.columns[2:] if general.startswith(f"{c} ")), key=len, default="")
        said = general.removeprefix(f"{column} ")
        value = pl.col(column).str.slice(0, 40) if column else pl.lit(None, pl.String)
        shown = pl.when(value.is_null()).then(pl.lit("")).otherwise(pl.format(" {}", value))
        words = pl.format("{}{} {}", pl.lit(column), shown, pl.lit(said))
        of = broken.filter(pl.col(reason).str.contains(words, literal=True))
        examples = of[column].drop_nulls().unique(maintain_order=True) if column else pl.Series([], dtype=pl.String)
        found.append(
            {
                "column": column,
                "what is wrong": said,
                "rows": n,
                "for example": ", ".join(text[:40] for text in examples.head(3)) + (", …" if len(examples) > 3 else ""),
                "first rows": ", ".join(map(str, of[row].head(5))),
            }
        )
    schema = dict.fromkeys(("column", "what is wrong", "rows", "for example", "first rows"), pl.String)
    return pl.DataFrame(found, schema=schema | {"rows": pl.Int64}).sort("rows", descending=True, maintain_order=True)


def with_commas(broken: pl.DataFrame, wrong: pl.DataFrame) -> list[str]:
    """Columns that are set aside because their numbers have a decimal comma, as it seems."""
    unread = wrong.filter(pl.col("what is wrong").str.contains("^is not a (whole )?number"))["column"]
    return [c for c in unread if c and (broken[c].str.strip_chars().str.contains(COMMA).mean() or 0) > 0.5]


@contextmanager
def _files(name: str, content: bytes) -> Iterator[Files]:
    """An upload as a file, for as long as it is read: `score` reads files, and nothing is kept of this one."""
    with tempfile.TemporaryDirectory(prefix="tippingpoint-") as folder:
        path = Path(folder, "brought-by-you")  # its content says what it is
        path.write_bytes(content)
        try:
            yield Files(path)
        except InputError as error:
            raise InputError(name, error.what.replace(path.name, name), error.remedy) from error


@contextmanager
def _opened(upload: Upload) -> Iterator[Input]:
    """What was brought, for as long as it is read."""
    if isinstance(upload.content, Query):
        yield upload.content
        return
    with _files(upload.name, upload.content) as files:
        files.origin = upload.name
        yield files


def _first(source: Input, columns: list[str]) -> pl.DataFrame:
    """The first rows."""
    while True:
        try:
            return next(source.chunks(columns, frozenset(), PREVIEW), pl.DataFrame())
        except Retyped:
            continue


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
