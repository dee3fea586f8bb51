"""What the service refuses, and in whose words."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.data.contract import ColumnSpec, TableSchema
from tippingpoint.data.validation import check
from tippingpoint.serving.request import Reader, RefusedUsersError

CONTRACT = TableSchema(
    id="user_id",
    columns={
        "user_id": ColumnSpec(type="text"),
        "age": ColumnSpec(type="whole", min=18, max=120),
        "hours": ColumnSpec(type="number", min=0, typical=3, missing=True),
        "plan": ColumnSpec(type="category", values=["free", "trial"]),
        "city": ColumnSpec(type="category", missing=True),
    },
)
COLUMNS = {"age": "number", "hours": "number", "plan": "category", "city": "category"}
READER = Reader(CONTRACT, COLUMNS)
USER = {"user_id": "u1", "age": 30, "hours": 2.5, "plan": "free", "city": "Rome"}


def refused(*users: dict) -> list[tuple[str, str, str]]:
    with pytest.raises(RefusedUsersError) as found:
        READER.read(users)
    return [(p.field, p.rule, p.said) for p in found.value.problems]


def test_users_become_columns_in_the_models_order():
    given_ = READER.read([USER, USER | {"hours": None, "city": None, "age": 40.0}])
    assert given_.ids == ["u1", "u1"]
    assert READER.read([USER | {"user_id": given} for given in ("000450", 2**60 + 1)]).ids == ["000450", str(2**60 + 1)]
    np.testing.assert_array_equal(given_.numbers, [[30, 2.5], [40, np.nan]])
    assert given_.categories == [["free", "free"], ["Rome", None]]
    assert list(READER.frame(given_)) == list(COLUMNS)


@pytest.mark.parametrize(
    ("change", "field", "rule", "said"),
    [
        ({"age": 200}, "age", "max", "age 200 is above 120"),
        ({"age": 3}, "age", "min", "age 3 is below 18"),
        ({"age": 30.5}, "age", "type", "age 30.5 is not a whole number"),
        ({"age": "30"}, "age", "type", 'age "30" is not a whole number'),
        ({"age": True}, "age", "type", "age True is not a whole number"),
        ({"age": None}, "age", "missing", "age is missing"),
        ({"hours": 10**400}, "hours", "finite", f"hours {str(10**400)[:40]} is not finite"),
        ({"hours": 1e300}, "hours", "finite", "hours 1e+300 is not finite"),
        ({"hours": [1]}, "hours", "type", "hours [1] is not a number"),
        ({"plan": "gold"}, "plan", "category", "plan gold is an unseen category"),
        ({"plan": 1}, "plan", "type", "plan 1 is not a category"),
        ({"city": "NA"}, "city", "missing", "city NA stands for a missing value; send null"),
        ({"user_id": " "}, "user_id", "missing", "user_id   is missing"),
        ({"user_id": {}}, "user_id", "type", "user_id {} is not text"),
    ],
)
def test_field_and_rule_are_named(change, field, rule, said):
    assert refused(USER | change) == [(field, rule, said)]


def test_everything_wrong_is_said_at_once_by_user():
    lacking = {key: value for key, value in USER.items() if key != "city"}
    found = refused(USER | {"age": 1, "plan": "gold"}, USER, lacking)
    assert [rule for _, rule, _ in found] == ["min", "category", "there"]


def test_a_unit_that_is_shifted_is_told_by_many_users():
    assert refused(*[USER | {"hours": 3000 + k} for k in range(30)])[0][:2] == ("hours", "unit")
    assert READER.read([USER | {"hours": 3000}]).numbers[0, 1] == 3000


numbers = st.integers(-50, 300) | st.floats(-50, 300).map(lambda x: round(x, 2) + 0.0)


@settings(deadline=None, max_examples=150)
@given(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["a", "b", " ", None]),
            "age": numbers | st.none(),
            "hours": numbers | st.none(),
            "plan": st.sampled_from(["free", "trial", "gold", None, " free "]),
            "city": st.sampled_from(["Rome", "Bonn", None]),
        }
    )
)
def test_what_a_table_is_refused_for_is_refused_in_the_same_words(user):
    table = pl.DataFrame([user], schema_overrides={"user_id": pl.String, "plan": pl.String, "city": pl.String})
    broken = check(table, CONTRACT, datetime.now(UTC).replace(tzinfo=None)).broken
    table_said = sorted(broken["reason"].to_list()[0].split("; ")) if len(broken) else []
    try:
        READER.read([user])
        ours = []
    except RefusedUsersError as error:
        ours = sorted(problem.said for problem in error.problems)
    # That most of a column changed type is said of tables.
    words = [said.replace(".0 ", " ").replace(" (type changed)", "") for said in (*table_said, *ours)]
    assert words[: len(table_said)] == words[len(table_said) :]


def test_numbers_may_come_as_they_are_written_in_the_table_of_training():
    spec = ColumnSpec(type="number", max=2000, missing=True, decimal=",", unit="€", also_missing=["weird"])
    reader = Reader(TableSchema(columns={"spend": spec}), {"spend": "number"})
    given_ = reader.read([{"spend": value} for value in ("1.568,43 €", 12.5, "weird", "-", None, "7")])
    np.testing.assert_array_equal(given_.numbers[:, 0], [1568.43, 12.5, np.nan, np.nan, np.nan, 7])
    with pytest.raises(RefusedUsersError) as found:
        reader.read([{"spend": "12.5"}, {"spend": "3.000"}])
    assert [p.said for p in found.value.problems] == ['spend "12.5" is not a number', "spend 3000.0 is above 2,000"]
