"""What simulate answers about a comparison's models, what it files, and what it refuses."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from rich.console import Console

from tippingpoint.errors import InputError
from tippingpoint.gathered import Gathered, join
from tippingpoint.jobs import simulate
from tippingpoint.jobs.question import fit_rewards
from tippingpoint.jobs.simulate import SimulateResult
from tippingpoint.policies.policy import Known
from tippingpoint.settings import SimulateSettings, compose
from tippingpoint.simulated import NONE, PAIR, RANDOM
from tippingpoint.simulation.contest import contest
from tippingpoint.simulation.evidence import Evidence
from tippingpoint.simulation.value import policy_value
from tippingpoint.tracking import backend
from tippingpoint.tracking.models import find, load


def ask(*overrides: str) -> SimulateResult:
    return simulate(SimulateSettings.from_config(compose("simulate", ["cuts=40", *overrides])))


@pytest.fixture(scope="module", autouse=True)
def compared(at_compared: tuple) -> tuple:
    """The shared comparison; this module works in its folder."""
    return at_compared


@pytest.fixture(scope="module")
def simulated(compared: tuple) -> SimulateResult:
    return ask(f"models=[{compared[0].filed.run_id}]", "policies=[top_fraction,best_action]", "budget.contacts=300")


def drawn(result: SimulateResult) -> str:
    """What the terminal shows."""
    console = Console(width=120, no_color=True)
    with console.capture() as shown:
        console.print(result.render())
    return shown.get()


def artifact(run_id: str, path: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path))


def test_a_loaded_model_scores_as_it_did_when_it_was_fitted(compared: tuple) -> None:
    client = backend.connect()
    question = compared[0].comparison.question
    for run in find(client, compared[0].filed.run_id):
        model = load(client, run)
        fitted = next(c for c in compared[0].comparison.candidates if c.family == model.name)
        loaded = model.classifier.predict_proba(question.parts.test.features)[:, 1]
        np.testing.assert_allclose(loaded, fitted.score, atol=1e-12)


def test_a_model_file_that_asks_for_more_trust_than_its_family_gives_is_refused(
    compared: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tippingpoint.models.boosting import Boosting

    client = backend.connect()
    run = next(r for r in find(client, compared[0].filed.run_id) if r.data.params["model"] == "boosting")
    monkeypatch.setattr(Boosting, "trusted", ("numpy.dtype",))
    with pytest.raises(InputError, match="types boosting does not trust"):
        load(client, run)


def test_the_written_policy_is_worth_what_compare_said(compared: tuple, simulated: SimulateResult) -> None:
    for candidate in compared[0].comparison.candidates:
        row = simulated.simulation.values[f"{candidate.family}{PAIR}intent_bands"]
        assert row["uplift_per_user"].value == pytest.approx(candidate.value.uplift.value, abs=1e-9)
        assert row["uplift_per_user"].se == pytest.approx(candidate.value.uplift.se, rel=1e-9)
        assert row["uplift_per_1000"].value == pytest.approx(candidate.value.outcomes_per_1000.value, abs=1e-6)


def test_all_pairs_meet_each_other_and_the_simple_policies(simulated: SimulateResult) -> None:
    names = set(simulated.simulation.values)
    assert {NONE, RANDOM, "everyone discount_10", "everyone checkout_prompt", "best_action"} <= names
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
    assert f"users_needed_for_{found.smallest_uplift:g}" in found.verdict_table()
    stated = ask(f"models=[{simulated.filed.run_id}]", "smallest_uplift=0.3").simulation
    assert stated.smallest_uplift == 0.3
    assert "users_needed_for_0.3" in stated.verdict_table()


def test_verdicts_from_statistics_are_those_from_users() -> None:
    rng = np.random.default_rng(0)
    phi, n = rng.random((3000, 3)), 3000
    decisions = {"a": rng.integers(0, 3, n), "b": rng.integers(0, 2, n), "c": np.zeros(n, dtype=np.int64)}
    alpha, beta = np.array([1.0, 0.5, 0.2]), np.array([2.0, 3.0, 2.5])
    evidence = Evidence("truth", phi)
    users = {k: policy_value(evidence, alpha, beta, d).contribution for k, d in decisions.items()}
    from tippingpoint.simulation.cells import Line
    from tippingpoint.simulation.contest import contest_of_cells

    joint = join(decisions, evidence)
    L = joint.cells.coefficients(Line(alpha, beta), [0, 1, 2])
    cells = contest_of_cells(joint.cells, {k: L[d] for k, d in joint.decisions.items()}, np.random.default_rng(1))
    for one, two in zip(contest(users, np.random.default_rng(1)), cells, strict=True):
        assert one.difference.value == pytest.approx(two.difference.value, abs=1e-10)
        assert one.difference.se == pytest.approx(two.difference.se, rel=1e-8)
        assert (one.word, one.changed) == (two.word, two.changed)
        assert one.critical == pytest.approx(two.critical, rel=0.03)


def test_saved_statistics_come_back_as_they_were(simulated: SimulateResult) -> None:
    gathered = simulated.simulation.gathered
    again = Gathered.load(gathered.dump())
    assert json.loads(json.dumps(gathered.about)) == again.about
    np.testing.assert_array_equal(gathered.test.cells.gram, again.test.cells.gram)
    for model, scored in gathered.scored.items():
        np.testing.assert_array_equal(scored.test.cuts, again.scored[model].test.cuts)
        np.testing.assert_array_equal(scored.validation.gram, again.scored[model].validation.gram)
    with pytest.raises(InputError, match="cannot be read"):
        Gathered.load(b"something else")


def test_new_prices_need_no_users_and_equal_a_simulation_at_those_prices(
    compared: tuple, simulated: SimulateResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = ask(f"models=[{compared[0].filed.run_id}]", "economics.price=7", "economics.ad_revenue=2")

    def touched(*_: object) -> None:
        raise AssertionError("users were read")

    monkeypatch.setattr(sys.modules["tippingpoint.jobs.simulate"], "gather_users", touched)
    start = time.perf_counter()
    anew = ask(f"models=[{simulated.filed.run_id}]", "economics.price=7", "economics.ad_revenue=2")
    assert time.perf_counter() - start < 20  # seconds; a rough guard: the machine may be busy
    for name in (n for n in fresh.simulation.values if "intent_bands" in n):
        one, two = (r.simulation.values[name]["uplift_per_user"] for r in (fresh, anew))
        assert one.value == pytest.approx(two.value, abs=1e-9)
        assert one.se == pytest.approx(two.se, rel=1e-8)
    assert anew.simulation.values != simulated.simulation.values


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
    assert view.told is not None
    assert not view.told[cut_offs.choice.honest.at]


def test_segments_of_a_policy_hold_everyone_and_add_up_to_its_uplift(simulated: SimulateResult) -> None:
    for (model, policy), rows in simulated.simulation.segments.groupby(["model", "policy"]):
        assert rows["share"].sum() == pytest.approx(1)
        whole = simulated.simulation.values[f"{model}{PAIR}{policy}"]["uplift_per_user"].value
        assert (rows["share"] * rows["uplift_per_user_truth"].fillna(0)).sum() == pytest.approx(whole, abs=1e-9)
    moved = simulated.simulation.gathered.tables["movement"]
    assert moved.groupby(["from", "to"])["users"].sum().nunique() == 1


def test_everything_is_filed_and_carries_its_evidence(simulated: SimulateResult) -> None:
    client = backend.connect()
    parent = client.get_run(simulated.filed.run_id)
    assert parent.data.tags["tippingpoint.job"] == "simulate"
    assert all("/truth/" in name for name in parent.data.metrics)
    assert "policy/truth/honest_uplift_per_user_low" in parent.data.metrics
    files = {f.path for top in ("", "tables", "figures") for f in client.list_artifacts(parent.info.run_id, top)}
    wanted = ("values", "contest", "choice", "frontier", "segments", "movement", "ranking", "tornado")
    assert {f"tables/{name}.csv" for name in wanted} <= files
    assert {"simulation.html", "tables/surface.csv.gz", "figures/surface.png", "statistics.npz"} <= files
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
    history = client.get_metric_history(below[0].info.run_id, "policy/truth/from_cut/checkout_prompt_per_1000")
    assert len({m.step for m in history}) > 20
    assert all(0 <= m.step <= 1000 for m in history)


def test_it_answers_in_one_screen_and_in_json(
    call: Callable[..., int], compared: tuple, capsys: pytest.CaptureFixture
) -> None:
    words = ["simulate", f"models=[{compared[0].filed.run_id}]", "cuts=30"]
    assert call(*words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= 40
    assert call(*words, "output=json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["evidence"] == "truth"
    assert {row["verdict"] for row in found["contest"]} <= {"better", "worse", "cannot tell"}


def test_with_an_experiment_the_evidence_is_diagnosed(compared: tuple) -> None:
    result = ask(f"models=[{compared[0].filed.run_id}]", "evidence=experiment")
    tables = result.simulation.gathered.tables
    assert (tables["evidence"]["effective_sample_size"] <= result.simulation.gathered.about["users"]["test"]).all()
    assert set(tables["reward_model"]["action"]) == {"none", "discount_10", "checkout_prompt"}
    assert {"autoc", "qini", "uplift_at_10%"} <= set(tables["ranking"]["measure"])
    assert (tables["ranking"]["evidence"] == "experiment").all()
    assert "share_clipped" not in tables["evidence"]  # chances that are known are not


ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unlogged(compared: tuple) -> SimulateResult:
    from tippingpoint.jobs import run
    from tippingpoint.settings import Settings

    csv = f"data.path={ROOT}/data/synthetic_user_conversion_data.csv"
    words = ["data=csv", csv, "data.target=converted", "data.drop=[action]", "model=logistic", "explain_rows=5"]
    fitted = run(Settings.from_config(compose("run", [*words, "tracking.experiment=unlogged"])))
    return ask(f"models=[{fitted.filed.run_id}]")


def test_what_is_assumed_has_no_interval_no_choice_and_no_contest_anywhere(unlogged: SimulateResult) -> None:
    found = unlogged.simulation
    assert found.kind == "assumed"
    assert not found.verdicts
    assert all(e.low is None for row in found.values.values() for e in row.values())
    assert all(s.choice is None and np.isnan(v.surface.uplift.se).all() for s in found.all_cut_offs for v in s.views)
    for name, table in found.tables().items():
        assert not [c for c in table if str(c).endswith(("_low", "_high", "_se"))], name
    assert "contest" not in found.tables()
    assert found.segments["break_even_response"].notna().any()
    assert any("assumed_response" in price for price in found.tornado["price"])
    client = backend.connect()
    parent = client.get_run(unlogged.filed.run_id)
    assert parent.data.metrics
    assert all(m.startswith("policy/assumed/break_even_response/logistic/") for m in parent.data.metrics)
    below = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    for name in {m for run in below for m in run.data.metrics}:
        assert name.startswith("policy/assumed/")
        assert not name.endswith(("_low", "_high"))


def test_nothing_assumed_chooses_or_orders(compared: tuple, unlogged: SimulateResult) -> None:
    (model,) = unlogged.simulation.gathered.about["models"]
    origin = unlogged.simulation.gathered.about["models"][model]["run_id"]
    wide = ["policies=[top_fraction]", "policy.cuts=[0.9,0.95]"]  # the second one asked for acts on more users
    asked, reversed_ = (
        ask(f"models=[{origin}]", *wide, f"+economics.actions.discount_10.assumed_response={response}")
        for response in (0.5, 2.0)
    )
    tags = backend.connect().get_run(asked.filed.run_id).data.tags
    assert "leader" not in tags
    card = tags["mlflow.note.content"]
    assert "Leader" not in card
    assert "From which response on an action pays" in card
    assert "leader" not in asked.as_dict()
    assert asked.simulation.leader is None
    assert asked.simulation.ordered == reversed_.simulation.ordered  # whatever is assumed
    shown = [drawn(result).splitlines() for result in (asked, reversed_)]
    listed = [[line.split()[0] for line in lines if PAIR in line and "most" not in line] for lines in shown]
    assert listed[0] == listed[1]
    assert any("pays from a response of" in line for line in shown[0])
    html = artifact(asked.filed.run_id, "simulation.html").read_text().split("<script>")[0]
    assert "leader on" not in html
    assert "against the leader" not in html
    assert 'class="leader"' not in html
    assert html.index("From which response on an action pays") < html.index("Cut-offs</h2>")


@pytest.mark.parametrize(("budget", "word"), [("budget.contacts=1", "over"), ("budget.money=1e6", "within")])
def test_a_budget_chooses_nothing_where_uplift_is_assumed_and_that_is_said(
    unlogged: SimulateResult, budget: str, word: str
) -> None:
    anew = ask(f"models=[{unlogged.filed.run_id}]", budget)
    shown = " ".join(drawn(anew).split())
    assert "No cut-offs are chosen for the budget of" in shown
    assert f"{anew.simulation.first} is {word} it, with" in shown
    assert "No cut-offs are chosen for" in artifact(anew.filed.run_id, "simulation.html").read_text()


def test_another_assumed_response_is_priced_without_users(unlogged: SimulateResult) -> None:
    response = "+economics.actions.discount_10.assumed_response=1.5"
    anew = ask(f"models=[{unlogged.filed.run_id}]", response)
    (model,) = unlogged.simulation.gathered.about["models"]
    origin = unlogged.simulation.gathered.about["models"][model]["run_id"]
    fresh = ask(f"models=[{origin}]", response)
    for name, row in fresh.simulation.values.items():
        for column in ("uplift_per_user", "uplift_per_1000"):
            assert row[column].value == pytest.approx(anew.simulation.values[name][column].value, abs=1e-9)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["models=[00000000000000000000000000000000]"], "models: there is no run 0000"),
        (["models=[models:/conversion/99]"], "models: there is no models:/conversion/99. There are: models:/"),
        (["models=[boosting]"], "models: 'boosting' is neither a registry URI nor a run id."),
        (["policy.cuts=[0.7,0.4]"], "policy.cuts: must rise; got [0.7, 0.4]."),
        (["policy.cuts=0.4"], "policy.cuts: must be a list; got 0.4. Type policy.cuts='[0.4]'."),
        (["policy.cuts=[0.4,1.7]"], "policy.cuts: scores lie between 0 and 1, 1.7 does not; got"),
        (["models=0.4"], "models: must be a list; got 0.4. Type models='[0.4]'."),
        (["policies=[intent_band]"], "policy: there is no 'intent_band'. Nearest: 'intent_bands'."),
        (["data=retention", "data.users=2000"], "data: "),
        (["policy.actions.high=email"], "policy intent_bands: 'email' has no price"),
        (
            ["policy.actions={rest: none}"],
            "policy: actions of intent_bands must name each of low, medium, high",
        ),
        (
            ["policy.actions={low: none, medium: none, high: email}", "+economics.actions.email={contact_cost: 1}"],
            "policy intent_bands: no user ever got 'email'",
        ),
        (["data=case_study", "data.users=1200", "evidence=experiment"], "data.action: "),
        (["economics.prize=1"], "economics.prize: unknown key. Nearest: 'price'."),
        (["budget.contacts=5", "budget.money=5"], "budget: a budget is in contacts or in money"),
    ],
)
def test_bad_input_is_told_in_one_message(
    compared: tuple, overrides: list[str], message: str, refused: Callable[..., str]
) -> None:
    models = [] if overrides[0].startswith("models=") else [f"models=[{compared[0].filed.run_id}]"]
    assert refused(*models, *overrides).startswith(message)


@pytest.mark.parametrize(
    "override", ["policy.cuts=[0.7,0.4]", "policies=[no_such]", "economics.price=-1", "policy.actions.high=email"]
)
def test_what_is_typed_wrongly_is_told_before_models_and_users_are_read(
    compared: tuple, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    def touched(*_: object) -> None:
        raise AssertionError("too late")

    for name in ("load", "gather_users"):
        monkeypatch.setattr(sys.modules["tippingpoint.jobs.simulate"], name, touched)
    with pytest.raises(InputError):
        ask(f"models=[{compared[0].filed.run_id}]", override)


def test_an_action_of_a_further_policy_that_no_user_got_is_told_with_what_works(
    compared: tuple, tmp_path: Path
) -> None:
    table = pd.read_csv(ROOT / "data/synthetic_user_conversion_data.csv").head(3000)
    table.assign(action=table["action"].replace("checkout_prompt", "email")).to_csv(tmp_path / "log.csv", index=False)
    run_id = compared[0].filed.run_id
    words = [f"models=[{run_id}]", "data=csv", f"data.path={tmp_path}/log.csv", "data.target=converted"]
    words += ["data.action=action", "data.logging_probability=uniform", "economics.actions.email={contact_cost: 1}"]
    words += ["policy.actions.high=email"]
    with pytest.raises(InputError, match=r"policy top_fraction: no user.*Type policy=top_fraction policy\.ac.*\.top="):
        ask(*words, "policies=[top_fraction]")
    with pytest.raises(InputError, match=r"policy best_action: no user.*Leave best_action out"):
        ask(*words, "policies=[best_action]")
    found = ask(*words[:-1], "policy=top_fraction", "policy.actions.top=email").simulation
    assert f"boosting{PAIR}top_fraction" in found.values


def test_an_action_is_priced_as_typed_and_one_that_nobody_has_is_refused(
    compared: tuple, simulated: SimulateResult
) -> None:
    anew = ask(f"models=[{simulated.filed.run_id}]", "economics.actions.discount_10.contact_cost=2").simulation
    assert anew.asked.economics.actions["discount_10"].contact_cost == 2
    with pytest.raises(InputError, match=r"economics\.actions\.discount_10\.contact_costs: unknown key"):
        ask(f"models=[{compared[0].filed.run_id}]", "economics.actions.discount_10.contact_costs=2")
    with pytest.raises(InputError, match=r"economics\.actions\.discount_01: no policy.*Nearest: 'discount_10'"):
        ask(f"models=[{compared[0].filed.run_id}]", "economics.actions.discount_01.contact_cost=2")


@pytest.fixture
def refused(call: Callable[..., int], capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """The message with which the command line refuses to simulate."""

    def told(*words: str) -> str:
        assert call("simulate", "cuts=40", *words) == 2
        out, err = capsys.readouterr()
        assert not out
        steps = ("opening the store", "loading models", "reading statistics", "scoring users", "answering", "filing")
        lines = [line for line in err.splitlines() if not line.startswith(steps)]
        assert not any("Traceback" in line for line in lines)
        return "\n".join(lines)

    return told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p_none": 0.7}, "data.logging_probability: must lie in (0, 1] and sum to 1"),
        ({"p_none": 1.0, "p_discount": 0.0, "p_prompt": 0.0}, "data.logging_probability: must lie in (0, 1]"),
        ({"converted": None}, "data.target: 'converted' is missing in"),
        ({"sessions_7d": None}, ""),
        ({"content_hours_7d": "many"}, "data: "),
    ],
)
def test_a_log_that_cannot_be_valued_is_refused(
    compared: tuple, tmp_path: Path, refused: Callable[..., str], change: dict, message: str
) -> None:
    table = pd.read_csv(ROOT / "data/synthetic_user_conversion_data.csv").head(3000)
    table = table.assign(p_none=0.5, p_discount=0.25, p_prompt=0.25)
    for column, value in change.items():
        table[column] = table[column].astype(object)
        table.loc[::9, column] = value
    table.to_csv(tmp_path / "log.csv", index=False)
    chances = "data.logging_probability={none: p_none, discount_10: p_discount, checkout_prompt: p_prompt}"
    words = ["data=csv", f"data.path={tmp_path}/log.csv", "data.target=converted", "data.action=action", chances]
    words = [f"models=[{compared[0].filed.run_id}]", *words]
    if message:
        assert refused(*words).startswith(message)
    else:  # a feature that is missing here and there is what models are made for
        assert ask(*words).simulation.kind == "experiment"


def test_users_who_changed_since_are_not_taken_for_the_same(compared: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    from tippingpoint.data.generators.case_study import CaseStudy

    load_users = CaseStudy.load

    def other(self: CaseStudy) -> object:
        users = load_users(self)
        return users.take(np.arange(len(users) - 1))

    monkeypatch.setattr(CaseStudy, "load", other)
    with pytest.raises(InputError, match="no longer holds the users run"):
        ask(f"models=[{compared[0].filed.run_id}]")


def test_missing_scores_are_refused(compared: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.pipeline import Pipeline

    monkeypatch.setattr(Pipeline, "predict_proba", lambda self, x: np.full((len(x), 2), np.nan))
    run = next(r for r in find(backend.connect(), compared[0].filed.run_id) if r.data.params["calibration"] == "none")
    with pytest.raises(InputError, match="scores are missing or infinite"):
        ask(f"models=[{run.info.run_id}]")


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
    assert f"type models=[{origin}," in str(error.value)


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


def test_a_budget_is_told_in_totals_of_the_users_it_is_for(simulated: SimulateResult) -> None:
    best = simulated.simulation.cut_offs()
    assert best is not None
    assert best.budgeted is not None
    of, shown = best.budgeted.honest, drawn(simulated)
    assert f"{of.spend.value * 3000:,.0f} contacts and {of.uplift.value * 3000:+,.0f} [" in " ".join(shown.split())


def test_asking_a_finished_simulation_for_what_it_is_changes_nothing(simulated: SimulateResult) -> None:
    anew = ask(f"models=[{simulated.filed.run_id}]", "cuts=40", "seed=0", "evidence=truth", "budget.contacts=300")
    assert anew.simulation.values == simulated.simulation.values
    assert anew.simulation.cut_offs().choice == simulated.simulation.cut_offs().choice  # type: ignore[union-attr]  # it is there in this simulation


def test_a_changed_policy_is_not_registered_under_its_old_version(compared: tuple) -> None:
    from tippingpoint.jobs import run
    from tippingpoint.settings import Settings

    words = ["model=logistic", "data.users=3000", "explain_rows=5", "policy.cuts=[0.3,0.7]"]
    with pytest.raises(InputError, match=r"intent_bands version 1 is registered with another specification.*version=2"):
        run(Settings.from_config(compose("run", words)))
    done = run(Settings.from_config(compose("run", [*words, "policy.version=2"])))
    assert done.filed.registered is not None
    version = done.filed.registered.split("/")[-1]
    assert MlflowClient().get_model_version("conversion", version).tags["policy_version"] == "2"
    MlflowClient().delete_model_version("conversion", version)  # others look at this store too


def test_the_word_beside_a_contestant_is_that_of_its_own_pair_with_the_leader(simulated: SimulateResult) -> None:
    from tippingpoint.reports.what_if import against_leader

    found, leader = against_leader(simulated.simulation), simulated.simulation.leader
    assert set(found) == set(simulated.simulation.values) - {leader}
    gain = {name: row["uplift_per_user"].value for name, row in simulated.simulation.values.items()}
    for name, word in found.items():
        assert word == "cannot tell" or (word == "better") == (gain[name] > gain[leader])
    assert found[NONE] == "worse"


def test_who_leads_is_told_with_the_reason_and_beside_another_that_is_registered(simulated: SimulateResult) -> None:
    from tippingpoint.reports.what_if import leader_in_words

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
    from tippingpoint.reports.what_if import tied

    (line,) = tied(simulated.simulation)
    assert line.startswith("top_fraction")
    for model, of in simulated.simulation.gathered.about["bound"].items():
        share, out = of["top_fraction"]["share_at_cut"], of["top_fraction"]["tied_share"]
        assert share <= 0.2 < share + out
        assert f"{model} acts on {share:.1%} and leaves {out:.1%} out" in line


def test_who_decided_at_other_prices_says_so(simulated: SimulateResult) -> None:
    from tippingpoint.simulated import THEN

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


def own_prices(folder: Path, per_user: bool, logged: bool = True) -> str:
    """A randomised experiment, or users without one, with each one's own costs, as a CSV; its answer as a run id."""
    from tippingpoint.jobs import run
    from tippingpoint.settings import Settings

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
    words += ["policy=offer", "policy.cuts=[0.4]", "model=logistic", "explain_rows=5"]
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
        with pytest.raises(InputError, match=r"own need a pass over users.*type models=\["):
            ask(f"models=[{found.filed.run_id}]", f"+{other}" if "costs" in other else other)
    with pytest.raises(InputError, match=r"budget\.money: cost_columns says what each user costs"):
        ask(f"models=[{found.filed.run_id}]", "budget.money=5")


def test_at_the_break_even_response_of_each_users_own_prices_a_segment_neither_gains_nor_loses(tmp_path: Path) -> None:
    fitted = own_prices(tmp_path, per_user=True, logged=False)
    (first,) = ask(f"models=[{fitted}]").simulation.break_even_table().to_dict("records")
    assert first["segment"] == "target"
    assert first["break_even_response"] > 1  # an offer costs 1
    at = f"economics.costs.offer.assumed_response={first['break_even_response']}"
    there = ask(f"models=[{fitted}]", f"+{at}").simulation
    segments = there.segments.set_index("segment")
    assert segments.loc["target", "uplift_per_user_assumed"] == pytest.approx(0, abs=1e-9)
    (again,) = there.break_even_table().to_dict("records")
    assert again["break_even_response"] == pytest.approx(first["break_even_response"])
    assert again["assumed_response"] == pytest.approx(first["break_even_response"])


def test_prices_all_share_do_not_become_each_users_own_without_a_pass(simulated: SimulateResult) -> None:
    with pytest.raises(InputError, match="own need a pass over users"):
        ask(f"models=[{simulated.filed.run_id}]", "economics=cost_columns")


def test_a_measure_is_valued_beside_the_outcome(tmp_path: Path) -> None:
    found = ask(f"models=[{own_prices(tmp_path, per_user=False)}]").simulation
    everyone = found.values["everyone offer"]["measure_spend_per_user"]
    assert found.values[NONE]["measure_spend_per_user"].value == 0
    assert abs(everyone.value - 3.0) < 4 * everyone.se  # type: ignore[operator]  # it is there in this simulation
    assert "measure_spend_per_user_experiment_low" in found.value_table()
    assert "action_cost_per_user_experiment" in found.value_table()
    assert not [name for name in found.value_table() if str(name).startswith("spend")]


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
            assert view.told is not None
            at = tuple(int(np.flatnonzero(view.surface.cuts == best.cuts[k])[0]) for k in view.free)
            assert view.surface.uplift.value[at] == pytest.approx(best.uplift.value, abs=1e-9)
            assert view.surface.uplift.se[at] == pytest.approx(best.uplift.se, rel=1e-6)
            assert not view.told[at]
        assert len(cut_offs.untold_ranges) in (0, 4)
        assert len(cut_offs.frontier) > 3
        assert cut_offs.frontier[0].point.cuts is None
        assert all(len(step.point.cuts or ()) == 4 for step in cut_offs.frontier[1:])
    html = artifact(found.filed.run_id, "simulation.html").read_text()
    assert "One pair of 4 cut-offs is free here; held as chosen on validation" in html
    assert len(html) < 8_000_000


def test_what_is_estimated_of_a_log_is_fitted_once(compared: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    from tippingpoint.jobs import question

    fits: list[int] = []
    fit_chances = question.fit_chances

    def counted(*arguments: Any) -> object:
        fits.append(1)
        return fit_chances(*arguments)

    monkeypatch.setattr(question, "fit_chances", counted)
    found = ask(f"models=[{compared[0].filed.run_id}]", "evidence=logged").simulation
    assert found.kind == "logged"
    assert "share_clipped" in found.gathered.tables["evidence"]
    assert len(fits) == 1


def test_every_estimator_stands_beside_the_default_at_any_price(compared: tuple) -> None:
    from tippingpoint.simulation.estimators import ESTIMATORS
    from tippingpoint.simulation.evidence import Log

    first = ask(f"models=[{compared[0].filed.run_id}]", "evidence=experiment", "policies=[best_action]")
    anew = ask(f"models=[{first.filed.run_id}]", "economics.price=7", "economics.ad_revenue=2")
    question = compared[0].comparison.question
    users, economics = question.parts.test, anew.simulation.asked.economics
    alpha, beta = economics.line(users.actions, True)
    predicted = fit_rewards(question.parts.train, 0)(users.features)
    log = Log(users.outcome, users.action, users.logging_probability, predicted).priced(alpha, beta)
    found = anew.simulation.tables()["estimators"].set_index(["contestant", "estimator"])
    assert set(found.index.get_level_values("estimator")) == set(ESTIMATORS)
    assert {NONE, "everyone discount_10", f"boosting{PAIR}intent_bands"} <= set(found.index.get_level_values(0))
    none = np.zeros(len(users), dtype=np.int64)
    fitted = next(c for c in compared[0].comparison.candidates if c.family == "boosting")
    decision = question.policy.bind(Known(users.features, users.features, fitted.score, None)).decide(
        fitted.score, users.features, users.actions
    )
    for name, decided in {f"boosting{PAIR}intent_bands": decision, "everyone discount_10": none + 1}.items():
        for estimator, of in ESTIMATORS.items():
            row = found.loc[name, estimator]
            for column, expected in {"value": of(log, decided), "uplift": of(log, decided) - of(log, none)}.items():
                assert row[f"{column}_per_user_experiment"] == pytest.approx(expected.value, abs=1e-9)
                assert row[f"{column}_per_user_experiment_se"] == pytest.approx(expected.estimate.se, rel=1e-6)
        default = anew.simulation.values[name]["uplift_per_user"]
        assert found.loc[name, "dr"]["uplift_per_user_experiment"] == pytest.approx(default.value, abs=1e-9)
        assert found.loc[name, "dr"]["uplift_per_user_experiment_se"] == pytest.approx(default.se, rel=1e-6)
    assert set(found[found["default"]].index.get_level_values("estimator")) == {"dr"}
    assert "estimators" in {f.path[7:-4] for f in backend.connect().list_artifacts(anew.filed.run_id, "tables")}
    html = artifact(anew.filed.run_id, "simulation.html").read_text()
    assert all(word in html for word in ("dr (default)", "effective users", "largest weight", "Calibration of"))


def test_the_effect_the_reward_model_predicts_is_ranked_beside_the_scores(compared: tuple) -> None:
    found = ask(f"models=[{compared[0].filed.run_id}]").simulation.gathered.tables["ranking"]
    by_effect = found[found["rule"] == "reward model's effect"]
    assert set(by_effect["action"]) == {"discount_10", "checkout_prompt"}
    assert set(found["rule"]) == {"logistic", "random_forest", "boosting", "reward model's effect"}
    np.testing.assert_allclose(found["z"], found["value"] / found["se"])
    mean_z = found[found["measure"] == "qini"].groupby("rule")["z"].mean()
    assert mean_z["reward model's effect"] > 5  # by the truth


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
