"""What cannot be searched is told before anything is made."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.tuning.searches import search
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import TuneSettings
from tippingpoint.core.errors import InputError
from tippingpoint.tuning.job import tune


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tune.trials=0"], "tune.trials: must be at least 1"),
        (["tune.sampler=bayes"], "tune.sampler: must be 'tpe'"),
        (["tune.objectives=[accuracy]"], "tune.objectives.0: must be 'roc_auc'"),
        (["tune.objectives=[roc_auc,roc_auc]"], "names one twice"),
        (["tune.objectives=[value]", "policy=best_action"], "reads no score"),
        (["~model.logistic.search.C"], "model.logistic.search: is empty"),
        (["model.logistic.search.C.low=100", "model.logistic.search.C.high=1"], "low 100 is not below high 1"),
        (["+model.logistic.search.penalty={choices:[a]}"], "'penalty', which the family lacks"),
        (["tune.objectives=[roc_auc,nodes]", "tune.sampler=cmaes"], "cmaes takes one objective"),
        (["tune.folds=1"], "tune.folds"),
        (["model.logistic.search={}"], "model.logistic.search: {} takes nothing away"),
        (["model.logistic.search=null"], "model.logistic.search: is empty"),
        (["~model.logistic.search"], "model.logistic.search: is empty"),
        (["tune.storage=redis://host/0"], "tune.storage: redis://host/0 is no PostgreSQL database. Type tune.storage="),
    ],
)
def test_bad_input_is_one_message(words: list[str], said: str, workspace: Path) -> None:
    with pytest.raises(InputError) as caught:
        search(*words)
    assert said in str(caught.value)
    assert not list(workspace.iterdir()), "nothing was made"


def test_money_that_was_never_measured_is_no_objective(workspace: Path) -> None:
    table = pd.DataFrame({"hours": np.arange(300) % 17, "converted": np.arange(300) % 3 == 0})
    table.to_csv("users.csv", index=False)
    own = ["data=csv", "data.path=users.csv", "data.target=converted"]
    words = ["model=logistic", *own, "tune.objectives=[value]"]
    with pytest.raises(InputError, match="value would rest on assumptions"):
        tune(TuneSettings.from_config(compose("tune", words)))


def test_a_missing_sampler_package_says_what_to_install(workspace: Path) -> None:
    if find_spec("torch"):
        pytest.skip("torch is installed: the Gaussian process sampler works here")
    with pytest.raises(InputError, match=r"tippingpoint\[gp\]"):
        search("tune.sampler=gp", "tune.trials=2")
