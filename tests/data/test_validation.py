from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from tippingpoint.core.errors import InputError
from tippingpoint.data.contract import TableSchema, read_contract
from tippingpoint.data.inference import feature
from tippingpoint.data.profile import infer, infer_terms
from tippingpoint.data.validation import Checked, check

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 1, 12)
CASE_STUDY = ROOT / "data/contracts/case_study.yaml"


def contract(id: str | None = None, **columns: dict) -> TableSchema:
    return TableSchema.model_validate({"id": id, "columns": columns})


def broken(column: list | pl.Series, /, **terms: object) -> dict[int, str]:
    """Reason by row (from 1) of a table of one column, x."""
    checked = check(pl.DataFrame({"x": column}, strict=False), contract(x=terms), NOW)
    assert len(checked.table) + len(checked.broken) == len(column)
    return dict(zip(checked.broken["row"], checked.broken["reason"], strict=True))


@pytest.mark.parametrize(
    ("values", "terms", "reasons"),
    [
        ([1.0, 2.0, 9.5], {"type": "number", "min": 0, "max": 9}, {3: "x 9.5 is above 9"}),
        ([1, -2, 3], {"type": "whole", "min": 0}, {2: "x -2 is below 0"}),
        ([1.0, 2.5, 3.0], {"type": "whole"}, {2: "x 2.5 is not a whole number"}),
        ([1.0, None, float("nan")], {"type": "number"}, {2: "x is missing", 3: "x is missing"}),
        ([1.0, None, float("nan")], {"type": "number", "missing": True}, {}),
        ([1.0, float("inf")], {"type": "number"}, {2: "x inf is not finite"}),
        (["1", " 2 ", "?", "3x", ""], {"type": "number", "missing": True}, {4: "x 3x is not a number"}),
        (["a", "c", "b "], {"type": "category", "values": ["a", "b"]}, {2: "x c is an unseen category"}),
        ([1.0, 0.0, 2.0], {"type": "category", "values": ["0", "1"]}, {3: "x 2 is an unseen category"}),
        ([" ", "NA"], {"type": "category"}, {1: "x   is missing", 2: "x NA is missing"}),
        ([date(2025, 5, 1), date(2026, 2, 1)], {"type": "time"}, {2: "x 2026-02-01 lies in the future"}),
        (
            ["2025-05-01T10:00:00+02:00", "2025-05-01 10:00", "1.5.2025"],
            {"type": "time"},
            {3: "x 1.5.2025 is not a time"},
        ),
        ([date(2019, 5, 1), date(2025, 2, 1)], {"type": "time", "min": "2020-01-01"}, {1: "x 2019-05-01 is below 20"}),
        ([date(2025, 5, 1), date(2025, 5, 2)], {"type": "number"}, {1: "x 2025-05-01 is not a number (type changed)"}),
    ],
)  # fmt: skip
def test_each_breach_is_named_with_row_column_and_value(values: list, terms: dict, reasons: dict[int, str]) -> None:
    found = broken(values, **terms)
    assert all(found[row].startswith(reason) for row, reason in reasons.items())
    if "type changed" not in str(reasons):
        assert set(found) == set(reasons)


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"lacks 1 of the contract's 2 columns: 'hours'. Nearest: 'hour'."):
        check(pl.DataFrame({"x": [1], "hour": [2]}), contract(x={"type": "number"}, hours={"type": "number"}), NOW)


def test_a_column_that_is_mostly_of_another_type_is_named_as_changed() -> None:
    assert "type changed" in broken(["one", "two", "3"], type="number")[1]
    assert "type changed" not in broken(["1", "2", "three"], type="number")[3]


def test_a_unit_shifted_by_1000_is_named_and_no_value_of_it_is_let_in() -> None:
    hours = np.random.default_rng(0).gamma(2.0, 2.0, 100)
    told = {"type": "number", "min": 0, "max": 168}
    for factor, typical in ((1000, None), (1000, 3.4), (1 / 1000, 3.4)):
        found = broken(pl.Series(hours * factor), **told, typical=typical)
        assert len(found) == 100
        assert all("has its unit shifted by 1,000: the median is" in reason for reason in found.values())
    assert broken(pl.Series(hours), **told) == broken(pl.Series(hours), **told, typical=3.4) == {}
    assert not any("unit" in reason for reason in broken(pl.Series(hours + 200), **told).values())


def test_all_rows_of_a_repeated_id_are_set_aside_because_none_can_be_told_right() -> None:
    table = pl.DataFrame({"user": ["a", "b", "a", None], "x": [1, 2, 3, 4]})
    checked = check(table, contract("user", user={"type": "text"}), NOW)
    assert checked.table["user"].to_list() == ["b"]
    assert checked.broken["reason"].to_list() == ["user a is a repeated id"] * 2 + ["user is missing"]
    assert checked.reasons == {"user is a repeated id ('a')": 2, "user is missing": 1}


def test_of_rows_that_are_the_same_one_is_kept_unless_another_of_their_id_differs() -> None:
    table = pl.DataFrame({"user": ["a", "b", "a", "c", "c", "c"], "x": [1.0, 2.0, 1.0, 3.0, 3.0, 4.0]})
    checked = check(table, contract("user", user={"type": "text"}, x={"type": "number"}), NOW)
    assert checked.rows.tolist() == [0, 1]
    again, repeated = "stands there again in the same row", "is a repeated id"
    assert checked.broken["row"].to_list() == [3, 4, 5, 6]
    assert checked.broken["reason"].to_list() == [
        f"user a {again}", f"user c {repeated}", f"user c {again}", f"user c {repeated}",
    ]  # fmt: skip


def test_na_is_missing_to_validation_and_model_alike_unless_the_contract_lists_it() -> None:
    country = pl.Series("x", ["DE", "NA", "FR", "DE"] * 3)
    assert set(broken(country, type="category")) == {2, 6, 10}
    listed = contract(x={"type": "category", "values": ["DE", "FR", "NA"]})
    checked = check(pl.DataFrame({"x": country}), listed, NOW)
    assert len(checked.rows) == 12
    assert feature(checked.table["x"], listed)[2].null_count() == 0
    assert infer_terms(country).missing
    acted = infer(pl.DataFrame({"x": country, "y": ["None", "b"] * 6}), "y", None)
    assert acted.columns["y"].values == ["None", "b"]


def test_clocks_ahead_of_utc_are_not_in_the_future() -> None:
    times = [NOW + timedelta(hours=13), NOW + timedelta(hours=15)]
    assert list(broken(times, type="time")) == [2]


def test_a_row_says_everything_it_breaks() -> None:
    table = pl.DataFrame({"x": ["z"], "n": [-1]})
    terms = contract(x={"type": "category", "values": ["a"]}, n={"type": "whole", "min": 0})
    assert check(table, terms, NOW).broken["reason"].to_list() == ["x z is an unseen category; n -1 is below 0"]


NAMES = st.sampled_from(["x", "filter", "^.*$", "*", "row", "reason", "c0", "a|b", "", "é"])
NUMBER = st.none() | st.floats(-1e6, 1e6) | st.integers(-5, 5)
TERMS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["number", "whole"]), "missing": st.booleans()},
        optional={"min": NUMBER, "typical": NUMBER.filter(bool)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("category"), "missing": st.booleans()},
        optional={"values": st.lists(st.text(max_size=3), min_size=1)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("text"), "missing": st.booleans()},
    ),
    st.fixed_dictionaries(
        {"type": st.just("time"), "missing": st.booleans()}, optional={"max": st.datetimes() | st.dates()}
    ),
)
TABLES = dataframes(
    min_size=1,
    max_size=8,
    max_cols=4,
    allow_null=True,
    allowed_dtypes=[
        pl.Int8, pl.Int64, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Datetime, pl.Time,
        pl.Duration, pl.Categorical, pl.Decimal, pl.Binary, pl.List(pl.Int8), pl.Null,
    ],
)  # fmt: skip


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(TABLES, st.data())
def test_any_table_against_any_contract_loses_no_row_and_never_fails(table: pl.DataFrame, data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, min_size=table.width, max_size=table.width, unique=True))
    table.columns = names
    terms = {name: data.draw(TERMS) for name in data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))}
    user_id = data.draw(st.none() | st.sampled_from(list(terms)))
    contract = TableSchema.model_validate({"id": user_id, "columns": terms})
    checked = check(table, contract, NOW)
    aside = checked.broken[:, 0].to_list()
    assert sorted([*(checked.rows + 1).tolist(), *aside]) == list(range(1, len(table) + 1))
    assert all(checked.broken[:, 1].str.len_chars() > 0)
    assert bool(checked.reasons) == bool(aside)
    assert set(checked.table.columns) == set(names)
    checked.broken.write_csv()
    again: Checked = check(checked.table, TableSchema(columns=contract.columns), NOW)
    assert {r.split(" has its unit")[0] for r in again.reasons if "unit" not in r} == set()


@settings(max_examples=50, suppress_health_check=list(HealthCheck), deadline=None)
@given(TABLES)
def test_an_inferred_contract_is_read_back_and_holds_for_its_table(
    tmp_path_factory: pytest.TempPathFactory, table: pl.DataFrame
) -> None:
    inferred = infer(table, None, None)
    path = tmp_path_factory.mktemp("c") / "c.yaml"
    path.write_text(inferred.as_yaml(), encoding="utf-8")
    assert read_contract(path) == inferred
    assert check(table, inferred, datetime.max - timedelta(days=1)).reasons == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no contract."),
        ("a: [", "is not YAML (line 1, column 5"),
        ("columns: {}", "columns: must have at least 1 item"),
        ("colums: {x: {type: text}}", "colums: unknown key. Nearest: 'columns'."),
        ("columns: {x: {type: texte}}", "columns.x.type: must be 'number'"),
        ("columns: {x: {type: text, mni: 3}}", "columns.x.mni: unknown key (line 1). Nearest: 'min'."),
        ("columns: {x: {type: number, min: 3, max: 2}}", "columns.x: min must not be above max"),
        ("columns: {x: {type: number, min: 2020-01-01}}", "columns.x: min and max of a number must be numbers"),
        ("columns: {x: {type: text, values: [a]}}", "columns.x: values must name"),
        ("columns: {x: [3]}", "columns.x: is not the terms of a column; got ['3'] (line 1). Type {type: number"),
        ("{outcome: y, columns: {x: {type: text}}}", "outcome 'y' is not one of the columns. There are: x."),
    ],
)
def test_a_contract_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_contract(path)
    assert message in str(error.value)


def test_yes_and_no_are_words_in_a_contract(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("columns: {x: {type: category, values: [Yes, No, 007], missing: no}}")
    assert read_contract(path).columns["x"].values == ["Yes", "No", "007"]


@pytest.mark.parametrize("path", sorted((ROOT / "data/contracts").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_contract_says_what_each_column_means(path: Path) -> None:
    terms = read_contract(path)
    assert terms.outcome
    assert terms.action == "action"
    assert all(column.meaning for column in terms.columns.values())
    assert TableSchema.model_validate(terms.model_dump()) == terms


def test_the_case_study_s_file_holds_its_contract() -> None:
    terms = read_contract(CASE_STUDY)
    table = pl.read_csv(ROOT / "data/synthetic_user_conversion_data.csv")
    assert list(terms.columns) == table.columns
    assert check(table, terms, NOW).reasons == {}


def test_few_categories_stand_for_all_rows() -> None:
    plan = pl.Series("x", ["a", "b ", "c", "NA", None, "a"] * 50)
    checked = check(pl.DataFrame({"x": plan}), contract(x={"type": "category", "values": ["a", "b"]}), NOW)
    assert checked.table["x"].unique().sort().to_list() == ["a", "b"]
    assert checked.reasons == {"x is missing ('NA')": 100, "x is an unseen category ('c')": 50}


def test_the_ids_that_are_known_to_differ_are_not_read_again() -> None:
    table = pl.DataFrame({"user": [" a", "b"], "x": [1, 2]})
    terms = contract("user", user={"type": "text"}, x={"type": "whole"})
    assert check(table, terms, NOW, pl.Series("user", ["a", "b"])).table["user"].to_list() == ["a", "b"]
    assert check(table, terms, NOW).table["user"].to_list() == ["a", "b"]
