"""Cut-offs moved over the statistics of a simulation."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from tippingpoint.config.compose import option
from tippingpoint.core.strict import Component
from tippingpoint.dashboard.scenario import as_yaml, board, moved
from tippingpoint.experiment.revaluation import price
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy


@pytest.fixture(scope="module")
def found(conversion):
    return board(conversion)


def test_the_registered_cut_offs_bring_what_the_simulation_says(found):
    simulation = found.simulation
    here, told = found.scenario(found.policy.cuts), simulation.values[simulation.first]
    for of, name in ((here.of.value, "value_per_user"), (here.of.uplift, "uplift_per_user")):
        assert of.value == pytest.approx(told[name].value, rel=1e-9)
        assert of.low == pytest.approx(told[name].low, rel=1e-9)
    assert here.of.spend.value * 1000 == pytest.approx(told["contacts_per_1000"].value)
    assert here.spend.value == pytest.approx(told["action_cost_per_user"].value)
    assert np.allclose(here.cuts, found.policy.cuts)


def test_a_moved_cut_off_is_read_at_the_nearest_there_are_statistics_for(found):
    here = found.scenario((0.5, 0.7))
    assert abs(here.cuts[0] - 0.5) == np.abs(found.test.cuts - 0.5).min()
    sheet = found.cut_offs.views[0].surface.uplift
    assert here.of.uplift.value == pytest.approx(float(sheet.value[here.at]))


def test_what_was_moved_by_eye_has_the_band_over_all_choices(found):
    sheet = found.cut_offs.views[0].surface.uplift
    here = found.scenario((0.5, 0.7))
    assert here.of.uplift.low == pytest.approx(float(sheet.band_low[here.at]))
    assert here.of.uplift.high == pytest.approx(float(sheet.band_high[here.at]))
    registered = found.scenario(found.policy.cuts).of.uplift
    assert registered.low == pytest.approx(registered.value - 1.96 * registered.se, rel=1e-3)


def test_where_too_few_are_acted_on_there_is_no_interval(found):
    few = found.scenario((0.97, 0.99))
    assert few.acted_on < 50
    assert few.of.uplift.low is None
    assert found.scenario((0.3, 0.7)).of.uplift.low is not None


def test_a_budget_is_kept_where_the_choice_is_made(found):
    free, tight = (found.within(limit).honest for limit in (1000, 50))
    assert tight.spend.value < 0.1 < free.spend.value
    assert tight.uplift.value < free.uplift.value


def test_a_saved_scenario_is_the_next_version_and_is_read_as_written(found, tmp_path):
    policy = moved(found.policy, (0.5, 0.7))
    assert policy.version == found.policy.version + 1
    path = tmp_path / "bands.yaml"
    path.write_text(as_yaml(policy))
    again = Component.model_validate(option("policy", str(path))).build(Policy, "policy")
    assert again == policy
    assert again.digest == policy.digest != found.policy.digest
    assert policy.digest in path.read_text().splitlines()[0]
    assert yaml.safe_load(path.read_text())["cuts"] == [0.5, 0.7]
    assert moved(found.policy, found.policy.cuts) is found.policy


@pytest.mark.parametrize("cuts", [(0.5, 0.7), (0.97, 0.99), (0.4, 0.65)])
def test_what_is_saved_decides_as_what_was_valued(found, conversion, cuts):
    here = found.scenario(cuts)
    scores = np.repeat(found.test.cuts, 2)
    scores[::2] = np.nextafter(scores[::2], 0)
    band = here.policy.segment(scores, conversion.users[: len(scores)].to_pandas())
    assert np.array_equal(band, np.searchsorted(here.cuts, scores, side="right"))
    assert here.policy.cut_belongs == found.policy.cut_belongs


def test_what_is_drawn_is_the_surface_at_some_of_its_cut_offs(found):
    drawn = found.picture((10, 40), 0, 20)
    whole = found.cut_offs.views[0].surface
    at = np.searchsorted(whole.cuts, drawn.cuts)
    assert len(at) <= 20
    told = np.where(whole.uplift.supported, whole.uplift.value, np.nan)
    assert np.array_equal(drawn.value, told[np.ix_(at, at)], equal_nan=True)


@pytest.fixture(scope="module")
def four(conversion):
    """The same model under a policy of three cut-offs."""
    written = conversion.policy.model_dump() | {
        "name": "four_bands",
        "cuts": (0.3, 0.5, 0.7),
        "cut_belongs": ("above", "above", "below"),
        "bands": ("low", "medium", "warm", "high"),
        "actions": {"low": "none", "medium": "none", "warm": "discount_10", "high": "checkout_prompt"},
    }
    policy = Bands.model_validate(written)
    whole = conversion.simulation
    asked = replace(whole.asked, policies={policy.name: policy})
    return board(
        replace(
            conversion,
            decider=replace(conversion.decider, policy=policy),
            simulation=price(whole.gathered, asked),
        )
    )


def test_of_three_cut_offs_two_are_drawn_with_the_third_held_where_it_was_moved(four):
    here = four.scenario((0.3, 0.5, 0.8))
    for first in (0, 1):
        drawn = four.picture(here.at, first, 10_000)
        assert list(drawn.free) == [first, first + 1]
        row, column = (int(np.abs(drawn.cuts - here.cuts[k]).argmin()) for k in drawn.free)
        assert drawn.value[row, column] == pytest.approx(here.of.uplift.value, rel=1e-9)
    assert four.picture(here.at, 0, 10_000).cuts.max() <= here.cuts[2]


def test_rules_have_no_cut_offs_to_move(retention):
    assert board(retention) is None
