"""What simulate answers about a comparison's models, and what it files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.simulation.simulations import artifact, ask
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.experiment.simulation_result import COLUMN, NONE, RANDOM
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.simulation.job import SimulateResult, simulate
from tippingpoint.tracking import backend

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("simulated")


def test_the_written_policy_is_worth_what_compare_said(compared: tuple, simulated: SimulateResult) -> None:
    for candidate in compared[0].comparison.candidates:
        row = simulated.simulation.values[f"{candidate.family}{PAIR}intent_bands"]
        assert row["uplift_per_user"].value == pytest.approx(candidate.value.uplift.value, abs=1e-9)
        assert row["uplift_per_user"].se == pytest.approx(candidate.value.uplift.se, rel=1e-9)
        assert row["uplift_per_1000"].value == pytest.approx(candidate.value.outcomes_per_1000.value, abs=1e-6)


def test_all_pairs_meet_each_other_and_the_simple_policies(simulated: SimulateResult) -> None:
    names = set(simulated.simulation.values)
    assert {NONE, RANDOM, "everyone discount_10", "everyone checkout_prompt", "best_action"} <= names
    assert len([n for n in names if n.startswith(COLUMN)]) == 2  # under each policy that reads a score
    assert len([n for n in names if PAIR in n]) == 6  # best_action stands once
    assert len(simulated.simulation.verdicts) == len(names) * (len(names) - 1) // 2
    assert simulated.simulation.values[NONE]["uplift_per_user"].value == 0
    assert simulated.simulation.values[NONE]["uplift_per_user"].se == 0


def test_the_smallest_uplift_of_interest_is_a_share_of_what_a_user_is_worth_unless_stated(
    simulated: SimulateResult,
) -> None:
    found = simulated.simulation
    untouched = found.values[NONE]["value_per_user"].value
    assert found.smallest_uplift == pytest.approx(untouched / 100, rel=0.05)
    assert found.verdict_table()[f"users_needed_for_{found.smallest_uplift:g}"].dtype == "Int64"
    stated = ask(f"models=[{simulated.filed.run_id}]", "smallest_uplift=0.3").simulation
    assert stated.smallest_uplift == 0.3
    assert "users_needed_for_0.3" in stated.verdict_table()


def test_segments_of_a_policy_hold_everyone_and_add_up_to_its_uplift(simulated: SimulateResult) -> None:
    for (model, policy), rows in simulated.simulation.segments.groupby(["model", "policy"]):
        assert rows["share"].sum() == pytest.approx(1)
        whole = simulated.simulation.values[f"{model}{PAIR}{policy}"]["uplift_per_user"].value
        assert (rows["share"] * rows["uplift_per_user_truth"].fillna(0)).sum() == pytest.approx(whole, abs=1e-9)
    moved = simulated.simulation.gathered.tables["movement"]
    assert moved.groupby(["from", "to"])["users"].sum().nunique() == 1


def test_a_segment_of_few_users_has_no_interval_in_either_job(compared: tuple) -> None:
    run_id = compared[0].filed.run_id
    found = ask(f"models=[{run_id}]", "policy.cuts=[0.3,0.72]").simulation.segments
    few = (found["users"] < 50) & (found["action"] != "none")
    assert few.any()
    assert found.loc[few, "uplift_per_user_truth_low"].isna().all()
    assert found.loc[few & (found["users"] > 1), "uplift_per_user_truth"].notna().all()
    assert found.loc[found["users"] >= 50, "uplift_per_user_truth_low"].notna().all()
    for candidate in compared[0].comparison.candidates:
        of = candidate.segments
        told = (of["users"] >= 50) | (of["action"] == "none")
        assert (of["uplift_per_user_truth_low"].notna() == told).all()


def test_the_word_beside_a_contestant_is_that_of_its_own_pair_with_the_leader(simulated: SimulateResult) -> None:
    from tippingpoint.simulation.report import against_leader

    found, leader = against_leader(simulated.simulation), simulated.simulation.leader
    assert set(found) == set(simulated.simulation.values) - {leader}
    gain = {name: row["uplift_per_user"].value for name, row in simulated.simulation.values.items()}
    for name, word in found.items():
        assert word == "inconclusive" or (word == "better") == (gain[name] > gain[leader])
    assert found[NONE] == "worse"


def test_who_leads_is_told_with_the_reason_and_beside_another_that_is_registered(simulated: SimulateResult) -> None:
    from tippingpoint.simulation.report import leader_in_words

    found = simulated.simulation
    models = found.gathered.about["models"]
    (winner,) = [name for name, of in models.items() if "registered" in of]
    other = next(name for name in models if name != winner)
    (line,) = leader_in_words(replace(found, first=f"{winner}{PAIR}intent_bands"))
    assert "by its uplift on validation" in line
    line, registered = leader_in_words(replace(found, first=f"{other}{PAIR}intent_bands"))
    assert registered.startswith(f"Registered is {winner} (models:/conversion/1), chosen by roc_auc on validation")
    tags = backend.connect().get_run(simulated.filed.run_id).data.tags
    assert leader_in_words(found)[0] in tags["mlflow.note.content"]


def test_a_share_says_how_many_tie_at_its_cut_off(simulated: SimulateResult) -> None:
    """Of models whose scores tie there: of others it is one user, which is not worth a line."""
    from tippingpoint.simulation.report import LEAST_TIED, tied

    said = " ".join(tied(simulated.simulation))
    for model, of in simulated.simulation.gathered.about["bound"].items():
        share, out = of["top_fraction"]["share_at_cut"], of["top_fraction"]["tied_share"]
        assert share <= 0.2 < share + out
        assert (f"{model} acts on {share:.1%} and leaves {out:.1%} out" in said) == (out >= LEAST_TIED)
    coarse = {"coarse": {"top_fraction": {"share_at_cut": 0.1, "tied_share": 0.3}}}
    about = {**simulated.simulation.gathered.about, "bound": coarse}
    found = replace(simulated.simulation, gathered=replace(simulated.simulation.gathered, about=about))
    (line,) = tied(found)
    assert line.startswith("top_fraction")
    assert "coarse acts on 10.0% and leaves 30.0% out" in line


def test_the_effect_the_reward_model_predicts_is_ranked_beside_the_scores(simulated: SimulateResult) -> None:
    found = simulated.simulation.gathered.tables["ranking"]
    by_effect = found[found["rule"] == "reward model's effect"]
    assert set(by_effect["action"]) == {"discount_10", "checkout_prompt"}
    assert set(found["rule"]) == {"logistic", "random_forest", "boosting", "reward model's effect"}
    np.testing.assert_allclose(found["z"], found["value"] / found["se"])
    mean_z = found[found["measure"] == "qini"].groupby("rule")["z"].mean()
    assert mean_z["reward model's effect"] > 5  # by the truth


def test_everything_is_filed_and_carries_its_evidence(simulated: SimulateResult) -> None:
    client = backend.connect()
    parent = client.get_run(simulated.filed.run_id)
    assert parent.data.tags["tippingpoint.job"] == "simulate"
    assert all("/truth/" in name for name in parent.data.metrics)
    assert "policy/truth/honest_uplift_per_user_low" in parent.data.metrics
    files = {f.path for top in ("", "tables", "figures") for f in client.list_artifacts(parent.info.run_id, top)}
    wanted = ("values", "contest", "choice", "frontier", "segments", "movement", "ranking", "tornado")
    assert {*(f"tables/{name}.csv" for name in wanted), "tables/surface.csv.gz"} <= files
    assert {"simulation.html", "figures/surface.png", "statistics.npz"} <= files
    html = artifact(parent.info.run_id, "simulation.html").read_text()
    assert "src=" not in html.split("<script>")[0]  # plotly is inside, nothing is fetched
    assert "Plotly.newPlot" in html
    assert len(html) < 8_000_000
    pairs = pd.read_csv(artifact(parent.info.run_id, "tables/surface.csv.gz"))
    assert {"uplift_truth_band_low", "supported", "told_from_best"} <= set(pairs)
    own = simulated.simulation.cut_offs()
    assert own is not None
    assert set(pairs["model"] + PAIR + pairs["policy"]) == {own.model + PAIR + own.policy}
    assert set(pd.read_csv(artifact(parent.info.run_id, "tables/choice.csv"))["spend_in"]) == {"contacts"}
    below = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert {run.data.params["model"] for run in below} == {"logistic", "random_forest", "boosting"}
    history = client.get_metric_history(below[0].info.run_id, "curve/truth/checkout_prompt/uplift_per_user")
    assert len({m.step for m in history}) > 20
    assert {min(m.step for m in history), max(m.step for m in history)} == {0, 100}
    values = simulated.simulation.values["everyone checkout_prompt"]["uplift_per_user"].value
    assert next(m.value for m in history if m.step == 100) == pytest.approx(values)


def test_it_answers_in_one_screen_and_in_json(
    call: Callable[..., int], compared: tuple, simulated: SimulateResult, capsys: pytest.CaptureFixture
) -> None:
    assert call("simulate", f"models=[{compared[0].filed.run_id}]", "cuts=30") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= 61  # what was diagnosed stands there in full, and each contestant has a row
    assert call("simulate", f"models=[{simulated.filed.run_id}]", "output=json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["evidence"] == "truth"
    assert {row["verdict"] for row in found["contest"]} <= {"better", "worse", "inconclusive"}


def test_policies_of_the_users_own_folder_are_found_by_name(
    call: Callable[..., int], compared: tuple, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "my options" / "policy"
    folder.mkdir(parents=True)
    shipped = (ROOT / "conf/policy/intent_bands.yaml").read_text()
    (folder / "ours.yaml").write_text(shipped.replace("name: intent_bands", "name: ours").replace("0.40", "0.30"))
    words = ["simulate", f"models=[{compared[0].filed.run_id}]", "policies=[ours]", "cuts=20", "output=json"]
    assert call(*words, "--config-dir", str(folder.parent)) == 0
    assert "ours" in json.loads(capsys.readouterr().out)["policies"]
    with pytest.raises(InputError, match=r"policy: there is no 'our'\. Nearest: 'ours'"):
        simulate(SimulateSettings.from_config(compose("simulate", ["policies=[our]"], str(folder.parent))))
