"""Choices of cut-offs: honest beside apparent, within a budget, any number of them."""

from pathlib import Path

import numpy as np
import pytest

from tests.simulation.simulations import artifact, ask, drawn
from tippingpoint.simulation.job import SimulateResult

pytestmark = pytest.mark.usefixtures("simulated")


def test_honest_stands_beside_apparent_and_the_budget_is_kept_on_validation(simulated: SimulateResult) -> None:
    cut_offs = simulated.simulation.cut_offs()
    assert cut_offs is not None
    assert cut_offs.choice is not None
    assert cut_offs.budgeted is not None
    assert cut_offs.choice.apparent.uplift.value >= cut_offs.choice.honest.uplift.value
    assert cut_offs.regret is not None
    assert cut_offs.regret.value >= 0
    assert cut_offs.budgeted.honest.spend.value < 0.2  # 300 of 3,000 users, chosen on validation
    (view,) = cut_offs.views
    assert view.different is not None
    assert not view.different[cut_offs.choice.honest.at]


def test_a_budget_is_told_in_totals_of_the_users_it_is_for(simulated: SimulateResult) -> None:
    best = simulated.simulation.cut_offs()
    assert best is not None
    assert best.budgeted is not None
    of, shown = best.budgeted.honest, drawn(simulated)
    assert f"{of.spend.value * 3000:,.0f} contacts and {of.uplift.value * 3000:+,.0f} [" in " ".join(shown.split())


def test_three_cut_offs_and_more_are_seen_two_at_a_time_with_the_others_held(compared: tuple, tmp_path: Path) -> None:
    (tmp_path / "four.yaml").write_text(
        "_target_: tippingpoint.policies.bands.Bands\nname: four\nversion: 1\ncuts: [0.2, 0.4, 0.6, 0.7]\n"
        "cut_belongs: [above, above, below, above]\nbands: [a, b, c, d, e]\n"
        "actions: {a: none, b: discount_10, c: none, d: discount_10, e: checkout_prompt}\n"
    )
    words = [f"models=[{compared[0].filed.run_id}]", f"policies=[{tmp_path}/four.yaml]", "budget.contacts=600"]
    found = ask(*words)
    for cut_offs in (s for s in found.simulation.all_cut_offs if s.policy == "four"):
        assert [view.first for view in cut_offs.views] == [0, 1, 2]
        assert cut_offs.choice is not None
        assert cut_offs.budgeted is not None
        assert cut_offs.regret is not None
        best = cut_offs.choice.honest
        assert best.cuts is not None
        assert cut_offs.budgeted.honest.cuts is not None
        for view in cut_offs.views:
            assert view.at == best.cuts
            assert view.different is not None
            at = tuple(int(np.flatnonzero(view.surface.cuts == best.cuts[k])[0]) for k in view.free)
            assert view.surface.uplift.value[at] == pytest.approx(best.uplift.value, abs=1e-9)
            assert view.surface.uplift.se[at] == pytest.approx(best.uplift.se, rel=1e-6)
            assert not view.different[at]
        assert len(cut_offs.inconclusive_ranges) in (0, 4)
        assert len(cut_offs.frontier) > 3
        assert cut_offs.frontier[0].point.cuts is None
        assert all(len(step.point.cuts or ()) == 4 for step in cut_offs.frontier[1:])
    html = artifact(found.filed.run_id, "simulation.html").read_text()
    assert "One pair of 4 cut-offs is free here; held as chosen on validation" in html
    assert len(html) < 8_000_000


def test_policies_with_the_same_actions_share_all_choices_and_keep_their_own_cut_offs(compared: tuple) -> None:
    words = [f"models=[{compared[0].filed.run_id}]", "policies=[intent_shares]", "tracking.log=false"]
    own, shares, *_ = ask(*words).simulation.all_cut_offs
    assert (own.policy, shares.policy) == ("intent_bands", "intent_shares")
    assert own.written == (0.4, 0.7) != shares.written
    assert own.views[0].surface is shares.views[0].surface
    alone = ask(f"models=[{compared[0].filed.run_id}]", "tracking.log=false").simulation.all_cut_offs[0]
    at = [np.searchsorted(own.views[0].surface.cuts, cut) for cut in own.written]
    there = [np.searchsorted(alone.views[0].surface.cuts, cut) for cut in alone.written]
    shown, before = own.views[0].surface.uplift.at(tuple(at)), alone.views[0].surface.uplift.at(tuple(there))
    assert (shown.value, shown.se) == pytest.approx((before.value, before.se))
