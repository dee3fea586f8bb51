"""The winner of a search: what it gains, refitted, measured once on test, filed and registered."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import norm

from tippingpoint.config.settings import RESPONSE
from tippingpoint.core.run_reference import RunReference
from tippingpoint.data.users import Users
from tippingpoint.evaluation import CONTRIBUTIONS
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.baselines import with_baselines
from tippingpoint.experiment.build import fitted_on
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.challenger import challenge_unless_worse
from tippingpoint.experiment.decided import of_candidate
from tippingpoint.experiment.record import overview, record, register_candidate
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.models.calibration import refit
from tippingpoint.offpolicy.contest import contest
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.value import contest_of_values
from tippingpoint.reports.markdown import shortened
from tippingpoint.reports.palette import colour
from tippingpoint.tracking import backend
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import COLOUR, Run
from tippingpoint.tracking.views import described, leaderboard, seed
from tippingpoint.tracking.views import tuning as tuning_view
from tippingpoint.tuning import report
from tippingpoint.tuning.objectives import DIRECTIONS
from tippingpoint.tuning.result import Tried, Tuned
from tippingpoint.tuning.search import Search
from tippingpoint.tuning.search_lock import CLOSED, SearchLock
from tippingpoint.tuning.settings import TuneSettings

REPORT = "search.html"
JUDGED = ("value", *CONTRIBUTIONS)
"""Objectives whose gain has an error per user on test; for others ROC AUC stands in."""


def simultaneous(best: Tried, trials: int) -> Estimate:
    """The gain of the best of so many trials, its interval wide enough for all of them (Bonferroni).

    `trials` are all that were judged, those ended early too. For trials drawn blindly that is conservative. A sampler
    that learns looks at the same folds again and again, and boosting rounds are chosen on them too, for which nothing
    is added: the gain on test has none of this.
    """
    assert best.gain is not None
    if best.gain.se is None:
        return best.gain
    z = float(norm.isf(0.025 / max(1, trials)))
    return replace(best.gain, low=best.gain.value - z * best.gain.se, high=best.gain.value + z * best.gain.se)


def found(
    search: Search, candidate: Candidate | None = None, judged: str = "roc_auc", gain: Estimate | None = None
) -> Tuned:
    """What a search found; the winner's own answer with it where it is at hand."""
    best = search.best()
    assert best is not None
    tried = search.tried()
    return Tuned(
        objectives=tuple(search.task.tune.objectives),
        maximize=DIRECTIONS[search.task.tune.objectives[0]] == "maximize",
        tried=tried,
        best=best,
        gain=simultaneous(best, search.looked_at),
        baseline={
            name: dict(zip(search.task.tune.objectives, found.objectives(), strict=True))
            for name, found in search.task.baseline.items()
        },
        candidate=candidate,
        judged=judged,
        gain_on_test=gain,
        before=search.before,
        storage=search.task.place(best.family),
        put_back=search.cleared,
        front=_front(search.task.tune.objectives, tried),
    )


def _front(objectives: Sequence[str], tried: Sequence[Tried]) -> tuple[tuple[str, int], ...]:
    if len(objectives) < 2:
        return ()
    complete = [trial for trial in tried if trial.values]
    signs = np.array([1 if DIRECTIONS[objective] == "maximize" else -1 for objective in objectives])
    values = np.array([list(trial.values.values()) for trial in complete]) * signs
    beaten = [bool(np.any((values >= mine).all(axis=1) & (values > mine).any(axis=1))) for mine in values]
    return tuple(trial.place for trial, by_any in zip(complete, beaten, strict=True) if not by_any)


def _gain_on_test(
    settings: TuneSettings, question: ExperimentSpec, everyone: Users, tuned: Candidate, judged: str
) -> Estimate:
    """What the winner gains over its family's own parameters, both refitted, on test, positive for better."""
    rng = np.random.default_rng([settings.seed, 5])
    if judged == "value":
        plain = answer(question, tuned.family, everyone)
        (verdict,) = contest_of_values({"tuned": tuned.value, "defaults": plain.value}, rng)
    else:
        family, outcome = question.families[tuned.family], question.parts.test.outcome
        seen = everyone.take(fitted_on(question, everyone))
        if judged == "roc_auc":  # which calibration leaves as it is
            fitted = family.pipeline(seen.contract, settings.seed).fit(seen.features, seen.outcome)
            score = fitted.predict_proba(question.parts.test.features)[:, 1]
        else:
            score = refit(family, seen, settings.seed)[0].score(question.parts.test)
        better = 1 if DIRECTIONS[judged] == "maximize" else -1
        scores = {"tuned": tuned.score, "defaults": score}
        judged_by = {name: better * CONTRIBUTIONS[judged](outcome, each) for name, each in scores.items()}
        (verdict,) = contest(judged_by, rng, group=question.parts.test.codes)
    return verdict.difference


def measured(
    settings: TuneSettings, question: ExperimentSpec, everyone: Users, search: Search
) -> tuple[ExperimentSpec, Tuned]:
    """Refit the winner on train and validation and measure it once on test, beside its family's own parameters."""
    best = search.best()
    assert best is not None
    own = question.families[best.family]
    learners = {name: of for name, of in question.learners.items() if name == best.family}
    select_by = question.select_by if learners or not question.learners else settings.select_by
    winner = replace(
        question, families={best.family: own.having(best.parameters)}, learners=learners, select_by=select_by
    )
    winner = with_baselines(winner, everyone)
    candidate = answer(winner, best.family, everyone)
    objective = settings.tune.objectives[0]
    judged = objective if objective in JUDGED else "roc_auc"
    gain = _gain_on_test(settings, question, everyone, candidate, judged)
    return winner, found(search, candidate, judged, gain)


def close(
    settings: TuneSettings,
    question: ExperimentSpec,
    everyone: Users,
    search: Search,
    client: Client,
    parent: Run,
    lock: SearchLock,
) -> tuple[ExperimentSpec, Tuned, RunReference] | None:
    """Refit the winner on train and validation, measure it once on test beside its defaults, file and register it.

    Return the question with what the winner must beat, what the search found, and where it is filed. None when another
    machine has the lock by then: what becomes of the winner is its own to say.
    """
    winner, tuned = measured(settings, question, everyone, search)
    question = replace(question, baselines=winner.baselines)
    best, candidate, gain = tuned.best, tuned.candidate, tuned.gain_on_test
    assert candidate is not None
    assert gain is not None
    of = question.learners.get(best.family)
    family, learner = (best.family, "response") if of is None else (of.family, of.learner)
    part = settings.model[family]
    chosen = part.model_copy(update={"arguments": {**part.arguments, **best.parameters}})
    as_run = settings.model_copy(
        update={"model": {family: chosen}, "learner": {learner: settings.learner.get(learner, RESPONSE)}}
    )
    model_id = record(candidate, winner, as_run, parent, overview(winner))
    parent.metrics(
        {f"cv/{name}": value for name, value in best.values.items()}
        | {"cv/gain": tuned.gain, f"test/{tuned.judged}_gain": gain}
    )
    words = _in_words(question, tuned)
    _write_search(question, search, tuned, words, parent)
    if lock.take() is None:
        return None
    registered = None
    if settings.tracking.register_model:
        version = register_candidate(
            client, candidate, winner, parent.run_id, model_id, test_set=settings.tracking.test_set
        )
        if tuned.challenges:
            challenge_unless_worse(client, version, candidate, winner, settings.tracking)
        registered = version.uri
    saved = pages(settings, question, client, parent.experiment, parent.run_id)
    card = client.get_run(parent.run_id).data.tags["mlflow.note.content"]
    first, _, rest = card.partition("\n\n")
    note = shortened(f"{first}\n\n{' '.join(words)}\n\n{rest}", "run") + f"\n\n{described(saved)}"
    named = {"registered": registered} if registered else {}
    parent.tags({"mlflow.note.content": note, COLOUR: colour(best.family), CLOSED: registered or "", **named})
    return question, tuned, RunReference(parent.run_id, backend.page(parent.path), registered, saved)


def _in_words(question: ExperimentSpec, tuned: Tuned) -> list[str]:
    trials = f"{tuned.count('complete'):,} complete trials, {tuned.count('pruned'):,} ended early"
    return [f"{trials}, {tuned.count('failed'):,} failed.", *report.in_words(question, tuned)]


def _write_search(question: ExperimentSpec, search: Search, tuned: Tuned, words: list[str], run: Run) -> None:
    """File the search in its run: page, figure and table of the trials."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        title = f"{question.name}: search on {question.origin}"
        assert tuned.candidate is not None
        decision = of_candidate(question, tuned.candidate, None)
        of = tuned.objectives, words, tuned.tried, tuned.best, decision
        (folder / REPORT).write_text(report.page(title, search.studies, *of))
        objective = tuned.objectives[0]
        values = {
            family: np.array([t.values[objective] for t in tuned.tried if t.family == family and t.values])
            for family in search.studies
        }
        report.history(folder / "figures/search.png", values, objective, tuned.maximize)
        (folder / "tables").mkdir(exist_ok=True)
        tuned.table().to_csv(folder / "tables/trials.csv", index=False)
        run.artifacts(folder)


def pages(
    settings: TuneSettings, question: ExperimentSpec, client: Client, experiment: str, run_id: str
) -> dict[str, str]:
    """The search's page and the saved views it is looked at in, seeded where they are missing."""
    objective = settings.tune.objectives[0]
    tried = {name: family.search for name, family in question.families.items()}
    winners = leaderboard(question.select_by)
    views = tuning_view(objective, DIRECTIONS[objective] == "maximize", tried), winners
    page = backend.page(f"experiments/{experiment}/runs/{run_id}/artifacts/{REPORT}")
    return {"Report": page} | seed(client, experiment, views)
