"""Five-fold AUC of the families' defaults, beside plain scikit-learn and XGBoost, on the same folds.

    python -P benchmarks/models.py

Stratified, shuffled, random_state 0; the real tables are read from
TIPPINGPOINT_REAL_DATA (default ../shared/data) where they are, else the case study.
"""

import os
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.models.family import Family

REAL = Path(os.environ.get("TIPPINGPOINT_REAL_DATA", Path(__file__).parents[2] / "shared/data"))
TABLES = {
    "freemium music": ["xyz_freemium_music.csv", "data.target=adopter"],
    "Telco churn": ["telco_customer_churn.csv", "data.target=Churn", "data.good=false"],
    "TV churn": ["churn_tv_subscriptions.csv.gz", "data.target=target", "data.drop=[C_FP,C_FN,C_TP,C_TN]"],
}


def plain(model: object) -> Pipeline:
    """A family as one would type it: impute and scale numbers, one-hot categories, library defaults."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepare = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(prepare, model)


PLAIN = {
    "logistic": lambda: plain(LogisticRegression(max_iter=1000)),
    "random_forest": lambda: plain(RandomForestClassifier(n_jobs=-1, random_state=0)),
    "boosting": lambda: plain(XGBClassifier(n_jobs=-1, random_state=0)),
}


def cross_validated(pipeline: Pipeline, users: Users) -> tuple[float, float]:
    """Mean AUC over five folds, and seconds."""
    start = time.perf_counter()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(pipeline, users.features, users.outcome, cv=folds, scoring="roc_auc")
    return float(np.mean(scores)), time.perf_counter() - start


def main() -> None:
    """Print one row a table and family."""
    shown = Table("table", "family", "AUC plain", "AUC defaults", "seconds plain", "seconds defaults")
    tables = {
        name: ["data=csv", f"data.path={REAL / file}", *rest]
        for name, (file, *rest) in TABLES.items()
        if (REAL / file).exists()
    }
    for name, overrides in (tables or {"case study": []}).items():
        settings = CompareSettings.from_config(compose("compare", overrides))
        users = settings.data.build(Source, "data").load()
        for family, component in settings.model.items():
            ours = component.build(Family, f"model.{family}").pipeline(users.contract, seed=0)
            (auc_plain, seconds_plain), (auc, seconds) = (cross_validated(p, users) for p in (PLAIN[family](), ours))
            shown.add_row(name, family, f"{auc_plain:.4f}", f"{auc:.4f}", f"{seconds_plain:.1f}", f"{seconds:.1f}")
    Console().print(shown)


if __name__ == "__main__":
    main()
