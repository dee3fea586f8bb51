"""Large tables in little memory, and nothing rounded."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tippingpoint.dashboard.compact import FEW, Compact

NUMBERS = st.floats(width=64) | st.integers(-(2**60), 2**60).map(float) | st.none()


def gathered(table, sizes):
    made, first = Compact(), 0
    for size in sizes:
        made.add(table[first : first + size])
        first += size
    made.add(table[first:])
    return made.table()


@given(st.lists(NUMBERS, min_size=1, max_size=30), st.lists(st.integers(0, 9), max_size=3))
def test_numbers_come_back_to_the_last_bit(values, sizes):
    table = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    again = gathered(table, sizes)["x"].cast(pl.Float64)
    assert again.is_null().equals(table["x"].is_null())
    bits = [s.fill_null(0.0).to_numpy().view(np.uint64) for s in (again, table["x"])]
    assert np.array_equal(*bits)


@given(st.lists(st.text(max_size=3) | st.none(), min_size=1, max_size=30), st.lists(st.integers(0, 9), max_size=3))
def test_texts_come_back_as_they_were(values, sizes):
    table = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    assert gathered(table, sizes)["x"].cast(pl.String).equals(table["x"])


@pytest.mark.parametrize(("distinct", "kind"), [(3, pl.Enum), (FEW + 1, pl.String)])
def test_few_texts_are_codes_and_many_are_texts(distinct, kind):
    table = pl.DataFrame({"x": [f"a text that is longer than a code {i % distinct}" for i in range(2000)]})
    held = gathered(table, [700, 700])["x"]
    assert isinstance(held.dtype, kind)
    assert held.cast(pl.String).equals(table["x"])
