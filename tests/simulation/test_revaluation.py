"""A finished simulation is priced anew without users, and refuses what needs them."""

import json
import sys

import numpy as np
import pytest

from tests.simulation.simulations import ask, drawn
from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.sufficient_statistics import SufficientStatistics
from tippingpoint.simulation.job import SimulateResult

pytestmark = pytest.mark.usefixtures("simulated")


def test_saved_statistics_come_back_as_they_were(simulated: SimulateResult) -> None:
    gathered = simulated.simulation.gathered
    again = SufficientStatistics.load(gathered.dump())
    assert json.loads(json.dumps(gathered.about)) == again.about
    np.testing.assert_array_equal(gathered.test.cells.gram, again.test.cells.gram)
    for model, scored in gathered.scored.items():
        np.testing.assert_array_equal(scored.test.cuts, again.scored[model].test.cuts)
        np.testing.assert_array_equal(scored.validation.gram, again.scored[model].validation.gram)
    with pytest.raises(InputError, match="cannot be read"):
        SufficientStatistics.load(b"something else")


def test_new_prices_need_no_users_and_equal_a_simulation_at_those_prices(
    compared: tuple, simulated: SimulateResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = ask(f"models=[{compared[0].filed.run_id}]", "economics.price=7", "economics.ad_revenue=2")

    def touched(*_: object) -> None:
        raise AssertionError("users were read")

    monkeypatch.setattr(sys.modules["tippingpoint.simulation.job"], "gather_users", touched)
    anew = ask(f"models=[{simulated.filed.run_id}]", "economics.price=7", "economics.ad_revenue=2")
    for name in (n for n in fresh.simulation.values if "intent_bands" in n):
        one, two = (r.simulation.values[name]["uplift_per_user"] for r in (fresh, anew))
        assert one.value == pytest.approx(two.value, abs=1e-9)
        assert one.se == pytest.approx(two.se, rel=1e-8)
    assert anew.simulation.values != simulated.simulation.values


def test_what_was_asked_is_asked_again_of_a_simulation_priced_anew(simulated: SimulateResult) -> None:
    anew = ask(f"models=[{simulated.filed.run_id}]", "economics.price=9", "least=40")
    assert anew.simulation.asked.budget == simulated.simulation.asked.budget
    assert "Within 300 contacts for 3,000 users" in drawn(anew)
    again = ask(f"models=[{anew.filed.run_id}]", "budget.money=20", "budget.of_users=1000").simulation.asked
    assert again.budget is not None
    assert (again.budget.total, again.budget.unit, again.budget.users) == (20, "money", 1000)
    assert again.least == 40
    with pytest.raises(InputError, match=r"budget\.of_users: is no budget by itself"):
        ask(f"models=[{simulated.simulation.gathered.about['models']['boosting']['run_id']}]", "budget.of_users=5")


def test_asking_a_finished_simulation_for_what_it_is_changes_nothing(simulated: SimulateResult) -> None:
    anew = ask(f"models=[{simulated.filed.run_id}]", "cuts=40", "seed=0", "evidence=truth", "budget.contacts=300")
    assert anew.simulation.values == simulated.simulation.values
    assert anew.simulation.cut_offs().choice == simulated.simulation.cut_offs().choice  # type: ignore[union-attr]  # it is there in this simulation


def test_who_decided_at_other_prices_says_so(simulated: SimulateResult) -> None:
    from tippingpoint.experiment.simulation_result import THEN

    anew = ask(f"models=[{simulated.filed.run_id}]", "economics.price=3")
    names = set(anew.simulation.values)
    assert f"best_action{THEN}" in names
    assert "best_action" not in names
    assert not any("regret_per_user" in row for row in anew.simulation.values.values())
    again = ask(f"models=[{anew.filed.run_id}]", "economics.currency=USD")
    assert (
        f"best_action{THEN}" in again.simulation.values
    )  # a repriced run keeps its prices, and whose decisions are old
    back = ask(f"models=[{simulated.filed.run_id}]", "economics.currency=USD")
    assert "best_action" in back.simulation.values  # another name for money is no other price


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("policy.cuts=[0.2,0.4]", "policy"),
        ("policies=[top_fraction]", "policies"),
        ("data=case_study", "data"),
        ("cuts=39", "cuts"),
        ("evidence=experiment", "evidence"),
        ("seed=3", "seed"),
        ("+economics.actions.email={contact_cost: 1}", "economics.actions (email)"),
    ],
)
def test_a_priced_simulation_refuses_what_needs_users(simulated: SimulateResult, override: str, where: str) -> None:
    origin = next(iter(simulated.simulation.gathered.about["models"].values()))["run_id"]
    with pytest.raises(InputError) as error:
        ask(f"models=[{simulated.filed.run_id}]", override)
    assert str(error.value).startswith(f"{where}: fixed when the statistics of this run were gathered (truth, 40 cut")
    assert "type models='[" in str(error.value)
    assert origin in str(error.value)


def test_prices_all_share_do_not_become_each_users_own_without_a_pass(simulated: SimulateResult) -> None:
    with pytest.raises(InputError, match="own need a pass over users"):
        ask(f"models=[{simulated.filed.run_id}]", "economics=cost_columns")
