"""The e-mail to half of the customers by three libraries' effects: what it brings on the same test users.

`pip install scikit-uplift econml && python -P docs/beside.py`; the numbers stand in docs/comparison.md.
"""

from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from econml.dr import DRLearner
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklift.models import TwoModels

import tippingpoint as tp
from tippingpoint.config.settings import Split
from tippingpoint.data.splits import sides

TABLE = Path(__file__).parent / "tutorials/emails.csv.gz"
FEATURES = ["months_since_purchase", "spent_last_year", "bought_sports", "newcomer", "channel"]
ACTIONS = ["none", "running_shoes", "voucher"]
ROLES = {"action": "email", "logging_probability": "uniform", "measures": ["spent"]}


def line() -> object:
    """A logistic regression on scaled columns."""
    return make_pipeline(StandardScaler(), LogisticRegression())


def brought(effect: np.ndarray, test: pd.DataFrame) -> str:
    """EUR per user of the e-mail to the better half over none, by inverse chances, with half of a 95 % interval."""
    acted = np.ravel(effect) >= np.median(effect)
    sign = (test["email"] == "running_shoes").astype(int) - (test["email"] == "none").astype(int)
    gain = np.where(acted, 3 * test["visited"] * sign - 0.05, 0)
    return f"{gain.mean():+.3f} ± {1.96 * gain.std(ddof=1) / np.sqrt(len(gain)):.3f}"


def main() -> None:
    """Print a line a library."""
    users = tp.read_users(TABLE, target="visited", **ROLES).loaded
    table = pd.read_csv(TABLE).set_index("customer_id").loc[users.user_id]
    side = sides(users, Split())
    x = pd.get_dummies(table[FEATURES], drop_first=True).astype(float).to_numpy()
    y, email, test = table["visited"].to_numpy(), table["email"].to_numpy(), side == 2
    fit = side < 2

    began = perf_counter()
    two = fit & np.isin(email, ["none", "running_shoes"])
    models = TwoModels(line(), line()).fit(
        pd.DataFrame(x[two]), pd.Series(y[two]), pd.Series((email[two] == "running_shoes").astype(int))
    )
    effect = models.predict(pd.DataFrame(x[test]))
    seconds = perf_counter() - began
    print(f"scikit-uplift {version('scikit-uplift')} TwoModels: {brought(effect, table[test])}, {seconds:.1f} s")

    began = perf_counter()
    learner = DRLearner(
        model_propensity=line(), model_regression=line(), model_final=LinearRegression(),
        discrete_outcome=True, categories=ACTIONS, random_state=0,
    )  # fmt: skip
    learner.fit(y[fit], email[fit], X=x[fit])
    effect = learner.effect(x[test], T0="none", T1="running_shoes")
    seconds = perf_counter() - began
    print(f"econml {version('econml')} DRLearner: {brought(effect, table[test])}, {seconds:.1f} s")


if __name__ == "__main__":
    main()
