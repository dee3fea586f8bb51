"""What is filed of a question and its candidates: the store opened, a run of each, and the registered version."""

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tippingpoint.config.settings import Settings
from tippingpoint.data.users import Intake
from tippingpoint.evaluation import auc_contributions
from tippingpoint.experiment import decided
from tippingpoint.experiment.build import fitted_on
from tippingpoint.experiment.by_share import by_share, score_cells
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.decision import Decision
from tippingpoint.experiment.diagnostics import tags
from tippingpoint.experiment.evaluation_figures import write_evaluation
from tippingpoint.experiment.explanation_figures import write_explanations
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.report import card
from tippingpoint.experiment.resume import DIGEST, own_tags, stop_if_finished
from tippingpoint.experiment.revaluation import usable
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.models.saved_form import check_trusted
from tippingpoint.offpolicy.cells import outcomes
from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.reports import figures
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.markdown import shortened
from tippingpoint.tracking import backend
from tippingpoint.tracking.filed_users import file_users
from tippingpoint.tracking.models import FINDINGS, OUT_OF_FOLD, saved_scores
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import (
    Client,
    Version,
    check_policy,
    check_registering,
    register,
    registered_from,
)
from tippingpoint.tracking.rights import check_experiment
from tippingpoint.tracking.runs import Run, reap
from tippingpoint.tracking.tags import ACTIONS, CHOSEN_ON, JOB, LEARNER

EXAMPLE_ROWS = 5


def open_store(settings: Settings, question: ExperimentSpec) -> tuple[Client, str]:
    """A client, and the id of the experiment the question's runs go to; runs that dead processes left are closed.

    Raises
    ------
    InputError
        When the policy cannot be registered as it is, or a model of a family of the user's own not be saved.
    OutsideError
        When the store cannot be used.
    """
    for family in question.families.values():
        check_trusted(family, question.parts.train, question.seed)
    client = backend.connect()
    reap(client)
    if settings.tracking.register_model:
        check_policy(client, question.policy)
    experiment = backend.experiment_id(client, settings.tracking.experiment or question.name)
    check_experiment(client, experiment)
    if settings.tracking.register_model:
        check_registering(client, question.name)
    return client, experiment


def begin(settings: Settings, question: ExperimentSpec, job: str) -> tuple[Client, str, dict[str, str]]:
    """What `open_store` gives, and the tags of the job's outermost run beside those of `run_tags`.

    Raises
    ------
    InputError, OutsideError
        As `open_store` does.
    Finished
        Under a sweep, when a finished run has the same config, data and code.
    """
    client, experiment = open_store(settings, question)
    own = own_tags(settings, question, job)
    stop_if_finished(client, experiment, settings, job, own[DIGEST])
    return client, experiment, own


def overview(question: ExperimentSpec) -> bytes | None:
    """The users at a glance as PNG, for a full report."""
    return figures.overview(question.users) if question.report == "full" else None


def record(candidate: Candidate, question: ExperimentSpec, settings: Settings, run: Run, overview: bytes | None) -> str:
    """File a candidate in its run, with the overview of the users if any; returns the logged model's id.

    With `report=none` there are no figures and no tables.
    """
    test, made_with = question.parts.test, provenance()
    config = settings.filed()
    run.params(_params(candidate, question, config))
    for part in ("train", "validation", "test"):
        run.dataset(getattr(question.parts, part), part, question.origin)
    example = question.parts.train.features.head(EXAMPLE_ROWS)
    model_id = run.model(candidate.model, question.users.contract, example, candidate.policy, candidate.deployment)
    run.metrics(
        {f"test/{name}": estimate for name, estimate in candidate.metrics.items()}
        | {f"validation/{question.select_by}": candidate.validation}
        | candidate.policy_metrics(question.evidence.kind)
        | {f"cost/{name}_seconds": seconds for name, seconds in candidate.seconds.items()}
        | {"explanation/local_accuracy_gap": candidate.explanation.gap}
        | {f"shap_share/{column}": share for column, share in candidate.shap_shares.items()}
        | {"slices/worse": len(candidate.evaluation.worse)}
        | _hidden(candidate, question)
        | _over_column(candidate, question),
        model_id,
        test,
    )
    cells, line = score_cells(candidate, question)
    known = usable(question.economics, question.actions)
    run.curves(
        candidate.evaluation.steps | by_share(cells, line, outcomes(len(question.actions)), question.actions, known)
    )
    if (bounds := candidate.value.bounds) is not None:
        run.curves(bounds.steps(f"policy/{question.evidence.kind}"))
    note = card(candidate, question, made_with, f"models:/{model_id}", decided.of_candidate(question, candidate, None))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run.metrics(_write_report(folder, candidate, question), model_id, test)
        if overview is not None:
            (folder / "figures/explore.png").write_bytes(overview)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        (folder / "policy.json").write_text(json.dumps(candidate.policy.bound(), indent=2))
        (folder / "card.md").write_text(note)
        (folder / FINDINGS).write_text(json.dumps([finding.to_dict() for finding in candidate.findings], default=float))
        (folder / OUT_OF_FOLD).write_bytes(saved_scores(candidate.out_of_fold))
        (folder / "packages.txt").write_text("\n".join(made_with.packages) + "\n")
        if made_with.diff:
            (folder / "uncommitted.diff").write_text(made_with.diff)
        run.artifacts(folder)
    on = "validation" if candidate.development is None else "train and validation, out of fold"
    of = {CHOSEN_ON: on, "roc_auc": interval(candidate.metrics["roc_auc"], 3)}
    said = {"mlflow.note.content": shortened(note, "run"), **effect_tags(candidate, question)}
    run.tags(said | of | tags(all_of(question, candidate)))
    return model_id


def _params(candidate: Candidate, question: ExperimentSpec, config: dict[str, Any]) -> dict[str, Any]:
    """What the run was asked, flat; `config` are its settings without credentials."""
    of = question.learners.get(candidate.family)
    family = candidate.family if of is None else of.family
    learner = {} if of is None else {LEARNER: of.learner, "filed": of.of.filed_as}
    return {
        "model": family,
        **learner,
        "data": question.origin,
        "policy": question.policy.name,
        "economics": question.economics.name,
        "calibration": candidate.model.calibration,
        **{f"model.{key}": value for key, value in config["model"][family].items() if key != "search"},
        **{f"{of}.{key}": value for of in ("data", "policy", "economics") for key, value in config[of].items()},
        **{key: config[key] for key in ("split", "diagnostics", "evidence", "select_by", "explain_rows", "seed")},
        "report": question.report,
    }


def _write_report(folder: Path, candidate: Candidate, question: ExperimentSpec) -> dict[str, float]:
    """Write figures and tables below a folder unless `report=none`; returns the metrics of the explanation."""
    if question.report == "none":
        return {}
    fitted = question.parts.train if candidate.development is None else candidate.development
    write_evaluation(folder, candidate, question)
    found = write_explanations(
        folder,
        candidate.explanation,
        candidate.model,
        candidate.policy,
        fitted.take(fitted_on(question, fitted)),
        question.parts.test.features,
        candidate.family,
        question.seed,
        question.report,
    )
    candidate.segments.to_csv(folder / f"tables/policy_{question.evidence.kind}.csv", index=False)
    if len(candidate.score_groups):
        candidate.score_groups.to_csv(folder / "tables/uplift_by_score_group.csv", index=False)
        candidate.heterogeneity.to_csv(folder / "tables/heterogeneity.csv", index=False)
    return found


def _hidden(candidate: Candidate, question: ExperimentSpec) -> dict[str, float]:
    """By how much a hidden driver must change the odds of the action for the sign of the uplift to be open."""
    bounds = candidate.value.bounds
    return {} if bounds is None else {f"policy/{question.evidence.kind}/{FLIPS_FROM}": float(bounds.flips_from)}


def _over_column(candidate: Candidate, question: ExperimentSpec) -> dict[str, Estimate]:
    """ROC AUC of the best single column, and what the model has over it, user by user."""
    if (column := question.column) is None:
        return {}
    outcome = question.parts.test.outcome
    terms = auc_contributions(outcome, candidate.score) - auc_contributions(outcome, column.test)
    gain = mean(terms, group=question.parts.test.codes)
    return {"baseline/roc_auc": column.metrics["roc_auc"], "baseline/roc_auc_gain": gain}


def register_candidate(
    client: Client,
    candidate: Candidate,
    question: ExperimentSpec,
    run_id: str,
    model_id: str,
    decision: Decision | None = None,
    test_set: bool = False,
) -> Version:
    """Register a filed candidate as the next version of its question, with its policy and its card.

    One whose process was killed since is registered already.

    Parameters
    ----------
    decision
        What its card begins with; None: the decision on this candidate alone.
    test_set
        Whether the users are filed with its run before.
    """
    if test_set:
        file_users(client, run_id, question.users)
    if (there := registered_from(client, run_id)) is not None:
        return there
    policy = question.policy
    unit = f"{question.economics.currency} per user ({question.evidence.label})"
    of = {
        "test_roc_auc": interval(candidate.metrics["roc_auc"], 3),
        "uplift": f"{interval(candidate.value.uplift, 3)} {unit}",
        "policy": f"{policy.name} version {policy.version}",
        "data": question.origin,
        "model": candidate.family,
        **effect_tags(candidate, question),
        "evidence": question.evidence.label,
        "data_digest": question.users.digest,
        "economics": question.economics.name,
        **tags(all_of(question, candidate)),
    }
    decision = decision or decided.of_candidate(question, candidate, None)
    note = shortened(card(candidate, question, provenance(), f"models:/{model_id}", decision), "version")
    return register(client, question.name, model_id, run_id, candidate.policy, candidate.deployment, of, note)


def run_name(question: ExperimentSpec, family: str) -> str:
    """What a family's run is called, beside those of other seeds and users."""
    return f"{family} · seed {question.seed} · {question.origin}"


def effect_tags(candidate: Candidate, question: ExperimentSpec) -> dict[str, str]:
    """Tags of a run and a version that predict effects: the learner, and of which actions, in order."""
    of = question.learners.get(candidate.family)
    return {} if of is None else {LEARNER: of.learner, ACTIONS: json.dumps(question.users.actions)}


def run_tags(question: ExperimentSpec, job: str) -> dict[str, str]:
    """Tags every run of a job carries."""
    policy = question.policy
    return {
        **provenance().tags(),
        JOB: job,
        "question": question.name,
        "evidence": question.evidence.label,
        "data_digest": question.users.digest,
        "policy_name": policy.name,
        "policy_version": str(policy.version),
        "policy_digest": policy.digest,
        "seed": str(question.seed),
        **_intake_tags(question.users.intake),
    }


def _intake_tags(intake: Intake | None) -> dict[str, str]:
    if intake is None:
        return {}
    found = {"rows_in": str(intake.rows), "rows_used": str(intake.used), "rows_quarantined": str(intake.quarantined)}
    return found | ({"quarantine": intake.path} if intake.path else {})
