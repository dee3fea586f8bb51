"""`tippingpoint run`: one family, fitted, measured, filed and registered."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType

from tippingpoint.comparison.report import run_summary
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.baselines import with_baselines
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.decided import of_candidate
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.record import begin, overview, record, register_candidate, run_name, run_tags
from tippingpoint.experiment.resume import REGISTERING, left_registering, stop_if_asked
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.models.effect_models import contestant
from tippingpoint.reports.palette import colour
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, views
from tippingpoint.tracking.runs import COLOUR
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.stored import models_of


@dataclass(frozen=True, repr=False)
class RunResult(Result):
    """What one run found, and where it is filed."""

    question: ExperimentSpec
    candidate: Candidate
    filed: RunReference | None
    """None where nothing was to be written."""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        kind, question = self.question.evidence.kind, self.question
        found = [finding.to_dict() for finding in all_of(question, self.candidate)]
        baselines = [of.to_dict(kind) for of in self.candidate.baselines(question)]
        decision = of_candidate(question, self.candidate, self.filed).to_dict()
        answered = {"decision": decision, **question.to_dict(), "baselines": baselines}
        answered |= {"candidate": self.candidate.to_dict(kind), "findings": found}
        return answered | (asdict(self.filed) if self.filed else {})

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return run_summary(self.question, self.candidate, self.filed)


def run(settings: Settings) -> RunResult:
    """Fit one family and file it as a run and a registered version.

    Raises
    ------
    InputError
        When the config or the data are wrong.
    OutsideError
        When the store cannot be used.
    Finished
        Under a sweep, when a finished run has the same config, data and code.
    """
    if len(settings.model) != 1:
        names = ", ".join(settings.model)
        raise InputError("model", f"run fits one family; got {names}", "Type model=boosting, or use compare.")
    if len(settings.learner) != 1:
        names = ", ".join(settings.learner)
        raise InputError("learner", f"run fits one learner; got {names}", "Type learner=dr, or use compare.")
    (family,) = (contestant(model, learner) for model in settings.model for learner in settings.learner)
    stop_if_asked(settings, "run")
    with progress(5) as step:
        step("reading users")
        question = ask(settings)
        step(question.evidence_in_words)
        if not settings.tracking.log:
            step(f"{family}: fitting, measuring, explaining")
            question = with_baselines(question)
            return RunResult(question, answer(question, family), None)
        step("opening the store")
        client, experiment, own = begin(settings, question, "run")
        tags = own | run_tags(question, "run") | {COLOUR: colour(family)}
        left = left_registering(client, experiment, settings, own, "run")
        with tracked(client, experiment, run_name(question, family), tags, again=left) as opened:
            step(f"{family}: fitting, measuring, explaining")
            question = with_baselines(question)
            candidate = answer(question, family)
            step.decided(of_candidate(question, candidate, None).lines)
            step(f"{family}: filing")
            if left:
                _, model_id = models_of(client, left)[family]
            else:
                model_id = record(candidate, question, settings, opened, overview(question))
            registered = None
            if settings.tracking.register_model:
                opened.tags({REGISTERING: "true"})
                registered = register_candidate(
                    client, candidate, question, opened.run_id, model_id, test_set=settings.tracking.test_set
                ).uri
            saved = views.of_models(
                client,
                experiment,
                question.select_by,
                question.evidence.kind,
                question.treating,
                [*candidate.shap_shares],
            )
    return RunResult(question, candidate, RunReference(opened.run_id, backend.page(opened.path), registered, saved))
