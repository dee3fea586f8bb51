"""Decisions and outcomes that write the same ids differently."""

import polars as pl
import pytest

from tests.measurement.measuring import decided
from tippingpoint.core.errors import InputError
from tippingpoint.data.decisions import checked
from tippingpoint.measurement.join import spelled_as
from tippingpoint.measurement.next_experiment import as_evidence
from tippingpoint.measurement.outcomes import OutcomeRule, join
from tippingpoint.measurement.report import counted

N = 300


def joined(there: pl.Expr, here: pl.Expr) -> tuple:
    """What is joined where decisions and outcomes write the row's number so; and the outcomes."""
    decisions, outcomes, _ = decided(0.1, n=N)
    table, key = checked(decisions.with_columns(there.alias("user_id")), "user_id")
    outcomes = outcomes.with_columns(here.alias("user_id"))
    return join(table, key, outcomes, None, OutcomeRule()), outcomes


PADDED = pl.int_range(N).cast(pl.String).str.zfill(6)


@pytest.mark.parametrize(("there", "here"), [(PADDED, pl.int_range(N)), (PADDED, pl.int_range(N).cast(pl.Float64))])
def test_text_and_number_ids_meet_and_it_is_said(there: pl.Expr, here: pl.Expr) -> None:
    found, outcomes = joined(there, here)
    assert found.table["converted"].to_list() == outcomes["converted"].to_list()
    assert found.table["user_id"][7] == "000007"
    assert (found.counts.used, found.counts.strangers) == (N, 0)
    assert "'000000' in the decisions, '0' here" in found.counts.ids
    assert found.counts.ids in counted(found.counts)
    users = outcomes.select("user_id", age=pl.int_range(N))
    assert as_evidence(found, users, "user_id")["age"].to_list() == list(range(N))


def test_ids_that_are_written_alike_are_not_remarked_on() -> None:
    assert joined(PADDED, PADDED)[0].counts.ids == ""


@pytest.mark.parametrize(
    ("known", "ids", "wanted"),
    [
        (["07", "8"], ["7", "8"], ["07", "8"]),
        (["7", "8"], ["07", "8.0", "9"], ["7", "8", "9"]),
        (["07", "0007"], ["7", "8"], ["7", "8"]),  # either could be meant
        (["07", "0007"], ["7", "07"], ["7", "07"]),
        (["7"], ["07", "0007"], ["07", "0007"]),
        (["7"], ["7", "07"], ["7", "07"]),  # 7 is 7; 07 is somebody else
        (["u07"], ["u7"], ["u7"]),
    ],
)
def test_only_a_plain_pair_is_joined(known: list[str], ids: list[str], wanted: list[str]) -> None:
    assert spelled_as(pl.Series(known), pl.Series(ids))[0].to_list() == wanted


def test_an_id_that_could_be_either_of_two_is_refused_by_name() -> None:
    there = pl.when(pl.int_range(N) == 8).then(pl.lit("007")).otherwise(PADDED)
    with pytest.raises(InputError, match=r"outcomes: .*there '00*7', here '7'"):
        joined(there, pl.int_range(N))
