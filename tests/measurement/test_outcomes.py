from datetime import datetime

import polars as pl
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.data.outcome import Positive
from tippingpoint.measurement.outcomes import OutcomeRule, _told, outcomes_of


def came(values: list, positive: Positive) -> list[int]:
    ids = [f"u{k}" for k in range(len(values))]
    decisions = pl.DataFrame({"user_id": ids, "model": "m", "scored_at": [datetime(2026, 1, 1)] * len(ids)})
    outcomes = pl.DataFrame({"user_id": ids, "y": values})
    return outcomes_of(decisions, "user_id", outcomes, None, OutcomeRule(positive=positive)).table["y"].to_list()


@pytest.mark.parametrize(
    ("values", "positive", "ones"),
    [
        ([0, 1, 2, 5], ">=2", [0, 0, 1, 1]),
        (["no", "yes", "no"], ">=2", [0, 1, 0]),
        (["free", "gold", "premium"], ("gold", "premium"), [0, 1, 1]),
        (["free", "Premium", "gold"], "premium", [0, 1, 0]),
        (["no", "yes"], "premium", [0, 1]),
        (["no", "yes", "1"], "1", [0, 1, 1]),
        ([1, 0], "no", [0, 1]),
    ],
)
def test_outcomes_count_by_the_rule_the_version_was_fitted_with(values: list, positive: Positive, ones: list) -> None:
    assert came(values, positive) == ones


@pytest.mark.parametrize(("values", "positive"), [(["no", "5"], "yes"), (["3", "never"], ">0"), (["x", "y"], "gold")])
def test_outcomes_that_say_neither_are_refused(values: list, positive: Positive) -> None:
    with pytest.raises(InputError, match="not yes or no"):
        came(values, positive)


@pytest.mark.parametrize(
    ("positive", "cells", "found"),
    [
        (">50", [">50", "<=50", ">50"], [1, 0, 1]),  # a value that is written like a bound
        (">50", ["51", "50", "NA"], [1, 0, None]),
        ("gold", ["gold", "NA", "free"], [1, None, 0]),
        (("gold", "NA"), ["gold", "NA", "free"], [1, 1, 0]),
        ("yes", ["Yes", "no", "?"], [1, 0, None]),
    ],
)
def test_an_outcome_is_what_it_was_in_training(positive: str | tuple, cells: list, found: list) -> None:
    assert _told(pl.Series("plan", cells), positive).to_list() == found
