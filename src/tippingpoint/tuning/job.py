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

import pandas as pd
from rich.console import RenderableType

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.core.run_reference import RunReference
from tippingpoint.data.source import Source
from tippingpoint.data.splits import development
from tippingpoint.data.users import Users
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.decided import of_candidate
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.fitted import FittedModel
from tippingpoint.experiment.record import begin, run_tags
from tippingpoint.experiment.resume import stop_if_asked
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.reports.palette import colour
from tippingpoint.reports.progress import searching
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import Run
from tippingpoint.tuning import report, task, winner
from tippingpoint.tuning.objectives import DIRECTIONS
from tippingpoint.tuning.result import Tuned
from tippingpoint.tuning.search import Crew, Search, crew, digest, get_ready
from tippingpoint.tuning.search_lock import SearchLock
from tippingpoint.tuning.settings import TuneSettings
from tippingpoint.tuning.storages import storage_errors

POLL_SECONDS, FILE_SECONDS, CLEAR_SECONDS = 0.25, 2.0, 5.0
OTHERS_SECONDS = 600
"""How long another machine may be silent over the winner before this one does it."""


@dataclass(frozen=True, repr=False)
class TuneResult(Result):
    """What a search found, and where it is filed."""

    question: ExperimentSpec
    tuned: Tuned
    filed: RunReference | None
    """None where nothing was to be written."""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        filed = asdict(self.filed) if self.filed else {}
        found = all_of(self.question, *([self.tuned.candidate] if self.tuned.candidate else []))
        told: dict[str, Any] = {"findings": [finding.to_dict() for finding in found]}
        if self.tuned.candidate:
            told["decision"] = of_candidate(self.question, self.tuned.candidate, self.filed).to_dict()
        return {**self.question.to_dict(), **self.tuned.to_dict(self.question.evidence.kind), **told, **filed}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.summary(self.question, self.tuned, self.filed)

    @property
    def best(self) -> FittedModel:
        """The winner, refitted on train and validation.

        Raises
        ------
        InputError
            When an earlier search filed it: then it is in the store alone.
        """
        registered = self.filed.registered if self.filed else None
        if self.tuned.candidate is None:
            where = registered or (self.filed.run_id if self.filed else "")
            raise InputError("best", "an earlier search fitted the winner", f"It is there as {where}.")
        return FittedModel(self.tuned.candidate, self.question, registered or f"memory:{self.tuned.best.family}")

    @property
    def models(self) -> tuple[FittedModel, ...]:
        """The winner alone, as of `CompareResult`."""
        return (self.best,)

    def leaderboard(self) -> pd.DataFrame:
        """One row a trial: parameters, objectives, and the gain over the family's own parameters."""
        return self.tuned.table()


def tune(settings: TuneSettings, source: Source | None = None) -> TuneResult:
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
    if source is None:
        stop_if_asked(settings, "tune")
    with searching() as bar, tempfile.TemporaryDirectory() as folder:
        bar.say("reading users")
        question = ask(settings, source)
        bar.say(question.evidence_in_words)
        settings = task.by_value(settings, question)
        task.check(settings, question)
        get_ready(question.families.values())
        bar.say("opening the store")
        opened = begin(settings, question, "tune") if settings.tracking.log else None
        everyone = development(question.users, settings.split)
        bar.say("preparing folds")
        given = task.prepared(settings, question, everyone, Path(folder))
        asks = task.digests(settings, question)
        search = Search(given, asks)
        if settings.force and search.reached:
            search = Search(task.again(given, settings, asks), asks)
        search.clear()
        if opened is None:
            return _in_memory(settings, question, everyone, search, bar)
        client, experiment, own = opened
        tags = run_tags(question, "tune") | own | {"mlflow.runName": _name(settings, question)}
        with contextlib.ExitStack() as stack:
            hired = None if search.reached else stack.enter_context(crew(search.task))
            with _interruptible(hired, bar) as interrupted:
                if hired is not None:
                    bar.begin(search.complete, search.target)
                lock = stack.enter_context(_lock(settings, question, search, client, experiment, tags))
                if hired is not None:
                    with storage_errors(given.kept):  # inside the lock, whose errors are MLflow's
                        _watch(search, hired, lock, bar, interrupted)
            with storage_errors(given.kept):
                while True:
                    bar.say("filing trials")
                    parent = _parent(search, lock, experiment)
                    if isinstance(parent, RunReference):
                        views = winner.pages(settings, question, client, experiment, parent.run_id)
                        return TuneResult(question, winner.found(search), replace(parent, views=views))
                    bar.say("winner: fitting, measuring, explaining")
                    with lock.closing():
                        done = winner.close(settings, question, everyone, search, client, parent, lock)
                    if done is not None:
                        return TuneResult(*done)


def _in_memory(
    settings: TuneSettings, question: ExperimentSpec, everyone: Users, search: Search, bar: Any
) -> TuneResult:
    """Search and measure the winner; nothing is left behind.

    Raises
    ------
    SystemExit
        When a signal came.
    """
    with storage_errors(search.task.kept), crew(search.task) as hired, _interruptible(hired, bar) as interrupted:
        bar.begin(search.complete, search.target)
        while hired.look():
            time.sleep(POLL_SECONDS)
            bar.update(search.complete, search.target, _status_lines(search), search.task.tune.workers)
    if interrupted:
        raise SystemExit(128 + interrupted[0])
    bar.say("winner: fitting, measuring, explaining")
    winner_of, tuned = winner.measured(settings, question, everyone, search)
    return TuneResult(winner_of, tuned, None)


def _lock(
    settings: TuneSettings,
    question: ExperimentSpec,
    search: Search,
    client: Client,
    experiment: str,
    tags: dict[str, str],
) -> SearchLock:
    """The search's run: another policy or price, another cut-off or explanation, is another run of the same study."""
    asked = settings.model_dump(mode="json", include={"select_by", "explain_rows"})
    answered = digest(
        {
            **asked,
            "policy": question.policy.digest,
            "economics": settings.economics.as_written(),
            "evidence": question.evidence.label,
            **({"accepted": accepted} if (accepted := settings.diagnostics.accept) else {}),
            "registered": settings.tracking.register_model,
            **({"report": "full"} if settings.reported == "full" else {}),  # larger than what may be there
        }
    )
    # A smaller target than there are trials asks for nothing: the winner of all is there.
    target = max(search.target, search.complete)
    studies = {label: colour(family) for family, label in search.labels.items()}
    return SearchLock(client, experiment, tags, studies, target, answered)


def _name(settings: TuneSettings, question: ExperimentSpec) -> str:
    families = "all" if len(question.families) > 2 else " ".join(question.families)
    objectives = "/".join(settings.tune.objectives)
    return f"tune {families} · {objectives} · seed {question.seed} · {question.origin}"


def _file(search: Search, lock: SearchLock, anew: bool = False) -> Run | None:
    """File what ended, if the search's run is ours to fill; `anew` looks again at what others filed meanwhile."""
    if (parent := lock.take()) is not None and lock.log is not None:
        if anew:
            lock.log.done = None
        tried, objective = search.tried(), search.task.tune.objectives[0]
        lock.log.write(tried)
        lock.log.best_so_far(tried, objective, DIRECTIONS[objective] == "maximize")
    return parent


def _watch(search: Search, hired: Crew, lock: SearchLock, bar: Any, interrupted: list[int]) -> None:
    """File what ends and show how far it is, until the workers have gone home.

    Raises
    ------
    SystemExit
        When they were sent home by a signal.
    """
    filed = cleared = time.monotonic()
    while hired.look():
        time.sleep(POLL_SECONDS)
        bar.update(search.complete, search.target, _status_lines(search), search.task.tune.workers)
        if time.monotonic() - filed > FILE_SECONDS:
            try:
                _file(search, lock)
            except OutsideError:
                bar.warn("the store cannot be reached: the search goes on, its trials are filed when it is back")
            filed = time.monotonic()
        if time.monotonic() - cleared > CLEAR_SECONDS:
            search.clear()
            cleared = time.monotonic()
    if interrupted:
        with contextlib.suppress(OutsideError):
            _file(search, lock)
        bar.warn(f"stopped at {search.complete} of {search.target}; the same line goes on from there")
        raise SystemExit(128 + interrupted[0])
    search.clear()
    bar.update(search.complete, search.target, _status_lines(search), ended=True)


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
            stopping.note(number)
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


def _status_lines(search: Search) -> list[str]:
    """The best so far and its gain, in words; then shorter, without the interval, and the gain."""
    best = search.best()
    if best is None:
        return ["no complete trial yet"]
    objective = search.task.tune.objectives[0]
    gain = winner.simultaneous(best, search.looked_at)
    interval = "" if gain.low is None else f" [{gain.low:+.4f}, {gain.high:+.4f}]"
    found = f"{best.family} {objective} {best.values[objective]:.4f}"
    gained = f"{found}, over its defaults {gain.value:+.4f}"
    return [f"{gained}{interval}", gained, f"{found} ({gain.value:+.4f})", found]


def _parent(search: Search, lock: SearchLock, experiment: str) -> Run | RunReference:
    """The search's run with all trials filed, if it is ours to close; else where another process closed it.

    Raises
    ------
    OutsideError
        When the store cannot be reached.
    """
    waited, heard = time.monotonic(), tuple[str, ...]()
    try:
        while True:
            if closed := lock.closed():
                run_id, registered = closed
                return RunReference(run_id, backend.page(f"experiments/{experiment}/runs/{run_id}"), registered or None)
            if (parent := _file(search, lock, anew=True)) is not None:
                return parent
            time.sleep(1)
            if (now := lock.heard()) != heard:
                waited, heard = time.monotonic(), now
            elif time.monotonic() - waited > OTHERS_SECONDS:
                lock.take(whoever_has_it=True)
    except OutsideError as error:
        raise OutsideError(
            error.where,
            f"{error.what}; the study has its {search.complete} complete trials",
            "When the store is back, type the same line: what is missing there is filed then.",
        ) from error
