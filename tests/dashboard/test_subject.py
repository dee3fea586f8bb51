"""What the pages are about."""

import pytest

from tippingpoint.dashboard.subject import registered


@pytest.mark.usefixtures("at_compared")
def test_a_simulation_that_asked_for_other_evidence_or_another_grid_is_not_taken(call):
    before = registered("models:/conversion/1").simulation
    for other in ("evidence=experiment", "cuts=20"):
        assert call("simulate", "models=[models:/conversion/1]", other) == 0, other
        found = registered("models:/conversion/1").simulation
        assert found.kind == before.kind == "truth"
        assert len(next(iter(found.gathered.scored.values())).test.cuts) > 20
