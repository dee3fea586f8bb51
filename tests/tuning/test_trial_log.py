"""Trials in the store: each once, whatever was away meanwhile."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from tests.tuning.searched import tried
from tippingpoint.core.errors import OutsideError
from tippingpoint.tracking import backend
from tippingpoint.tracking.runs import run
from tippingpoint.tuning.trial_log import TrialLog


def test_a_trial_whose_request_was_answered_to_nobody_is_filed_once(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = backend.connect()
    experiment = backend.experiment_id(client, "e")
    with run(client, experiment, "search", {}) as parent:
        log = TrialLog(client, experiment, parent, {"s": "#0072B2"}, "d")
        create = client.create_run

        def unanswered(*given: Any, **named: Any) -> None:
            create(*given, **named)
            create(*given, **named)  # the client of a server tries again by itself
            raise MlflowException("gone")

        monkeypatch.setattr(client, "create_run", unanswered)
        with pytest.raises(OutsideError):
            log.write([tried(0, 0.7, 1000)])
        monkeypatch.setattr(client, "create_run", create)
        log.write([tried(0, 0.7, 1000), tried(1, 0.8, 2000)])
        found = client.search_runs([experiment], "tags.trial != ''")
        assert sorted(one.data.tags["trial"] for one in found) == ["0", "1"]
        assert {one.info.status for one in found} == {"FINISHED"}


def test_each_step_of_the_curve_is_drawn_once_also_when_a_trial_comes_in_late(stored: Path) -> None:
    client = backend.connect()
    experiment = backend.experiment_id(client, "e")
    with run(client, experiment, "search", {}) as parent:
        here = [tried(0, 0.7, 1000), tried(2, 0.8, 3000)]
        TrialLog(client, experiment, parent, {"s": "#0072B2"}, "d").best_so_far(here, "roc_auc", maximize=True)
        later = [*here, tried(1, 0.75, 2000)]
        for _ in range(2):  # taken over, and again
            TrialLog(client, experiment, parent, {"s": "#0072B2"}, "d").best_so_far(later, "roc_auc", maximize=True)
        for name in ("search/best_roc_auc", "search/f_best_roc_auc"):
            history = client.get_metric_history(parent.run_id, name)
            assert sorted((m.step, m.value) for m in history) == [(1, 0.7), (2, 0.8), (3, 0.8)]
