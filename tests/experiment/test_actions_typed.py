"""A policy whose actions are not those of the table: what is typed as told asks the question."""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.experiment.build import ask


@pytest.mark.parametrize("policy", ["best_action", "policy_tree", "intent_shares"])
@pytest.mark.parametrize("mens", ["Mens E-Mail", "Männer"])
def test_actions_of_a_table_are_given_as_the_refusal_says(policy: str, mens: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sent = rng.choice(["No E-Mail", mens, "Womens E-Mail"], 2400)
    table = pd.DataFrame({"id": range(2400), "x": rng.normal(size=2400), "sent": sent, "y": rng.integers(0, 2, 2400)})
    table.to_csv(tmp_path / "u.csv", index=False)
    (tmp_path / "economics").mkdir()
    (tmp_path / "economics/ours.yaml").write_text(
        "_target_: tippingpoint.economics.Economics\nname: ours\nprice: 9\nmonths: 6\nad_revenue: 3\n"
        "actions: {none: {contact_cost: 0}, Männer: {contact_cost: 0}, checkout_prompt: {contact_cost: 0},"
        " discount_10: {contact_cost: 0}}\n"
    )
    words = ["data=csv", f"data.path={tmp_path}/u.csv", "data.target=y", "data.id=id", "data.action=sent"]
    words += ["data.control='No E-Mail'", "data.logging_probability=uniform", "model=logistic", f"policy={policy}"]
    words += ["economics=ours"]
    with pytest.raises(InputError, match="no user ever got") as refused:
        ask(Settings.from_config(compose("run", words, str(tmp_path))))
    typed = shlex.split(refused.value.remedy.partition(" Type ")[2].removesuffix(", or other actions."))
    asked = ask(Settings.from_config(compose("run", [*words, *typed], str(tmp_path))))
    assert sorted(asked.policy.actions.values()) == sorted([mens, "Womens E-Mail", "none"])
