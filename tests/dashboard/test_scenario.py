"""Cut-offs moved over the statistics of a simulation."""

import numpy as np
import pytest
import yaml

from tippingpoint.closed import Component
from tippingpoint.composing import option
from tippingpoint.dashboard.scenario import as_yaml, board, coarse, moved
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


def test_what_is_drawn_is_the_surface_at_some_of_its_cut_offs(found):
    drawn = coarse(found.cut_offs, 20).views[0].surface
    whole = found.cut_offs.views[0].surface
    at = np.searchsorted(whole.cuts, drawn.cuts)
    assert len(at) <= 20
    assert np.array_equal(drawn.uplift.value, whole.uplift.value[np.ix_(at, at)], equal_nan=True)


def test_rules_have_no_cut_offs_to_move(retention):
    assert board(retention) is None
