"""What the actions brought, as far as a random share of the decisions says so: `measure`'s answer, for a page."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tippingpoint.core.strict import validate
from tippingpoint.dashboard.days import DAYS, History
from tippingpoint.dashboard.subject import Subject, generated
from tippingpoint.data.column_rules import CHANCE
from tippingpoint.decisions.randomization import Randomization
from tippingpoint.experiment.promise import Promise
from tippingpoint.measurement.job import DecidingVersion, MeasureResult, measure_in_memory
from tippingpoint.measurement.settings import MeasureSettings
from tippingpoint.offpolicy.sufficient_statistics import PAIR

HISTORY, USERS, SHARE, SEED = 90, 30_000, 0.3, 1
"""Of a demonstration: days, users, the share of them left alone by lot, and the seed of all."""


def random_share(of: History) -> bool:
    """Whether a share of the decisions was drawn with known chances, so that what they brought can be told."""
    names = of.table.columns
    return "policy_action" in names and any(name.startswith(CHANCE) for name in names)


def brought(
    of: History,
    outcomes: pl.DataFrame,
    outcome: str,
    known: Mapping[str, DecidingVersion] | None,
    at: str | None = None,
    absent: str = "unknown",
    until: str | None = None,
) -> MeasureResult:
    """What each version's policy brought in one outcome, whole and by segment.

    Parameters
    ----------
    outcomes
        One row a user.
    known
        The versions that decided; None: those of the store.
    at, absent, until
        As `measure` takes them; with `at`, what came within 30 days counts.

    Raises
    ------
    InputError
        As `measure` does.
    """
    given = {"decisions": "frame", "outcomes": "frame", "outcome": outcome, "at": at, "absent": absent, "until": until}
    settings = validate(MeasureSettings, given | {"within": DAYS if at else None}, "")
    return measure_in_memory(settings, of.table.drop("day"), outcomes, known)


def deciding(about: Subject) -> dict[str, DecidingVersion]:
    """What a demonstration's decisions are measured by: its prices, and what its simulation promised."""
    deployment, simulation = about.decider.deployment, about.simulation
    values = {} if simulation is None else simulation.values.get(f"{about.model}{PAIR}{about.policy.name}", {})
    promise = Promise(deployment.evidence, values.get("uplift_per_1000"), values.get("uplift_per_user"))
    return {about.reference: DecidingVersion(deployment.economics, deployment.good, promise)}


def demonstrated(about: Subject, now: datetime) -> tuple[History, pl.DataFrame]:
    """Ninety days of a demonstration's decisions until `now`, and what came of them: id, outcome, and when it came.

    Users are generated that its model has not seen. Some are left alone by lot; each has the outcome with the chance
    that it truly has under the action it got, at some moment of the 30 days after.
    """
    users = generated(about.reference, USERS, SEED)
    assert users.truth is not None
    rng, n = np.random.default_rng([SEED, 0]), len(users)
    decided = about.decider.decide(users.features, users.costs)
    actions = np.array(about.decider.deployment.actions)
    lot = Randomization(SHARE, (0,), about.reference)
    taken, explored = lot.draw(users.user_id, decided.action)
    chances = lot.chances(decided.action, len(actions))
    day = timedelta(days=1) / timedelta(microseconds=1)
    made = (np.arange(n) * HISTORY // n - HISTORY) * day
    table = pl.DataFrame(
        {
            "user_id": users.user_id.astype(str),
            "propensity_score": decided.score,
            "segment": np.array(about.policy.segments)[decided.segment],
            "action": actions[taken],
            "policy_action": actions[decided.action],
            "explored": explored,
            "model": about.reference,
            "scored_at": pl.Series(np.datetime64(now) + made.astype("timedelta64[us]")),
            **{f"{CHANCE}{name}": chances[:, k] for k, name in enumerate(actions)},
        }
    )
    truth = users.truth[:, [users.actions.index(name) for name in actions]]
    came = rng.random(n) < truth[np.arange(n), taken]
    after = rng.uniform(0, DAYS, n)
    at = table["scored_at"].to_numpy() + (after * day).astype("timedelta64[us]")
    outcomes = table.select("user_id", pl.Series(users.contract.outcome, came.astype(np.int64)), at=pl.Series(at))
    there = outcomes.filter((pl.col("at") <= now) & (pl.col(users.contract.outcome) == 1))
    return History(table.with_columns(pl.col("scored_at").dt.date().alias("day")), "user_id"), there
