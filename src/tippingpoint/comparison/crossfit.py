"""The uplift of a policy on every user of an experiment: each is held out once, from the models of a fold.

What is estimated is the mean value of the policies that the folds came to, as they are: π_f is fitted on folds other
than f, and the error of fold f is that of its own users at a policy they had no part in. The errors of two folds f and
g are uncorrelated whenever one of π_f and π_g was fitted without the other's fold: say π_f without g. Given all users
but those of g, π_g and the error of fold f are fixed, and the mean error of fold g is zero. Where each of the two is
fitted on the other's fold, their errors hang together through what both learnt of the same noise:

- a policy whose models predict outcomes, with cut-offs that are written or follow the scores, learns the noise of an
  outcome. That of the contrast of two actions, which uplift is made of, has a covariance with it of σ²(y | a) less
  σ²(y | none), next to nothing: the plain interval covers;
- one that chooses actions by what came of them (`Policy.chosen_by_outcomes`) learns exactly the noise of the contrast:
  the plain interval covers 88 to 93 % (`benchmarks/crossfit.py`). Its folds stand in a ring: each policy is fitted on
  the next to half of the folds that stand before its own, so that of two folds at most one is fitted on the other, and
  the plain interval covers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.comparison.refits import Kept, refit
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.data.splits import Parts, slices, turn
from tippingpoint.experiment.baselines import everyone
from tippingpoint.experiment.build import asked_of
from tippingpoint.experiment.judged import judged, row_of
from tippingpoint.experiment.simulation_result import COLUMN
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM, HiddenDriver
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.value import PolicyValue, contest_of_values
from tippingpoint.policies.policy import Policy

RATIO = "test_error_over_this"
"""Column of the ratio of standard errors."""


@dataclass(frozen=True)
class Folds:
    """How many folds there are, and on how many of the others each policy is fitted."""

    number: int
    others: int

    @classmethod
    def of(cls, policy: Policy, effects: bool = False) -> "Folds":
        """All others; where outcomes of actions are learnt those that are not fitted on the fold themselves.

        Parameters
        ----------
        effects
            Whether a model predicts effects, and so learns the contrast of actions as `chosen_by_outcomes` does.
        """
        return cls(9, 4) if policy.chosen_by_outcomes or effects else cls(5, 4)

    @property
    def estimated(self) -> str:
        """What is estimated, in words."""
        which = "the other" if self.others == self.number - 1 else f"{self.others} of the other"
        return (
            f"the mean of what the policies of {self.number} folds bring, each fitted on {which} folds with its models,"
            " calibration and cut-offs; not what the registered version brings, which is fitted once"
        )


@dataclass(frozen=True)
class CrossFit:
    """What policies bring on all users, and how much surer that is than on those of test.

    Parameters
    ----------
    values
        By contestant, on all n users in their order.
    contrasts
        All pairs, paired user by user.
    held_out
        By contestant, on the users of test.
    learnt
        By contestant with a model, what the policy learnt in each fold.
    """

    folds: Folds
    users: int
    values: dict[str, PolicyValue]
    contrasts: list[Contrast]
    held_out: dict[str, PolicyValue]
    learnt: dict[str, list[dict[str, Any]]]

    def error_ratio(self, name: str) -> float | None:
        """Standard error of the uplift on test, over that on all users; None where one of them has none."""
        here, on_test = self.values[name].uplift.se, self.held_out[name].uplift.se if name in self.held_out else None
        return on_test / here if here and on_test else None

    def metrics(self, name: str, kind: str) -> dict[str, Estimate]:
        """Value and uplift on all users under the names they have in MLflow."""
        return {of.replace("policy/", "crossfit/"): v for of, v in judged({}, self.values[name], kind).items()}

    def _beside(self, name: str) -> dict[str, float | None]:
        bounds = self.values[name].bounds
        flips = {} if bounds is None else {FLIPS_FROM: float(bounds.flips_from)}
        return {RATIO: self.error_ratio(name), **flips}

    def table(self, kind: str) -> pd.DataFrame:
        """One row a contestant: value and uplift with intervals, and the ratio of standard errors."""
        rows = [row_of(name, self.metrics(name, kind)) | self._beside(name) for name in self.values]
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def to_dict(self, kind: str) -> dict[str, Any]:
        """Ready for JSON."""
        rows = [
            {
                "model": name,
                "metrics": {of: asdict(estimate) for of, estimate in self.metrics(name, kind).items()},
                **self._beside(name),
                "learnt": self.learnt.get(name, []),
            }
            for name in self.values
        ]
        verdicts = [
            {"first": v.first, "second": v.second, **asdict(v.difference), "verdict": v.verdict} for v in self.contrasts
        ]
        about = {"folds": self.folds.number, "fitted_on": self.folds.others, "users": self.users}
        return {**about, "estimated": self.folds.estimated, "leaderboard": rows, "verdicts": verdicts}


def crossfit(
    question: ExperimentSpec,
    held_out: Mapping[str, PolicyValue],
    settings: CompareSettings,
    kept: Kept,
    step: Callable[[str], None],
) -> CrossFit:
    """Value the policy with each family on all users, by the models of their folds, and what needs no model.

    That is each action for everyone, and the best single column of each fold's other users.

    Parameters
    ----------
    held_out
        What the contestants of the comparison are worth on test; where the policy decides alike with every family it
        is one of them.

    Raises
    ------
    InputError
        When a fold has too few users of an outcome.
    """
    folds, users = Folds.of(question.policy, bool(question.learners)), question.users
    fold = slices(users, settings.split.salt, folds.number)
    turns = [partial(turn, users, fold, held, folds.number, folds.others) for held in range(folds.number)]
    sides = {f"fold {held + 1}": of for held, of in enumerate(turns)}
    found = refit(question, sides, kept, settings.workers, step)
    contestants = [name for name in held_out if name in found]
    if not contestants:  # the policy decides alike with every family, and is the first contestant
        contestants = [next(iter(held_out))]
        found = {contestants[0]: next(iter(found.values()))}
    valued, values = _everyone(question, fold, turns), {}

    def whole(of_folds: Sequence[np.ndarray]) -> PolicyValue:
        decision = np.empty(len(users), dtype=np.int64)
        for held, of in enumerate(of_folds):
            decision[fold == held] = of
        return valued.value_of(decision)

    for name in contestants:
        values[name] = whole([found[name][side].decision for side in sides])
    values |= everyone(valued, question.economics.priced)
    by_column = [found[contestants[0]][side].by_column for side in sides]
    if all(by_column):
        best = dict.fromkeys(name.removeprefix(COLUMN) for of in by_column for name in of)
        values[f"{COLUMN}{' or '.join(best)}"] = whole([next(iter(of.values())) for of in by_column])
    rng = np.random.default_rng([question.seed, 14])
    contrasts = contest_of_values(values, rng) if question.evidence.measured else []
    learnt = {name: [found[name][side].learnt for side in sides] for name in contestants}
    return CrossFit(folds, len(users), values, contrasts, {**held_out}, learnt)


def _everyone(question: ExperimentSpec, fold: np.ndarray, turns: Sequence[Callable[[], Parts]]) -> ValuedUsers:
    """All users, each with the evidence of its fold, which was fitted on others."""
    users, of = question.users, [asked_of(question, turn()).evidence for turn in turns]
    place = np.argsort(np.argsort(fold, kind="stable"))  # of each user, in the folds one after the other

    def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(arrays, axis=-2)[..., place, :]

    hidden = [evidence.hidden for evidence in of if evidence.hidden is not None]
    of_all = replace(
        question.evidence,
        outcome_scores=joined([evidence.outcome_scores for evidence in of]),
        support={
            block: Support(joined([evidence.support[block].moments for evidence in of])) for block in of[0].support
        },
        group=users.codes,
        hidden=HiddenDriver(joined([h.seldom for h in hidden]), joined([h.often for h in hidden])) if hidden else None,
    )
    lines = question.economics.rewards(question.actions, users.contract.good, users.costs)
    return ValuedUsers(users, question.actions, of_all, *lines)
