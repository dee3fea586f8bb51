"""What a trial is judged by: cross-validated metrics, money under the policy, and size."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, Protocol

import numpy as np
from joblib import parallel_config  # type: ignore[import-untyped]  # it ships no types
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController

from tippingpoint.data.model_output import probability
from tippingpoint.evaluation import CONTRIBUTIONS, auc_contributions, point
from tippingpoint.models.family import Family
from tippingpoint.models.size import nodes, used
from tippingpoint.offpolicy.evidence import taken
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.policies.policy import FitContext
from tippingpoint.tuning.effects import LearntEffects
from tippingpoint.tuning.folds import Folds, Priced

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "roc_auc": "maximize",
    "pr_auc": "maximize",
    "log_loss": "minimize",
    "brier": "minimize",
    "value": "maximize",
    "spend": "minimize",
    "features": "minimize",
    "nodes": "minimize",
}
"""Objectives by name. `value` and `spend` are money per user under the policy; `features` are raw columns a model
uses, `nodes` the nodes of its trees (of a line: its terms)."""
MONEY = ("value", "spend")
LEAST_CHANCE = 1e-7
"""Farther from 0 and 1 than a loss needs: a line is fitted on these log-odds, and one user at 1e-15 would tilt it."""


class Watching(Protocol):
    """Told how a trial goes; raises to end it."""

    def round(self, fold: int, number: int, loss: float) -> bool:
        """A boosting round is done, with this log loss; True ends the fit."""

    def fold(self, fold: int, value: Callable[[], float] | None) -> None:
        """A fold is done; what gives the first objective on it, unless that takes all of them."""


@dataclass(frozen=True)
class Found:
    """What cross-validation found of one set of hyper-parameters.

    Parameters
    ----------
    values
        For each objective its value on each fold.
    contributions
        (n,) per-user terms whose mean is the first objective; None where it has none (`pr_auc`, sizes).
    rounds
        Boosting rounds chosen, where they are.
    seconds
        Time spent inside fit and predict.
    group
        (n,) numbers of the groups users belong to; None where each stands alone.
    """

    values: dict[str, list[float]]
    contributions: np.ndarray | None
    rounds: int | None
    seconds: float
    group: np.ndarray | None = None

    def objectives(self) -> list[float]:
        """Mean over the folds, one an objective."""
        return [float(np.mean(values)) for values in self.values.values()]

    def gain(self, over: "Found") -> Estimate:
        """Paired difference of the first objective, positive for better; of one trial: of the best of many it is
        too optimistic, which whoever shows it widens."""
        (name, mine), *_ = self.values.items()
        sign = 1 if DIRECTIONS[name] == "maximize" else -1
        if self.contributions is None or over.contributions is None:
            return Estimate(sign * float(np.mean(mine) - np.mean(over.values[name])))
        return mean(sign * (self.contributions - over.contributions), group=self.group)


class Stopped(Exception):  # no error: someone asked for it
    """The search was asked to stop; the trial is not finished."""


def cross_validate(
    family: Family,
    name: str,
    folds: Folds,
    objectives: Sequence[str],
    priced: Priced | None,
    threads: int,
    watching: Watching,
    learnt: LearntEffects | None = None,
) -> Found:
    """Fit a family on all folds but one, for each, and judge it on the one.

    Where the family's search gives its rounds a patience, all folds get as many rounds as their mean loss is lowest
    after: one number, chosen across folds, that a refit on all users can use.

    Parameters
    ----------
    learnt
        The learner, where effects are predicted: then objectives are in money.
    """
    if learnt is not None:
        return _of_effects(family, folds, objectives, priced, threads, watching, learnt)
    return _of_scores(family, name, folds, objectives, priced, threads, watching)


def _of_scores(
    family: Family,
    name: str,
    folds: Folds,
    objectives: Sequence[str],
    priced: Priced | None,
    threads: int,
    watching: Watching,
) -> Found:
    """Judge a family by what its scores are worth on users they did not see."""
    clock = _Clock()
    score = np.empty(len(folds.outcome))
    dimension = family.search.get(family.rounds or "")
    patience = dimension.patience if dimension else None
    fitted: list[Any] = []
    losses: list[np.ndarray] = []
    # Threads, since a worker process may have no processes of its own.
    with _pools().limit(limits=threads), parallel_config(backend="threading", n_jobs=threads):
        for number in range(folds.number):
            held = folds.fold == number
            x, x_held = folds.prepared(name, number)
            y, y_held = folds.outcome[~held & folds.fits], folds.outcome[held]
            model = _unfitted(family, folds, threads)
            with clock:
                if dimension is None or patience is None:
                    model.fit(x, y)
                    score[held] = model.predict_proba(x_held)[:, 1]
                else:
                    model.set_params(**{str(family.rounds): dimension.high})
                    like, watch = folds.fits[held], _each_round(watching, number)
                    losses.append(family.fit_watched(model, x, y, (x_held[like], y_held[like]), patience, watch))
                    score[held] = family.score_after(model, x_held, int(np.argmin(losses[-1])) + 1)
            fitted.append(model)
            so_far = partial(_metric, objectives[0], y_held, score[held], model, folds, name, number)
            watching.fold(number, None if objectives[0] in MONEY else so_far)
        rounds = _common(losses) if patience else None
        if rounds is not None:
            with clock:
                for number, model in enumerate(fitted):
                    score[folds.fold == number] = family.score_after(model, folds.prepared(name, number)[1], rounds)
    terms = _terms(objectives, folds, score, priced, calibrate=family.calibrate)

    values = {
        objective: [
            float(terms[objective][folds.fold == number].mean())
            if objective in terms
            else _metric(objective, *_held(folds, score, number), model, folds, name, number, rounds)
            for number, model in enumerate(fitted)
        ]
        for objective in objectives
    }
    return Found(values, terms.get(objectives[0]), rounds, clock.seconds, folds.group)


def _held(folds: Folds, score: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and scores of a fold's users."""
    return folds.outcome[folds.fold == number], score[folds.fold == number]


def _unfitted(family: Family, folds: Folds, threads: int) -> Any:
    """A model of the family, to be fitted by so many threads."""
    model = family.pipeline(folds.contract, folds.seed).named_steps["model"]
    if getattr(model, "n_jobs", None) is not None:
        model.set_params(n_jobs=threads)
    return model


def _of_effects(
    family: Family,
    folds: Folds,
    objectives: Sequence[str],
    priced: Priced | None,
    threads: int,
    watching: Watching,
    learnt: LearntEffects,
) -> Found:
    """Value the policy by what a learner with this family as base predicts of users held out."""
    assert priced is not None
    with _pools().limit(limits=threads), parallel_config(backend="threading", n_jobs=threads), _Clock() as clock:
        found = learnt.held_out(family, folds.fold, folds.seed, threads, lambda number: watching.fold(number, None))
    decision = _decide(found, folds, priced, calibrate=False, learnt=learnt)
    terms = {of: taken(priced.reward if of == "value" else priced.spend, decision) for of in objectives}
    values = {of: [float(each[folds.fold == k].mean()) for k in range(folds.number)] for of, each in terms.items()}
    return Found(values, terms[objectives[0]], None, clock.seconds, folds.group)


def _terms(
    objectives: Sequence[str], folds: Folds, score: np.ndarray, priced: Priced | None, calibrate: bool
) -> dict[str, np.ndarray]:
    """(n,) terms of each objective whose mean over a fold is its value there; others are left out."""
    terms = {of: _contributions(of, folds, score) for of in objectives if of in CONTRIBUTIONS}
    if money := [of for of in objectives if of in MONEY]:
        assert priced is not None
        decision = _decide(score, folds, priced, calibrate)
        terms |= {of: taken(priced.reward if of == "value" else priced.spend, decision) for of in money}
    return terms


@cache
def _pools() -> ThreadpoolController:
    """The thread pools of the libraries this process has loaded: looking for them takes as long as a small fit."""
    return ThreadpoolController()


def _each_round(watching: Watching, fold: int) -> Any:
    return lambda number, loss: watching.round(fold, number, loss)


def _common(losses: list[np.ndarray]) -> int:
    shortest = min(map(len, losses))
    return int(np.argmin(np.mean([loss[:shortest] for loss in losses], axis=0))) + 1


def _metric(
    objective: str,
    outcome: np.ndarray,
    score: np.ndarray,
    model: Any,
    folds: Folds,
    family: str,
    number: int,
    rounds: int | None = None,
) -> float:
    if objective == "features":
        return float(len(np.unique(folds.source[family][number][used(model, rounds)])))
    if objective == "nodes":
        return float(nodes(model, rounds))
    if objective == "roc_auc":  # the same number, at a sixth of the time
        return float(auc_contributions(outcome, score).mean())
    return point(objective, outcome, score)


def _contributions(objective: str, folds: Folds, score: np.ndarray) -> np.ndarray:
    """(n,) terms whose mean over a fold is the objective on it."""
    each = np.empty(len(score))
    for number in range(folds.number):
        held = folds.fold == number
        each[held] = CONTRIBUTIONS[objective](folds.outcome[held], score[held])
    return each


def _decide(
    score: np.ndarray, folds: Folds, priced: Priced, calibrate: bool, learnt: LearntEffects | None = None
) -> np.ndarray:
    """(n,) action of each user, by the policy bound (and, for families that calibrate, a sigmoid) on other folds.

    Parameters
    ----------
    score
        What models fitted on other folds give; with `learnt`, (n, K + 1).
    """
    decision = np.empty(len(score), dtype=np.int64)
    for number in range(folds.number):
        held = folds.fold == number
        others = score[~held]
        mine = score[held]
        if calibrate:
            seen = folds.fits[~held]
            line = LogisticRegression(C=np.inf).fit(_log_odds(others[seen]), folds.outcome[~held & folds.fits])
            others, mine = (line.predict_proba(_log_odds(s))[:, 1] for s in (others, mine))
        outside, inside = priced.features[~held], priced.features[held]
        predicted = None if learnt is None else learnt.predicted(others)
        policy = priced.policy.bind(FitContext(outside, outside, probability(others), predicted=predicted))
        decision[held] = policy.decide(mine, inside, priced.actions)
    return decision


def _log_odds(score: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(score, LEAST_CHANCE, 1 - LEAST_CHANCE)))[:, None]


class _Clock:
    """Adds up the time inside."""

    seconds = 0.0

    def __enter__(self) -> "_Clock":
        self.started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self.started
