"""`tippingpoint score`: decisions for a table of users by a registered version, written whole or not at all."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from tippingpoint.core.errors import InputError, OutsideError, RefusedError, nearest
from tippingpoint.data import database
from tippingpoint.data.csv_layout import Told
from tippingpoint.data.days import start
from tippingpoint.data.events.as_of import refuse_ahead
from tippingpoint.data.events.source import EventSource
from tippingpoint.data.source import Source
from tippingpoint.data.writing import SUFFIXES
from tippingpoint.decisions.batch_result import BatchResult
from tippingpoint.decisions.batch_statistics import Tally
from tippingpoint.decisions.deployment import refuse_day, refuse_made_otherwise
from tippingpoint.decisions.randomization import held_out
from tippingpoint.decisions.reasons import Reasons
from tippingpoint.experiment.diagnostics import Chosen, Findings
from tippingpoint.experiment.promise import promised
from tippingpoint.reports.progress import counting
from tippingpoint.reports.result import Result
from tippingpoint.scoring.batch import Batch, best_first
from tippingpoint.scoring.holdout import holdout_tells
from tippingpoint.scoring.on_spark import TALLIES, decide_parts, refuse_unfit
from tippingpoint.scoring.parts import ASIDE, Parts
from tippingpoint.scoring.readers import Input, OfEvents, as_input, open_input
from tippingpoint.scoring.report import found_in, score_summary
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.scoring.stream import Stream
from tippingpoint.scoring.tables import upsert
from tippingpoint.scoring.tracked import destination, record
from tippingpoint.scoring.writers import File, Quarantine, Writing, alone, refuse_other
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import Loaded, load_decider, reference_of
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import reap
from tippingpoint.tracking.stored import stored_run

PREDICTIONS = "predictions"
"""The table of a database whose URL names none."""


class NobodyError(RefusedError):
    """Of the users of raw events nobody came to their cut-off on that day."""


@dataclass(frozen=True, repr=False)
class ScoreResult(Result):
    """What was decided, what diagnostics found, and the run that says so, if it was logged."""

    scored: BatchResult
    findings: Findings
    page: str | None
    run_id: str | None
    fails_on_drift: bool = False

    @property
    def refused(self) -> bool:
        """Whether a column moved and the job was to fail then: exit code 1, though the decisions are written."""
        return self.fails_on_drift and bool(self.scored.moved)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        found = [finding.to_dict() for finding in self.findings]
        tells = holdout_tells(self.scored)
        told: dict[str, Any] = {"holdout_tells": tells.to_dict()} if tells is not None else {}
        told |= {"refused": self.refused} if self.fails_on_drift else {}
        return {**self.scored.to_dict(), **told, "findings": found, "run_id": self.run_id, "page": self.page}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return score_summary(self.scored, self.findings, self.page, self.refused)


def score(settings: ScoreSettings) -> ScoreResult:
    """Decide for a table of users, chunk by chunk: memory stays bounded whatever its size.

    Raises
    ------
    InputError
        When the settings, the version or the table are wrong; then nothing is written.
    RefusedError
        When too many rows break the contract; then nothing is written, but for parts, which are never called complete.
    OutsideError
        When the store or a database cannot be used; it says what was kept.
    """
    start = time.perf_counter()
    chosen = Chosen.of(settings.diagnostics)
    if settings.diagnostics.accept:
        raise InputError("diagnostics.accept", "is not used: scoring vetoes nothing", "Leave it out.")
    source, to = _places(settings)
    at = moment(settings.scored_at)
    with counting() as counted:
        counted.say("loading the model")
        client = backend.connect(writing=settings.tracking.log)
        if settings.tracking.log:
            reap(client)
        with backend.store_errors():
            loaded = load_decider(client, reference_of(client, settings.model))
        experiment = destination(client, settings.tracking.experiment, loaded) if settings.tracking.log else ""
        batch = batch_of(settings, loaded, at, to)
        if isinstance(source, OfEvents):
            refuse_made_otherwise(loaded.decider.deployment, source.source.definition.made_by)
            refuse_before(at, source.as_of)
            counted.say(f"making users of {source.origin}")
        batch.wanted(source.columns())
        counted.say(f"deciding for {source.origin}")
        counted.total = source.rows
        if settings.in_parts:
            written = _write_parts(settings, batch, source, Path(to), counted.update)
        else:
            written = _write(settings, batch, source, to, counted.update)
        scored = batch.result(
            written.tally,
            written.scored_at,
            origin=source.origin,
            to=_shown(to),
            quarantine=written.quarantine,
            holdout=settings.holdout,
            promised=_promised(client, loaded) if settings.holdout else None,
            seconds=time.perf_counter() - start,
            resumed=written.resumed,
        )
        if not settings.tracking.log:
            return ScoreResult(scored, found_in(scored, chosen), None, None, settings.fail_on_drift)
        counted.say("filing")
        findings = found_in(scored, chosen)
        asked = settings.filed()
        try:
            run_id, page = record(client, experiment, loaded, scored, findings, asked)
        except OutsideError as error:
            remedy = f"The decisions are whole, in {scored.to}; only their run is not there. {error.remedy}"
            raise OutsideError(error.where, error.what, remedy) from error
    return ScoreResult(scored, findings, page, run_id, settings.fail_on_drift)


def _promised(client: Client, loaded: Loaded) -> float | None:
    """The uplift per 1,000 users that a version was valued at; None where its run has none."""
    of = promised(stored_run(client, loaded.model.run_id)).per_1000
    return None if of is None else of.value


def _places(settings: ScoreSettings) -> tuple[Input, str]:
    """Input and output, once they fit each other.

    Raises
    ------
    InputError
        When one is missing, or they exclude each other.
    """
    if settings.input is None and settings.data is None:
        raise InputError("input", "not given", "Type input=users.csv, or input='duckdb:///app.duckdb?table=users'.")
    if settings.to is None:
        raise InputError("to", "not given", "Type to=decisions.parquet (or .csv, .csv.gz, a database's URL).")
    to = settings.to
    if settings.campaign and "://" not in to:
        raise InputError(
            "campaign", "is a column of a database's table", "Type to=duckdb:///app.duckdb, or leave it out."
        )
    if settings.engine == "spark":
        refuse_unfit(settings)
    if settings.in_parts:
        if settings.only:
            raise InputError("parts", "a list that is best first has no parts", "Drop parts or only.")
        if "://" in to or "://" in (settings.input or ""):
            what = "a database gives its rows in no fixed order and takes all at once"
            raise InputError("parts", what, "Drop parts=true, or go from files to a folder.")
    elif "://" in to:
        with as_input():
            database.kind(to)
    elif not to.lower().endswith(SUFFIXES):
        remedy = f"Type a name that ends in {', '.join(SUFFIXES)}, or parts=true for a folder."
        raise InputError(f"to={to}", "is the name of no table", remedy)
    else:
        refuse_other(Path(to))
    return _source(settings), to


def _source(settings: ScoreSettings) -> Input:
    """Where users come from: a table, or raw events as of a day.

    Raises
    ------
    InputError
        When both are given, there is no such table, or no day.
    """
    if settings.data is None:
        assert settings.input is not None
        told = Told(settings.input_separator, settings.input_encoding)
        return open_input(settings.input, settings.input_query, settings.input_parameters, told)
    source = settings.data.build(Source, "data")
    if settings.input is not None:
        raise InputError("input", "is given, and data too", "Leave one of them out.")
    if not isinstance(source, EventSource):
        raise InputError(
            "data", f"{source.origin} is no log of raw events", "Leave data out, and type input=… for a table."
        )
    if settings.as_of is None:
        raise InputError("as_of", "not given: raw events make users as of a day", "Type as_of=2026-03-01.")
    refuse_ahead(settings.as_of)
    return OfEvents(source, settings.as_of, settings.days)


def moment(given: str | None) -> datetime:
    """The moment decisions are dated with: UTC, whole seconds."""
    if given is None:
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try:
        at = datetime.fromisoformat(given)
    except ValueError as error:
        raise InputError("scored_at", f"{given!r} is no time", "Type scored_at=2026-01-31T06:00:00.") from error
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None, microsecond=0)


def refuse_before(at: datetime, as_of: date) -> None:
    """Refuse decisions that are dated before their users' features were known.

    Raises
    ------
    InputError
        When they are.
    """
    if at < start(as_of):
        what = f"{at.isoformat()} lies before as_of={as_of}: features would be of later than the decisions"
        raise InputError("scored_at", what, f"Type scored_at={as_of}T06:00:00, or an earlier as_of.")


def batch_of(settings: ScoreSettings, loaded: Loaded, at: datetime, to: str = "") -> Batch:
    """How a table is decided, as the settings ask.

    Raises
    ------
    InputError
        When the policy has no such segment, the holdout no such action, or the version takes no day.
    """
    decider = loaded.decider
    for name in settings.only:
        if name not in decider.policy.segments:
            raise InputError(
                "only",
                f"{decider.policy.name} has no segment {name!r}",
                nearest(name, decider.policy.segments, "only", settings.only),
            )
    if settings.as_of is not None and settings.data is None:
        refuse_day(decider.deployment)
    reasons = None
    if settings.reasons:
        reasons = Reasons.of(loaded.model.family, decider)
    return Batch(
        decider=decider,
        policy_digest=loaded.policy_digest,
        scored_at=at,
        exploration=held_out(
            settings.holdout,
            settings.holdout_actions,
            settings.holdout_salt,
            decider.deployment.actions,
            decider.deployment.question,
            loaded.version,
        ),
        reasons=reasons,
        only=tuple(settings.only),
        day=None if settings.as_of is None else start(settings.as_of),
        for_spreadsheets=to.lower().endswith((".csv", ".csv.gz")) and not settings.in_parts,
    )


@dataclass(frozen=True)
class Written:
    """What was written, its date, where quarantined rows are, and how many of all parts were there before."""

    tally: Tally
    scored_at: datetime
    quarantine: str | None
    resumed: tuple[int, int] | None = None


def _shown(to: str) -> str:
    """Where decisions go, with the table credentials removed."""
    if "://" not in to:
        return to
    url, table = database.table_of(to)
    return f"{database.shown(url)} ({table or PREDICTIONS})"


def _write(settings: ScoreSettings, batch: Batch, source: Input, to: str, progress: Callable[[int], None]) -> Written:
    """A file, or the rows of a database's table."""
    with ExitStack() as stack:
        if "://" in to:  # gathered first, so that the database is busy for a moment only
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tippingpoint-")), "decisions.parquet")
        else:
            path = Path(to)
            stack.enter_context(alone(path))
        quarantine = Quarantine(Path(settings.quarantine), source.origin)
        stack.callback(quarantine.drop)
        tally, kept = Tally(), []
        with File(path) as file, Writing(file) as writing:
            for decisions in Stream(batch, source, settings.chunk, progress=progress):
                quarantine.add(decisions.broken)
                tally += decisions.tally
                if batch.only:
                    kept.append(decisions.table)
                else:
                    writing.add(decisions.table)
            writing.wait()
            aside = quarantine.close()
            _refuse_broken(settings, source, tally, aside)
            if batch.only:
                file.add(best_first(kept, batch.user_id, batch.decider.deployment))
        if "://" in to:
            url, table = database.table_of(to)
            question = batch.decider.deployment.question
            upsert(url, table or PREDICTIONS, path, batch.user_id, question, settings.campaign)
    return Written(tally, batch.scored_at, None if aside is None else str(aside))


def _write_parts(
    settings: ScoreSettings, batch: Batch, source: Input, folder: Path, progress: Callable[[int], None]
) -> Written:
    """A folder of parts; those that are there already are not made again."""
    with alone(folder):
        made_of = {
            "input": f"{source.origin} {source.digest()}",
            "model": batch.decider.reference,
            "policy_digest": batch.policy_digest,
            "chunk": settings.chunk,
            "reasons": settings.reasons,
            "holdout": None if batch.exploration is None else list(asdict(batch.exploration).values()),
        }
        if settings.engine != "here":
            made_of["engine"] = settings.engine
        if settings.scored_at is not None:
            made_of["scored_at"] = batch.scored_at.isoformat()
        if batch.day is not None:
            made_of["as_of"] = batch.day.isoformat()
        parts = Parts(folder, json.loads(json.dumps(made_of)), batch.scored_at.isoformat())
        batch = replace(batch, scored_at=datetime.fromisoformat(parts.scored_at))
        there = parts.done
        if not parts.complete and settings.engine == "spark":
            there = decide_parts(batch, source, settings.chunk, parts, progress)
        elif not parts.complete:
            for decisions in Stream(batch, source, settings.chunk, parts.done, progress):
                parts.add(decisions.table, decisions.broken, decisions.tally)
        tally = parts.tally
        aside = str(folder / ASIDE) if tally.quarantined else None
        _refuse_broken(settings, source, tally, aside)
        if not parts.complete:
            parts.finish()
            shutil.rmtree(folder / TALLIES, ignore_errors=True)
    return Written(tally, batch.scored_at, aside, (there, parts.done))


def _refuse_broken(settings: ScoreSettings, source: Input, tally: Tally, aside: Path | str | None) -> None:
    """Refuse where too many rows break the contract."""
    if tally.quarantined <= settings.quarantine_share * tally.rows and tally.decided:
        return
    if not tally.rows and isinstance(source, OfEvents):
        raise NobodyError("as_of", f"{source.origin} nobody is to be decided for", "Nothing was written.")
    worst = "; ".join(f"{reason}: {n:,}" for reason, n in list(tally.worst().items())[:3])
    raise RefusedError(
        "input",
        f"{tally.quarantined:,} of {tally.rows:,} rows of {source.origin} break the version's contract, more than"
        f" quarantine_share={settings.quarantine_share:g} ({worst})",
        f"See {aside}. Mend the table, or raise quarantine_share."
        + (" The parts are there, but not complete." if settings.in_parts else " No decisions were written."),
    )
