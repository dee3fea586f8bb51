"""The page of a search."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from tippingpoint.experiment.decision import Decision
from tippingpoint.tuning.report import page
from tippingpoint.tuning.result import Tried


@pytest.mark.parametrize(("objectives", "pictures"), [(("roc_auc",), 4), (("roc_auc", "nodes"), 9)])
def test_every_picture_of_a_search_is_drawn_from_the_page_alone(
    tmp_path: Path, look: Callable[..., dict[str, Any]], objectives: tuple[str, ...], pictures: int
) -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=["maximize"] * len(objectives), sampler=sampler)

    def objective(trial: optuna.Trial) -> list[float]:
        x, rate = trial.suggest_float("x </script>", 0, 1), trial.suggest_float("rate", 0.001, 1, log=True)
        return [x - rate * len(trial.suggest_categorical("kind", ["a", "bb"])), -x][: len(objectives)]

    study.optimize(objective, n_trials=8)
    parameters = {"x </script>": 0.5, "kind": "bb"}
    tried = [
        Tried("s", "boosting", t.number, "complete", parameters, dict(zip(objectives, t.values, strict=True)), {}, None,
              0, 0, 1.5 + t.number)
        for t in study.trials
    ]  # fmt: skip
    decision = Decision("Test first", "boosting under <intent_bands>", "nothing was measured.", "", "")
    told = ["Inconclusive."], tried, tried[3], decision
    (tmp_path / "search.html").write_text(page("A search <of> users", {"boosting": study}, objectives, *told))
    seen = look(tmp_path / "search.html", 1200)
    assert seen["drawn"] == pictures + 1  # and what a trial costs
    assert not seen["empty"] + seen["said"]
