"""Trials: what each carries, the parameters a family's space gives it, and what became of them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from tippingpoint.models.family import Family

LEASE, FOUND, REASON, KILLED = "lease", "found", "reason", "killed"
"""What a trial carries: machine and lease of who works on it, what was found, why it failed, and how often those before
it with the same parameters were killed."""
RETRIES = 2
"""How often what was killed is tried again."""


def suggest(trial: Any, family: Family) -> dict[str, Any]:
    """Parameters of a trial for the family's search space; of those that do not apply, none."""
    parameters = family.parameters()
    chosen: dict[str, Any] = {}
    for name, dimension in family.search.items():
        if dimension.patience or not dimension.applies(parameters):
            continue
        if dimension.choices is not None:
            chosen[name] = trial.suggest_categorical(name, dimension.choices)
        elif dimension.whole:
            step = dimension.step or 1
            chosen[name] = trial.suggest_int(name, dimension.low, dimension.high, step=step, log=dimension.log)
        else:
            chosen[name] = trial.suggest_float(
                name, dimension.low, dimension.high, step=dimension.step, log=dimension.log
            )
        parameters[name] = chosen[name]
    return chosen


def defaults(family: Family) -> dict[str, Any]:
    """The family's own values of what is searched, where the space has them."""
    own = family.parameters()
    return {name: own[name] for name, d in family.search.items() if d.applies(own) and d.holds(own[name])}


def parameters_of(trial: FrozenTrial) -> dict[str, Any]:
    """Those a trial was put in line with, or drew so far."""
    return dict(trial.system_attrs.get("fixed_params", trial.params))


@dataclass(frozen=True)
class Progress:
    """How far a study is."""

    complete: int
    pruned: int
    failed: int
    killed: int
    running: int

    @property
    def ended(self) -> int:
        """Trials with a result."""
        return self.complete + self.pruned


def is_settled(trial: FrozenTrial) -> bool:
    """Whether a trial's parameters are done with: found good or bad, failing, or given up because they kill."""
    return trial.state.is_finished() and (trial.state != TrialState.FAIL or REASON in trial.user_attrs)


def progress(study: optuna.Study) -> Progress:
    """Count the trials of a study by what became of them."""
    trials = study.get_trials(deepcopy=False)
    state = Counter(trial.state for trial in trials)
    failed = sum(1 for t in trials if t.state == TrialState.FAIL and REASON in t.user_attrs)
    return Progress(
        state[TrialState.COMPLETE],
        state[TrialState.PRUNED],
        failed,
        state[TrialState.FAIL] - failed,
        state[TrialState.RUNNING],
    )
