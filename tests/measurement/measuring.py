"""What tests of `measure` share: decisions whose uplift is known, and what came of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tippingpoint.config.compose import compose
from tippingpoint.measurement.job import MeasureResult, measure
from tippingpoint.measurement.settings import MeasureSettings

ACTIONS = ("none", "discount_10", "checkout_prompt")
DAYS, HOLDOUT = 20, 0.3
FIRST = datetime(2025, 11, 1, 6, tzinfo=UTC)


def decided(lift: float, n: int = 20_000, seed: int = 0, version: str = "models:/conversion/1") -> tuple:
    """Decisions of 20 days as score writes them, and what came of them: each action lifts the chance by `lift`."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.5, 2.5, n)
    policy = np.digitize(p, [0.4, 0.7])
    taken = np.where(rng.random(n) < HOLDOUT, rng.integers(3, size=n), policy)
    chance = HOLDOUT / 3 + (1 - HOLDOUT) * (np.arange(3) == policy[:, None])
    y = rng.random(n) < p + lift * (taken > 0) * (1 - p)
    day = np.arange(n) * DAYS // n
    decisions = pl.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(n)],
            "propensity_score": p,
            "segment": np.array(["low", "medium", "high"])[policy],
            "action": np.array(ACTIONS)[taken],
            "expected_value": p,
            "model": version,
            "policy_digest": "0" * 16,
            "scored_at": [FIRST + timedelta(days=int(d)) for d in day],
            "explored": taken != policy,
            "logging_probability": chance[np.arange(n), taken],
            **{f"logging_probability_{a}": chance[:, k] for k, a in enumerate(ACTIONS)},
            "policy_action": np.array(ACTIONS)[policy],
        }
    )
    outcomes = pl.DataFrame({"user_id": decisions["user_id"], "converted": y.astype(int)})
    return decisions, outcomes, float(np.mean((policy > 0) * lift * (1 - p))) * 1000


def told(*words: str) -> MeasureResult:
    return measure(MeasureSettings.from_config(compose("measure", words)))


def written(folder: Path, decisions: pl.DataFrame, outcomes: pl.DataFrame) -> list[str]:
    decisions.write_parquet(folder / "decisions.parquet")
    outcomes.write_csv(folder / "outcomes.csv")
    return [f"decisions={folder}/decisions.parquet", f"outcomes={folder}/outcomes.csv"]
