"""Worlds: reproducible to the last digit, true to what they say of themselves, and worth a model."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from scipy.special import logit, softmax
from sklearn.metrics import roc_auc_score

from tippingpoint.data.contract import shipped
from tippingpoint.data.generators.world import BLOCK, Logging, Responses, World
from tippingpoint.data.source import Source
from tippingpoint.data.splits import split
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.errors import InputError
from tippingpoint.models.calibration import Model, fit
from tippingpoint.models.family import Family
from tippingpoint.settings import Component, Split

CONF = Path(__file__).parents[2] / "conf"
KINDS = ("randomised", "by_score", "confounded")
FAMILIES = ("logistic", "random_forest", "boosting")


def node(path: str) -> dict[str, Any]:
    config = OmegaConf.to_container(OmegaConf.load(CONF / f"{path}.yaml"))
    config.pop("defaults", None)  # what the data brings along of other groups
    return config


def built(name: str, **changes: Any) -> Source:
    values = {k: v for k, v in (node(f"data/{name}") | changes).items() if v != "???"}
    return Component.model_validate(values).build(Source, "data")


def generated(path: Path) -> bool:
    target = node(f"data/{path.stem}").get("_target_", "")  # without one it is another's, asked otherwise
    return ".generators." in target and isinstance(built(path.stem), World)


WORLDS = [path.stem for path in sorted((CONF / "data").glob("*.yaml")) if generated(path)]
each_world = pytest.mark.parametrize("name", WORLDS)
each_kind = pytest.mark.parametrize("kind", KINDS)


def world(name: str, kind: str = "randomised", **changes: Any) -> World:
    return built(name, logging=node(f"data/{name}")["logging"] | {"kind": kind}, **changes)


@cache
def many(name: str, kind: str = "randomised") -> Users:
    return world(name, kind, users=50_000).load()


@cache
def scored(name: str, kind: str) -> np.ndarray:
    return world(name, kind).score(many(name, kind))


@cache
def fitted(name: str) -> dict[str, Model]:
    """Each family with its defaults on the world's own number of users, split as configured."""
    parts = split(built(name).load(), Split.model_validate(node("config")["split"]))
    families = {f: Component.model_validate(node(f"model/{f}")[f]).build(Family, "model") for f in FAMILIES}
    return {f: fit(family, parts.train, parts.validation, seed=0) for f, family in families.items()}


@cache
def fresh(name: str) -> Users:
    """30,000 users of the same world whom no family was fitted on."""
    first = built(name).users
    return built(name, users=first + 30_000).load().take(np.arange(first, first + 30_000))


def same(one: Users, other: Users) -> bool:
    parts = ("outcome", "user_id", "action", "truth", "logging_probability")
    arrays = all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)
    measures = one.measures is other.measures or one.measures.equals(other.measures)
    return arrays and measures and one.features.equals(other.features) and one.digest == other.digest


def test_the_three_table_worlds_are_found():
    assert {"case_study", "streamzone", "retention"} <= set(WORLDS)


class TestEveryWorld:
    @each_world
    def test_honours_its_contract(self, name):
        users = built(name, users=2_000).load()
        contract = users.contract
        assert len(users) == 2_000
        assert list(users.features.columns) == [column.name for column in contract.columns]
        assert not users.features.isna().any(axis=None)
        assert all(users.features[column].dtype == np.float64 for column in contract.names("number"))
        assert all(pd.api.types.is_string_dtype(users.features[c]) for c in contract.names("category"))
        assert len(set(users.user_id)) == 2_000
        assert users.truth.shape == (2_000, len(users.actions))
        assert np.all((users.truth > 0) & (users.truth < 1))
        assert set(users.outcome) == {0, 1}
        assert set(users.action) == set(range(len(users.actions)))
        assert users.measures is None or np.isfinite(users.measures.to_numpy()).all()

    @each_world
    def test_is_checked_at_the_door_with_its_truth_beside_it(self, name, tmp_path):
        users, own = built(name, users=3000).load(), shipped(name).read_text()
        assert (users.intake.rows, users.intake.quarantined) == (3000, 0)
        number = next(n for n in users.contract.names("number") if users.features[n].nunique() > 20)
        limit = float(users.features[number].quantile(0.98))
        terms = yaml.safe_load(own)
        terms["columns"][number] |= {"max": limit}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(terms))
        strict = {"contract": str(tmp_path / "c.yaml"), "quarantine": str(tmp_path / "q")}
        kept = built(name, users=3000, **strict).load()
        holds = (users.features[number] <= limit).to_numpy()
        assert kept.intake.used == len(kept) == holds.sum() < 3000
        assert f"{number} is above" in next(iter(kept.intake.reasons))
        assert np.array_equal(kept.truth, users.truth[holds])
        assert kept.digest == users.take(holds).digest
        with pytest.raises(InputError, match=r"of .* breaks it, more than data.quarantine_share=0"):
            built(name, users=3000, **strict, quarantine_share=0.0).load()

    def test_may_be_given_actions_its_contract_does_not_know(self):
        logging = node("data/case_study")["logging"] | {"chances": {"none": 0.5, "sms": 0.5}}
        assert len(built("case_study", users=500, logging=logging, strength={"sms": 0.5}).load()) == 500

    @each_world
    def test_hides_from_a_model_what_a_model_must_not_see(self, name):
        users = built(name, users=100).load()
        hidden = {"user_id", "action", users.contract.outcome, *users.contract.dropped}
        hidden |= set(users.measures.columns if users.measures is not None else [])
        assert hidden.isdisjoint(users.features.columns)
        assert not any(pd.api.types.is_datetime64_any_dtype(dtype) for dtype in users.features.dtypes)

    @each_world
    @each_kind
    def test_is_the_same_bytes_from_the_same_seed_and_others_from_another(self, name, kind):
        one, again = (world(name, kind, users=3_000).load() for _ in range(2))
        assert same(one, again)
        assert world(name, kind, users=3_000, seed=1).load().digest != one.digest

    @each_world
    @each_kind
    def test_draws_user_i_the_same_whatever_the_size(self, name, kind):
        first = np.arange(1_000)
        small, large = (world(name, kind, users=n).load().take(first) for n in (10_000, 50_000))
        assert same(small, large)

    @each_world
    def test_streams_what_it_loads(self, name):
        users, seen = built(name, users=2 * BLOCK + 5).load(), 0
        for block in built(name, users=2 * BLOCK + 5).blocks():
            assert len(block) <= BLOCK
            assert same(block, users.take(np.arange(seen, seen + len(block))))
            seen += len(block)
        assert seen == len(users)

    @each_world
    def test_draws_any_block_without_those_before_it(self, name):
        later = built(name).block(3_000_000)
        assert later.user_id[0] == f"u{3_000_000 * BLOCK}"
        assert same(later, built(name).block(3_000_000))
        assert set(later.truth[:, 0]).isdisjoint(built(name).block(0).truth[:, 0])

    @each_world
    def test_another_seed_draws_other_users_of_the_same_world(self, name):
        one, other = (built(name, users=BLOCK, seed=seed).load() for seed in (1, 2))
        assert set(one.truth[:, 0]).isdisjoint(other.truth[:, 0])
        assert abs(one.truth.mean() - other.truth.mean()) < 5 * one.truth[:, 0].std() * np.sqrt(2 / BLOCK)

    @each_world
    def test_a_copy_with_another_setting_is_the_world_configured_so(self, name):
        original = built(name, users=500)
        original.load()
        shares = {"persuadable": 0.1, "sure_thing": 0.4, "lost_cause": 0.4, "sleeping_dog": 0.1}
        copied = original.model_copy(update={"responses": shares})
        assert same(copied.load(), built(name, users=500, responses=shares).load())

    @each_world
    def test_writes_a_table_with_all_there_is_to_write(self, name):
        users = built(name, users=50).load()
        table = built(name, users=50).table(users)
        hidden = [*users.contract.dropped, *(users.measures.columns if users.measures is not None else [])]
        expected = {"user_id", "action", users.contract.outcome, *users.features.columns, *hidden}
        assert set(table.columns) == expected
        assert list(table["action"]) == [users.actions[a] for a in users.action]


class TestTruth:
    @each_world
    @each_kind
    def test_outcomes_came_from_the_truth_of_the_action_taken(self, name, kind):
        users = many(name, kind)
        for action in range(len(users.actions)):
            took = users.action == action
            p = users.truth[took, action]
            error = np.sqrt((p * (1 - p)).sum()) / took.sum()
            assert abs(users.outcome[took].mean() - p.mean()) < 4 * error

    @each_world
    def test_all_four_ways_of_responding_are_there_in_the_shares_asked_for(self, name):
        users, shares = many(name), built(name).responses
        uplift = users.truth[:, 1:] - users.truth[:, :1]
        none = np.all(uplift == 0, axis=1)
        error = 5 * np.sqrt(0.25 / len(users)) + 0.01  # the world's weights are fitted on one block
        assert np.all(uplift > 0, axis=1).mean() == pytest.approx(shares.persuadable, abs=error)
        assert np.all(uplift < 0, axis=1).mean() == pytest.approx(shares.sleeping_dog, abs=error)
        assert none.mean() == pytest.approx(shares.sure_thing + shares.lost_cause, abs=error)
        sure = users.truth[none, 0] > np.median(users.truth[none, 0])
        assert users.outcome[none][sure].mean() > users.outcome[none][~sure].mean() + 0.1

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.floats(0.05, 1), min_size=4, max_size=4), st.integers(0, 2**32))
    def test_fitted_weights_give_the_shares_whatever_features_speak_for(self, sizes, seed):
        shares = np.array(sizes) / sum(sizes)
        affinity = np.random.default_rng(seed).normal(scale=1.5, size=(500, 4))
        responses = Responses(**dict(zip(Responses.model_fields, shares.tolist(), strict=True)))
        assert softmax(affinity + responses.fit(affinity), axis=1).mean(axis=0) == pytest.approx(shares, abs=1e-3)

    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [("case_study", 0.28, 0.32), ("streamzone", 0.27, 0.33), ("retention", 0.6, 0.8)],
    )
    def test_outcomes_are_as_common_as_the_story_says(self, name, low, high):
        assert low < many(name).outcome.mean() < high


class TestLogging:
    @each_world
    def test_policies_differ_in_what_was_done_and_not_in_who_the_users_are(self, name):
        users = [many(name, kind) for kind in KINDS]
        for other in users[1:]:
            assert users[0].features.equals(other.features)
            assert np.array_equal(users[0].truth, other.truth)
            assert not np.array_equal(users[0].action, other.action)

    @each_world
    def test_randomised_takes_each_action_with_its_chance(self, name):
        users, chances = many(name), list(built(name).logging.chances.values())
        assert np.all(users.logging_probability == chances)
        assert np.bincount(users.action) / len(users) == pytest.approx(chances, abs=0.008)

    @each_world
    def test_by_score_knows_chances_that_vary_and_that_actions_follow(self, name):
        users = many(name, "by_score")
        e, base = users.logging_probability, built(name, users=1).logging
        assert np.all(e > 0)
        assert e.sum(axis=1) == pytest.approx(1)
        assert e.min() >= min(base.chances.values()) * np.exp(-2 * base.slope)
        assert e[:, 0].std() > 0.1
        for tenth in np.array_split(np.argsort(e[:, 1]), 10):
            got = np.bincount(users.action[tenth], minlength=len(users.actions)) / len(tenth)
            assert got == pytest.approx(e[tenth].mean(axis=0), abs=0.025)

    @each_world
    def test_known_chances_undo_what_by_score_did_to_the_arms(self, name):
        users = many(name, "by_score")
        for action in range(len(users.actions)):
            took, truth = users.action == action, users.truth[:, action].mean()
            weighted = took * users.outcome / users.logging_probability[:, action]
            assert abs(weighted.mean() - truth) < 4 * weighted.std() / np.sqrt(len(users))
            assert abs(users.outcome[took].mean() - truth) > 0.05

    @each_world
    def test_by_score_prompts_those_the_score_likes(self, name):
        of, users = world(name, "by_score"), many(name, "by_score")
        score = of.index(users.features)
        order = np.argsort(score)
        acted = 1 - users.logging_probability[:, 0]
        assert np.all(np.diff(acted[order]) >= -1e-12)

    @each_world
    def test_confounded_records_the_action_but_no_chance(self, name):
        users = many(name, "confounded")
        assert users.action is not None
        assert users.logging_probability is None

    @each_world
    def test_confounded_arms_mislead_and_randomised_ones_do_not(self, name):
        for kind, misled in (("randomised", False), ("confounded", True)):
            users = many(name, kind)
            for action in range(1, len(users.actions)):
                arms = [users.outcome[users.action == a] for a in (0, action)]
                naive = arms[1].mean() - arms[0].mean()
                truth = (users.truth[:, action] - users.truth[:, 0]).mean()
                error = np.sqrt(sum(arm.var() / len(arm) for arm in arms))
                assert (abs(naive - truth) > 4 * error) == misled

    @each_world
    def test_no_column_gives_the_confounder_away(self, name):
        users = many(name, "confounded")
        acted = users.action > 0
        for column in users.contract.names("number"):
            assert abs(np.corrcoef(users.features[column], acted)[0, 1]) < 5 / np.sqrt(len(users))

    @settings(max_examples=50, deadline=None)
    @given(st.sampled_from(KINDS), st.floats(0, 5), st.lists(st.floats(-50, 50), min_size=1, max_size=20))
    def test_chances_are_always_above_zero_and_sum_to_one(self, kind, slope, index):
        policy = Logging(kind=kind, chances={"none": 0.8, "a": 0.15, "b": 0.05}, slope=slope)
        e = policy.probabilities(np.array(index), -np.array(index))
        assert np.all(e > 0)
        assert e.sum(axis=1) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("logging", "said"),
        [
            ({"chances": {"discount_10": 0.5, "none": 0.5}}, "first logged action must be none"),
            ({"chances": {"none": 0.5, "discount_10": 0.6}}, "sum to 1"),
            ({"kind": "by_luck"}, "randomised"),
            ({"slop": 1.0}, "Nearest: 'slope'"),
        ],
    )
    def test_what_cannot_be_logged_is_refused_by_name(self, logging, said):
        with pytest.raises(InputError, match=said):
            built("case_study", logging=node("data/case_study")["logging"] | logging)

    def test_an_action_without_strength_is_refused(self):
        with pytest.raises(InputError, match="discount_10, checkout_prompt"):
            built("case_study", strength={"discount_10": 1.0})


class TestDrift:
    @each_world
    def test_is_off_unless_asked_for(self, name):
        assert built(name).drift.log_odds == built(name).drift.effect == 0

    @each_world
    def test_moves_the_outcome_evenly_and_then_rests(self, name):
        drifted = built(name, users=24_000, drift={"over": 12_000, "log_odds": 1.0, "effect": 0.0}).load()
        still = built(name, users=24_000).load()
        moved = (logit(drifted.truth) - logit(still.truth))[:, 0]
        assert moved == pytest.approx(np.minimum(np.arange(24_000) / 12_000, 1.0), abs=1e-6)
        rates = drifted.outcome.reshape(6, -1).mean(axis=1)
        assert rates[3:].mean() > rates[0] + 0.05

    @each_world
    def test_wears_effects_out(self, name):
        users = built(name, users=40_000, drift={"over": 20_000, "log_odds": 0.0, "effect": -1.0}).load()
        uplift = np.abs(users.truth[:, 1:] - users.truth[:, :1]).max(axis=1)
        assert uplift[:2_000].mean() > 3 * uplift[15_000:20_000].mean() > 0
        assert np.all(uplift[20_000:] < 1e-12)


class TestBestScore:
    @each_world
    @each_kind
    def test_is_the_chance_of_the_outcome(self, name, kind):
        users, score = many(name, kind), scored(name, kind)
        for tenth in np.array_split(np.argsort(score), 10):
            error = np.sqrt((score[tenth] * (1 - score[tenth])).sum()) / len(tenth)
            assert abs(users.outcome[tenth].mean() - score[tenth].mean()) < 4.5 * error

    @each_world
    @each_kind
    def test_best_auc_is_what_the_best_score_gets_on_outcomes(self, name, kind):
        users, of = many(name, kind), world(name, kind)
        realised = roc_auc_score(users.outcome, scored(name, kind))
        assert of.best_auc(users) == pytest.approx(realised, abs=0.006)

    @each_world
    def test_nothing_separates_converters_from_the_others(self, name):
        assert 0.75 < built(name).best_auc(many(name)) < 0.9

    def test_the_overlap_of_the_case_study_is_large(self):
        assert 0.80 < built("case_study").best_auc(many("case_study")) < 0.87

    @each_world
    @pytest.mark.parametrize("family", FAMILIES)
    def test_beats_every_family(self, name, family):
        users = fresh(name)
        best = built(name).score(users)
        assert roc_auc_score(users.outcome, best) > roc_auc_score(users.outcome, fitted(name)[family].score(users))
        assert built(name).best_auc(users) > roc_auc_score(users.outcome, fitted(name)[family].score(users)) - 0.002


class TestStreamZone:
    @pytest.mark.parametrize("trees", ["random_forest", "boosting"])
    def test_trees_see_what_a_line_cannot(self, trees):
        users, models = fresh("streamzone"), fitted("streamzone")
        auc = {family: roc_auc_score(users.outcome, models[family].score(users)) for family in FAMILIES}
        assert auc[trees] > auc["logistic"] + 0.03

    def test_smart_tv_users_watch_stay_and_convert_more_than_mobile_ones(self):
        users = many("streamzone")
        table = users.features.assign(converted=users.outcome, stays=users.measures["days_active_next_28d"])
        table = table.drop(columns="favourite_genre").groupby("device_type").mean()
        tv, mobile = table.loc["smart_tv"], table.loc["mobile"]
        for column in ("weekly_watch_hours", "days_active", "stays", "converted"):
            assert tv[column] > 1.2 * mobile[column]

    def test_hours_add_up(self):
        features = many("streamzone").features
        live = features["weekly_watch_hours"] * (1 - features["replay_share"])
        assert features["live_hours"].to_numpy() == pytest.approx(live.to_numpy(), abs=0.006)


class TestRetention:
    def test_engagement_levels_are_terciles(self):
        users = many("retention")
        shares = users.features["engagement_level"].value_counts(normalize=True)
        assert shares[["low", "medium", "high"]].to_numpy() == pytest.approx([1 / 3] * 3, abs=0.01)
        hours = users.features.groupby("engagement_level")["monthly_watch_hours"].agg(["min", "max"])
        assert hours.loc["low", "max"] <= hours.loc["medium", "min"] <= hours.loc["medium", "max"]
        assert hours.loc["medium", "max"] <= hours.loc["high", "min"]

    def test_loyal_dormant_and_risky_subscribers_all_exist(self):
        features = many("retention").features
        level, days = features["engagement_level"], features["days_since_last_login"]
        assert days.min() == 0
        assert 200 < days.max() <= 240
        loyal, dormant = (level == "high") & (days <= 60), (level != "low") & (days > 60) & (days <= 120)
        risky = (level == "low") | (days > 120)
        assert min(group.mean() for group in (loyal, dormant, risky)) > 0.05
        assert many("retention").outcome[loyal].mean() > many("retention").outcome[risky].mean() + 0.3

    def test_the_last_login_is_a_date_in_the_table_only(self):
        of = built("retention", users=200)
        users = of.load()
        last = of.table(users)["last_login_date"]
        assert pd.api.types.is_datetime64_any_dtype(last)
        days = (pd.Timestamp(date(2024, 7, 1)) - last).dt.days
        assert days.to_list() == users.features["days_since_last_login"].to_list()
        assert "last_login_date" in built("retention").meaning.dropped

    def test_watch_time_moves_with_the_action(self):
        users = many("retention")
        change, persuadable = users.measures["watch_time_change"], users.truth[:, 1] > users.truth[:, 0]
        none, emailed = (change[(users.action == a) & persuadable] for a in (0, 2))
        assert emailed.mean() > none.mean() + 0.1

    def test_every_action_is_priced_and_pays_for_some_only(self):
        economics = Component.model_validate(node("economics/retention")).build(Economics, "economics")
        users = many("retention")
        economics.check(set(users.actions))
        alpha, beta = economics.line(users.actions, users.contract.good)
        assert np.all(beta > 0)
        assert alpha[0] == 0
        gained = (users.truth * beta + alpha)[:, 1:] - users.truth[:, :1] * beta[0]
        pays = (gained > 0).mean(axis=0)
        assert np.all((pays > 0.1) & (pays < 0.5))
