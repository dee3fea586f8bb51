"""The map of cut-offs: one set of numbers behind the page, the picture and the table."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from tippingpoint.offpolicy.surface import Sheet
from tippingpoint.reports.cut_off_map import CutOffMap, draw, thinned, traces

CUTS = np.array([0.2, 0.4, 0.6])
VALUE = np.array([[1.0, 2.0, 3.0], [np.nan, 4.0, 5.0], [np.nan, np.nan, 6.0]])


def sheet(se: float = 0.5) -> Sheet:
    rise = np.isfinite(VALUE)
    changed = np.where(rise, 100, 0)
    changed[2, 2] = 3
    return Sheet(VALUE, np.where(rise, se, np.nan), changed, changed >= 30, 2.5)


def test_the_data_hold_every_choice_that_rises_and_no_value_where_too_few_are_acted_on() -> None:
    data = CutOffMap.of(CUTS, sheet()).data
    assert len(data) == 6
    few = data[data["few"]]
    assert few[["lower_cut", "upper_cut"]].to_numpy().tolist() == [[0.6, 0.6]]
    assert few["uplift"].isna().all()
    one = data[(data["lower_cut"] == 0.2) & (data["upper_cut"] == 0.6)].iloc[0]
    assert (one["uplift"], one["acted_on"], one["band_high"]) == (3.0, 100, pytest.approx(3 + 2.5 * 0.5))


def test_the_page_draws_the_same_numbers() -> None:
    of = CutOffMap.of(CUTS, sheet(), marks={"as written": (0.2, 0.4, "square")})
    few, heat, mark = traces(of)
    assert few["z"][2][2] == 1
    assert heat["z"][0] == [1.0, 2.0, 3.0]
    assert heat["z"][2][2] is None
    assert heat["customdata"][0][2][0] == 100
    assert (mark["x"], mark["y"]) == ([0.4], [0.2])
    assert "customdata" not in traces(of.plain)[1]


def test_assumed_uplift_has_no_interval() -> None:
    of = CutOffMap.of(CUTS, sheet(np.nan))
    assert set(of.further) == {"acted_on"}
    assert "no interval" in traces(of)[1]["hovertemplate"]


def test_a_picture_has_a_colour_bar_unless_all_is_grey() -> None:
    axes = Figure().add_subplot()
    assert draw(axes, CutOffMap.of(CUTS, sheet())) is not None
    nothing = CutOffMap(CUTS, np.full((3, 3), np.nan), np.isfinite(VALUE))
    assert draw(axes, nothing) is None


def test_a_map_is_thinned_evenly_with_both_ends() -> None:
    assert thinned(101, 5).tolist() == [0, 25, 50, 75, 100]
    assert CutOffMap.of(CUTS, sheet(), most=2).cuts.tolist() == [0.2, 0.6]
