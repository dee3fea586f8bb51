"""Users whose models are explained: what matters to them is known."""

import numpy as np
import pandas as pd

from tippingpoint.data.users import Column, FeatureSchema, Users

CONTRACT = FeatureSchema(
    (Column("hours", "number"), Column("gap", "number"), Column("plan", "category"), Column("noise", "number")), "y"
)
FAMILIES = ("logistic", "random_forest", "boosting")


def users(n: int = 1200, seed: int = 0) -> Users:
    rng = np.random.default_rng(seed)
    hours, plan = rng.lognormal(size=n) * 10, rng.choice(["a", "b", "c"], n)
    features = pd.DataFrame(
        {
            "hours": hours,
            "gap": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "plan": pd.Series(plan, dtype="str"),
            "noise": rng.normal(size=n),
        }
    )
    chance = 1 / (1 + np.exp(3 - np.log1p(hours) * np.where(plan == "a", 1.5, 0.5)))
    ids = np.array([f"{seed}-{i}" for i in range(n)], dtype=object)
    return Users(features, (rng.random(n) < chance).astype(np.int64), ids, CONTRACT)
