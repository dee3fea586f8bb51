"""What looks at boosting after each round; a module of its own, as it loads XGBoost."""

from typing import Any

from xgboost.callback import TrainingCallback

from tippingpoint.models.family import Watch


class Watched(TrainingCallback):  # type: ignore[misc]  # XGBoost ships no types
    """Tells a watcher the log loss of each round, and stops where it says so."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Return whether to stop."""
        return self.watch(epoch + 1, float(evals_log["validation_0"]["logloss"][-1]))
