"""Times in tables and requests of new users become the days that the model learnt from."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tippingpoint as tp
from tests.refusals import refuses
from tippingpoint.data.contract import ColumnSpec
from tippingpoint.data.validation import as_text
from tippingpoint.decisions import Deployment
from tippingpoint.scoring.job import batch_of, moment
from tippingpoint.scoring.readers import open_input
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.serving.request import RefusedUsersError
from tippingpoint.serving.version import Limits, Served, serve_version
from tippingpoint.tracking.registry import digest_of

N, DAY = 400, "2026-03-01"


@pytest.fixture(scope="module")
def users() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    seen, joined = rng.integers(0, 50 * 86_400, N), rng.integers(30, 600, N)
    taken = [datetime(2026, 3, 1) + timedelta(days=i % 9) for i in range(N)]
    return pl.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(N)],
            "visits": rng.poisson(3, N),
            "seen": [t - timedelta(seconds=int(s)) for t, s in zip(taken, seen, strict=True)],
            "joined": [date(2026, 3, 1) - timedelta(days=int(j)) for j in joined],
            "offered": [("never", "tbd")[i % 2] if i < 9 else f"2026-02-{1 + i % 28:02}" for i in range(N)],
            "taken": [t.date() for t in taken],
            "paid": (rng.random(N) < 1 / (1 + np.exp(seen / 86_400 / 10 - 2))).astype(int),
        }
    )


def learnt(users: pl.DataFrame, as_of: str) -> Any:
    source = tp.read_users(users, target="paid", as_of=as_of, drop=[] if as_of == "taken" else ["taken"])
    return tp.compare(source, models="logistic", explain_rows=20, track=False).best


@pytest.fixture(scope="module")
def models(users: pl.DataFrame) -> dict[str, Any]:
    return {as_of: learnt(users, as_of) for as_of in (DAY, "taken")}


@pytest.mark.parametrize("as_of", [DAY, "taken"])
def test_every_reader_gives_the_features_of_training(
    models: dict[str, Any], users: pl.DataFrame, as_of: str, tmp_path: Path
) -> None:
    fitted = models[as_of]
    users.write_parquet(tmp_path / "u.parquet")
    users.write_csv(tmp_path / "u.csv")
    users.with_columns(pl.col("joined").dt.strftime("%d.%m.%Y")).write_csv(tmp_path / "german.csv")
    asked = ScoreSettings(as_of=DAY if as_of == DAY else None)
    batch = batch_of(asked, fitted.loaded, moment(None))
    wanted = fitted.question.users.features
    for name in ("u.parquet", "u.csv", "german.csv"):
        source = open_input(str(tmp_path / name), None, {})
        chunks = source.chunks(batch.wanted(source.columns()), batch.specs, 90)
        found = pd.concat([batch.validate(chunk, 0).features for chunk in chunks], ignore_index=True)
        pd.testing.assert_frame_equal(found, wanted, check_exact=True)


def test_the_day_is_that_of_scoring_unless_another_is_named(models: dict[str, Any], users: pl.DataFrame) -> None:
    scored = tp.score(users, models[DAY], scored_at="2026-03-01T15:00:00")
    assert scored.scored.as_of == DAY
    named = tp.score(users, models[DAY], as_of=DAY)
    assert named.decisions["propensity_score"].equals(scored.decisions["propensity_score"])
    assert tp.score(users, models[DAY]).scored.as_of == datetime.now(UTC).date().isoformat()
    assert tp.score(users, models["taken"]).scored.as_of is None
    with refuses("as_of", "'taken'"):
        tp.score(users, models["taken"], as_of=DAY)
    with refuses("as_of", "2026-03-01"):
        tp.score(users, models[DAY], as_of="soon")
    with refuses("users.seen", "score"):
        models[DAY].predict(users)


def test_a_time_that_cannot_be_read_is_quarantined_and_a_missing_one_is_missing(
    models: dict[str, Any], users: pl.DataFrame
) -> None:
    odd = users.head(4).with_columns(pl.Series("seen", ["soon", None, "2026-02-01", "2026-02-01T12:00:00+02:00"]))
    batch = batch_of(ScoreSettings(as_of=DAY), models[DAY].loaded, moment(None))
    found = batch.validate(odd.select(batch.wanted(odd.columns)), 0)
    assert found.broken["row"].to_list() == [1]
    assert np.array_equal(found.features["seen"], [np.nan, 28, 28 - 10 / 24], equal_nan=True)


def test_of_a_csv_only_the_cell_that_is_no_time_is_quarantined(
    models: dict[str, Any], users: pl.DataFrame, tmp_path: Path
) -> None:
    written = users.head(4).with_columns(joined=pl.Series(["NA", "31.01.2026", "soon", "01.02.2026"]))
    written.write_csv(tmp_path / "u.csv")
    batch = batch_of(ScoreSettings(as_of=DAY), models[DAY].loaded, moment(None))
    source = open_input(str(tmp_path / "u.csv"), None, {})
    (chunk,) = source.chunks(batch.wanted(source.columns()), batch.specs, 9)
    found = batch.validate(chunk, 0)
    assert found.broken["row"].to_list() == [3]
    assert np.array_equal(found.features["joined"], [np.nan, 29, 28], equal_nan=True)


def test_users_whose_times_are_days_already_are_decided_alike(models: dict[str, Any], users: pl.DataFrame) -> None:
    """As the pages show them, which have the users of training."""
    for as_of, day in ((DAY, DAY), ("taken", None)):
        batch = batch_of(ScoreSettings(as_of=day), models[as_of].loaded, moment(None))
        read = replace(batch.decider, deployment=batch.decider.deployment.after_reading())
        table = pl.from_pandas(models[as_of].question.users.table())
        found = replace(batch, decider=read, day=None).decide(table, 0).table
        decided = batch.decide(users, 0).table
        assert found["propensity_score"].equals(decided["propensity_score"])


def served(fitted: Any, day: datetime | None = None) -> Served:
    limits, family = Limits(100, 10, 1 << 20), fitted.question.families["logistic"]
    loaded = fitted.loaded
    return serve_version("paid", "1", loaded.policy_digest, loaded.decider, family, limits, False, day)


@pytest.mark.parametrize("as_of", [DAY, "taken"])
def test_the_service_answers_as_score_decides(models: dict[str, Any], users: pl.DataFrame, as_of: str) -> None:
    service = served(models[as_of], datetime(2026, 3, 1) if as_of == DAY else None)
    rows = users.head(20).with_columns(as_text(users[c].head(20)) for c in ("seen", "joined", "taken")).to_dicts()
    answer = service.decide(rows)
    assert answer.get("as_of") == (DAY if as_of == DAY else None)
    decided = tp.score(users.head(20), models[as_of], **({"as_of": DAY} if as_of == DAY else {})).decisions
    found = [user["propensity_score"] for user in answer["decisions"]]
    np.testing.assert_allclose(found, decided["propensity_score"], rtol=0, atol=1e-12)
    with pytest.raises(RefusedUsersError) as refused:
        service.decide([rows[0] | {"seen": "soon"}, rows[1] | {"seen": 20260301}, rows[2] | {"seen": None}])
    assert [(p.user, p.field, p.rule) for p in refused.value.problems] == [(0, "seen", "type"), (1, "seen", "type")]
    with refuses("as_of", "takes no day"):
        served(models["taken"], datetime(2026, 3, 1))


def test_the_service_holds_times_to_their_contract(models: dict[str, Any], users: pl.DataFrame) -> None:
    fitted = models[DAY]
    decider, terms = fitted.loaded.decider, fitted.loaded.decider.deployment.terms
    spec = ColumnSpec(type="time", min="2026-01-01")
    held = terms.model_copy(update={"columns": terms.columns | {"seen": spec}})
    kept = decider.deployment.model_copy(update={"terms": held})
    reader = serve_version(
        "paid", "1", "", replace(decider, deployment=kept), fitted.question.families["logistic"],
        Limits(9, 9, 1 << 20), False,
    ).reader  # fmt: skip
    user = users.head(1).select("user_id", "visits", joined=pl.lit("2026-02-01"), offered=pl.lit("Never")).to_dicts()[0]
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    with pytest.raises(RefusedUsersError) as refused:
        reader.read([user | {"seen": time} for time in ("2025-12-31T23:00:00Z", later, None, "2026-02-01")])
    assert [(p.user, p.rule) for p in refused.value.problems] == [(0, "min"), (1, "future"), (2, "missing")]


def test_a_version_without_days_writes_what_it_wrote_before(users: pl.DataFrame, models: dict[str, Any]) -> None:
    source = tp.read_users(users.drop("seen", "joined", "offered", "taken"), target="paid")
    plain = tp.compare(source, models="logistic", explain_rows=20, track=False).best
    written = json.loads(json.dumps(plain.loaded.decider.deployment.model_dump(mode="json")))
    assert "as_of" not in written
    assert not any("future" in column for column in written["terms"]["columns"].values())
    assert digest_of(Deployment.model_validate(written).model_dump(mode="json")) == digest_of(written)
    dated = models[DAY].loaded.decider.deployment
    assert Deployment.model_validate(json.loads(dated.model_dump_json())) == dated


def test_the_card_names_the_unit(models: dict[str, Any]) -> None:
    question = models[DAY].question
    assert question.to_dict()["data"]["as_of"] == DAY
    assert question.users.contract.days == f"seen, joined, offered in days before {DAY}"
