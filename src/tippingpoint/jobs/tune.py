"""`tippingpoint tune`: hyper-parameters searched to a target, over kills and machines; the winner registered."""

import contextlib
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from scipy.stats import norm

from tippingpoint.data.splits import development
from tippingpoint.data.users import Users
from tippingpoint.errors import InputError, OutsideError
from tippingpoint.evaluation import auc_contributions
from tippingpoint.findings import Candidate, Filed, Question, Tried, Tuned
from tippingpoint.jobs.candidate import answer, open_store, record, register_candidate, run_tags
from tippingpoint.jobs.finished import DIGEST, own_tags, stop_if_finished
from tippingpoint.jobs.progress import searching
from tippingpoint.jobs.question import ask, gather_evidence
from tippingpoint.models.family import Family
from tippingpoint.policies.best_action import BestAction
from tippingpoint.reports import figures, tuning
from tippingpoint.reports.cards import shortened
from tippingpoint.reports.palette import colour
from tippingpoint.settings import TuneSettings
from tippingpoint.simulation.contest import contest
from tippingpoint.simulation.statistics import Estimate
from tippingpoint.tracking import backend
from tippingpoint.tracking.registry import Client, challenge
from tippingpoint.tracking.runs import COLOUR, Run
from tippingpoint.tracking.trials import CLOSED, Seat
from tippingpoint.tracking.views import described, leaderboard, seed
from tippingpoint.tracking.views import tuning as tuning_view
from tippingpoint.tuning import studies
from tippingpoint.tuning.folds import Priced, cut, prepare
from tippingpoint.tuning.objectives import DIRECTIONS, MONEY, cross_validate
from tippingpoint.tuning.search import Crew, Search, crew, digest, threads_each
from tippingpoint.tuning.worker import Silent, Task

POLL_SECONDS, FILE_SECONDS, CLEAR_SECONDS = 0.25, 2.0, 5.0
REPORT = "search.html"
OTHERS_SECONDS = 600
"""How long another machine may take over the winner before this one does it."""


@dataclass(frozen=True)
class TuneResult:
    """What a search found, and where it is filed."""

    question: Question
    tuned: Tuned
    filed: Filed

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**self.question.as_dict(), **self.tuned.as_dict(self.question.evidence.kind), **asdict(self.filed)}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return tuning.summary(self.question, self.tuned, self.filed)


def tune(settings: TuneSettings) -> TuneResult:
    """Search the families' hyper-parameters until the study has `tune.trials` complete trials; register the winner.

    Raises
    ------
    InputError
        When the config or the data are wrong, or most trials fail.
    OutsideError
        When the storage or the store cannot be used; finished trials are kept.
    Finished
        Under a sweep, when a finished run has the same config, data and code.
    """
    with searching() as bar, tempfile.TemporaryDirectory() as folder:
        bar.say("reading users")
        question = ask(settings)
        _check(settings, question)
        everyone = development(question.users, settings.split)
        bar.say("preparing folds")
        task = _task(settings, question, everyone, Path(folder))
        search = Search(task, _digests(settings, question))
        search.clear()
        with contextlib.ExitStack() as stack:
            hired = None if search.reached else stack.enter_context(crew(task))
            with _interruptible(hired, bar) as interrupted:
                bar.say("opening the store")
                client, experiment = open_store(settings, question)
                own = own_tags(settings, question, "tune") | {"mlflow.runName": _name(settings, question)}
                stop_if_finished(client, experiment, settings, "tune", own[DIGEST])
                tags = run_tags(question, "tune") | own
                seat = stack.enter_context(_seat(settings, question, search, client, experiment, tags))
                if hired is not None:
                    with studies.storage_errors(task.kept):  # inside the seat, whose errors are MLflow's
                        _watch(search, hired, seat, bar, interrupted)
            with studies.storage_errors(task.kept):
                bar.say("filing trials")
                parent = _parent(search, seat, experiment)
                if isinstance(parent, Filed):
                    views = _pages(settings, question, client, experiment, parent.run_id)
                    return TuneResult(question, _tuned(search), replace(parent, views=views))
                bar.say("winner: fitting, measuring, explaining")
                tuned, filed = _close(settings, question, everyone, search, client, parent)
    return TuneResult(question, tuned, filed)


def _check(settings: TuneSettings, question: Question) -> None:
    asked = settings.tune
    for name, family in question.families.items():
        if not family.search:
            raise InputError(f"model.{name}.search", "is empty: there is nothing to try", "Give it ranges or choices.")
        studies.sampler(asked.sampler, family, asked.grid_points, settings.seed)  # here, not in each worker
    if money := set(asked.objectives) & set(MONEY):
        if not question.evidence.measured:
            raise InputError(
                "tune.objectives",
                f"{' and '.join(sorted(money))} would rest on assumptions: nothing was ever tried on these users",
                "Take a metric (roc_auc), or data with logged actions.",
            )
        if isinstance(question.policy, BestAction):
            raise InputError(
                "tune.objectives", f"policy {question.policy.name} reads no score", "Take bands, or a metric."
            )
    if asked.sampler == "cmaes" and len(asked.objectives) > 1:
        raise InputError("tune.sampler", "cmaes takes one objective", "Take tpe, or one objective.")


def _digests(settings: TuneSettings, question: Question) -> dict[str, str]:
    """What each family's study asks; trials, workers, storage, tracking and output do not change the answer."""
    asked = settings.tune
    shared: dict[str, Any] = {
        "data": question.users.digest,
        "split": settings.split.model_dump(),
        "seed": settings.seed,
        "tune": asked.model_dump(include={"objectives", "sampler", "grid_points", "folds", "prune"}),
    }
    if set(asked.objectives) & set(MONEY):
        shared |= {
            "policy": question.policy.digest,
            "economics": settings.economics.as_written(),
            "evidence": question.evidence.kind,
        }
    return {name: digest({**shared, "model": part.as_written()}) for name, part in settings.model.items()}


def _task(settings: TuneSettings, question: Question, everyone: Users, folder: Path) -> Task:
    asked = settings.tune
    fold = cut(everyone, asked.folds, settings.seed)
    folds = prepare(everyone, fold, question.families, settings.seed, folder)
    priced = _priced(question, everyone, fold) if set(asked.objectives) & set(MONEY) else None
    digests = _digests(settings, question)
    names = {name: f"{asked.study}-{name}" if asked.study else f"{name}-{digests[name]}" for name in question.families}
    baseline = {
        name: cross_validate(_plain(family), name, folds, asked.objectives, priced, threads_each(1), Silent())
        for name, family in question.families.items()
    }
    return Task(
        families=question.families,
        names=names,
        storage=asked.storage,
        tune=asked,
        folds=folds,
        priced=priced,
        baseline=baseline,
        seed=settings.seed,
        threads=threads_each(asked.workers),
    )


def _plain(family: Family) -> Family:
    """The family as it is when nobody tunes it: rounds and all."""
    return family.model_copy(update={"search": {}})


def _priced(question: Question, users: Users, fold: np.ndarray) -> Priced:
    """Money of each user under each action; a fold's evidence rests on models fitted on the others."""
    economics, actions, good = question.economics, question.actions, users.contract.good
    phi = np.empty((len(users), len(actions)))
    for number in range(int(fold.max()) + 1):
        held = fold == number
        outside, inside = users.take(~held), users.take(held)
        response = economics.response(actions)
        phi[held] = gather_evidence(question.evidence.kind, outside, inside, response, question.seed).phi
    alpha, beta = economics.rewards(actions, good, users.costs)
    spend_alpha, spend_beta = economics.spend(actions, good)
    return Priced(question.policy, users.features, actions, alpha + beta * phi, spend_alpha + spend_beta * phi)


def _seat(
    settings: TuneSettings, question: Question, search: Search, client: Client, experiment: str, tags: dict[str, str]
) -> Seat:
    """The search's run: another policy or price, another cut-off or explanation, is another run of the same study."""
    asked = settings.model_dump(mode="json", include={"select_by", "explain_rows"})
    answered = digest(
        {
            **asked,
            "policy": question.policy.digest,
            "economics": settings.economics.as_written(),
            "evidence": question.evidence.kind,
            "registered": settings.tracking.register_model,
        }
    )
    # A smaller target than there are trials asks for nothing: the winner of all is there.
    target = max(search.target, search.complete)
    return Seat(client, experiment, tags, list(search.labels.values()), target, answered)


def _name(settings: TuneSettings, question: Question) -> str:
    families = "all" if len(question.families) > 2 else " ".join(question.families)
    return f"tune {families} {'/'.join(settings.tune.objectives)} {question.origin}"


def _file(search: Search, seat: Seat) -> Run | None:
    """File what ended, if the search's run is ours to fill."""
    if (parent := seat.take()) is not None and seat.log is not None:
        tried, objective = search.tried(), search.task.tune.objectives[0]
        seat.log.write(tried)
        seat.log.best_so_far(tried, objective, DIRECTIONS[objective] == "maximize")
    return parent


def _watch(search: Search, hired: Crew, seat: Seat, bar: Any, interrupted: list[int]) -> None:
    """File what ends and show how far it is, until the workers have gone home.

    Raises
    ------
    SystemExit
        When they were sent home by a signal.
    """
    filed = cleared = time.monotonic()
    while hired.look():
        time.sleep(POLL_SECONDS)
        bar.update(search.complete, search.target, _standing(search))
        if time.monotonic() - filed > FILE_SECONDS:
            try:
                _file(search, seat)
            except OutsideError:
                bar.warn("the store cannot be reached: the search goes on, its trials are filed when it is back")
            filed = time.monotonic()
        if time.monotonic() - cleared > CLEAR_SECONDS:
            search.clear()
            cleared = time.monotonic()
    if interrupted:
        with contextlib.suppress(OutsideError):
            _file(search, seat)
        bar.warn(f"stopped at {search.complete} of {search.target}; the same line goes on from there")
        raise SystemExit(128 + interrupted[0])
    search.clear()


@contextmanager
def _interruptible(hired: Crew | None, bar: Any) -> Iterator[list[int]]:
    """The first signal ends the search after the folds under way, the second at once; gives those that came."""
    heard: list[int] = []
    if hired is None or threading.current_thread() is not threading.main_thread():
        yield heard
        return
    workers = hired

    def hear(number: int, _: object) -> None:
        heard.append(number)
        if len(heard) > 1:
            bar.warn("stopped now; what was under way is tried again by the same line")
            raise SystemExit(128 + number)
        workers.stop()
        bar.warn("finishing the folds under way; once more stops now")

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _standing(search: Search) -> str:
    """The best so far and its gain, in words."""
    best = search.best()
    if best is None:
        return "no complete trial yet"
    objective = search.task.tune.objectives[0]
    gain = simultaneous(best, search.complete)
    told = "" if gain.low is None else f" [{gain.low:+.4f}, {gain.high:+.4f}]"
    return f"{best.family} {objective} {best.values[objective]:.4f}, over its defaults {gain.value:+.4f}{told}"


def simultaneous(best: Tried, trials: int) -> Estimate:
    """The gain of the best of so many trials, its interval wide enough for all of them (Bonferroni).

    That is exact for trials drawn blindly. A sampler that learns looks at the same folds again and again, and boosting
    rounds are chosen on them too, for which nothing is added: the gain on test has none of this.
    """
    assert best.gain is not None
    if best.gain.se is None:
        return best.gain
    z = float(norm.isf(0.025 / max(1, trials)))
    return replace(best.gain, low=best.gain.value - z * best.gain.se, high=best.gain.value + z * best.gain.se)


def _parent(search: Search, seat: Seat, experiment: str) -> Run | Filed:
    """The search's run with all trials filed, if it is ours to close; else where another process closed it.

    Raises
    ------
    OutsideError
        When the store cannot be reached.
    """
    waited = time.monotonic()
    try:
        while True:
            if closed := seat.closed():
                run_id, registered = closed
                return Filed(run_id, backend.page(f"experiments/{experiment}/runs/{run_id}"), registered or None)
            if (parent := _file(search, seat)) is not None:
                return parent
            time.sleep(1)
            if time.monotonic() - waited > OTHERS_SECONDS:
                seat.take(whoever_has_it=True)
    except OutsideError as error:
        raise OutsideError(
            error.where,
            f"{error.what}; the study has its {search.complete} complete trials",
            "When the store is back, type the same line: what is missing there is filed then.",
        ) from error


def _tuned(
    search: Search, candidate: Candidate | None = None, judged: str = "roc_auc", gain: Estimate | None = None
) -> Tuned:
    best = search.best()
    assert best is not None
    tried = search.tried()
    return Tuned(
        objectives=tuple(search.task.tune.objectives),
        maximize=DIRECTIONS[search.task.tune.objectives[0]] == "maximize",
        tried=tried,
        best=best,
        gain=simultaneous(best, sum(bool(t.values) for t in tried)),
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
    )


def _pages(settings: TuneSettings, question: Question, client: Client, experiment: str, run_id: str) -> dict[str, str]:
    """The search's page and the saved views it is looked at in, seeded where they are missing."""
    objective = settings.tune.objectives[0]
    tried = {name: family.search for name, family in question.families.items()}
    views = tuning_view(objective, DIRECTIONS[objective] == "maximize", tried), leaderboard(question.select_by)
    page = backend.page(f"experiments/{experiment}/runs/{run_id}/artifacts/{REPORT}")
    return {"Report": page} | seed(client, experiment, views)


def _gain_on_test(
    settings: TuneSettings, question: Question, everyone: Users, tuned: Candidate, judged: str
) -> Estimate:
    """What the winner gains over its family's own parameters, both refitted, on test: ROC AUC or money per user."""
    if judged == "value":
        plain = answer(question, tuned.family, everyone)
        found = {"tuned": tuned.value.contribution, "defaults": plain.value.contribution}
    else:
        family, outcome = question.families[tuned.family], question.parts.test.outcome
        fitted = family.pipeline(everyone.contract, settings.seed).fit(everyone.features, everyone.outcome)
        score = fitted.predict_proba(question.parts.test.features)[:, 1]
        found = {"tuned": auc_contributions(outcome, tuned.score), "defaults": auc_contributions(outcome, score)}
    (verdict,) = contest(found, np.random.default_rng([settings.seed, 5]))
    return verdict.difference


def _close(
    settings: TuneSettings, question: Question, everyone: Users, search: Search, client: Client, parent: Run
) -> tuple[Tuned, Filed]:
    """Refit the winner on train and validation, measure it once on test beside its defaults, file and register it."""
    best = search.best()
    assert best is not None
    own = question.families[best.family]
    winner = replace(question, families={best.family: own.having(best.parameters)})
    candidate = answer(winner, best.family, everyone)
    judged = "value" if settings.tune.objectives[0] == "value" else "roc_auc"
    gain = _gain_on_test(settings, question, everyone, candidate, judged)
    tuned = _tuned(search, candidate, judged, gain)
    part = settings.model[best.family]
    chosen = part.model_copy(update={"arguments": {**part.arguments, **best.parameters}})
    as_run = settings.model_copy(update={"model": {best.family: chosen}})
    model_id = record(candidate, winner, as_run, parent, figures.overview(question.users))
    parent.metrics(
        {f"cv/{name}": value for name, value in best.values.items()}
        | {"cv/gain": tuned.gain, f"test/{judged}_gain": gain}
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / REPORT).write_text(
            tuning.page(f"{question.name}: search on {question.origin}", search.studies, settings.tune.objectives)
        )
        objective = settings.tune.objectives[0]
        values = {
            family: np.array([t.values[objective] for t in tuned.tried if t.family == family and t.values])
            for family in search.studies
        }
        tuning.history(folder / "figures/search.png", values, objective, tuned.maximize)
        (folder / "tables").mkdir(exist_ok=True)
        tuned.table().to_csv(folder / "tables/trials.csv", index=False)
        parent.artifacts(folder)
    registered = None
    if settings.tracking.register_model:
        version = register_candidate(client, candidate, winner, parent.run_id, model_id)
        challenge(client, version)
        registered = version.uri
    parent.tags({CLOSED: registered or "", **({"registered": registered} if registered else {})})
    saved = _pages(settings, question, client, parent.experiment, parent.run_id)
    note = client.get_run(parent.run_id).data.tags["mlflow.note.content"]
    parent.tags({"mlflow.note.content": shortened(described(saved) + note, "run"), COLOUR: colour(tuned.best.family)})
    return tuned, Filed(parent.run_id, backend.page(parent.path), registered, saved)
