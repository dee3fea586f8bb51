"""Decisions and outcomes that do not fit: `measure` says where and what to type instead."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.measurement.measuring import decided, told, written
from tippingpoint.core.errors import InputError

pytestmark = pytest.mark.usefixtures("at_compared")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d, o: (d.drop("scored_at"), o), "decisions: no column 'scored_at'. There are: user_id"),
        (
            lambda d, o: (d.drop([c for c in d.columns if "logging" in c]), o),
            "decisions: hold no random share.*Type tippingpoint score … holdout=0.05",
        ),
        (
            lambda d, o: (d.vstack(d.head(3)), o),
            "decisions: 3 ids stand more than once at the same scored_at \\('u0', ",
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
            "outcomes: 9 ids are written otherwise than in the decisions \\(there 'u0', here ' U0.0'\\)",
        ),
        (lambda d, o: (d, o.vstack(o.head(2))), "outcomes: 'user_id' is not unique: 2 ids stand more than once"),
        (
            lambda d, o: (d, o.with_columns(pl.col("user_id").str.strip_prefix("u"), d["user_id"].alias("customer"))),
            "outcomes_id: none of the 500 ids.*Those of 'customer' are: type outcomes_id=customer",
        ),
        (
            lambda d, o: (d, o.with_columns(pl.lit("maybe").alias("converted"))),
            "outcome: 'converted' holds 'maybe', not yes",
        ),
        (lambda d, o: (d, o.rename({"converted": "adopted"})), "outcome: no column 'converted' in the outcomes"),
        (
            lambda d, o: (d.with_columns(pl.col("logging_probability_none") * 0.5), o),
            "decisions: the chances of the actions do not sum to 1.*in 500 rows",
        ),
        (lambda d, o: (d.with_columns(action=pl.lit("email")), o), "decisions: action 'email' has no chance"),
        (lambda d, o: (d.with_columns(model=pl.lit("models:/conversion/99")), o), "there is no models:/conversion/99"),
        (lambda d, o: (d.with_columns(model=pl.lit("mine")), o), "decisions: model 'mine' is no registered version"),
        (
            lambda d, o: (d.with_columns(scored_at=pl.lit("soon")), o),
            "decisions: 'scored_at' holds no times, but e.g. 'soon'",
        ),
    ],
)
def test_wrong_tables_are_refused_in_one_message(
    change: Callable, said: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    import re

    decisions, outcomes, _ = decided(0.1, n=500)
    message = refused("measure", *written(tmp_path, *change(decisions, outcomes)), "outcome=converted")
    assert re.search(said, message), message


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
