"""`tippingpoint measure`: what decisions brought, beside what was promised; evidence for the next round."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import yaml
from rich.console import RenderableType

from tippingpoint.config.settings import VERSION
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.core.run_reference import RunReference
from tippingpoint.core.strict import Component
from tippingpoint.data.decisions import CAMPAIGN, checked, read
from tippingpoint.data.outcome import YES, Positive, words
from tippingpoint.data.source import Source
from tippingpoint.data.writing import replacing
from tippingpoint.economics import Economics
from tippingpoint.experiment.promise import Promise, promised
from tippingpoint.experiment.promise_book import promise_book
from tippingpoint.measurement import report
from tippingpoint.measurement.by_outcome import further
from tippingpoint.measurement.next_experiment import as_evidence, next_round
from tippingpoint.measurement.of_events import outcomes_of_events
from tippingpoint.measurement.outcomes import DecisionsWithOutcomes, NotKnownError, OutcomeRule, join, outcomes_of
from tippingpoint.measurement.result import Measured, measured
from tippingpoint.measurement.settings import MeasureSettings
from tippingpoint.measurement.tracked import FIRST_LOOK, note, noted
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_experiment, check_model
from tippingpoint.tracking.runs import StoredRun, reap
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.stored import config_of, find
from tippingpoint.tracking.tags import JOB


@dataclass(frozen=True)
class DecidingVersion:
    """What a measurement needs to know of a version that decided.

    Parameters
    ----------
    good
        Whether outcome 1 is wanted.
    promise
        The uplift it was valued at.
    begun
        Users its first look had; None at a first look.
    positive
        What counts as outcome 1; None: yes.
    """

    prices: Economics
    good: bool
    promise: Promise
    begun: int | None = None
    positive: Positive | None = None


@dataclass(frozen=True, repr=False)
class MeasureResult(Result):
    """What each version's policy brought, and where that is filed."""

    decided: DecisionsWithOutcomes
    versions: list[Measured]
    filed: list[RunReference]
    """One a version; empty where nothing was to be written."""
    to: str | None
    to_type: str = ""
    """What to type to compare on the joined table; empty where none was written."""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "decisions": asdict(self.decided.counts),
            "versions": [
                of.to_dict() | ({"run_id": filed.run_id, "page": filed.page} if filed else {})
                for of, filed in zip_longest(self.versions, self.filed)
            ],
            "to": self.to,
            "next": self.to_type,
        }

    def leaderboard(self) -> pd.DataFrame:
        """One row a version and look: what its policy brought, with intervals."""
        return pd.concat([of.table().assign(version=of.version) for of in self.versions], ignore_index=True)

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.measure_summary(self.versions, self.decided.counts, self.filed, self.to_type)


def measure(settings: MeasureSettings) -> MeasureResult:
    """Join decisions with what came of them, value each version's policy, and file it with the version.

    Raises
    ------
    InputError
        When the tables are not what they should be, or hold no random share.
    OutsideError
        When the store cannot be used.
    """
    with progress(4) as step:
        step("reading decisions")
        decisions = _of_campaign(read(settings.decisions, "decisions", settings.decisions_id), settings.campaign)
        asked = [*_asked(settings, decisions)]
        client = backend.connect()
        rule, decided, others = _joined(asked, decisions, lambda version: _positive(client, version))
        evidence = None
        if settings.to is not None:
            users = read(settings.users, "users", settings.users_id) if settings.users else None
            evidence = as_evidence(decided, users, settings.users_id)
        step("opening the store")
        reap(client)
        runs = {version: _run(client, version) for version in decided.versions()}
        for version, run in runs.items():
            check_experiment(client, run.info.experiment_id)
            check_model(client, version.removeprefix("models:/").partition("/")[0])
        step("answering")
        first_look = _first_look(rule, decided.outcome_name)
        known = {version: _known(client, version, run, first_look) for version, run in runs.items()}
        found = _valued(decided, known, others)
        step("filing")
        if evidence is not None and settings.to is not None:
            with replacing(Path(settings.to)) as file:
                (evidence.write_parquet if settings.to.lower().endswith(".parquet") else evidence.write_csv)(file)
        filed = [_file(client, of, runs[of.version], decided, settings, first_look) for of in found]
        to_type = ""
        if settings.to is not None:
            *_, last = runs.values()
            good = [*known.values()][-1].good
            to_type = next_round(settings.to, decided, last.data.tags["question"], good, config_of(client, last))
    return MeasureResult(decided, found, filed, settings.to, to_type)


def measure_in_memory(
    settings: MeasureSettings,
    decisions: pl.DataFrame,
    outcomes: pl.DataFrame,
    known: Mapping[str, DecidingVersion] | None = None,
) -> MeasureResult:
    """Measure decisions of frames; nothing is written.

    Parameters
    ----------
    known
        The versions that decided, by the name they have in `decisions`; None to look them up in the store.

    Raises
    ------
    InputError
        When the tables are not what they should be, or hold no random share.
    """
    asked = [(outcomes, settings.model_copy(update={"outcome": name})) for name in settings.named]
    if known is None:
        client = backend.connect(writing=False)
        rule, decided, others = _joined(asked, decisions, lambda version: _positive(client, version))
        first_look = _first_look(rule, decided.outcome_name)
        runs = {version: _run(client, version) for version in decided.versions()}
        known = {version: _known(client, version, run, first_look) for version, run in runs.items()}
    else:
        of = {version: deciding.positive for version, deciding in known.items()}
        rule, decided, others = _joined(asked, decisions, of.get)
    if unknown := [version for version in decided.versions() if version not in known]:
        raise InputError("decisions", f"{unknown[0]!r} decided, which is not at hand", "Give what tp.score returned.")
    return MeasureResult(decided, _valued(decided, known, others), [], None)


def _of_campaign(decisions: pl.DataFrame, campaign: str | None) -> pl.DataFrame:
    """The decisions of one campaign.

    Raises
    ------
    InputError
        When there are several and none is named, or there is none of that name.
    """
    if CAMPAIGN not in decisions.columns:
        if campaign:
            raise InputError("campaign", "is given, but the decisions have no column campaign", "Leave it out.")
        return decisions
    there = decisions[CAMPAIGN].fill_null("").unique(maintain_order=True).to_list()
    if campaign is None and len(there) > 1:
        what = f"not given, and the decisions are of {len(there)}: {', '.join(map(repr, there[:6]))}"
        raise InputError("campaign", what, f"Type {override('campaign', max(there))}.")
    if campaign is not None and campaign not in there:
        raise NotKnownError("campaign", f"there is none called {campaign!r}", nearest(campaign, there, "campaign"))
    return decisions.filter(pl.col(CAMPAIGN).fill_null("") == (there[0] if campaign is None else campaign))


Asked = tuple[pl.DataFrame, MeasureSettings]
"""A table of outcomes, and the settings by which one outcome is read from it."""


def _asked(settings: MeasureSettings, decisions: pl.DataFrame) -> Iterator[Asked]:
    """Each outcome that is asked for."""
    each = [settings.model_copy(update={"outcome": name}) for name in settings.named]
    if settings.data is not None:
        yield from (outcomes_of_events(one, decisions) for one in each)
        return
    assert settings.outcomes is not None
    outcomes = read(settings.outcomes, "outcomes", settings.outcomes_id)
    yield from ((outcomes, one) for one in each)


def _joined(
    asked: Iterable[Asked], decisions: pl.DataFrame, positive: Callable[[str], Positive | None]
) -> tuple[OutcomeRule, DecisionsWithOutcomes, list[DecisionsWithOutcomes]]:
    """Return the rule of the first outcome, decisions with what came of them, and with each further outcome.

    Parameters
    ----------
    positive
        What counts as outcome 1 of a version, which rules the first outcome.
    """
    (outcomes, settings), *more = asked
    table, user_id = checked(decisions, settings.decisions_id)
    taken = table.filter(pl.col("scored_at") >= settings.since) if settings.since else table
    each = (positive(version) or "yes" for version in taken["model"].unique(maintain_order=True))
    counted = list(dict.fromkeys("yes" if isinstance(one, str) and one.lower() in YES else one for one in each))
    if len(counted) > 1:
        said = " and of another ".join(map(words, counted[:2]))
        remedy = "Measure them apart: since=…, or a file of decisions each."
        raise InputError("decisions", f"outcome 1 of one version that decided is {said}", remedy)
    now = datetime.now(UTC).replace(tzinfo=None)
    rule = _rule(settings, *counted)
    first = join(table, user_id, outcomes, settings.outcomes_id, rule, now)
    others = [outcomes_of(table, user_id, of, one.outcomes_id, _rule(one), now) for of, one in more]
    for one, known in zip((settings, *(one for _, one in more)), (first, *others), strict=True):
        if known.kind == "yes_no" and one.within is not None and one.at is None:
            raise InputError("within", f"needs to know when {known.outcome_name!r} came", "Type at=… too.")
    return rule, first, others


def _rule(settings: MeasureSettings, *positive: Positive) -> OutcomeRule:
    (name,) = settings.named
    zero = settings.absent == "zero"
    return OutcomeRule(name, settings.at, zero, settings.within, settings.since, settings.until, *positive)


def _positive(client: Client, version: str) -> Positive | None:
    """What counted as outcome 1 where a version was fitted; None: yes."""
    given = config_of(client, _run(client, version))["data"].get("positive")
    return tuple(given) if isinstance(given, list) else given


def _known(client: Client, version: str, run: StoredRun, first_look: str) -> DecidingVersion:
    config = config_of(client, run)
    good = Component.of(config["data"], "data").build(Source, "data").wanted
    prices = Component.of(config["economics"], "economics").build(Economics, "economics")
    first = noted(client, version).get(first_look)
    return DecidingVersion(prices, good, promised(run), int(first) if first else None)


def _valued(
    decided: DecisionsWithOutcomes,
    known: Mapping[str, DecidingVersion],
    others: Iterable[DecisionsWithOutcomes],
) -> list[Measured]:
    """What the policy of each version brought."""
    found, others = [], [*others]
    for version, of in known.items():
        by = of.prices, of.good, of.promise, of.begun, decided.settled, decided.kind, decided.unknown.get(version, 0)
        valued = measured(decided.of(version), decided.outcome_name, version, *by)
        found.append(valued.with_others(further(version, others)))
    return found


def _run(client: Client, version: str) -> StoredRun:
    if not (found := VERSION.fullmatch(version)) or not found[2]:
        raise InputError("decisions", f"model {version!r} is no registered version", "Score with models:/NAME/VERSION.")
    try:
        return find(client, version)[0]
    except InputError as error:
        raise InputError(
            "decisions", f"made by a model this store does not hold: {error.what}", error.remedy
        ) from error


def _first_look(rule: OutcomeRule, outcome: str) -> str:
    """The tag of a version that keeps how many users its first look under this rule had."""
    kept = astuple(replace(rule, outcome=outcome, until=None))[:-1]  # what counts as 1 is the version's
    return f"{FIRST_LOOK}{hashlib.sha256(repr(kept).encode()).hexdigest()[:8]}"


def _file(
    client: Client,
    of: Measured,
    run: StoredRun,
    decided: DecisionsWithOutcomes,
    settings: MeasureSettings,
    first_look: str,
) -> RunReference:
    """A run of its own in the version's experiment, tags and a line on the version."""
    written = settings.filed()
    tags = {
        **provenance().tags(),
        JOB: "measure",
        "evidence": "experiment",
        "question": run.data.tags["question"],
        "model_version": of.version,
        "verdict": of.verdict,
        "mlflow.note.content": report.description(of, decided.counts),
    }
    with tracked(client, run.info.experiment_id, f"measure {of.version.removeprefix('models:/')}", tags) as opened:
        opened.params({key: written[key] for key in written if key not in ("output", "debug")})
        opened.metrics(report.estimates(of))
        if of.start is not None:
            days = np.array([(day - of.days[0]).days for day in of.looked])
            looks = {"per_1000": of.per_1000, "per_user": of.per_user}
            opened.curves(
                {
                    f"policy/experiment/by_day/uplift_{name}{end}": (days, getattr(sequence, end[1:] or "value"))
                    for name, sequence in looks.items()
                    if sequence is not None
                    for end in ("", "_low", "_high")
                }
            )
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "tables").mkdir()
            of.table().to_csv(folder / "tables/sequence.csv", index=False)
            if of.outcomes:
                of.outcome_table().to_csv(folder / "tables/outcomes.csv", index=False)
            report.picture(folder / "figures/sequence.png", of)
            (folder / "measure.yaml").write_text(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
            opened.artifacts(folder)
        _note(client, of, opened.run_id, first_look)
        book = promise_book(client, of.version.removeprefix("models:/").partition("/")[0])
        if book.promises:
            with tempfile.TemporaryDirectory() as temporary:
                opened.tables(Path(temporary), {"promises": book.table()})
                opened.artifacts(Path(temporary))
    return RunReference(opened.run_id, backend.page(opened.path), of.version)


def _note(client: Client, of: Measured, run_id: str, first_look: str) -> None:
    """Put on the version what was measured; before its run ends, so that one that ended well is noted."""
    told = {"measured_until": of.until.isoformat(), "measured_run": run_id}
    if of.per_1000 is not None:
        last = of.per_1000.last
        ends = {"": last.value, "_low": last.low, "_high": last.high}
        told |= {f"measured_uplift_per_1000{end}": f"{value:.6g}" for end, value in ends.items()}
        told |= {first_look: str(of.first)} if of.settled else {}
    note(client, of.version, told, report.in_a_line(of))
