"""Decisions and outcomes that do not fit: `measure` says where and what to type instead."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.measurement.measuring import decided, told, written
from tests.refusals import Refusal
from tippingpoint.core.errors import InputError

pytestmark = pytest.mark.usefixtures("at_compared")


@pytest.mark.parametrize(
    ("change", "key", "named"),
    [
        (lambda d, o: (d.drop("scored_at"), o), "decisions", "'scored_at'"),
        (
            lambda d, o: (d.drop([c for c in d.columns if "logging" in c]), o),
            "decisions",
            "Type tippingpoint score … holdout=0.1",
        ),
        (
            lambda d, o: (d.vstack(d.head(3)), o),
            "decisions",
            "'u0'",
        ),
        (
            lambda d, o: (
                d,
                o.with_columns(
                    pl.when(pl.int_range(500) < 9)
                    .then(pl.format(" U{}.0", pl.int_range(500)))
                    .otherwise("user_id")
                    .alias("user_id")
                ),
            ),
            "outcomes",
            "' U0.0'",
        ),
        (lambda d, o: (d, o.vstack(o.head(2))), "outcomes", "'user_id'"),
        (
            lambda d, o: (d, o.with_columns(pl.col("user_id").str.strip_prefix("u"), d["user_id"].alias("customer"))),
            "outcomes_id",
            "type outcomes_id=customer",
        ),
        (
            lambda d, o: (d, o.with_columns(pl.lit("maybe").alias("converted"))),
            "outcome",
            "'maybe'",
        ),
        (lambda d, o: (d, o.rename({"converted": "adopted"})), "outcome", "'converted'"),
        (
            lambda d, o: (d.with_columns(pl.col("logging_probability_none") * 0.5), o),
            "decisions",
            "500 rows",
        ),
        (lambda d, o: (d.with_columns(action=pl.lit("email")), o), "decisions", "'email'"),
        (lambda d, o: (d.with_columns(model=pl.lit("models:/conversion/99")), o), "decisions", "models:/conversion/99"),
        (lambda d, o: (d.with_columns(model=pl.lit("mine")), o), "decisions", "'mine'"),
        (
            lambda d, o: (d.with_columns(scored_at=pl.lit("soon")), o),
            "decisions",
            "'soon'",
        ),
    ],
)
def test_wrong_tables_are_refused_in_one_message(
    change: Callable, key: str, named: str, tmp_path: Path, refused: Callable[..., Refusal]
) -> None:
    decisions, outcomes, _ = decided(0.1, n=500)
    said = refused("measure", *written(tmp_path, *change(decisions, outcomes)), "outcome=converted")
    assert said.key == key
    assert named in said


def test_wrong_words_are_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    decisions, outcomes, _ = decided(0.1, n=50)
    words = written(tmp_path, decisions, outcomes)
    assert "decisions=" in refused("measure", f"decisions={tmp_path}/decision.parquet", words[1])
    assert "Nearest: 'decisions.parquet'" in refused("measure", f"decisions={tmp_path}/decision.parquet", words[1])
    assert "at: no column 'when' in the outcomes" in refused("measure", *words, "at=when")
    written(tmp_path, decisions, outcomes.with_columns(known_at=pl.lit("2999-01-01T00:00:00")))
    said = refused("measure", *words, "outcome=converted", "at=known_at")
    assert "at: 50 outcomes have not come yet: 'u0' is dated 2999-01-01 00:00:00, now is" in said
    written(tmp_path, decisions, outcomes)
    assert "within: needs to know when" in refused("measure", *words, "within=7")
    assert "since: no decision was made since 2026-01-01" in refused("measure", *words, "since=2026-01-01")
    assert "decisions: not given" in refused("measure", words[1])
    with pytest.raises(InputError, match="to: "):
        told(*words, "to=joined.xlsx")
    assert "outcomes: duckdb:///x.duckdb names no table" in refused("measure", words[0], "outcomes=duckdb:///x.duckdb")


def test_a_yes_or_no_is_no_id_because_zero_and_one_are_among_the_ids(
    tmp_path: Path, refused: Callable[..., Refusal]
) -> None:
    decisions, outcomes, _ = decided(0.1, n=500)
    decisions = decisions.with_columns(user_id=pl.int_range(500).cast(pl.String))
    words = written(tmp_path, decisions, outcomes.with_columns(user_id=pl.format("nobody-{}", pl.int_range(500))))
    assert refused("measure", *words).typed == []
    words = written(tmp_path, decisions, outcomes.with_columns(pl.Series("the user, id", decisions["user_id"])))
    assert refused("measure", *words, "outcome=converted").typed == [['outcomes_id="the user, id"']]
