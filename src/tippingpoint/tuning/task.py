"""What a search's workers are given: folds, prices, baselines, and studies named by what they ask."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.core.redaction import masked
from tippingpoint.data.users import Users
from tippingpoint.experiment.build import fitted_on
from tippingpoint.experiment.resume import code_of
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.models.family import Family
from tippingpoint.tuning import samplers
from tippingpoint.tuning.effects import LearntEffects
from tippingpoint.tuning.folds import Priced, cut, prepare
from tippingpoint.tuning.objectives import MONEY, cross_validate
from tippingpoint.tuning.search import digest, threads_each
from tippingpoint.tuning.settings import Tune, TuneSettings
from tippingpoint.tuning.storages import STUDIES, study_names
from tippingpoint.tuning.worker import SearchTask, Silent


def check(settings: TuneSettings, question: ExperimentSpec) -> None:
    """Refuse what cannot be searched, before anything is made.

    Raises
    ------
    InputError
        For an empty space, a sampler that is not there, objectives these users or this policy cannot answer.
    """
    asked = settings.tune
    if asked.storage is not None and not re.match(r"postgres(ql)?(\+\w+)?://", asked.storage):
        raise InputError(
            "tune.storage",
            f"{masked(asked.storage)} is no PostgreSQL database",
            "Type tune.storage=postgresql://user@host/database, or leave it out for a file beside the runs.",
        )
    for name, family in question.families.items():
        if not family.search:
            raise InputError(
                f"model.{name}.search", "is empty: there are no parameters to search", "Give it ranges or choices."
            )
    if question.learners and set(asked.objectives) - set(MONEY):
        what = f"{' and '.join(asked.objectives)} would not tell how good an effect is"
        raise InputError("tune.objectives", what, "Type tune.objectives='[value]', what the policy brings.")
    samplers.sampler(asked.sampler, settings.seed)  # here, not in each worker
    if money := set(asked.objectives) & set(MONEY):
        if not question.evidence.measured:
            if vetoed := question.evidence.vetoed:
                what = f"{' and '.join(sorted(money))} would rest on evidence that {vetoed[0]} vetoed"
                raise InputError(
                    "tune.objectives", what, "Take a metric (roc_auc); tippingpoint diagnostics says what to do."
                )
            raise InputError(
                "tune.objectives",
                f"{' and '.join(sorted(money))} would rest on assumptions: nothing was ever tried on these users",
                "Take a metric (roc_auc), or data with logged actions.",
            )
        if question.policy.chosen_by_outcomes and set(question.families) - set(question.learners):
            raise InputError(
                "tune.objectives", f"policy {question.policy.name} learns from rewards", "Take bands, or a metric."
            )
    if asked.sampler == "cmaes" and len(asked.objectives) > 1:
        raise InputError("tune.sampler", "cmaes takes one objective", "Take tpe, or one objective.")


def digests(settings: TuneSettings, question: ExperimentSpec) -> dict[str, str]:
    """What each family's study asks; trials, workers, storage, tracking and output do not change the answer."""
    asked = settings.tune
    shared: dict[str, Any] = {
        "data": question.users.digest,
        "split": settings.split.model_dump(),
        "seed": settings.seed,
        "tune": asked.model_dump(include={"objectives", "sampler", "grid_points", "folds", "prune"}),
        "code": code_of(question.families, question.policy),
    }
    if question.train_on != "all":
        shared["train_on"] = question.train_on
    if set(asked.objectives) & set(MONEY):
        shared |= {
            "policy": question.policy.digest,
            "economics": settings.economics.as_written(),
            "evidence": question.evidence.kind,
        }
    return {name: digest({**shared, **_written(settings, question, name)}) for name in question.families}


def _written(settings: TuneSettings, question: ExperimentSpec, name: str) -> dict[str, Any]:
    """The nodes of the config that make a contestant."""
    if (of := question.learners.get(name)) is None:
        return {"model": settings.model[name].as_written()}
    written = settings.model[of.family].as_written(), settings.learner[of.learner].as_written()
    return dict(zip(("model", "learner"), written, strict=True))


def by_value(settings: TuneSettings, question: ExperimentSpec) -> TuneSettings:
    """The settings with the one objective that effects have, where none but the default was asked for."""
    if not question.learners or settings.tune.objectives != Tune().objectives:
        return settings
    return settings.model_copy(update={"tune": settings.tune.model_copy(update={"objectives": ["value"]})})


def prepared(settings: TuneSettings, question: ExperimentSpec, everyone: Users, folder: Path) -> SearchTask:
    """The users cut and prepared in a folder, each family judged as it is when nobody tunes it."""
    asked = settings.tune
    fits = fitted_on(question, everyone)
    fold = cut(everyone, fits, asked.folds, settings.seed)
    plain = {name: family for name, family in question.families.items() if name not in question.learners}
    folds = prepare(everyone, fits, fold, plain, settings.seed, folder)
    lines = partial(question.economics.line, good=everyone.contract.good)
    spends = None if question.economics.per_user else partial(question.economics.spend, good=everyone.contract.good)
    known = question.evidence.kind != "logged"
    learnt = {name: LearntEffects(of.of, everyone, known, lines, spends) for name, of in question.learners.items()}
    priced = _priced(question, everyone, fold) if set(asked.objectives) & set(MONEY) else None
    asks = digests(settings, question)
    baseline = {
        name: cross_validate(
            _plain(family), name, folds, asked.objectives, priced, threads_each(1), Silent(), learnt.get(name)
        )
        for name, family in question.families.items()
    }
    journals = STUDIES if settings.tracking.log else str(folder / "studies")
    return SearchTask(
        families=question.families,
        names=_names(settings, asks, journals),
        storage=asked.storage,
        tune=asked,
        folds=folds,
        priced=priced,
        baseline=baseline,
        seed=settings.seed,
        threads=threads_each(asked.workers),
        journals=journals,
        learnt=learnt,
    )


def again(task: SearchTask, settings: TuneSettings, asks: Mapping[str, str]) -> SearchTask:
    """The same task with studies of its own, beside those that are finished: what `force` asks for."""
    return replace(task, names=_names(settings, asks, task.journals, 1))


def _names(settings: TuneSettings, asks: Mapping[str, str], journals: str, further: int = 0) -> dict[str, str]:
    """The study of each family: the latest of those that were begun anew, or one after it."""
    study, storage = settings.tune.study, settings.tune.storage
    names = {name: f"{study}-{name}" if study else f"{name}-{asked}" for name, asked in asks.items()}
    there = study_names(storage or journals)
    turns = (re.fullmatch(rf"{re.escape(name)}-(\d+)", other) for name in names.values() for other in there)
    turn = max((int(found[1]) for found in turns if found), default=1) + further
    return {name: f"{base}-{turn}" if turn > 1 else base for name, base in names.items()}


def _plain(family: Family) -> Family:
    """The family as it is when nobody tunes it: rounds and all."""
    return family.model_copy(update={"search": {}})


def _priced(question: ExperimentSpec, users: Users, fold: np.ndarray) -> Priced:
    """Money of each user under each action; a fold's evidence rests on models fitted on the others."""
    economics, actions = question.economics, question.actions
    spend_intercept, spend_slope = economics.spend(actions, users.contract.good)
    reward, spend = np.empty((2, len(users), len(actions)))
    for number in range(int(fold.max()) + 1):
        held = fold == number
        outside, inside = users.take(~held), users.take(held)
        valued = ValuedUsers.of(question.evidence.kind, outside, inside, actions, economics, question.seed)
        reward[held] = valued.reward
        spend[held] = spend_intercept + spend_slope * valued.evidence.outcome_scores
    return Priced(question.policy, users.features, actions, reward, spend)
