"""The steps of a day as plain functions, which an orchestrator may call one by one: each may be called again."""

from datetime import date
from math import isfinite
from typing import Any, TypeVar

from tippingpoint.comparison.job import CompareResult, compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.core.strict import Component, validate
from tippingpoint.daily.page import Step
from tippingpoint.daily.settings import DailySettings
from tippingpoint.data import database
from tippingpoint.data.days import start
from tippingpoint.data.events.snapshots import epoch
from tippingpoint.data.events.source import Events, EventSource
from tippingpoint.data.source import Source
from tippingpoint.experiment.resume import Finished
from tippingpoint.measurement.job import MeasureResult, measure
from tippingpoint.measurement.outcomes import NotKnownError
from tippingpoint.measurement.settings import MeasureSettings
from tippingpoint.promotion.approve import waiting
from tippingpoint.promotion.job import PromoteResult, promote
from tippingpoint.promotion.pinned_gate import APPROVAL
from tippingpoint.promotion.settings import PromoteSettings
from tippingpoint.scoring.job import PREDICTIONS, NobodyError, ScoreResult, score
from tippingpoint.scoring.settings import ScoreSettings, ScoreTracking
from tippingpoint.tuning.job import TuneResult, tune
from tippingpoint.tuning.settings import TuneSettings

T = TypeVar("T", CompareSettings, TuneSettings)
NOT_YET = "no outcome is known yet"


def decide(settings: DailySettings, day: date, version: str) -> Step:
    """Make features of the users as of a day, score them by a version, and put the decisions into the table.

    Decisions carry the beginning of the day as their time, so that they are the same whenever they are made.

    Raises
    ------
    InputError, RefusedError, OutsideError
        As `score` does; then nothing of the day stands in the table.
    """
    assert settings.predictions is not None
    asked = ScoreSettings(
        data=settings.data,
        as_of=day,
        days=settings.days,
        to=settings.predictions,
        campaign=settings.campaign,
        model=version,
        holdout=settings.holdout,
        holdout_actions=settings.holdout_actions,
        scored_at=start(day).isoformat(),
        quarantine=settings.quarantine,
        quarantine_share=settings.quarantine_share,
        diagnostics=settings.diagnostics,
        tracking=ScoreTracking(log=False),
    )
    try:
        found: ScoreResult = score(asked)
    except NobodyError:
        return Step("nobody is to be decided for", figures={"rows/decided": 0.0})
    tally = found.scored.tally
    figures = {f"rows/{name}": float(getattr(tally, name)) for name in ("rows", "decided", "quarantined", "explored")}
    for row in found.scored.segments.to_dict("records"):
        figures |= {f"segment/{row['segment']}/{key}": float(row[key]) for key in ("users", "mean_score")}
    drift = found.scored.drift
    figures |= {f"drift/{row['column']}/psi": float(row["psi"]) for row in drift.to_dict("records")}
    figures |= {"drift/psi": float(drift["psi"].max())} if len(drift) else {}
    asks = "; ".join(map(str, found.findings))
    figures = {name: value for name, value in figures.items() if isfinite(value)}  # an empty segment has no mean
    return Step(f"{tally.decided:,} users decided for by {version}", asks, figures)


def look_back(settings: DailySettings, day: date) -> tuple[Step, list[str]]:
    """Tell from events received before a day what earlier decisions of the campaign brought.

    Returns
    -------
    Step, list of str
        What was measured, and the ids of the runs it was filed in, one a version.

    Raises
    ------
    InputError, OutsideError
        As `measure` does.
    """
    assert settings.predictions is not None
    url, table = database.table_of(settings.predictions)
    if not settings.holdout:
        return Step("not measured: no share of the actions is drawn at random (holdout=0)"), []
    if not database.has(url, table or PREDICTIONS):
        return Step(NOT_YET), []
    asked = MeasureSettings(
        decisions=settings.predictions if table else f"{url}{'&' if '?' in url else '?'}table={PREDICTIONS}",
        data=settings.data,
        campaign=settings.campaign,
        within=settings.within,
        until=start(day),
    )
    try:
        found: MeasureResult = measure(asked)
    except NotKnownError:
        return Step(NOT_YET), []
    said, asks, figures = [], [], {}
    for of in found.versions:
        name = of.version.removeprefix("models:/")
        figures[f"measured/{name}/users"] = float(of.users)
        for unit, sequence in (("per_1000", of.per_1000), ("per_user", of.per_user)):
            if sequence is not None:
                last = sequence.last
                ends = {"": last.value, "_low": last.low, "_high": last.high}
                at = f"policy/experiment/{name}/uplift_{unit}"
                figures |= {f"{at}{end}": float(value) for end, value in ends.items() if value is not None}
        below = [kept for kept in of.kept().values() if kept.startswith("less")]
        if below or of.verdict == "less than nothing":
            asks.append(f"{of.version} brings {', '.join(below) or of.verdict}")
        said.append(f"{of.version}: {of.users:,} users known, {of.verdict if of.per_1000 else 'no interval yet'}")
    return Step("; ".join(said), "; ".join(asks), figures), [filed.run_id for filed in found.filed]


def is_due(settings: DailySettings, day: date) -> bool:
    """Whether models are fitted again on a day: on every so many days of the calendar, whichever was typed first."""
    return settings.retrain is not None and day.toordinal() % settings.retrain_every == 0


def fit_again(settings: DailySettings, day: date) -> tuple[Step, str]:
    """Compare the families, or search them, on all users whose outcomes were due by a day; the winner is registered.

    Returns
    -------
    Step, str
        What came of it, and the id of the comparison's or the search's run.

    Raises
    ------
    InputError, OutsideError
        As `compare` and `tune` do.
    """
    source = settings.data.build(Source, "data")
    assert isinstance(source, EventSource)
    node = {**settings.data.as_written(), "until": epoch(day)}
    tracking = settings.tracking.model_copy(update={"sweep_id": f"daily-{day}", "sweep_job": [f"as_of={day}"]})
    split = settings.split
    if settings.test_days is not None:
        begins = date.fromordinal(day.toordinal() - source.horizon_days - settings.test_days)
        split = split.model_copy(update={"by": "time", "test_from": begins})
    changed = {"data": Component.of(node, "data"), "tracking": tracking, "split": split}
    found: CompareResult | TuneResult
    try:
        if settings.retrain == "tune":
            found = tune(_of(TuneSettings, settings, changed))
            family = found.tuned.best.family
        else:
            found = compare(_of(CompareSettings, settings, changed))
            family = found.comparison.winner.family
    except Finished as before:  # a kill came between it and the day's page
        return Step("fitted before"), before.run_id
    assert found.filed is not None
    return Step(f"{family} leads; registered as {found.filed.registered}"), found.filed.run_id


def _of(kind: type[T], settings: DailySettings, changed: dict[str, Any]) -> T:
    """The settings of a verb, as the day's say, but for what changes."""
    given = {name: getattr(settings, name) for name in kind.model_fields}
    return kind.model_construct(**given | changed)


def let_in(settings: DailySettings, day: date, run_id: str) -> Step:
    """Judge by the gate what was registered, and promote it, or ask a second person to, where the gate lets it.

    Raises
    ------
    InputError, OutsideError
        As `promote` does.
    """
    asked = PromoteSettings(run=run_id, gate=settings.gate, why=f"fitted again on {day}", who=settings.who)
    try:
        found: PromoteResult = promote(asked)
    except RefusedError as error:
        if error.where != APPROVAL:
            raise
        found = promote(asked.model_copy(update={"request": True}))
    if found.judgement is None:
        return Step(f"version {found.version} is champion")
    if found.promoted:
        return Step(f"version {found.version} was promoted")
    if found.requested and found.entry is not None:
        return Step(f"version {found.version} waits for approval", waiting(found.of, found.name, found.entry))
    return Step(f"version {found.version} stays challenger", f"the gate did not let version {found.version} in")


def refuse_what_no_day_can(settings: DailySettings) -> str:
    """Return the question of the data, once the settings can be carried out on any day.

    Raises
    ------
    InputError
        When they cannot.
    """
    source = settings.data.build(Source, "data")
    if not isinstance(source, EventSource):
        raise InputError("data", f"{source.origin} is no log of raw events", "Type data=events, or data=event_log.")
    if isinstance(source, Events) and source.state is not None:
        what = "keeps of a log only what features need, and a day measures too"
        raise InputError("data.state", what, "Drop data.state, and bring the whole log.")
    if settings.predictions is None:
        raise InputError("predictions", "not given", "Type predictions='duckdb:///app.duckdb?table=predictions'.")
    if "://" not in settings.predictions:
        what = f"{settings.predictions} is no database, and days stand beside each other in one"
        raise InputError("predictions", what, "Type predictions='duckdb:///app.duckdb?table=predictions'.")
    database.kind(settings.predictions)
    if settings.retrain is not None and "until" not in type(source).model_fields:
        what = f"{source.origin} holds all its days at once, and models would learn from days to come"
        raise InputError("retrain", what, "Type tippingpoint data write data=event_log to=log, and data=events.")
    validate(PromoteSettings, {"gate": settings.gate}, "")
    return source.question
