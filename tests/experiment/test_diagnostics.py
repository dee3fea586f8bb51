"""Each diagnostic fires on a built case and not on a sound one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tippingpoint.config.settings import DiagnosticsSettings
from tippingpoint.core.errors import InputError
from tippingpoint.data.files import Table
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.experiment.diagnostics import (
    Chosen,
    Finding,
    catalogue,
    data,
    evidence,
    model,
    operation,
    policy,
    tags,
    vetoes,
)
from tippingpoint.offpolicy.assignment import sample_ratio
from tippingpoint.offpolicy.contest import contest
from tippingpoint.offpolicy.evidence import Log
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.rules import Rules
from tippingpoint.policies.top_fraction import TopFraction

N = 3000


def people(n: int = N, seed: int = 0, **changed: object) -> Users:
    """A sound experiment with two arms, whose chances differ from user to user."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(
        {
            "visits": rng.poisson(3, n).astype(float),
            "spend": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(size=n)),
            "plan": rng.choice(["free", "basic"], n),
        }
    )
    p = 0.3 + 0.05 * np.minimum(features["visits"].to_numpy(), 8)
    chances = np.stack([1 - p, p], axis=1)
    columns = tuple(Column(name, "category" if name == "plan" else "number") for name in features)
    parts = {
        "features": features,
        "outcome": (rng.random(n) < 0.2).astype(np.int64),
        "user_id": np.array([f"u{k}" for k in range(n)], dtype=object),
        "contract": FeatureSchema(columns, "bought", user_id="id"),
        "actions": ("none", "offer"),
        "action": (rng.random(n) < p).astype(np.int64),
        "logging_probability": chances,
    }
    return Users(**(parts | changed))


def codes(found: object) -> set[str]:
    return {finding.code for finding in found if finding is not None}


def test_a_sound_experiment_has_no_finding() -> None:
    users = people()
    assert codes(data.of_users(users)) == set()
    assert evidence.of_assignment(users, "experiment", 0, Chosen()) == evidence.Assigned()
    assert codes(evidence.of_kind(users, "experiment")) == set()


def test_what_a_table_is_like_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"n": np.arange(400), "x": rng.normal(size=400).round(3), "k": rng.permutation(400) + 7000})
    rows["bought"] = (rng.random(400) < 0.3).astype(int)
    rows["household_id"] = [f"h{k}" for k in rng.integers(0, 260, 400)]
    rows = rows.astype({"x": object})
    rows.loc[:3, "x"] = "n/k"
    rows.loc[9, "bought"] = None
    rows.rename(columns={"n": ""}).to_csv(tmp_path / "users.csv", index=False)
    users = Table(path=str(tmp_path / "users.csv"), target="bought", quarantine=None).load()
    found = {f.code: f for f in (*data.of_users(users), *evidence.of_kind(users, "assumed")) if f is not None}
    assert set(found) == {"TP101", "TP102", "TP104", "TP106", "TP306", "TP308"}
    assert found["TP101"].said.startswith("1 of 400 rows were set aside")
    assert "'n/k' 4; 99.0% are numbers" in found["TP102"].said
    assert "data.id=k" in found["TP106"].said
    assert "data.group=household_id" in found["TP306"].remedy
    ids = np.array(["7", "07", *(f"u{k}" for k in range(N - 2))], dtype=object)
    assert "2 rows have ids" in str(data.repeated_ids(people(user_id=ids)))
    told = data.leaks(["later"], {"later": 0.99})
    assert told is not None
    assert "data.drop='[later]'" in told.remedy
    assert data.leaks([], {"later": 0.99}) is None


def test_arms_of_another_size_veto_or_warn() -> None:
    users = people()
    lost = (users.action == 0) | (np.random.default_rng(1).random(N) > 0.15)
    found = evidence.of_assignment(users.take(lost), "experiment", 0, Chosen())
    assert found.vetoed == ("TP302",)
    assert [f.code for f in found.findings] == ["TP302"]
    drawn = np.random.default_rng(3).random(N)
    smaller = (users.take((users.action == 0) | (drawn > share)) for share in np.arange(0.02, 0.2, 0.002))
    fewer = next(of for of in smaller if sample_ratio(of.action, of.logging_probability).p < 0.01)
    warned = evidence.of_assignment(fewer, "experiment", 0, Chosen())
    assert [(f.code, f.level) for f in warned.findings] == [("TP302", "warning")]
    assert warned.vetoed == ()
    assert evidence.of_assignment(users.take(lost), "logged", 0, Chosen()) == evidence.Assigned()


def test_an_assignment_that_follows_features_is_vetoed_and_the_columns_are_named() -> None:
    users = people()
    followed = np.random.default_rng(2).random(N) < np.where(users.features["spend"].isna(), 0.9, 0.35)
    broken = replace(users, action=followed.astype(np.int64), logging_probability=np.full((N, 2), 0.5))
    broken = replace(broken, logging_probability=np.tile([1 - followed.mean(), followed.mean()], (N, 1)))
    found = evidence.of_assignment(broken, "experiment", 0, Chosen())
    assert [f.code for f in found.findings] == ["TP303", "TP307"]
    assert found.vetoed == ("TP303",)
    assert found.findings[1].figures == {"columns": ["spend"]}
    assert found.findings[1].remedy == "Only if measured after the action: data.after='[spend]'."
    two = users.features.assign(
        visits=users.features["visits"] + 8 * followed, spend=users.features["spend"] + followed
    )
    found = evidence.of_assignment(replace(broken, features=two), "experiment", 0, Chosen())
    assert set(found.findings[1].figures["columns"]) == {"visits", "spend"}


def test_an_accepted_veto_gives_the_interval_back_and_keeps_its_reason() -> None:
    users = people()
    lost = users.take((users.action == 0) | (np.random.default_rng(1).random(N) > 0.15))
    chosen = Chosen.of(DiagnosticsSettings(accept={"TP302": "the app crashed for some"}))
    found = evidence.of_assignment(lost, "experiment", 0, chosen)
    assert found.vetoed == ()
    assert tags(found.findings) == {"diagnostics": "TP302", "accepted.TP302": "the app crashed for some"}
    assert "TP302 veto, accepted (the app crashed for some), sample ratio" in str(found.findings[0])
    standing = evidence.of_assignment(lost, "experiment", 0, Chosen())
    assert set(tags(standing.findings)) == {"diagnostics", "veto.TP302"}
    before = {"diagnostics": {"accept": {"TP302": "as the run said"}}}
    assert Chosen.of(DiagnosticsSettings(), before).accept == {"TP302": "as the run said"}


@pytest.mark.parametrize(
    ("given", "where", "said"),
    [
        ({"silence": ["TP330"]}, "silence", "Nearest: 'TP310'"),
        ({"accept": {"TP33": "why"}}, "accept", "there is no 'TP33'"),
        ({"silence": ["TP303"]}, "silence", "TP303 is a veto. Type diagnostics.accept="),
        ({"accept": {"TP204": "why"}}, "accept", "stops nothing. Type diagnostics.silence='[TP204]'"),
        ({"accept": {"TP303": " "}}, "accept", "TP303 needs a reason"),
    ],
)
def test_codes_that_cannot_be_meant_are_refused(given: dict, where: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        Chosen.of(DiagnosticsSettings(**given))
    assert where in refused.value.where
    assert said in str(refused.value)


def test_a_silenced_warning_is_not_told_and_its_veto_is() -> None:
    warning = Finding("TP204", "warning", "", "", {}, "", "")
    veto = Finding("TP302", "veto", "", "", {}, "", "")
    assert Chosen(frozenset({"TP204", "TP302"})).settle([warning, veto, None]) == (veto,)
    assert vetoes([warning, veto, veto]) == ("TP302",)


def log(n: int, offered: np.ndarray, chance: np.ndarray, outcome: float) -> Log:
    chances = np.stack([1 - chance, chance], axis=1)
    return Log(np.zeros(n), offered.astype(np.int64), chances, np.full((n, 2), outcome))


def test_whom_a_figure_rests_on_is_looked_at() -> None:
    rng, everyone = np.random.default_rng(0), np.ones(N, dtype=np.int64)
    sound = log(N, rng.random(N) < 0.5, np.full(N, 0.5), 0.2)
    slope = np.array([10.0, 9.0])
    assert codes(evidence.of_weights(evidence.Weights.of(sound, everyone, slope, True))) == set()
    assert codes(evidence.of_weights(evidence.Weights.of(sound, 0 * everyone, slope, True))) == set()
    ruled = np.arange(N) < 1500
    alike = log(N, ruled, np.where(ruled, 0.99, 0.01), 0.2)
    (told,) = (
        f for f in evidence.of_weights(evidence.Weights.of(alike, everyone, slope, True)) if f and f.code == "TP301"
    )
    assert "Of 3,000 users acted on, 100.0%" in told.said
    for_rule = np.where(ruled, 1, 0)
    assert "TP301" in codes(evidence.of_weights(evidence.Weights.of(alike, for_rule, slope, True)))
    assert "TP301" not in codes(evidence.of_weights(evidence.Weights.of(alike, everyone, slope, False)))
    rare = log(N, rng.random(N) < 0.1, np.full(N, 0.1), 0.016)
    assert codes(evidence.of_weights(evidence.Weights.of(rare, everyone, slope, False))) == {"TP304"}
    few = log(N, np.arange(N) < 40, np.full(N, 0.5), 0.2)
    assert codes(evidence.of_weights(evidence.Weights.of(few, everyone, slope, False))) == {"TP305"}


def test_a_kind_of_evidence_says_what_it_is_not() -> None:
    assert codes(evidence.of_kind(people(), "logged")) == {"TP309"}
    assert codes(evidence.of_kind(people(), "truth")) == set()
    assert evidence.inconclusive_uplift(Estimate(0.1, 0.1, -0.1, 0.3)) is not None
    assert evidence.inconclusive_uplift(Estimate(0.3, 0.1, 0.1, 0.5)) is None
    assert evidence.inconclusive_uplift(Estimate(-0.3)) is None


def bands(**changed: object) -> Bands:
    written = {"cuts": (0.5,), "cut_belongs": ("above",), "bands": ("low", "high")}
    return Bands(**(written | {"actions": {"low": "none", "high": "offer"}} | changed))


def of_policy(decides: object, score: np.ndarray, good: bool = True) -> set[str]:
    users = people()
    users = replace(users, contract=replace(users.contract, good=good))
    return codes(policy.of_policy(policy.Decided.of(decides, users, score)))


def test_what_a_policy_does_with_scores_is_told() -> None:
    spread = np.random.default_rng(0).random(N)
    assert of_policy(bands(), spread) == set()
    assert of_policy(bands(), 0.4 * spread) == {"TP401", "TP405"}
    assert of_policy(bands(actions={"low": "none", "high": "none"}), spread) == set()
    turned = bands(actions={"low": "offer", "high": "none"})
    assert of_policy(turned, spread) == set()
    assert of_policy(turned, spread, good=False) == {"TP404"}
    assert of_policy(bands(), spread, good=False) == set()
    top = TopFraction(actions={"rest": "none", "top": "offer"}, share=0.2)
    assert of_policy(top.model_copy(update={"cut": 0.8, "share_at_cut": 0.2, "tied_share": 0.0}), spread) == set()
    assert of_policy(top.model_copy(update={"cut": 0.98, "share_at_cut": 0.02, "tied_share": 0.5}), spread) == {"TP402"}
    actions = {"often": "offer", "rest": "none"}
    by_visits = Rules(name="r", actions=actions, rules=[{"segment": "often", "when": "visits > 3"}], otherwise="rest")
    assert of_policy(by_visits, spread) == {"TP406"}


def test_a_policy_without_a_model_that_does_better_is_told() -> None:
    rng = np.random.default_rng(0)
    own, noise = rng.normal(size=N), 0.1 * rng.normal(size=N)

    def told(better: float) -> Finding | None:
        money = {"logistic": own, "everyone offer": own + better + noise, "column x": own + noise}
        return policy.better_without_a_model("logistic", contest(money, np.random.default_rng(0)), "EUR per user")

    assert told(0.0) is None
    assert told(-1.0) is None
    found = told(1.0)
    assert found is not None
    assert "Without a model everyone offer earns 1.00" in found.said
    assert "column x" not in found.said


def test_users_of_another_time_are_told() -> None:
    found = pd.DataFrame({"column": ["age", "plan"], "psi": [0.3, 0.02], "drift": ["shifted", "same"]})
    told = operation.drift(found)
    assert told is not None
    assert told.figures == {"age": 0.3}
    assert operation.drift(found.assign(drift="same")) is None
    strange = [{"column": "plan", "value": "Gold", "rows": 3, "learnt_as": "gold"}]
    assert "plan 'Gold': 3, written 'gold' in training" in str(operation.unseen_categories(3, strange))
    assert operation.unseen_categories(0, []) is None
    blank = {"column": "plan", "value": "gold ", "rows": 750, "learnt_as": "gold"}
    assert operation.unseen_categories(750, [blank]) is None
    told = operation.unseen_categories(753, [blank, *strange])
    assert told is not None
    assert told.figures == {"rows": 3}
    assert operation.stale(91, 90, "seen") is not None
    assert operation.stale(89, 90, "") is None


def test_every_diagnostic_says_what_from_where_on_and_why() -> None:
    entries = catalogue()
    assert list(entries) == sorted(entries)
    for code, entry in entries.items():
        assert code == entry.code
        assert entry.what.endswith(".")
        assert entry.why.endswith(".")
        assert not entry.threshold.endswith(".")
    assert {code for code, entry in entries.items() if entry.level == "veto"} == {
        *("TP301", "TP302", "TP303", "TP304", "TP403"),
    }
    assert model.FEW == 100


def test_users_who_were_assigned_together_are_told_with_the_key_that_says_so() -> None:
    users = people()
    assigned = replace(users, contract=replace(users.contract, together={"home": 400}))
    told = evidence.repeated_groups(assigned)
    assert told is not None
    assert "each of 400 values of home" in told.said
    assert "data.group=home" in told.remedy
    assert evidence.repeated_groups(replace(assigned, group=np.arange(len(users)) // 2)) is None
