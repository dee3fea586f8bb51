"""What effect learners of one family share: prepared columns, chances of actions, outcomes by action; fitted once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tippingpoint.core.errors import InputError
from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.models.chances import fit_chances
from tippingpoint.models.family import Family, dense
from tippingpoint.offpolicy.evidence import LEAST_ARM, clip

LEAST_OF_AN_OUTCOME = 10
"""Users of either outcome under an action below which no effect of it can be learnt."""
FOLDS = 3


@dataclass(frozen=True)
class Nuisances:
    """Users of train as learners read them; what is cached is fitted when first asked for.

    Parameters
    ----------
    family
        The base learner: it predicts outcomes under each action, and its regression the effects.
    users
        n users with logged actions.
    known
        Whether their logging probabilities may be read; else chances are estimated.
    threads
        On how many each model is fitted; None: as its family has it.

    Raises
    ------
    InputError
        When no action was logged, or an action was taken for too few users of either outcome.
    """

    family: Family
    users: Users
    seed: int
    known: bool = True
    threads: int | None = None

    def __post_init__(self) -> None:
        users = self.users
        if users.action is None or len(users.actions) < 2:
            raise InputError(
                "learner",
                "no action was logged for these users, so no effect can be learnt",
                "Type learner=response, with a policy of the score; or name the column of the action: data.action=…",
            )
        for k, action in enumerate(users.actions):
            of = np.bincount(users.outcome[users.action == k], minlength=2)
            if of.min() < LEAST_OF_AN_OUTCOME:
                what = (
                    f"{action!r} was taken for {of.sum():,} users of train, {of[1]:,} of them with outcome 1; an effect"
                    f" is learnt from at least {LEAST_OF_AN_OUTCOME} of either outcome"
                )
                remedy = "Bring more users, leave out those it was done to, or type learner=response, with a policy of"
                raise InputError("learner", what, f"{remedy} the score.")

    @property
    def action(self) -> np.ndarray:
        """(n,) codes of what was done."""
        assert self.users.action is not None
        return self.users.action

    @property
    def actions(self) -> int:
        """K."""
        return len(self.users.actions)

    @cached_property
    def _unfitted(self) -> Pipeline:
        return self.family.pipeline(self.users.contract, self.seed)

    @cached_property
    def prepare(self) -> Any:
        """The fitted step that prepares raw columns; it knows no outcome, so folds share it."""
        step = self._unfitted.named_steps["prepare"]
        step.set_params(sparse_threshold=0)
        return step.fit(self.users.features)

    @cached_property
    def x(self) -> np.ndarray:
        """(n, d) prepared columns."""
        return dense(self.prepare.transform(self.users.features))

    def classifier(self) -> Any:
        """An unfitted model of outcomes."""
        return clone(self._unfitted.named_steps["model"])

    def fitted(self, model: Any, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Any:
        """A model fitted, with the parameters its family gives what is fitted."""
        if self.threads is not None and getattr(model, "n_jobs", None) is not None:
            model.set_params(n_jobs=self.threads)
        model.fit(x, y) if weight is None else model.fit(x, y, sample_weight=weight)
        own = {key.removeprefix("model__"): value for key, value in self.family.when_fitted.items()}
        return model.set_params(**own)

    def regression(self, rows: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> Any:
        """The family's regression fitted to a target of (m,) rows, which is noisy: an imputed or pseudo-outcome."""
        rate = float(self.users.outcome.mean())
        model = self.family.regression(self.users.contract, self.seed, rate * (1 - rate))
        return self.fitted(model, self.x[rows], target, weight)

    @cached_property
    def arms(self) -> list[Any]:
        """One model of the outcome for each action, fitted on all users who got it."""
        outcome = self.users.outcome
        return [
            self.fitted(self.classifier(), self.x[self.action == k], outcome[self.action == k])
            for k in range(self.actions)
        ]

    @cached_property
    def fold(self) -> np.ndarray:
        """(n,) folds, groups whole, alike in action and outcome."""
        return folds(self.action * 2 + self.users.outcome, FOLDS, self.seed, self.users.codes)

    @cached_property
    def predicted(self) -> np.ndarray:
        """(n, K) P(outcome | action, features), each by models fitted on the other folds."""
        found = np.empty((len(self.users), self.actions))
        for outside, inside in pairs(self.fold):
            for k in range(self.actions):
                rows = outside[self.action[outside] == k]
                model = self.fitted(self.classifier(), self.x[rows], self.users.outcome[rows])
                found[inside, k] = model.predict_proba(self.x[inside])[:, 1]
        return found

    @cached_property
    def chance(self) -> np.ndarray:
        """(n, K) chance of each action: known, or estimated on the other folds."""
        if self.known and self.users.logging_probability is not None:
            return self.users.logging_probability
        found = np.empty((len(self.users), self.actions))
        for outside, inside in pairs(self.fold):
            estimated = fit_chances(self.users.take(outside), LEAST_ARM, self.seed)
            found[inside] = clip(estimated(self.users.features.iloc[inside]))
        return found
