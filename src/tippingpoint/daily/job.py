"""`tippingpoint daily`: users of raw events decided for each day, and what earlier decisions brought."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.core.errors import InputError
from tippingpoint.daily import steps
from tippingpoint.daily.page import KEY, MODEL, Step, done, find_page, finish, held, key_of
from tippingpoint.daily.settings import DailySettings
from tippingpoint.data.events.as_of import refuse_ahead, told
from tippingpoint.data.events.snapshots import epoch
from tippingpoint.reports.console import pages
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider, reference_of
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_experiment
from tippingpoint.tracking.runs import Run, adopt, reap
from tippingpoint.tracking.tags import JOB

STEPS = ("decide", "measure", "retrain", "promote")
"""In the order they are done; the last two on days on which models are fitted again."""


@dataclass(frozen=True)
class DayResult:
    """One day: its page, what came of each step, and which were done before."""

    day: date
    page: str
    run_id: str
    steps: dict[str, Step]
    before: frozenset[str]

    @property
    def asks(self) -> list[str]:
        """Why a person is asked to look."""
        return [step.asks for step in self.steps.values() if step.asks]


@dataclass(frozen=True, repr=False)
class DailyResult(Result):
    """The days that were asked for, in their order."""

    days: list[DayResult]

    @property
    def refused(self) -> bool:
        """Whether a person is asked to look: exit code 1."""
        return any(of.asks for of in self.days)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "days": [
                {
                    "day": of.day.isoformat(),
                    "run_id": of.run_id,
                    "page": of.page,
                    "steps": {
                        name: {"said": step.said, "asks": step.asks, "done_before": name in of.before}
                        for name, step in of.steps.items()
                    },
                }
                for of in self.days
            ],
            "asks": self.refused,
        }

    def render(self) -> RenderableType:
        """One paragraph a day."""
        lines: list[RenderableType] = []
        for of in self.days:
            for k, (name, step) in enumerate(of.steps.items()):
                done_before = " (done before)" if name in of.before else ""
                lines.append(Text(f"{'' if k else str(of.day):<11}{name:<9}{step.said}{done_before}"))
                lines += [Text(f"{'':<11}asks: {step.asks}", style="bold")] if step.asks else []
        last = self.days[-1]
        return Group(*lines, *pages({f"MLflow, {last.day}": last.page}))


def daily(settings: DailySettings) -> DailyResult:
    """Do each day once: decide, measure, and where it is due fit again, judge and promote.

    What is done is told by the day's page in MLflow: typed again, or after a kill, only the rest is done, and the
    result is the same.

    Raises
    ------
    InputError
        When the settings, the log or the champion are wrong; days before the one it is told for stay done.
    RefusedError
        When too many users of a day break the contract.
    OutsideError
        When the store or the database cannot be used, or another process is at a day.
    """
    if settings.as_of is None:
        raise InputError("as_of", "not given", "Type as_of=2026-03-01.")
    refuse_ahead(settings.as_of)
    question = steps.refuse_what_no_day_can(settings)
    client = backend.connect()
    reap(client)
    days = list(_days(settings.since or settings.as_of, settings.as_of))
    with progress(len(days)) as step:
        found = []
        for day in days:
            step(f"{day}")
            found.append(_one(client, settings, question, day))
    return DailyResult(found)


def _days(first: date, last: date) -> Iterator[date]:
    for k in range((last - first).days + 1):
        yield first + timedelta(days=k)


def _one(client: Client, settings: DailySettings, question: str, day: date) -> DayResult:
    """One day, or what is left of it."""
    key = key_of(question, settings.campaign, day.isoformat())
    there = find_page(client, key)
    before = done(there)
    wanted = STEPS if steps.is_due(settings, day) else STEPS[:2]
    if there is not None and there.info.status == "FINISHED" and set(wanted) <= set(before):
        return _result(day, there.info.experiment_id, there.info.run_id, before, before)
    if there is None:
        with backend.store_errors():
            named = settings.champion or f"models:/{settings.name or question}@champion"
            loaded = load_decider(client, reference_of(client, named))
        version, experiment = f"models:/{loaded.name}/{loaded.version}", loaded.model.experiment
        _refuse_later(version, loaded.model.config["data"].get("until"), day)
        check_experiment(client, experiment)
    else:
        version, experiment = there.data.tags[MODEL], there.info.experiment_id
    tags = {**provenance().tags(), JOB: "daily", KEY: key, MODEL: version, "question": question, "as_of": str(day)}
    with held(client, experiment, f"daily {day}", tags, there) as page:
        found = _rest(client, page, settings, day, version, before, wanted)
        asks = any(step.asks for step in found.values())
        page.tags({"mlflow.note.content": _described(day, found), "asks": str(asks).lower()})
    return _result(day, experiment, page.run_id, found, before)


def _refuse_later(version: str, until: int | None, day: date) -> None:
    """Refuse a version that was fitted on the log as it was after the day, where that was said."""
    if until is not None and until > epoch(day):
        what = f"{version} learnt from what came until {told(until)}, after {day}"
        raise InputError("champion", what, f"Type champion={version.rpartition('/')[0]}/…, one that was there by then.")


def _rest(
    client: Client,
    page: Run,
    settings: DailySettings,
    day: date,
    version: str,
    before: dict[str, Step],
    wanted: tuple[str, ...],
) -> dict[str, Step]:
    """All steps of a day, those done before as they were; what each filed is shown under the day's page."""
    found, compared = dict(before), ""
    for name in wanted:
        if name in before:
            continue
        runs: list[str] = []
        if name == "decide":
            step = steps.decide(settings, day, version)
        elif name == "measure":
            step, runs = steps.look_back(settings, day)
        elif name == "retrain":
            step, compared = steps.fit_again(settings, day)
            runs = [compared]
        else:
            step = steps.let_in(settings, day, compared or client.get_run(page.run_id).data.tags["compared"])
        adopt(client, page.run_id, runs)
        if name == "retrain":
            page.tags({"compared": compared})
        finish(page, name, step)
        found[name] = step
    return {name: found[name] for name in STEPS if name in found}


def _result(day: date, experiment: str, run_id: str, found: dict[str, Step], before: dict[str, Step]) -> DayResult:
    ordered = {name: found[name] for name in STEPS if name in found}
    return DayResult(day, backend.page(f"experiments/{experiment}/runs/{run_id}"), run_id, ordered, frozenset(before))


def _described(day: date, found: dict[str, Step]) -> str:
    lines = [f"# {day}", "", "| step | what came of it |", "|---|---|"]
    lines += [f"| {name} | {step.said} |" for name, step in found.items()]
    asks = [f"- {step.asks}" for step in found.values() if step.asks]
    return "\n".join([*lines, *(["", "A person is asked to look:", ""] if asks else []), *asks])
