"""The parts of a job decided by workers of Spark, each as one machine decides them, bytes and counts alike."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.core.installed import extra
from tippingpoint.data.validation import as_ids
from tippingpoint.decisions.batch_statistics import Tally
from tippingpoint.scoring.batch import Batch
from tippingpoint.scoring.id_index import IdIndex
from tippingpoint.scoring.parts import Parts, put, written
from tippingpoint.scoring.readers import Files, Input
from tippingpoint.scoring.settings import ScoreSettings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

TALLIES = "_tallies"
"""Where each worker puts the counts of a part once it is whole; gone when all are."""
HERE = "Type engine=here parts=true."


def refuse_unfit(settings: ScoreSettings) -> None:
    """Refuse what is not done on Spark.

    Raises
    ------
    InputError
        Naming it; or pyspark is not there.
    """
    if settings.only:
        raise InputError(
            "engine", "a list that is best first is made on one machine", "Type engine=here, or leave only out."
        )
    if settings.data is not None:
        raise InputError("engine", "users of raw events are made on one machine", HERE)
    if "://" in (settings.input or "") or "://" in (settings.to or ""):
        what = "Spark's workers read Parquet files and write them, and no database"
        raise InputError("engine", what, "Go from files to a folder, or type engine=here parts=true.")
    try:
        import pyspark  # noqa: F401  # only whether it is there
    except ModuleNotFoundError as error:
        raise InputError("engine", "Spark needs pyspark", f"Type {extra('spark')}.") from error


def decide_parts(batch: Batch, source: Input, size: int, parts: Parts, progress: Callable[[int], None]) -> int:
    """Make the parts that are not there yet; how many were there.

    Every worker must see the input and the folder of parts under the same paths, and have this package and the model's.

    Raises
    ------
    InputError
        When the input is no Parquet of one type a column, is empty, or Spark does not start.
    OutsideError
        When Spark fails; parts that are whole are kept.
    """
    columns = batch.wanted(source.columns())
    files = _parquet(source, columns)
    rows = sum(files.lengths)
    if not rows:
        raise InputError("input", f"{files.origin} has no rows", "Give a table with at least one row.")
    count = -(-rows // size)
    parts.begin()
    folder = parts.folder.resolve()
    for left in folder.rglob(".part-*.part"):
        left.unlink(missing_ok=True)
    todo = [k for k in range(count) if not _counted(folder, k).exists()]
    if todo:
        with _session() as spark:
            work = _Work(batch, files, columns, size, folder)
            chunks = spark.createDataFrame([(k,) for k in todo], "chunk long")
            if batch.terms.id is not None and count > 1:
                chunks = chunks.join(_repeated(spark, work, count), "chunk", "left")
            else:
                chunks = chunks.selectExpr("chunk", "array() as earlier")
            # A worker takes one chunk at a time; left to itself, Spark would give all to one.
            chunks.repartitionByRange(len(todo), "chunk").mapInArrow(work.decide, "chunk long").collect()
    if missing := [k for k in todo if not _counted(folder, k).exists()]:
        what = f"its workers wrote {len(missing)} of {len(todo)} parts elsewhere: they do not see {folder}"
        raise OutsideError("engine", what, "Name a folder that every worker shares.")
    tally = Tally()
    for k in range(count):
        tally += Tally.from_dict(json.loads(_counted(folder, k).read_text()))
    parts.gathered(count, tally)
    progress(rows)
    return count - len(todo)


@dataclass(frozen=True)
class _Work:
    """What a worker is given."""

    batch: Batch
    files: Files
    columns: list[str]
    size: int
    folder: Path

    def decide(self, batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """Write the part of each chunk, and then its counts."""
        from pyspark import TaskContext

        task = TaskContext.get()
        attempt = f"-{task.taskAttemptId()}" if task else ""
        for given in batches:
            for row in given.to_pylist():
                k, seen = row["chunk"], IdIndex()
                seen.add(pl.Series(row["earlier"] or [], dtype=pl.String))
                first = k * self.size
                decisions = self.batch.decide(self.files.part(self.columns, first, self.size), first, seen)
                written(self.folder, k, decisions.table, decisions.broken, attempt)
                put(_counted(self.folder, k), decisions.tally.to_dict(), attempt)
            yield given.select(["chunk"])

    def ids(self, batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """The ids of each chunk, as `Batch.remember` notes them."""
        name = str(self.batch.terms.id)
        for given in batches:
            for k in given.column("chunk").to_pylist():
                ids = as_ids(self.files.part([name], k * self.size, self.size)[name]).str.strip_chars()
                found = pl.DataFrame({"id": ids.drop_nulls().unique()}).with_columns(chunk=pl.lit(k, pl.Int64))
                yield from found.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_of_ids()).to_batches()


def _of_ids() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema({"id": pa.string(), "chunk": pa.int64()})


def _repeated(spark: "SparkSession", work: _Work, count: int) -> "DataFrame":
    """By chunk the ids that stand in an earlier one; Spark finds them, so that no machine holds all ids."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    ids = spark.range(0, count, 1, count).toDF("chunk").mapInArrow(work.ids, "id string, chunk long")
    first = F.min("chunk").over(Window.partitionBy("id"))
    again = ids.withColumn("first", first).where("first < chunk")
    return again.groupBy("chunk").agg(F.collect_list("id").alias("earlier"))


def _counted(folder: Path, k: int) -> Path:
    return folder / TALLIES / f"part-{k:05d}.json"


def _parquet(source: Input, columns: list[str]) -> Files:
    """The input, if each worker can read its rows alone.

    Raises
    ------
    InputError
        When it is a CSV, or its files differ in a column's type.
    """
    if not isinstance(source, Files) or source.untyped:
        what = f"{source.origin} is no Parquet, which alone can be read from the middle"
        raise InputError("engine", what, "Write it as Parquet first, or type engine=here parts=true.")
    first, *others = [(path, pl.read_parquet_schema(path)) for path in source.paths]
    for path, schema in others:
        for name in columns:
            if (was := first[1].get(name)) != (now := schema.get(name)):
                what = f"column {name!r} is {was} in {first[0].name} and {now} in {path.name}"
                raise InputError("engine", what, "Write it with one type, or type engine=here parts=true.")
    return source.absolute()


@contextmanager
def _session() -> Iterator["SparkSession"]:
    """Spark as `spark-submit`, spark-defaults.conf or SPARK_REMOTE have it, else on this machine; one in use is kept.

    Raises
    ------
    InputError
        When it does not start.
    OutsideError
        When it fails.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    own = SparkSession.getActiveSession() is None
    try:
        builder: Any = SparkSession.builder.appName("tippingpoint score")
        if own:
            builder = builder.config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
        spark = builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        what = f"Spark does not start ({_last_line(error)})"
        raise InputError("engine", what, "Install Java, which it runs on, or type engine=here parts=true.") from error
    try:
        spark.sparkContext.setLogLevel("OFF" if own else "ERROR")  # what went wrong is said in one message
        yield spark
    except (PySparkException, Py4JError) as error:
        what = f"Spark failed ({_last_line(error)})"
        raise OutsideError("engine", what, "Type it again: parts that are whole are not made again.") from error
    finally:
        if own:
            spark.stop()


def _last_line(error: BaseException) -> str:
    """What a worker's traceback, or Spark, says of an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    traced = next((k for k, line in enumerate(lines) if line.startswith("Traceback ")), None)
    if traced is None:
        return lines[0] if lines else type(error).__name__
    said = [line for line in lines[traced:] if "Error: " in line or "Exception: " in line]
    return said[0] if said else lines[-1]
