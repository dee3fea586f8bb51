"""What cannot be simulated is told, and early."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from tests.refusals import Refusal
from tests.simulation.simulations import ask
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.simulation.job import SimulateResult
from tippingpoint.tracking import backend
from tippingpoint.tracking.stored import find

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("simulated")


@pytest.fixture
def refused(refused: Callable[..., str]) -> Callable[..., str]:
    """The message with which the command line refuses to simulate."""
    return partial(refused, "simulate", "cuts=40")


def test_a_budget_is_refused_where_no_policy_has_cut_offs(compared: tuple, refused: Callable[..., Refusal]) -> None:
    said = refused(f"models=[{compared[0].filed.run_id}]", "policy=top_fraction", "budget.contacts=300")
    assert said.startswith("budget.contacts: is not used by a policy without cut-offs: top_fraction has no cut-offs")


@pytest.mark.parametrize(
    ("overrides", "key", "named"),
    [
        (["models=[00000000000000000000000000000000]"], "models", "0000"),
        (["models=[models:/conversion/99]"], "models", "There are: models:/"),
        (["models=[boosting]"], "models", "'boosting'"),
        (["policy.cuts=[0.7,0.4]"], "policy.cuts", "[0.7, 0.4]"),
        (["policy.cuts=0.4"], "policy.cuts", "Type policy.cuts='[0.4]'."),
        (["policy.cuts=[0.4,1.7]"], "policy.cuts", "1.7"),
        (["models=0.4"], "models", "Type models='[0.4]'."),
        (["policies=[intent_band]"], "policy", "'intent_bands'"),
        (["data=retention", "data.users=2000"], "data", ""),
        (["policy.actions.high=email"], "policy intent_bands", "'email'"),
        (
            ["policy.actions={rest: none}"],
            "policy",
            "low, medium, high",
        ),
        (
            ["policy.actions={low: none, medium: none, high: email}", "+economics.actions.email={contact_cost: 1}"],
            "policy intent_bands",
            "'email'",
        ),
        (["data=case_study", "data.users=1200", "evidence=experiment"], "data.action", ""),
        (["economics.prize=1"], "economics.prize", "'price'"),
        (["budget.contacts=5", "budget.money=5"], "budget", ""),
    ],
)
def test_bad_input_is_told_in_one_message(
    compared: tuple, overrides: list[str], key: str, named: str, refused: Callable[..., Refusal]
) -> None:
    models = [] if overrides[0].startswith("models=") else [f"models=[{compared[0].filed.run_id}]"]
    said = refused(*models, *overrides)
    assert said.key == key
    assert named in said


@pytest.mark.parametrize(
    "override", ["policy.cuts=[0.7,0.4]", "policies=[no_such]", "economics.price=-1", "policy.actions.high=email"]
)
def test_what_is_typed_wrongly_is_told_before_models_and_users_are_read(
    compared: tuple, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    def touched(*_: object) -> None:
        raise AssertionError("too late")

    for name in ("load", "gather_users"):
        monkeypatch.setattr(sys.modules["tippingpoint.simulation.job"], name, touched)
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


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"p_none": 0.7}, "data.logging_probability"),
        ({"p_none": 1.0, "p_discount": 0.0, "p_prompt": 0.0}, "data.logging_probability"),
        ({"converted": None}, ""),  # whose outcome is not known is set aside
        ({"sessions_7d": None}, ""),
        ({"content_hours_7d": "many"}, "data"),
    ],
)
def test_a_log_that_cannot_be_valued_is_refused(
    compared: tuple, tmp_path: Path, refused: Callable[..., Refusal], change: dict, key: str
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
    if key:
        assert refused(*words).key == key
    else:  # what is missing here and there is what models are made for
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


def test_a_changed_policy_is_not_registered_under_its_old_version(compared: tuple) -> None:
    from tippingpoint.comparison.run import run
    from tippingpoint.config.settings import Settings

    words = ["model=logistic", "data.users=3000", "explain_rows=5", "report=none", "policy.cuts=[0.3,0.7]"]
    with pytest.raises(InputError, match=r"intent_bands version 1 is registered with another specification.*version=2"):
        run(Settings.from_config(compose("run", words)))
    done = run(Settings.from_config(compose("run", [*words, "policy.version=2"])))
    assert done.filed.registered is not None
    version = done.filed.registered.split("/")[-1]
    assert MlflowClient().get_model_version("conversion", version).tags["policy_version"] == "2"
