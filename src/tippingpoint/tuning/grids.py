"""Full grids: every combination once, whoever works on it and whoever is killed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from tippingpoint.models.family import Family
from tippingpoint.tuning.recorded_trials import is_settled, parameters_of, suggest


@dataclass(frozen=True)
class Grid:
    """The points of a grid, in the order in which they are tried.

    A trial is made together with its point, and a storage numbers trials one after the other. So a point belongs to the
    lowest number that has it, as long as that one was not killed: who finds another below gives way, and those who put
    the same point in line at once do no harm.
    """

    points: Mapping[str, Mapping[str, Any]]

    def free(self, trials: Sequence[FrozenTrial]) -> Mapping[str, Any] | None:
        """The first point that no trial has."""
        taken = {_written(trial) for trial in trials if _has_it(trial)}
        return next((point for written, point in self.points.items() if written not in taken), None)

    def belongs_to(self, number: int, trials: Sequence[FrozenTrial]) -> bool:
        """Whether a trial has a point, and none of lower number has the same."""
        mine = _written(trials[number])
        return mine in self.points and not any(_has_it(t) and _written(t) == mine for t in trials[:number])

    def within_reach(self, trials: Sequence[FrozenTrial]) -> int:
        """How many points are complete or may yet be: not pruned, not failed for good."""
        lost = {_written(trial) for trial in trials if is_settled(trial) and trial.state != TrialState.COMPLETE}
        return len(self.points) - len(lost)


def grid(family: Family, points: int, seed: int) -> Grid:
    """Every combination a full grid tries; a hyper-parameter that does not apply in one is not varied there."""
    values = {name: dimension.grid(points) for name, dimension in family.search.items() if not dimension.patience}
    found = [suggest(FixedTrial(dict(zip(values, each, strict=True))), family) for each in product(*values.values())]
    unique = list({json.dumps(point, sort_keys=True): point for point in found}.items())
    return Grid(dict(unique[k] for k in np.random.default_rng(seed).permutation(len(unique))))


def within_reach(grids: Mapping[str, Grid], studies: Mapping[str, optuna.Study]) -> dict[str, int]:
    """Trials each family's grid can have, as its study stands."""
    return {name: of.within_reach(studies[name].get_trials(deepcopy=False)) for name, of in grids.items()}


def _has_it(trial: FrozenTrial) -> bool:
    return trial.state != TrialState.FAIL or is_settled(trial)


def _written(trial: FrozenTrial) -> str:
    return json.dumps(parameters_of(trial), sort_keys=True)
