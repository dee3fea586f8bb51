"""What cannot be searched is told before anything is made."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.refusals import refuses
from tests.tuning.searches import search
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.tuning.job import tune
from tippingpoint.tuning.settings import TuneSettings


@pytest.mark.parametrize(
    ("words", "key", "named"),
    [
        (["tune.trials=0"], "tune.trials", "1"),
        (["tune.sampler=bayes"], "tune.sampler", "'tpe'"),
        (["tune.objectives=[accuracy]"], "tune.objectives.0", "'roc_auc'"),
        (["tune.objectives=[roc_auc,roc_auc]"], "tune", "objectives"),
        (["tune.objectives=[value]", "policy=best_action"], "tune.objectives", "best_action"),
        (["~model.logistic.search.C"], "model.logistic.search", ""),
        (
            ["model.logistic.search.C.low=100", "model.logistic.search.C.high=1"],
            "model.logistic.search.C",
            "low < high",
        ),
        (["+model.logistic.search.penalty={choices:[a]}"], "model.logistic", "'penalty'"),
        (["tune.objectives=[roc_auc,nodes]", "tune.sampler=cmaes"], "tune.sampler", "cmaes"),
        (["tune.folds=1"], "tune.folds", "2 to 20"),
        (["model.logistic.search={}"], "model.logistic.search", "~model.logistic.search for all"),
        (["model.logistic.search=null"], "model.logistic.search", ""),
        (["~model.logistic.search"], "model.logistic.search", ""),
        (["tune.storage=redis://host/0"], "tune.storage", "Type tune.storage="),
    ],
)
def test_bad_input_is_one_message(words: list[str], key: str, named: str, workspace: Path) -> None:
    with refuses(key, named):
        search(*words)
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
