"""A quick look at the door answers what the door answers."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tippingpoint.data import fast_validation
from tippingpoint.data.contract import TableSchema
from tippingpoint.data.validation import check

NOW = datetime(2026, 1, 1, 12)
NUMBERS = st.one_of(
    st.none(), st.integers(-3, 12), st.floats(-3, 12), st.sampled_from([float("nan"), float("inf"), 2.0**53, 5e3])
)
TEXTS = st.sampled_from(["a", "b", " a", "", "NA", "c", "1", "1.0", " ", "x y", None])
TERMS = st.one_of(
    st.builds(dict, type=st.sampled_from(["number", "whole"]), missing=st.booleans()),
    st.builds(dict, type=st.sampled_from(["number", "whole"]), min=st.just(0), max=st.just(9), missing=st.booleans()),
    st.builds(dict, type=st.just("number"), typical=st.just(4), missing=st.booleans()),
    st.builds(
        dict, type=st.just("category"), values=st.sampled_from([None, ["a", "b"], ["1", "2"]]), missing=st.booleans()
    ),
    st.builds(dict, type=st.just("text"), missing=st.booleans()),
)


@st.composite
def held(draw: st.DrawFn) -> tuple[pl.DataFrame, TableSchema]:
    """A table and a contract, which it holds as often as not."""
    n = draw(st.integers(0, 30))
    ids = draw(
        st.lists(st.sampled_from([f"u{i}" for i in range(60)]), min_size=n, max_size=n, unique=draw(st.booleans()))
    )
    columns, terms = {"id": pl.Series(ids, dtype=pl.String)}, {"id": {"type": "text"}}
    for name in ("x", "y"):
        terms[name] = draw(TERMS)
        values = NUMBERS if terms[name]["type"] in ("number", "whole") else TEXTS
        column = draw(st.lists(values, min_size=n, max_size=n))
        kind = draw(st.sampled_from([pl.Float64, pl.String])) if values is NUMBERS else pl.String
        if kind == pl.String:
            columns[name] = pl.Series([None if v is None else str(v) for v in column], dtype=pl.String)
        else:
            columns[name] = pl.Series([None if v is None else float(v) for v in column], dtype=pl.Float64)
    columns["other"] = pl.Series(range(n), dtype=pl.Int64)
    return pl.DataFrame(columns), TableSchema.model_validate({"id": "id", "columns": terms})


def clean(n: int = 30) -> tuple[pl.DataFrame, TableSchema]:
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "id": [f"u{i}" for i in range(n)],
            "x": rng.integers(0, 9, n),
            "y": rng.choice(["a", "b"], n),
            "other": np.arange(n),
        }
    )
    terms = {
        "id": {"type": "text"},
        "x": {"type": "whole", "min": 0, "max": 9},
        "y": {"type": "category", "values": ["a", "b"]},
    }
    return table, TableSchema.model_validate({"id": "id", "columns": terms})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(held())
@example(clean())
def test_a_glance_lets_in_and_sets_aside_what_the_door_does(given: tuple[pl.DataFrame, TableSchema]) -> None:
    table, contract = given
    quick, slow = fast_validation.admit(table, contract, NOW), check(table, contract, NOW)
    assert_frame_equal(quick.table, slow.table)
    assert quick.rows.tolist() == slow.rows.tolist()
    assert quick.reasons == slow.reasons
    assert quick.broken.columns == slow.broken.columns
    assert quick.broken.rows() == slow.broken.rows()


def test_where_nothing_breaks_the_contract_the_door_itself_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_validation, "check", None)
    table, contract = clean()
    assert len(fast_validation.admit(table, contract, NOW).table) == len(table)
