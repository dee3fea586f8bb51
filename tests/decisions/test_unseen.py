import pandas as pd
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from tippingpoint.data.users import Column, FeatureSchema
from tippingpoint.decisions.batch_statistics import Tally
from tippingpoint.decisions.unseen import KEPT, OTHERS, count, learnt, named
from tippingpoint.models.family import prepare

PLANS = ["Basic", "max", "plus"]


def test_what_a_model_learnt_from_is_read_off_its_encoder() -> None:
    frame = pd.DataFrame({"x": range(30), "plan": pd.Series([*PLANS, None, *PLANS[:2]] * 5, dtype="str")})
    contract = FeatureSchema((Column("x", "number"), Column("plan", "category")), "y")
    model = Pipeline([("prepare", prepare(contract, "passthrough")), ("model", LogisticRegression())])
    assert learnt(model.fit(frame, [0, 1, 1] * 10)) == {"plan": frozenset(PLANS)}


def test_unseen_categories_are_counted_as_they_are_written_and_missing_ones_are_none() -> None:
    known = {"plan": frozenset(PLANS), "tier": frozenset({"1", "2"})}
    table = pl.DataFrame(
        {"plan": ["max", "BASIC", " Basic", "NA", None, "new", "new"], "tier": [1.0, 2, 3, 1, 1, 1, 4]}
    )
    rows, found = count(table, known)
    assert rows == 4
    assert found == {"plan": {"new": 2, " Basic": 1, "BASIC": 1}, "tier": {"3": 1, "4": 1}}
    alike = {of["value"]: of["learnt_as"] for of in named(found, known)}
    assert alike == {"new": None, " Basic": "Basic", "BASIC": "Basic", "3": None, "4": None}


def test_counts_of_chunks_add_and_many_values_do_not_pile_up() -> None:
    known = {"plan": frozenset(PLANS)}
    whole = Tally()
    for first in range(0, 4 * KEPT, KEPT):
        rows, found = count(pl.DataFrame({"plan": [f"p{first + k}" for k in range(KEPT)] + ["max"]}), known)
        whole += Tally(unseen_rows=rows, unseen=found)
    assert whole.unseen_rows == 4 * KEPT
    assert len(whole.unseen["plan"]) == KEPT + 1
    assert whole.unseen["plan"][OTHERS] == 3 * KEPT
    assert Tally.from_dict(whole.to_dict()).unseen == whole.unseen
