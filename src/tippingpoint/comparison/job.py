"""`tippingpoint compare`: families under one policy on one split; the winner is registered as challenger."""

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import RenderableType

from tippingpoint.comparison import page
from tippingpoint.comparison.crossfit import Folds, crossfit
from tippingpoint.comparison.decision import of_comparison
from tippingpoint.comparison.figures import Choices
from tippingpoint.comparison.plots import ComparisonPlots
from tippingpoint.comparison.refits import Kept, Memory
from tippingpoint.comparison.repeats import repeats
from tippingpoint.comparison.report import compare_summary, comparison_card, write_comparison
from tippingpoint.comparison.result import Comparison
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.comparison.tracked import FiledRefits
from tippingpoint.config.settings import RESPONSE
from tippingpoint.core.run_reference import RunReference
from tippingpoint.data.source import Source
from tippingpoint.evaluation import LOWER_IS_BETTER, auc_contributions
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.baselines import with_baselines
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.by_share import CLICKS, score_cells
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.challenger import challenge_unless_worse
from tippingpoint.experiment.diagnostics import tags
from tippingpoint.experiment.diagnostics.policy import better_without_a_model
from tippingpoint.experiment.fitted import FittedModel
from tippingpoint.experiment.record import begin, overview, record, register_candidate, run_name, run_tags
from tippingpoint.experiment.resume import REGISTERING, left_half_done, left_registering, stop_if_asked
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.contest import Contrast, contest
from tippingpoint.offpolicy.surface import sheet
from tippingpoint.offpolicy.value import contest_of_values
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy
from tippingpoint.reports.markdown import shortened
from tippingpoint.reports.palette import colour
from tippingpoint.reports.progress import Steps, progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, views
from tippingpoint.tracking.runs import COLOUR, Run
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.stored import models_of

REPORT = "report.html"
MIN_PER_OUTCOME = 50
"""Test users of either outcome; with fewer the normal approximation calls equal families different too often."""


@dataclass(frozen=True, repr=False)
class CompareResult(Result):
    """What a comparison found, and where it is filed."""

    comparison: Comparison
    filed: RunReference | None
    """None where nothing was to be written."""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        decision = of_comparison(self.comparison, self.filed).to_dict()
        return {"decision": decision, **self.comparison.to_dict(), **(asdict(self.filed) if self.filed else {})}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return compare_summary(self.comparison, self.filed)

    @property
    def best(self) -> FittedModel:
        """The model that ranks first on validation."""
        return self.models[0]

    @property
    def models(self) -> tuple[FittedModel, ...]:
        """All models, the best first."""
        question, winner = self.comparison.question, self.comparison.winner.family
        registered = self.filed.registered if self.filed else None
        return tuple(
            FittedModel(c, question, (c.family == winner and registered) or f"memory:{c.family}")
            for c in self.comparison.candidates
        )

    def leaderboard(self) -> pd.DataFrame:
        """One row a model, then one a baseline: metrics on test and what the policy brings, with intervals."""
        return self.comparison.leaderboard()

    @property
    def plot(self) -> ComparisonPlots:
        """Figures: `.plot.uplift()`, `.roc()`, `.calibration()`, `.differences()`, `.importance()`."""
        return ComparisonPlots(self.comparison)


def compare(settings: CompareSettings, source: Source | None = None) -> CompareResult:
    """Fit each family as a child run, choose on validation, compare all pairs on test, register the winner.

    Raises
    ------
    InputError
        When the config or the data are wrong.
    OutsideError
        When the store cannot be used.
    Finished
        Under a sweep, when a finished run has the same config, data and code.
    """
    if source is None:
        stop_if_asked(settings, "compare")
    with progress(2 * _contestants(settings) + 4 + _refits(settings)) as step:
        step("reading users")
        question = ask(settings, source)
        step(question.evidence_in_words)
        if not settings.tracking.log:
            question = with_baselines(question)
            candidates = [_in_memory(question, family, step) for family in question.families]
            return CompareResult(_beside(_compare(question, candidates), settings, Memory(), step), None)
        step("opening the store")
        client, experiment, own = begin(settings, question, "compare")
        question, at_a_glance = with_baselines(question), overview(question)
        name, tags = f"compare · seed {question.seed} · {question.origin}", run_tags(question, "compare")
        left = left_registering(client, experiment, settings, own, "compare")
        with tracked(client, experiment, name, tags | own, again=left) as parent:
            candidates = [_in_memory(question, family, step) for family in question.families]
            step("comparing")
            before = left or left_half_done(client, experiment, settings, own, "compare")
            kept = FiledRefits.of(client, parent, before)
            comparison = _beside(_compare(question, candidates), settings, kept, step)
            step.decided(of_comparison(comparison, None).lines)
            runs = models_of(client, left) if left else {}
            for candidate in [of for of in candidates if of.family not in runs]:
                family = candidate.family
                called, child_tags = run_name(question, family), tags | {COLOUR: colour(family)}
                with tracked(client, experiment, called, child_tags, parent) as child:
                    step(f"{family}: filing")
                    runs[family] = child.run_id, record(candidate, question, settings, child, at_a_glance)
            registered = None
            if settings.tracking.register_model:
                parent.tags({REGISTERING: "true"})
                winner = comparison.winner
                decision = of_comparison(comparison, None)
                version = register_candidate(
                    client, winner, question, *runs[winner.family], decision, settings.tracking.test_set
                )
                challenge_unless_worse(client, version, winner, question, settings.tracking)
                registered = version.uri
            shares, kind = [*comparison.winner.shap_shares], question.evidence.kind
            saved = views.of_models(client, experiment, question.select_by, kind, question.treating, shares)
            if question.report == "full":
                saved = {"Report": backend.page(f"{parent.path}/artifacts/{REPORT}"), **saved}
            filed = RunReference(parent.run_id, backend.page(parent.path), registered, saved)
            _record(comparison, filed, parent, at_a_glance)
    return CompareResult(comparison, filed)


def _refits(settings: CompareSettings) -> int:
    """How many models are fitted besides those that are compared on one split."""
    folds = 0
    if settings.evaluate == "crossfit":
        effects = any(part != RESPONSE for part in settings.learner.values())
        folds = Folds.of(settings.policy.build(Policy, "policy"), effects).number
    return _contestants(settings) * (folds + settings.repeats)


def _contestants(settings: CompareSettings) -> int:
    return len(settings.model) * len(settings.learner)


def _beside(comparison: Comparison, settings: CompareSettings, kept: Kept, step: Steps) -> Comparison:
    """The comparison with what was asked for beside one split: all users in folds, and further splits."""
    question = comparison.question
    if settings.evaluate == "crossfit":
        comparison = replace(comparison, crossfit=crossfit(question, comparison.values, settings, kept, step))
    if settings.repeats:
        comparison = replace(comparison, repeats=repeats(question, comparison.candidates, settings, kept, step))
    return comparison


def _in_memory(question: ExperimentSpec, family: str, step: Steps) -> Candidate:
    step(f"{family}: fitting, measuring, explaining")
    return answer(question, family)


def _compare(question: ExperimentSpec, candidates: list[Candidate]) -> Comparison:
    sign = -1 if question.select_by in LOWER_IS_BETTER else 1
    ranked = sorted(candidates, key=lambda candidate: -sign * candidate.validation)
    outcome = question.parts.test.outcome
    areas = {c.family: auc_contributions(outcome, c.score) for c in ranked}
    auc = contest(areas, np.random.default_rng([question.seed, 3]), group=question.parts.test.codes)
    if np.bincount(outcome, minlength=2).min() < MIN_PER_OUTCOME:
        auc = [replace(verdict, verdict="inconclusive") for verdict in auc]
    found = Comparison(question, ranked, auc, [])
    if not question.evidence.measured:
        return found
    uplift = contest_of_values(found.values, np.random.default_rng([question.seed, 4]))
    return replace(found, uplift=uplift, candidates=[_told(c, uplift, found.alike, question) for c in ranked])


def _told(candidate: Candidate, uplift: list[Contrast], alike: str, question: ExperimentSpec) -> Candidate:
    """The candidate with what this contest says of it against policies without a model, in place of its own."""
    models = {alike} if alike else {*question.families}
    names = models - {alike or candidate.family}
    without = [v for v in uplift if v.first not in names and v.second not in names]
    unit = f"{question.economics.currency} per user"
    found = better_without_a_model(alike or candidate.family, without, unit)
    told = question.chosen.settle([found], candidate.family)
    kept = (of for of in candidate.findings if of.code != "TP403")
    return replace(candidate, findings=(*kept, *told))


def _choices(comparison: Comparison) -> dict[str, Choices]:
    """What each family's scores bring at every choice of cut-offs; none where the policy has not one or two."""
    question = comparison.question
    policy, actions = question.policy, question.actions
    if not isinstance(policy, Bands) or len(policy.bands) > 3:
        return {}
    bands = [actions.index(policy.actions[segment]) for segment in policy.segments]
    found = {}
    for candidate in comparison.candidates:
        assert isinstance(candidate.policy, Bands)
        cells, line = score_cells(candidate, question)
        none = np.zeros(len(cells.count), dtype=np.int64)
        rng = np.random.default_rng([question.seed, 6])
        found[candidate.family] = Choices(cells.cuts, sheet(cells, bands, line, none, rng), candidate.policy.cuts)
    return found


def _record(comparison: Comparison, filed: RunReference, parent: Run, at_a_glance: bytes | None) -> None:
    question, winner = comparison.question, comparison.winner
    parent.params(
        {
            "model": winner.family,
            "data": question.origin,
            "policy": question.policy.name,
            "economics": question.economics.name,
            "families": ", ".join(question.families),
            "diagnostics": question.config.get("diagnostics"),
        }
    )
    parent.dataset(question.parts.test, "test", question.origin)
    tested = {f"test/{name}": estimate for name, estimate in winner.metrics.items()}
    chosen = {f"validation/{question.select_by}": winner.validation}
    of_folds = comparison.crossfit.metrics(comparison.contestant, question.evidence.kind) if comparison.crossfit else {}
    parent.metrics(tested | chosen | winner.policy_metrics(question.evidence.kind) | of_folds)
    parent.curves(comparison.repeats.steps if comparison.repeats else {})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if question.report != "none":
            write_comparison(folder, comparison)
            parent.tables(folder, page.readable(comparison))
        if question.report == "full":
            (folder / REPORT).write_text(page.page(comparison, _choices(comparison), filed))
        if at_a_glance is not None:
            (folder / "figures/explore.png").write_bytes(at_a_glance)
        parent.artifacts(folder)
    note = comparison_card(comparison, filed)
    parent.tags(
        {
            "mlflow.note.content": shortened(note + CLICKS + views.described(filed.views), "run"),
            **({"registered": filed.registered} if filed.registered else {}),
            **tags(comparison.findings),
        }
    )
