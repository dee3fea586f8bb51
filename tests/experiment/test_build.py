from pathlib import Path

import pytest

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.experiment.build import ask


@pytest.mark.parametrize("log", [True, False])
def test_rows_set_aside_are_written_unless_nothing_is_to_be(workspace: Path, log: bool) -> None:
    lines = ["user_id,x,y", *(f"u{k},{k % 7},{k % 2}" for k in range(200)), "u999,3,"]
    (workspace / "users.csv").write_text("\n".join(lines) + "\n")
    words = ["data=csv", "data.path=users.csv", "data.target=y", f"tracking.log={str(log).lower()}"]
    intake = ask(CompareSettings.from_config(compose("compare", words))).users.intake
    assert intake is not None
    assert intake.quarantined == 1
    assert (intake.path is not None) == log == (workspace / ".tippingpoint").exists()


@pytest.mark.parametrize(
    ("policy", "refused"), [("best_action", True), ("money_budget", True), ("top_fraction", False)]
)
def test_effects_of_the_outcome_are_not_counted_in_a_measure_and_users_are_not_read_for_it(
    policy: str, refused: bool, workspace: Path
) -> None:
    words = [
        "data=csv",
        "data.path=none.csv",
        "data.target=y",
        "learner=dr",
        f"policy={policy}",
        "economics.reward=spend",
    ]
    words += ["policy.by=effect"] if policy == "top_fraction" else []
    with pytest.raises(InputError) as told:
        ask(CompareSettings.from_config(compose("compare", words)))
    assert told.value.where == ("economics.reward" if refused else "data.path=none.csv")
