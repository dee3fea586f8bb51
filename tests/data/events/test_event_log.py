"""The event log world: the same whatever its size, messy on purpose, and true to its truth."""

import io
from datetime import UTC
from itertools import islice
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.contract import shipped
from tippingpoint.data.events.exports import Properties
from tippingpoint.data.events.mixpanel import write_mixpanel
from tippingpoint.data.events.source import Events
from tippingpoint.data.events.stripe import write_stripe
from tippingpoint.data.generators.event_log import PROFILES, EventLog, respond
from tippingpoint.data.generators.world import Responses

pytestmark = pytest.mark.worlds

PROPERTIES = Properties(
    seconds="seconds",
    platform="platform",
    country="mp_country_code",
    variant="Variant name",
    user_id="user_id",
)


def log(*overrides: str) -> EventLog:
    node = dict(compose("run", ["data=event_log", *(f"data.{o}" for o in overrides)]).data)
    return Component.model_validate(node).build(EventLog, "data")


def events(source: EventLog) -> tuple[pl.DataFrame, pl.DataFrame]:
    blocks = list(source.blocks())
    return pl.concat([b.product for b in blocks]), pl.concat([b.payments for b in blocks])


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_same_seed_same_users(outcome: str) -> None:
    one, two = (log(f"outcome={outcome}", "profiles=3000").load() for _ in range(2))
    assert one.digest == two.digest
    assert np.array_equal(one.truth, two.truth)
    assert log(f"outcome={outcome}", "profiles=3000", "seed=1").load().digest != one.digest


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_users_of_events_pass_the_door_too(outcome: str, tmp_path: Path) -> None:
    users = log(f"outcome={outcome}", "profiles=9000").load()
    assert users.intake is not None
    assert (users.intake.used, users.intake.quarantined) == (len(users), 0)
    strict = tmp_path / "c.yaml"
    strict.write_text(shipped(f"event_log_{outcome}").read_text().replace("values: [mobile, ", "values: ["))
    kept = log(
        f"outcome={outcome}", "profiles=9000", f"contract={strict}", f"quarantine={tmp_path}", "quarantine_share=1"
    ).load()
    holds = (users.features["platform"] != "mobile").to_numpy()
    assert kept.intake is not None
    assert kept.intake.reasons == {"platform is an unseen category ('mobile')": int((~holds).sum())}
    assert np.array_equal(kept.truth, users.truth[holds])
    assert kept.digest == users.take(holds).digest


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_a_profile_is_the_same_whatever_the_size(outcome: str) -> None:
    few = log(f"outcome={outcome}", f"profiles={PROFILES + 300}").load()
    many = log(f"outcome={outcome}", f"profiles={3 * PROFILES}").load()
    same = many.take(np.isin(many.user_id, few.user_id))
    assert few.digest == same.digest
    assert np.array_equal(few.truth, same.truth)


def test_a_hundred_million_profiles_are_streamed() -> None:
    block = next(log("profiles=100000000").blocks())
    product, _ = events(log(f"profiles={PROFILES}"))
    assert block.product.equals(product)


def test_all_ids_of_events_are_different_but_for_duplicates() -> None:
    source = log(f"profiles={3 * PROFILES}", "mess.duplicate=0")
    product, payments = events(source)
    assert product["insert_id"].is_unique().all()
    assert payments["event_id"].is_unique().all()


def test_every_fault_is_there_in_its_share() -> None:
    product, payments = events(log("profiles=8000"))
    signed_up = product.filter(pl.col("event") == "Sign Up")["distinct_id"]
    joined = product.drop_nulls("alias")["alias"]
    known = pl.col("distinct_id").is_in(pl.concat([signed_up, joined]).unique().implode())
    share = product.select(
        late=(pl.col("received") - pl.col("time") > 3_600).mean(),
        ahead=(pl.col("time") > pl.col("received")).mean(),
        duplicate=1 - pl.col("insert_id").n_unique() / pl.len(),
        orphan=(~known).mean(),
    ).row(0, named=True)
    assert share["late"] == pytest.approx(0.04 + 0.015, abs=0.01)  # and clocks an hour or more behind
    assert share["ahead"] == pytest.approx(0.015, abs=0.005)
    assert share["duplicate"] == pytest.approx(0.02, abs=0.003)
    assert share["orphan"] == pytest.approx(0.01, abs=0.003)
    assert len(joined.unique()) / 8_000 == pytest.approx(0.11, abs=0.02)
    linked = payments.drop_nulls("user_id")["customer"].unique()
    assert 0 < (~payments["customer"].is_in(linked.implode())).mean() < 0.05
    clean, _ = events(log("profiles=2000", "mess={late:0,duplicate:0,orphan:0,skewed:0,merged:0}"))
    assert (clean["received"] - clean["time"]).is_between(0, 4).all()
    assert clean["alias"].null_count() == len(clean)


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_what_comes_of_it_is_what_the_truth_says(outcome: str) -> None:
    # Outcomes are told from the messy events by the SQL, truth is the generator's: were users matched
    # wrongly, or the population another, the two would part.
    users = log(f"outcome={outcome}", "profiles=16000", "subscribing=-7").load()
    assert not np.isnan(users.truth).any()
    p = users.truth[np.arange(len(users)), users.action]
    for code in range(len(users.actions)):
        taken = users.action == code
        error = np.sqrt((p[taken] * (1 - p[taken])).sum())
        assert abs(users.outcome[taken].sum() - p[taken].sum()) < 4 * error
    assert roc_auc_score(users.outcome, p) > 0.8
    assert np.allclose(np.bincount(users.action) / len(users), [0.5, 0.25, 0.25], atol=0.03)


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_everyone_at_risk_is_asked_about(outcome: str) -> None:
    source = log(f"outcome={outcome}", "profiles=5000")
    known = pl.concat([block.known for block in source.blocks()])
    assert sorted(known["user_id"]) == list(source.load().user_id)


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_actions_help_some_harm_others_and_leave_the_rest(outcome: str) -> None:
    users = log(f"outcome={outcome}", "profiles=8000").load()
    moved = np.sign(np.round(users.truth[:, 2] - users.truth[:, 0], 12))
    good = 1 if outcome == "conversion" else -1
    assert np.mean(moved == 0) == pytest.approx(0.55, abs=0.08)
    assert np.mean(moved == good) > 0.2
    assert np.mean(moved == -good) > 0.05
    assert users.contract.good == (outcome == "conversion")


def test_shares_of_responses_hold() -> None:
    shares = Responses(persuadable=0.2, sure_thing=0.3, lost_cause=0.1, sleeping_dog=0.4)
    rng = np.random.default_rng(0)
    base, effect = respond(rng, shares, rng.normal(size=40_000), rng.normal(size=40_000))
    found = [
        np.mean((base == 0) & (effect == 1)),
        np.mean(base > 0),
        np.mean(base < 0),
        np.mean(effect == -1),
    ]
    assert np.allclose(found, [0.2, 0.3, 0.1, 0.4], atol=0.01)


def test_inverse_probability_weighting_finds_the_true_value_where_the_chances_are_known() -> None:
    users = log("logging.kind=by_score", "profiles=30000", "subscribing=-7").load()
    assert users.logging_probability[:, 0].std() > 0.1
    for code in range(3):
        weight = (users.action == code) / users.logging_probability[:, code]
        scores = weight * users.outcome
        error = scores.std() / np.sqrt(len(users))
        assert abs(scores.mean() - users.truth[:, code].mean()) < 4 * error
    naive = users.outcome[users.action == 0].mean()
    assert naive < users.truth[:, 0].mean() - 0.01  # the likely ones were acted on


def test_confounded_logging_has_no_known_chances() -> None:
    users = log("logging.kind=confounded", "profiles=2000").load()
    assert users.logging_probability is None
    assert set(users.action) == {0, 1, 2}


def test_intent_shows_early_for_some_and_late_for_others() -> None:
    def auc(*overrides: str) -> float:
        users = log("profiles=24000", "subscribing=-7", *overrides).load()
        x = users.features.drop(columns=["platform", "country"])
        half = len(users) // 2
        model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=500))
        model.fit(np.arcsinh(x[:half]), users.outcome[:half])
        return roc_auc_score(users.outcome[half:], model.predict_proba(np.arcsinh(x[half:]))[:, 1])

    day, month = auc("window_days=1"), auc("window_days=30")
    assert 0.55 < day < month - 0.05 < 0.95
    assert auc("window_days=1", "early=1") > auc("window_days=1", "early=0") + 0.03


def test_the_first_days_are_the_same_whatever_the_window() -> None:
    mess = "mess={late:0,duplicate:0,orphan:0,skewed:0,merged:0}"
    three, seven = (
        events(log("profiles=1000", f"window_days={w}", mess))[0].drop("insert_id", "received") for w in (3, 7)
    )
    asked = three.filter(pl.col("event") == "$experiment_started")["distinct_id"].implode()  # not yet subscribed
    signed_up = three.filter(pl.col("event") == "Sign Up", pl.col("distinct_id").is_in(asked))
    signed_up = signed_up.select("distinct_id", since="time")

    def first_days(product: pl.DataFrame) -> pl.DataFrame:
        dated = product.join(signed_up, on="distinct_id").filter(pl.col("time") < pl.col("since") + 3 * 86_400)
        return dated.sort(pl.all())

    assert first_days(three).equals(first_days(seven))


def test_drift_moves_later_cohorts() -> None:
    still = log("profiles=12000", "subscribing=-7").load()
    moving = log("profiles=12000", "subscribing=-7", "drift={over:6000,log_odds:1.0,effect:0.0}").load()
    late_still, late_moving = (users.truth[-4000:, 0].mean() for users in (still, moving))
    assert late_moving > 1.8 * late_still
    early_still, early_moving = (users.truth[:500, 0].mean() for users in (still, moving))
    assert early_moving < 1.2 * early_still


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
@pytest.mark.parametrize("csv", [False, True])
def test_written_as_exports_and_read_back_the_users_are_the_same(outcome: str, csv: bool, tmp_path: Path) -> None:
    source = log(f"outcome={outcome}", "profiles=2000")
    with (tmp_path / "mixpanel.jsonl").open("wb") as product:
        payments = io.BytesIO()
        for block in source.blocks():
            write_mixpanel(block.product, PROPERTIES, product)
            write_stripe(block.payments, PROPERTIES, payments, csv=csv)
    name = "stripe.csv" if csv else "stripe.jsonl"
    (tmp_path / name).write_bytes(payments.getvalue())
    read = own(source, product=str(tmp_path / "mixpanel.jsonl"), payments=str(tmp_path / name)).load()
    users = source.load()
    assert read.digest == users.digest
    assert read.contract == users.contract
    assert 0 < source.definition.until - read.times["cut-off"].replace(tzinfo=UTC).timestamp() < 150 * 86_400
    assert users.times == {}, "generated users are of no age"


def test_from_the_tables_of_a_database_the_users_are_the_same(tmp_path: Path) -> None:
    source = log("profiles=2000")
    product, payments = events(source)
    with duckdb.connect(str(tmp_path / "events.duckdb")) as connection:
        for name, table in {"product_events": product, "payment_events": payments}.items():
            connection.register("table_", table)
            connection.execute(f"create table {name} as select * from table_")
    assert own(source, url=f"duckdb:///{tmp_path / 'events.duckdb'}").load().digest == source.load().digest


def own(source: EventLog, **where: str) -> Events:
    """`data=events` told to read what a generator wrote."""
    overrides = [
        "data=events",
        f"data.outcome={source.outcome}",
        f"data.until={source.definition.until}",
        "data.vocabulary.exposure='$experiment_started'",
        "+data.logging={none:0.5,discount_10:0.25,checkout_prompt:0.25}",
        *(f"data.{key}={value}" for key, value in where.items()),
    ]
    return Component.model_validate(dict(compose("run", overrides).data)).build(Events, "data")


def test_events_come_from_one_place_and_an_experiment_names_its_chances() -> None:
    with pytest.raises(InputError, match="product and payments, or else url"):
        own(log())
    with pytest.raises(InputError, match="product and payments, or else url"):
        own(log(), product="a", payments="b", url="duckdb://")
    with pytest.raises(InputError, match=r"logging needs vocabulary\.exposure"):
        own(log(), url="duckdb://", **{"vocabulary.exposure": "null"})


def test_actions_whose_chances_are_not_known_are_logged_all_the_same(tmp_path: Path) -> None:
    source = log("profiles=2000", "logging.kind=confounded")
    product, payments = events(source)
    with duckdb.connect(str(tmp_path / "events.duckdb")) as connection:
        for name, table in {"product_events": product, "payment_events": payments}.items():
            connection.register("table_", table)
            connection.execute(f"create table {name} as select * from table_")
    read, users = own(source, url=f"duckdb:///{tmp_path / 'events.duckdb'}", logging="null").load(), source.load()
    assert set(read.actions) == set(users.actions)
    assert read.actions[0] == "none"
    assert read.logging_probability is None
    assert np.array_equal(np.array(read.actions)[read.action], np.array(users.actions)[users.action])


def test_a_window_and_a_horizon_longer_than_the_log_are_refused() -> None:
    with pytest.raises(InputError, match="at most 60"):
        log("window_days=31")


def test_of_too_few_profiles_nobody_subscribes() -> None:
    with pytest.raises(InputError, match=r"data\.profiles=12000"):
        log("outcome=churn", "profiles=5").load()


def test_every_action_but_none_has_a_strength() -> None:
    with pytest.raises(ValueError, match="strength must name"):
        EventLog.model_validate(log().model_dump() | {"strength": {"discount_10": 1.0}})


def test_blocks_come_one_at_a_time() -> None:
    assert sum(len(b.known) for b in islice(log(f"profiles={50 * PROFILES}").blocks(), 2)) < 2 * PROFILES


@pytest.mark.parametrize("kind", ["randomised", "by_score", "confounded"])
def test_the_best_auc_is_what_the_whole_profiles_tell_of_the_outcomes(kind: str) -> None:
    source = log("profiles=24000", f"logging.kind={kind}", "subscribing=-6.5")
    users = source.load()
    chance = users.logging_probability
    taken = users.truth[np.arange(len(users)), users.action]
    told = taken if chance is None else (users.truth * chance).sum(axis=1)
    assert source.best_auc(users) == pytest.approx(roc_auc_score(users.outcome, told), abs=0.01)
