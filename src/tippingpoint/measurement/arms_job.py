"""`tippingpoint measure data=…`: what the arms of any experiment brought; no model is needed."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rich.console import RenderableType

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.run_reference import RunReference
from tippingpoint.data.source import Source
from tippingpoint.economics import Economics
from tippingpoint.experiment.diagnostics import Chosen, Finding, Findings
from tippingpoint.experiment.diagnostics.evidence import WHOLE, few_expected, of_balance, unequal_arms
from tippingpoint.experiment.diagnostics.registry import vetoes
from tippingpoint.experiment.plan import Plan, locked
from tippingpoint.measurement import arms_report
from tippingpoint.measurement.arms_result import KIND, Arms, of_segments, valued
from tippingpoint.measurement.arms_sums import Summed, by_segment, drawn, figures_of, summed
from tippingpoint.measurement.arms_table import ArmsTable, read_arms
from tippingpoint.measurement.settings import MeasureArmsSettings
from tippingpoint.offpolicy.arms import ArmFigures, Figure, arm_figures
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_experiment
from tippingpoint.tracking.runs import in_pages, reap
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.stored import stored_run
from tippingpoint.tracking.tags import JOB

PLAN = "plan"
"""Tag of a look: the run that holds the plan it follows."""


@dataclass(frozen=True, repr=False)
class MeasureArmsResult(Result):
    """What the arms of an experiment brought, and where that is filed."""

    arms: Arms
    filed: RunReference | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        filed = {"run_id": self.filed.run_id, "page": self.filed.page} if self.filed else {}
        return self.arms.to_dict() | filed

    def leaderboard(self) -> pd.DataFrame:
        """One row a measure and pair of arms, with intervals."""
        return self.arms.table()

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return arms_report.summary(self.arms, self.filed.page if self.filed else None)


def measure_arms(settings: MeasureArmsSettings, source: Source | None = None) -> MeasureArmsResult:
    """Compare the arms of an experiment, all pairs at once, in every outcome, and file it.

    Parameters
    ----------
    source
        The table, where it is at hand; None to build it from the settings.

    Raises
    ------
    InputError
        When the table is not what it should be.
    OutsideError
        When the store cannot be used.
    """
    source = source or settings.data.build(Source, "data")
    economics = settings.economics.build(Economics, "economics") if settings.economics is not None else None
    chosen = Chosen.of(settings.diagnostics)
    with progress(4) as step:
        step("reading the table")
        table = read_arms(source, settings)
        sums = summed(table, settings.pre, settings.ratios or {})
        figures = figures_of(table, sums, settings.ratios or {}, economics)
        planned, experiment, looks = _plan(settings)
        client = None
        if settings.tracking.log:
            step("opening the store")
            client = backend.connect()
            reap(client)
            if experiment is None or settings.tracking.experiment is not None:
                experiment = backend.experiment_id(client, settings.tracking.experiment or source.question)
            check_experiment(client, experiment)
        step("looking at the assignment")
        assigned = chosen.settle(_of_assignment(table, settings))
        step("comparing arms")
        of = _arms(table, sums, figures, assigned, settings, chosen, economics)
        guardrails = {**(planned.guardrails if planned else {}), **(settings.guardrails or {})}
        _refuse_unmeasured(guardrails, of)
        of = replace(of, guardrails=guardrails, plan=planned)
        if planned is not None:
            of = replace(of, unplanned=tuple(planned.against(of.outcome, of.users, looks)))
    if client is None or experiment is None:
        return MeasureArmsResult(of)
    return MeasureArmsResult(of, _file(client, experiment, of, settings))


REMEDY = "Find out who is missing or was assigned otherwise, or state the chances used (data.logging_probability)."
"""Of TP302 and TP303: without known chances there is nothing to measure here."""


def _of_assignment(table: ArmsTable, settings: MeasureArmsSettings) -> Iterator[Finding | None]:
    for finding in _of_who_got_what(table, settings):
        yield replace(finding, remedy=REMEDY) if finding is not None and finding.code in WHOLE else finding


def _of_who_got_what(table: ArmsTable, settings: MeasureArmsSettings) -> Iterator[Finding | None]:
    names = table.arms
    yield unequal_arms(table.ratio(known=False), names)
    if table.unknown:
        found = unequal_arms(table.ratio(known=True), names)
        yield None if found is None else replace(found, of="users with a known outcome")
    users = drawn(table, list(dict.fromkeys([*settings.pre, *settings.segments])), settings.seed)
    if users is not None:
        yield from of_balance(users, settings.seed)


def _plan(settings: MeasureArmsSettings) -> tuple[Plan | None, str | None, int]:
    """The plan that is followed, the experiment it is filed in, and how many looks by it are filed there."""
    if settings.plan is None:
        return None, None, 0
    client = backend.connect(writing=False)
    found, experiment = locked(client, settings.plan), stored_run(client, settings.plan).info.experiment_id
    looks = in_pages(client, [experiment], f"tags.`{PLAN}` = '{settings.plan}' and attributes.status = 'FINISHED'")
    return found, experiment, sum(1 for _ in looks)


def _refuse_unmeasured(guardrails: Mapping[str, float], of: Arms) -> None:
    names = [figure.name for figure in of.shown]
    for name in guardrails:
        if name not in names:
            what = f"{name!r} is not measured"
            near = nearest(name, names)
            raise InputError("guardrails", what, f"{near} Name it in data.measures too.")


def _arms(
    table: ArmsTable,
    of: Summed,
    figures: list[Figure],
    assigned: Findings,
    settings: MeasureArmsSettings,
    chosen: Chosen,
    economics: Economics | None,
) -> Arms:
    vetoed = bool(set(vetoes(assigned)) & set(WHOLE))
    found = arm_figures(of.sums, figures, of.pre, settings.adjustment)
    derived = 2 if economics is not None else 1
    rng = np.random.default_rng([settings.seed, 22])
    told = valued(found, derived, len(table.curve), rng, vetoed, tuple(chosen.accept))
    few = chosen.settle(_few(found, table), "") if not vetoed else ()
    parts = {}
    for column in settings.segments:
        each = by_segment(table, column, settings.pre, settings.ratios or {})
        parts[column] = {level: part.sums for level, part in each.items()}
    same = figures[0], table.arms, of.pre, settings.adjustment, vetoed, tuple(chosen.accept)
    segments = of_segments(parts, *same)
    roles = table.source
    return Arms(
        outcome=table.outcomes[0].name,
        good=table.good,
        arms=table.arms,
        counts=tuple(table.counts.tolist()),
        figures=tuple(figures),
        differences=tuple(told),
        segments=tuple(segments),
        findings=(*assigned, *few),
        pre=tuple(settings.pre),
        adjustment=settings.adjustment,
        groups=None if table.group is None else int(of.sums.units.sum()),
        group=roles.group,
        origin=roles.origin,
        intake=table.intake,
        left_out=table.unknown,
        until=table.until,
        currency=economics.currency if economics is not None else None,
        curve=len(table.curve),
    )


def _few(found: ArmFigures, table: ArmsTable) -> Iterator[Finding | None]:
    """TP304 of the target: the arm that rests on least."""
    bases = [found.basis(0, 0, arm) for arm in range(1, len(table.arms))]
    least = min(bases, key=lambda basis: float(basis.expected))
    finding = few_expected(least)
    yield None if finding is None else replace(finding, of=table.outcomes[0].name)


def _file(client: Client, experiment: str, of: Arms, settings: MeasureArmsSettings) -> RunReference:
    """A run with the tables, a picture and the decision."""
    written = settings.filed()
    decision = of.decision
    tags = {
        **provenance().tags(),
        JOB: "measure",
        "evidence": KIND,
        "question": of.outcome,
        "decision": decision.word,
        **({PLAN: settings.plan} if settings.plan else {}),
        "mlflow.note.content": arms_report.description(of),
    }
    with tracked(client, experiment, f"measure {of.origin}", tags) as opened:
        opened.params({key: written[key] for key in written if key not in ("output", "debug")})
        opened.metrics(arms_report.estimates(of))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "tables").mkdir()
            of.table().to_csv(folder / "tables/differences.csv", index=False)
            if of.segments:
                of.segment_table().to_csv(folder / "tables/segments.csv", index=False)
            arms_report.picture(folder / "figures/differences.png", of)
            (folder / "measure.yaml").write_text(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
            opened.artifacts(folder)
    return RunReference(opened.run_id, backend.page(opened.path), None)
