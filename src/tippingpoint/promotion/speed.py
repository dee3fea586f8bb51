"""Time of one row's score: CPU time held against a reference timed beside it, so that no other process counts."""

import time
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tippingpoint.data.users import Users
from tippingpoint.models.learners.effects import output
from tippingpoint.tracking.models import LoadedModel

REFERENCE = 3.5
"""CPU milliseconds that one row's score by the reference takes on the machine whose milliseconds a gate counts."""
ROUNDS, ROWS = 6, 5
"""How often both are timed one after the other, and for how many rows each time, whose median counts."""


def milliseconds(model: LoadedModel, users: Users) -> list[float]:
    """CPU time of one row's score, once a round, as milliseconds on a machine that scores the reference in `REFERENCE`.

    A busy machine takes longer for both, and rounds differ: how much they do says how sure the figure is.
    """
    features = users.features[list(model.columns)]
    rows = [features.iloc[[row % len(features)]] for row in range(ROWS)]
    reference, known = _reference()
    found = []
    for _ in range(ROUNDS + 1):
        beside = _seconds(reference.predict_proba, [known] * ROWS)
        found.append(_seconds(lambda row: output(model.classifier, row), rows) / beside * REFERENCE)
    return found[1:]  # the first fills caches


def _seconds(score: Callable[[pd.DataFrame], object], rows: Iterable[pd.DataFrame]) -> float:
    """Median CPU time, of all threads of this process, that `score` takes for one of `rows`."""
    seconds = []
    for row in rows:
        start = time.process_time()
        score(row)
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def _reference() -> tuple[LogisticRegression, pd.DataFrame]:
    """A logistic regression on a number and a category, with what comes before it, and a row for it."""
    at = np.arange(64.0)
    table = pd.DataFrame({"number": at, "category": np.where(at % 2 == 1, "odd", "even")})
    columns = make_column_transformer((StandardScaler(), ["number"]), (OneHotEncoder(), ["category"]))
    return make_pipeline(columns, LogisticRegression()).fit(table, at % 3 == 0), table.head(1)
