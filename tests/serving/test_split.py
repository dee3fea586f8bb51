"""Several versions at once: a share of users each, and a shadow that nobody hears of."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from tests.conftest import working_in
from tests.measurement.measuring import told
from tests.serving.services import crown
from tests.serving.test_decision_log import asking, loaded, people, stays
from tippingpoint.config.compose import compose
from tippingpoint.serving.decision_log import DecisionLog, Shadow, place
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.service import Ready
from tippingpoint.serving.settings import ServeSettings
from tippingpoint.serving.split import Split
from tippingpoint.tracking import backend

WORDS = ("holdout=0.4", "log=decisions", "model=models:/conversion@champion")


@pytest.fixture
def store(versions: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the store, in use: version 1 is the champion, 2 the challenger."""
    shutil.copy(versions / "mlflow.db", tmp_path)
    with working_in(tmp_path):
        client = backend.connect()
        crown(client, "1")
        client.set_registered_model_alias("conversion", "challenger", "2")
        yield tmp_path


def split(*words: str) -> Split:
    settings = ServeSettings.from_config(compose("serve", [*WORDS, *words]))
    return Ready(backend.connect(writing=False), settings, "", Metrics()).split(settings.model)


def test_each_user_is_answered_by_one_version_and_both_are_measured(store: Path):
    of, answers = split("split={champion: 0.7, challenger: 0.3}"), []
    users = people(of.current, 400)

    async def asks(client: httpx.AsyncClient) -> None:
        for some in (users[:200], users[200:], users[:50]):
            answer = (await client.post("/score", json={"users": some})).json()
            assert answer["model"] == "models:/conversion/1"
            assert [d["user_id"] for d in answer["decisions"]] == [user["user_id"] for user in some]
            answers.extend(answer["decisions"])
        explained = (await client.post("/explain", json=users[0])).json()["explanations"][0]
        assert explained["model"] == answers[0]["model"]
        broken = [users[0], *(user | {"sessions_7d": 900} for user in users[1:30])]
        problems = (await client.post("/score", json={"users": broken})).json()["detail"]
        assert [p["loc"][2] for p in problems[:20]] == list(range(1, 21))
        document = (await client.get("/openapi.json")).json()["components"]["schemas"]["Decisions"]
        assert {"model", "policy_digest"} < set(document["properties"]["decisions"]["items"]["required"])

    asking(of.current, DecisionLog(place("decisions"), Metrics()), asks, of)
    assert [d["model"] for d in answers[:50]] == [d["model"] for d in answers[400:]]
    log = pl.read_parquet("decisions/*.parquet").sort("scored_at").unique("user_id", keep="first", maintain_order=True)
    assert dict(log.select("user_id", "model").rows()) == {d["user_id"]: d["model"] for d in answers}
    chances = dict(log.select("model", "version_probability").unique().rows())
    assert chances == {"models:/conversion/1": 0.7, "models:/conversion/2": 0.3}
    assert 90 < (log["model"] == "models:/conversion/2").sum() < 150
    for k, version in enumerate(of.followers):
        own = [user for user, arm in zip(users, of.arms(users, of.current), strict=True) if arm == k]
        scores = [d["propensity_score"] for d in version.current.decide(own)["decisions"]]
        given = log.filter(pl.col("model") == version.current.reference).sort("scored_at")["propensity_score"]
        assert np.allclose(given, scores)
    log.select("user_id", converted=pl.col("propensity_score").round().cast(pl.Int8)).write_csv("outcomes.csv")
    found = told("decisions=decisions", "outcomes=outcomes.csv")
    assert {of.version for of in found.versions} == set(chances)
    assert (found.decided.counts.used, found.decided.counts.again) == (400, 50)


def test_a_share_that_grows_takes_nobody_back(store: Path):
    small, large = (split(f"split={{champion: {1 - s}, challenger: {s}}}") for s in (0.125, 0.25))
    users = people(small.current, 1000)
    before, after = (of.arms(users, of.current) for of in (small, large))
    assert (after >= before).all()
    assert before.sum() < after.sum()
    assert abs(after.mean() - 0.25) < 0.05


def test_versions_may_be_named_by_number(store: Path):
    of = split("split={2: 0.25, champion: 0.75}")
    assert ([v.current.version for v in of.followers], of.first, of.shares) == (["2", "1"], 1, (0.25, 0.75))
    assert of.current.version == "1"


def test_a_shadow_decides_and_is_not_answered(store: Path):
    champion, log = loaded("1", "log=decisions", "holdout=0.4"), Metrics()
    shadow = Shadow(stays(loaded("2", "log=decisions")), place("decisions", shadow=True), log)
    users = people(champion, 60)

    async def asks(client: httpx.AsyncClient) -> None:
        answer = await client.post("/score", json={"users": users})
        assert "conversion/2" not in answer.text

    metrics = asking(champion, DecisionLog(place("decisions"), log, shadow=shadow), asks)
    answered = pl.read_parquet("decisions/*.parquet").sort("user_id")
    told_of = pl.read_parquet("decisions/_shadow/*.parquet").sort("user_id")
    assert set(told_of["model"]) == {"models:/conversion/2"}
    assert told_of.select("user_id", "scored_at", "request_id").equals(
        answered.select("user_id", "scored_at", "request_id")
    )
    assert told_of["answered_action"].to_list() == answered["action"].to_list()
    same = (told_of["action"] == answered["policy_action"]).sum()
    count = metrics.registry.get_sample_value
    assert count("tippingpoint_shadow_decisions_total", {"same_action": "true"}) == same
    assert count("tippingpoint_shadow_decisions_total", {"same_action": "false"}) == 60 - same
    own = shadow.follower.current.decide(users)["decisions"]
    assert np.allclose(sorted(d["propensity_score"] for d in own), sorted(told_of["propensity_score"]))
    answered.select("user_id", converted=pl.lit(1)).write_csv("outcomes.csv")
    assert [of.version for of in told("decisions=decisions", "outcomes=outcomes.csv").versions] == [champion.reference]


def test_what_cannot_be_split_or_shadowed_is_refused(store: Path, refused: Callable[..., str]):
    model = "model=models:/conversion@champion"
    assert "sum to 0.8" in refused("serve", model, "split={champion: 0.7, challenger: 0.1}")
    assert "no share for champion" in refused("serve", model, "split={challenger: 1}")
    assert "split: there is no models:/conversion@chalenger" in refused(
        "serve", model, "split={champion: 0.7, chalenger: 0.3}"
    )
    assert "Type log=decisions" in refused("serve", model, "shadow=models:/conversion@challenger")
