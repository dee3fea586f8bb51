import shlex

import polars as pl
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.config.compose import as_added
from tippingpoint.core.errors import InputError
from tippingpoint.data.frame import Frame
from tippingpoint.data.outcome import told


def outcome(values: list, **roles: object) -> list[int]:
    frame = pl.DataFrame({"x": range(len(values)), "y": values})
    return Frame.of(frame, target="y", **roles).load().outcome.tolist()


@pytest.mark.parametrize(
    ("positive", "ones"),
    [(">0", [0, 1, 1, 1]), (">=2", [0, 0, 1, 1]), ("<2", [1, 1, 0, 0]), ("<= 0", [1, 0, 0, 0]), ("2", [0, 0, 1, 0])],
)
def test_a_bound_makes_an_outcome_of_a_count(positive: str, ones: list[int]) -> None:
    assert outcome([0, 1, 2, 3], positive=positive) == ones
    assert outcome(["0", "1.0", "2", "3"], positive=positive) == ones


def test_several_values_make_an_outcome_of_words() -> None:
    plans = ["free", "gold", " premium", "free"]
    users = Frame.of(pl.DataFrame({"x": range(4), "y": plans}), target="y", positive=["gold", "premium"]).load()
    assert users.outcome.tolist() == [0, 1, 1, 0]
    assert users.contract.positive == ("gold", "premium")


def test_a_value_written_like_a_bound_stays_a_value() -> None:
    assert outcome(["<=50", ">50", ">50"], positive=">50") == [0, 1, 1], "as in tables that have incomes so"


@pytest.mark.parametrize(
    ("values", "positive", "said"),
    [
        ([0, 1, 2], ">7", "data.positive: 'y' is >7 in no row."),
        ([0, 1, 2], ">=0", "data.positive: 'y' is >=0 in every row."),
        (["a", "b", "c"], ">0", "data.positive: '>0' compares numbers, and 'y' holds 'a'."),
        (["a", "b", "c"], ["a", "d"], "data.positive: 'y' is never 'd'."),
        (["a", "b", "c"], None, "data.target: 'y' has 3 values (a, b, c), not two."),
    ],
)
def test_what_makes_no_two_outcomes_is_refused(values: list, positive: object, said: str) -> None:
    with pytest.raises(InputError) as error:
        outcome(values, positive=positive)
    assert str(error.value).startswith(said)


VALUES = st.one_of(
    st.lists(st.integers(-3, 9), min_size=3, unique=True),
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=3, unique=True),
    st.lists(st.sampled_from(["null", "true", "True", "nan", "007", "1e3", "ä", "a b"]), min_size=3, unique=True),
    st.lists(st.text("ab ,'\"=[]$ä>0", min_size=1).map(str.strip).filter(bool), min_size=3, max_size=9, unique=True),
)


@settings(max_examples=60)
@given(VALUES)
def test_what_is_proposed_works_as_it_is_typed(values: list) -> None:
    text = pl.Series("y", list(map(str, values)))
    with pytest.raises(InputError) as error:
        told(text, None)
    typed = error.value.remedy.removesuffix(", for example.").partition("data.positive=")
    (word,) = as_added("run", shlex.split("".join(typed[1:])))
    given = OverridesParser.create().parse_override(word).value()
    assert told(text, list(map(_text, given)) if isinstance(given, list) else _text(given))


def _text(value: object) -> str:
    return str(value.text if isinstance(value, QuotedString) else value)
