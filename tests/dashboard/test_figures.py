"""Figures: names as they stand, colours of the reports."""

import polars as pl
import pytest

from tippingpoint.dashboard import figures
from tippingpoint.experiment import explanation_figures

LONG = ("number_of_sessions_in_last_7d = 3", "number_of_sessions_in_last_30d = 5")


def drawn():
    shares = pl.DataFrame({"country": LONG, "low": [3, 1], "high": [1, 2]})
    means = pl.DataFrame({"segment": ["low", "high"], LONG[0]: [1.0, 2.0], LONG[1]: [3.0, 4.0]})
    sizes = pl.DataFrame({"segment": LONG, "users": [3, 1], "share": [0.75, 0.25]})
    return {
        "bars": figures.bars(LONG, [0.5, -0.2], "score"),
        "stacked": figures.stacked(shares, ("low", "high")),
        "engagement": figures.engagement(means, ("low", "high"), {"low": 10, "high": 2}),
        "sizes": figures.sizes(sizes),
    }


@pytest.mark.parametrize("name", ["bars", "stacked", "engagement", "sizes"])
def test_names_that_begin_alike_have_a_place_each(name):
    figure = drawn()[name]
    assert [trace["y"] for trace in figure["data"]] == [[0, 1]] * len(figure["data"])
    assert figure["layout"]["yaxis"]["tickvals"] == [0, 1]
    assert len(figure["layout"]["yaxis"]["ticktext"]) == 2


def test_what_raises_and_what_lowers_has_the_colour_it_has_in_reports():
    assert drawn()["bars"]["data"][0]["marker"]["color"] == [explanation_figures.UP, explanation_figures.DOWN]


def test_a_comparison_says_of_how_many_users_it_is():
    assert [trace["name"] for trace in drawn()["engagement"]["data"]] == ["low (10)", "high (2)"]
