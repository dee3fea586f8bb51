"""Everything one search finds, and its table."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from tippingpoint.experiment.candidate import Candidate
from tippingpoint.offpolicy.statistics import Estimate


@dataclass(frozen=True)
class Tried:
    """A trial of a search that ended: one set of hyper-parameters, judged by cross-validation.

    Parameters
    ----------
    number
        Its number in the study, which is its family's.
    state
        `complete`, `pruned` (ended early) or `failed`.
    values
        For each objective its mean over the folds; empty unless complete.
    folds
        For each objective its value on each fold.
    gain
        First objective over that of the family's own parameters, positive for better, as if it were the only trial.
    started, ended
        Milliseconds since 1970.
    seconds
        Time inside fit and predict.
    """

    study: str
    family: str
    number: int
    state: Literal["complete", "pruned", "failed"]
    parameters: dict[str, Any]
    values: dict[str, float]
    folds: dict[str, list[float]]
    gain: Estimate | None
    started: int
    ended: int
    seconds: float
    reason: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """Identifies it among all trials."""
        return self.study, self.number


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    maximize
        Whether more of the first objective is better.
    tried
        Trials that ended, in that order.
    best
        The best complete one by the first objective.
    gain
        Its first objective over that of its family's own parameters, positive for better, with an interval wide
        enough for so many trials had they been drawn blindly; without one where the objective has no error per user.
    baseline
        For each family the objectives of its own parameters.
    candidate
        The winner refitted on train and validation and measured on test; None where another machine did that.
    judged, gain_on_test
        The first objective where it has an error per user (money, ROC AUC, log loss, Brier score), else ROC AUC: what
        the winner has over its family's own parameters, both refitted, on test; positive for better.
    before
        Complete trials that were there when this process began.
    put_back
        Trials that killed workers left, put in line again.
    front
        Of two objectives and more, the places of the trials that no other is better than in all.
    """

    objectives: tuple[str, ...]
    maximize: bool
    tried: list[Tried]
    best: Tried
    gain: Estimate
    baseline: dict[str, dict[str, float]]
    candidate: Candidate | None
    judged: str
    gain_on_test: Estimate | None
    before: int
    storage: str
    put_back: int
    front: tuple[tuple[str, int], ...] = ()

    @property
    def challenges(self) -> bool:
        """Whether the winner becomes challenger: the search flatters it, so below its defaults it is no gain."""
        return self.gain.value >= 0

    def count(self, state: str) -> int:
        """Trials that ended so."""
        return sum(trial.state == state for trial in self.tried)

    def table(self) -> pd.DataFrame:
        """One row a trial."""
        return pd.DataFrame(
            [
                {
                    "model": trial.family,
                    "trial": trial.number,
                    "state": trial.state,
                    **trial.values,
                    "gain": trial.gain.value if trial.gain else None,
                    "gain_se": trial.gain.se if trial.gain else None,
                    "seconds": (trial.ended - trial.started) / 1000,
                    **{f"model.{name}": value for name, value in trial.parameters.items()},
                    "reason": trial.reason,
                }
                for trial in self.tried
            ]
        )

    def to_dict(self, kind: str) -> dict[str, Any]:
        """Ready for JSON; `kind` is the evidence behind uplift."""
        return {
            "objectives": self.objectives,
            "trials": {state: self.count(state) for state in ("complete", "pruned", "failed")},
            "there_before": self.before,
            "tried_again": self.put_back,
            "best": asdict(self.best),
            "gain": asdict(self.gain),
            "becomes_challenger": self.challenges,
            "front": [number for _, number in self.front],
            "baseline": self.baseline,
            "winner": self.candidate.to_dict(kind) if self.candidate else None,
            "judged_on_test": self.judged,
            "gain_on_test": asdict(self.gain_on_test) if self.gain_on_test else None,
            "storage": self.storage,
        }
