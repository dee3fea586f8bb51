"""The types of a CSV's columns."""

from datetime import date, datetime

import polars as pl
import pytest

from tippingpoint.data.contract import ColumnSpec
from tippingpoint.data.inference import by_contract, inferred


@pytest.mark.parametrize(
    ("cells", "type_", "first"),
    [
        (["1", None, "-2"], pl.Int64, 1),
        (["1", "2.5", "1e3"], pl.Float64, 1.0),
        (["NaN", "inf", "1"], pl.Float64, None),
        (["TRUE", "false", None], pl.Boolean, True),
        (["2024-01-02", None], pl.Date, date(2024, 1, 2)),
        (["31.12.2024", "1.2.2024"], pl.Date, date(2024, 12, 31)),
        (["2024-01-02T10:00:00", "2024-01-03 11:00:00.5"], pl.Datetime, datetime(2024, 1, 2, 10)),
        (["007", "012"], pl.String, "007"),
        (["18446744073709551615", "1"], pl.String, "18446744073709551615"),
        (["1", "x"], pl.String, "1"),
        (["nan", "1"], pl.String, "nan"),
        ([" ", "2"], pl.String, " "),
        (["true", "1"], pl.String, "true"),
        (["2024-01-02", "2024-02-30"], pl.String, "2024-01-02"),
        ([None, None], pl.String, None),
    ],
)
def test_a_column_has_the_type_that_all_its_values_have(cells: list, type_: type[pl.DataType], first: object) -> None:
    found = inferred(pl.Series("x", cells, dtype=pl.String))
    assert found.dtype == type_
    assert found.is_null().to_list() == [cell is None for cell in cells]
    assert first is None or found[0] == first


@pytest.mark.parametrize(
    ("cells", "spec", "wanted"),
    [
        (["1", "2.5"], {"type": "number"}, [1.0, 2.5]),
        (["1", "x"], {"type": "number"}, ["1", "x"]),
        (["TRUE", "false"], {"type": "whole"}, [True, False]),
        (["1.0", "2.0"], {"type": "category", "values": ["1", "2"]}, [1.0, 2.0]),
        (["01", "02"], {"type": "category", "values": ["01", "02"]}, ["01", "02"]),
        (["1", "2"], {"type": "category"}, ["1", "2"]),
        (["007", "12"], {"type": "text"}, ["007", "12"]),
        (["7.0", None], {"type": "text"}, ["7.0", None]),
    ],
)
def test_a_contract_says_how_a_column_is_read(cells: list, spec: dict, wanted: list) -> None:
    assert by_contract(pl.Series("x", cells, dtype=pl.String), ColumnSpec.model_validate(spec)).to_list() == wanted


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        (["2026-01-05", "NA", "2026-02-01"], pl.Date),
        (["NA", "2026-01-05 10:00:00", None], pl.Datetime),
        (["true", "FALSE", "?"], pl.Boolean),
        (["N/A", "1", "2"], pl.Int64),
        (["NA", "DE", "FR"], pl.String),
        (["true", "maybe", "NA"], pl.String),
    ],
)
def test_a_word_for_a_missing_value_does_not_change_what_a_column_is(text: list, dtype: type[pl.DataType]) -> None:
    found = inferred(pl.Series(text))
    assert found.dtype == dtype
    assert found.null_count() == (1 + text.count(None) if dtype != pl.String else text.count(None))
