"""The case study as an experiment: planned, run for 60 generated days, measured, and held against the truth.

    python experiments/case_study_60_days.py

A model and its policy are fitted on past users and promise an uplift. The plan says what 60 days with a random share
will tell. Then 500 new users a day are decided for, each does what it truly does under the action it got, and `measure`
says what the policy brought. The truth is known to this script alone: nothing that is fitted or measured reads it.
"""

import os
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import tippingpoint as tp

DAYS, A_DAY, HOLDOUT, WITHIN, SEED = 60, 500, 0.2, 30, 22
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
VERSION = "models:/conversion/1"


def one_day(day: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Return a day's decisions, what came of them, and each user's true gain under the policy over none."""
    users = tp.generate("case_study", users=A_DAY, seed=SEED * 1000 + day).loaded
    assert users.truth is not None
    at = FIRST + timedelta(days=day)
    table = users.table().drop(columns=[users.contract.outcome, "action"])
    table["user_id"] = [f"day {day} user {k}" for k in range(len(table))]
    rows = tp.score(table, VERSION, holdout=HOLDOUT, scored_at=at.isoformat(), track=False).decisions
    place, of = {name: k for k, name in enumerate(users.actions)}, np.arange(len(rows))
    truth = pd.DataFrame(users.truth, index=table["user_id"]).loc[rows["user_id"]].to_numpy()
    taken, policy = (rows[column].map(place).to_numpy() for column in ("action", "policy_action"))
    rng = np.random.default_rng([SEED, day])
    yes = rng.random(len(rows)) < truth[of, taken]
    after = pd.to_timedelta(rng.uniform(0, WITHIN, len(rows)), unit="D")
    came = pd.DataFrame({"user_id": rows["user_id"], "converted": 1, "converted_at": at + after})[yes]
    return rows, came, truth[of, policy] - truth[of, 0]


def main() -> None:
    """Plan, run, measure, and print each beside the truth."""
    with TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        past = tp.generate("case_study", users=20_000)
        compared = tp.compare(past, models="logistic", evidence="experiment", explain_rows=20, report="light")
        promised = compared.best.candidate.value.outcomes_per_1000
        planned = tp.plan(model=VERSION, users_per_day=A_DAY, days=DAYS, holdout=HOLDOUT).tables.at_horizon()
        decided, came, gains = zip(*map(one_day, range(DAYS)), strict=True)
        until = FIRST + timedelta(days=DAYS + WITHIN)
        asked = {"at": "converted_at", "within": WITHIN, "absent": "zero", "until": until.isoformat()}
        (of,) = tp.measure(pd.concat(decided), pd.concat(came), outcome="converted", **asked).versions
    truth = 1000 * np.concatenate(gains)
    whole = planned[planned["what"] == "the policy"].iloc[0]
    print("in conversions per 1,000 users over everyone getting none")
    print(f"promised (experiment, past users)  {promised.value:+.1f} [{promised.low:.1f}, {promised.high:.1f}]")
    print(f"told with 80 %, at one look        {whole['smallest']:.1f}; at any look {whole['smallest_any_look']:.1f}")
    print(f"truth of the {len(truth):,} users          {truth.mean():+.1f}")
    for users, value, low, high in of.table()[
        ["users", "uplift_per_1000_experiment", "uplift_per_1000_experiment_low", "uplift_per_1000_experiment_high"]
    ].to_numpy()[[0, len(of.looked) // 2, -1]]:
        print(f"measured on {users:,.0f} users (experiment)  {value:+.1f} [{low:.1f}, {high:.1f}]")
    print(f"verdict: {of.verdict}; against the promise: {of.kept()['per_1000']}")


if __name__ == "__main__":
    main()
