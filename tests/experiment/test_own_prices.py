"""Prices of each user's own, and further measures."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.simulation.simulations import ask
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.experiment.simulation_result import NONE
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.tracking import backend

pytestmark = pytest.mark.usefixtures("at_compared")


def own_prices(folder: Path, per_user: bool, logged: bool = True) -> str:
    """A randomised experiment, or users without one, with each one's own costs, as a CSV; its answer as a run id."""
    from tippingpoint.comparison.run import run
    from tippingpoint.config.settings import Settings

    rng = np.random.default_rng(0)
    n = 4000
    age, mail = rng.normal(40, 10, n), rng.integers(0, 2, n)
    left = rng.random(n) < 1 / (1 + np.exp(0.5 - 0.05 * (age - 40) + 0.8 * mail))
    worth = rng.uniform(5, 15, n) + 5 * left
    table = pd.DataFrame({"age": age, "sent": np.where(mail, "offer", "none"), "left": left.astype(int)})
    table["spend"] = 20 + 3.0 * mail + rng.normal(0, 5, n)
    table = table.assign(one_none=worth, zero_none=0.0, one_offer=worth + 1.0, zero_offer=1.0)
    table.to_csv(folder / "own.csv", index=False)
    words = ["data=csv", f"data.path={folder}/own.csv", "data.target=left", "data.good=false", "data.measures=[spend]"]
    words += ["policy=offer", "policy.cuts=[0.4]", "model=logistic", "explain_rows=5", "report=light"]
    words += ["data.action=sent", "data.logging_probability=uniform"] if logged else ["data.drop=[sent]"]
    words += ["tracking.experiment=own", "tracking.register_model=false"]
    costs = "data.costs=[one_none,zero_none,one_offer,zero_offer]"
    if per_user:
        named = {"none": ("one_none", "zero_none"), "offer": ("one_offer", "zero_offer")}
        words += [costs, "economics=cost_columns"]
        words += [f"economics.costs.{a}={{one: {o}, zero: {z}}}" for a, (o, z) in named.items()]
    else:
        words += ["data.drop=[one_none,zero_none,one_offer,zero_offer]", "+economics.actions.offer={contact_cost: 1}"]
    return run(Settings.from_config(compose("run", words))).filed.run_id


def test_each_users_own_prices_take_a_pass_and_are_worth_what_run_said(tmp_path: Path) -> None:
    fitted = own_prices(tmp_path, per_user=True)
    found = ask(f"models=[{fitted}]", "budget.contacts=500")
    row = found.simulation.values[f"logistic{PAIR}offer"]["uplift_per_user"]
    logged = backend.connect().get_run(fitted).data.metrics
    assert row.value == pytest.approx(logged["policy/experiment/uplift_per_user"], abs=1e-9)
    assert row.se == pytest.approx((logged["policy/experiment/uplift_per_user_high"] - row.value) / 1.959964, rel=1e-4)
    by_all = found.simulation.estimators.set_index(["contestant", "estimator"]).loc[f"logistic{PAIR}offer"]
    assert by_all.loc["dr", "uplift_per_user_experiment"] == pytest.approx(row.value, abs=1e-9)
    assert by_all.loc["dr", "uplift_per_user_experiment_se"] == pytest.approx(row.se, rel=1e-6)
    by_all = by_all.drop("dm")  # whose error knows nothing of the bias of its model
    off = (by_all["uplift_per_user_experiment"] - row.value).abs()
    assert (off < 3 * by_all["uplift_per_user_experiment_se"]).all()
    cut_offs = found.simulation.cut_offs()
    assert cut_offs is not None
    assert cut_offs.choice is not None
    assert cut_offs.budgeted is not None
    assert cut_offs.views
    anew = ask(f"models=[{found.filed.run_id}]", "budget.contacts=900")
    assert anew.simulation.values == found.simulation.values
    for other in ("economics=freemium", "economics.costs.offer.one=one_none"):
        with pytest.raises(InputError, match=r"own need a pass over users.*type models=.\["):
            ask(f"models=[{found.filed.run_id}]", f"+{other}" if "costs" in other else other)
    with pytest.raises(InputError, match=r"budget\.money: cost_columns says what each user costs"):
        ask(f"models=[{found.filed.run_id}]", "budget.money=5")


def test_at_the_break_even_response_of_each_users_own_prices_a_segment_neither_gains_nor_loses(tmp_path: Path) -> None:
    fitted = own_prices(tmp_path, per_user=True, logged=False)
    (first,) = ask(f"models=[{fitted}]").simulation.break_even_table().to_dict("records")
    path = mlflow.artifacts.download_artifacts(run_id=fitted, artifact_path="tables/policy_assumed.csv")
    (alone,) = pd.read_csv(path)["break_even_response"].dropna()
    assert first["break_even_response"] == pytest.approx(alone), "run and simulate say one thing"
    assert first["segment"] == "target"
    assert first["break_even_response"] > 1  # an offer costs 1
    at = f"economics.costs.offer.assumed_response={first['break_even_response']}"
    there = ask(f"models=[{fitted}]", f"+{at}").simulation
    segments = there.segments.set_index("segment")
    assert segments.loc["target", "uplift_per_user_assumed"] == pytest.approx(0, abs=1e-9)
    (again,) = there.break_even_table().to_dict("records")
    assert again["break_even_response"] == pytest.approx(first["break_even_response"])
    assert again["assumed_response"] == pytest.approx(first["break_even_response"])


def test_a_measure_is_valued_beside_the_outcome(tmp_path: Path) -> None:
    found = ask(f"models=[{own_prices(tmp_path, per_user=False)}]").simulation
    everyone = found.values["everyone offer"]["measure_spend_per_user"]
    assert found.values[NONE]["measure_spend_per_user"].value == 0
    assert abs(everyone.value - 3.0) < 4 * everyone.se  # type: ignore[operator]  # it is there in this simulation
    assert "measure_spend_per_user_experiment_low" in found.value_table()
    assert "action_cost_per_user_experiment" in found.value_table()
    assert not [name for name in found.value_table() if str(name).startswith("spend")]
