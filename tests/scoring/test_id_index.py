"""Which ids were there before."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.scoring.id_index import IdIndex


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 300).map(str), max_size=80), max_size=8))
def test_an_id_was_there_before_if_it_stood_in_an_earlier_chunk(chunks):
    seen, known = IdIndex(), set()
    for chunk in chunks:
        before, differ = seen.add(pl.Series(chunk, dtype=pl.String))
        assert before.tolist() == [name in known for name in chunk]
        assert differ == (not known & set(chunk) and len(set(chunk)) == len(chunk))
        known |= set(chunk)


def test_it_grows_without_forgetting():
    seen = IdIndex()
    for start in range(0, 400_000, 100_000):
        assert not seen.add(pl.Series(range(start, start + 100_000)).cast(pl.String))[0].any()
    assert seen.add(pl.Series(range(0, 400_000, 1000)).cast(pl.String))[0].all()
