"""Measures that must not get worse by more than a margin: of users, in the decision, in the contest and in the gate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tippingpoint as tp
from tests.experiment.test_measured_rewards import ACTIONS, priced, spenders
from tippingpoint.config.gate_settings import Gate, GateCheck
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.data.users import Users
from tippingpoint.experiment.decision import Case, Guardrail, decide
from tippingpoint.experiment.guardrails import check_guardrails, guarded
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.promotion.quality_checks import guardrails

WATCHED = -2.0
"""What a mail does to the minutes of whoever gets it."""


def watching(seed: int, n: int = 6000) -> Users:
    users = spenders(seed, n)
    minutes = np.random.default_rng([seed, 1]).normal(30, 5, n) + WATCHED * users.action
    return replace(users, measures=pd.DataFrame({"watched": minutes}))


def of_users(margin: float, decision: int) -> Guardrail:
    users = watching(1)
    valued = ValuedUsers.of("experiment", watching(99), users, ACTIONS, priced("outcome"), 0, further=("watched",))
    (found,) = guarded(valued, {"watched": margin}, np.full(len(users), decision))
    return found


def test_what_a_policy_does_to_a_measure_is_estimated_beside_its_value() -> None:
    found = of_users(-3, 1)
    assert found.difference.low is not None
    assert found.difference.high is not None
    assert found.difference.low < WATCHED < found.difference.high
    assert found.difference.high - found.difference.low < 1
    assert found.verdict == "kept"
    assert of_users(-1, 1).verdict == "broken"
    assert of_users(-2, 1).verdict == "inconclusive"
    assert of_users(-1, 0).difference.value == 0
    assert of_users(-1, 0).verdict == "kept"


def test_measures_that_no_log_tells_are_refused() -> None:
    check_guardrails("experiment", ["watched"], {"watched": -2}, True)
    with pytest.raises(InputError, match="guardrails: 'watch' is not measured"):
        check_guardrails("experiment", ["watched"], {"watch": -2}, True)
    with pytest.raises(InputError, match=r"truth knows the outcome only.*Type evidence=experiment"):
        check_guardrails("truth", ["watched"], {"watched": -2}, True)
    with pytest.raises(InputError, match=r"Type guardrails=null"):
        check_guardrails("assumed", ["watched"], {"watched": -2}, False)


def test_the_box_says_of_a_guardrail_what_holds() -> None:
    def word(low: float, high: float) -> tuple[str, str]:
        kept = Guardrail("watched", "per user", -2, Estimate((low + high) / 2, None, low, high))
        case = Case("it", "it", "experiment", Estimate(1.0, 0.1, 0.8, 1.2), "EUR per user", guardrails=(kept,))
        said = decide(case)
        return said.word, said.why

    assert word(-1, 1) == ("Ship", word(-1, 1)[1])
    assert word(-1, 1)[1].endswith("; watched +0.000 [-1.000, 1.000] per user is within its margin -2.")
    assert word(-4, -3)[0] == "Do not ship"
    assert word(-3, 1)[0] == "Test first"


def test_a_gate_holds_every_measure_to_its_margin() -> None:
    kept, broken, untold = (
        Estimate(0.1, 0.2, -0.3, 0.5),
        Estimate(-5.0, 0.2, -5.4, -4.6),
        Estimate(-1.9, 0.2, -2.3, -1.5),
    )
    for each, verdict in (
        ([kept], "passes"),
        ([kept, untold], "inconclusive"),
        ([kept, untold, broken], "fails"),
        ([Estimate(0.1)], "inconclusive"),
    ):
        check = guardrails([(f"m{k}", -2, of) for k, of in enumerate(each)], "experiment", 0.025)
        assert check.verdict == verdict
    rises = guardrails([("refunds", 3.0, Estimate(5.0, 0.2, 4.6, 5.4))], "experiment", 0.025)
    assert rises.verdict == "fails"
    assert rises.figures["refunds_low"] == pytest.approx(4.608, abs=1e-3)


def test_gates_and_configs_of_before_keep_their_digests() -> None:
    of = {"quality": None, "better": None, "value": None, "calibration": None, "slices": None, "signature": None}
    gate = Gate(name="g", alpha=0.05, reload=None, speed=None, explanation=None, fresh=None, looks=None, **of)
    assert gate.digest == "5296460f"  # as it was before gates knew guardrails
    other = gate.model_copy(update={"guardrails": GateCheck(inconclusive="passes")})
    assert other.digest != gate.digest
    part = {"_target_": "x"}
    plain = {"model": {"m": part}, "data": part, "policy": part, "economics": part}
    assert "guardrails" not in Settings.model_validate(plain).model_dump(mode="json")
    asked = Settings.model_validate(plain | {"guardrails": {"watched": -2}})
    assert asked.model_dump(mode="json")["guardrails"] == {"watched": -2}


def table(n: int = 4000, watched: float = -1.0) -> pl.DataFrame:
    """A fair draw in which the mail sells more and costs minutes."""
    rng = np.random.default_rng(5)
    x, mail = rng.normal(size=n), rng.random(n) < 0.5
    return pl.DataFrame(
        {
            "x": x,
            "converted": (rng.random(n) < 1 / (1 + np.exp(1.5 - x)) + 0.3 * mail * (x > 0)).astype(int),
            "mail": np.where(mail, "mail", "none"),
            "watched": rng.normal(30, 3, n) + watched * mail,
        }
    )


def test_compare_and_simulate_hold_the_policy_to_its_margins() -> None:
    roles = {"target": "converted", "action": "mail", "logging_probability": "uniform", "measures": ["watched"]}
    users = tp.read_users(table(), **roles)
    prices = {"none": tp.ActionPrice(), "mail": tp.ActionPrice(contact_cost=0.9)}
    economics = tp.Economics(name="e", currency="EUR", price=10, months=1, ad_revenue=0.1, actions=prices)
    policy = tp.TopFraction(name="half", version=1, share=0.5, actions={"top": "mail", "rest": "none"})
    asked = {"models": "logistic", "policy": policy, "economics": economics, "explain_rows": 10, "track": False}
    strict = tp.compare(users, **asked, guardrails={"watched": -0.2})
    assert strict.to_dict()["decision"]["word"] == "Do not ship"
    assert "watched" in strict.to_dict()["decision"]["why"]
    (row,) = strict.to_dict()["leaderboard"][0]["guardrails"]
    assert row["verdict"] == "broken"
    assert row["difference"]["low"] < -0.5 < row["difference"]["high"]
    wide = tp.compare(users, **asked, guardrails={"watched": -2})
    assert "within its margin -2" in wide.to_dict()["decision"]["why"]
    found = tp.simulate(wide, guardrails={"watched": -0.2}, track=False)
    assert found.to_dict()["guardrails"][0]["verdict"] == "broken"
    again = tp.simulate(wide, track=False)
    assert {of["verdict"] for of in again.to_dict()["guardrails"]} == {"kept"}
