"""One family's answer to a question: fitted, calibrated, measured, priced, explained, and filed as a run."""

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from tippingpoint.config.settings import Settings
from tippingpoint.core.redaction import masked
from tippingpoint.data.users import Intake, Users
from tippingpoint.decisions import deployment
from tippingpoint.evaluation import accuracy, auc_contributions, evaluate, point
from tippingpoint.evaluation.baselines import best_column
from tippingpoint.evaluation.evaluation import evaluation
from tippingpoint.evaluation.learning import learning_curve
from tippingpoint.experiment.build import fitted_on
from tippingpoint.experiment.evaluation_figures import write_evaluation
from tippingpoint.experiment.evidence import reward_model
from tippingpoint.experiment.explanation_figures import write_explanations
from tippingpoint.experiment.report import card
from tippingpoint.experiment.resume import DIGEST, own_tags, stop_if_finished
from tippingpoint.experiment.spec import Baseline, Candidate, ExperimentSpec
from tippingpoint.explanation import background_of, explain
from tippingpoint.models.calibration import fit, refit
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate, mean
from tippingpoint.offpolicy.value import PolicyValue, policy_value, segment_break_even
from tippingpoint.policies.policy import FitContext, Policy
from tippingpoint.reports import figures
from tippingpoint.reports.markdown import shortened
from tippingpoint.tracking import backend
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client, Version, check_policy, register
from tippingpoint.tracking.runs import Run, reap
from tippingpoint.tracking.tags import JOB

EXAMPLE_ROWS = 5


def open_store(settings: Settings, question: ExperimentSpec) -> tuple[Client, str]:
    """A client, and the id of the experiment the question's runs go to; runs that dead processes left are closed.

    Raises
    ------
    InputError
        When the policy cannot be registered as it is.
    OutsideError
        When the store cannot be used.
    """
    client = backend.connect()
    reap(client)
    if settings.tracking.register_model:
        check_policy(client, question.policy)
    return client, backend.experiment_id(client, settings.tracking.experiment or question.name)


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


def with_baselines(question: ExperimentSpec, development: Users | None = None) -> ExperimentSpec:
    """The question with what a model must beat: train's outcome rate for everyone, and its best single column.

    Parameters
    ----------
    development
        Train and validation together where the model is fitted on both; then the baselines learn from both too.
    """
    parts, economics, seed = question.parts, question.economics, question.seed
    train, validation = (parts.train, parts.validation) if development is None else (development, development)
    seen = train.take(fitted_on(question, train))
    column, alone = best_column(seen, np.random.default_rng([seed, 7]))
    rate = float(seen.outcome.mean())
    of = {part: column.score(users.features) for part, users in (("validation", validation), ("test", parts.test))}
    constant = {part: np.full(len(score), rate) for part, score in of.items()}
    worth = reward_model(train, economics, seed) if question.users.action is not None else None
    baselines = []
    for name, score in {"constant": constant, f"column {column.column}": of}.items():
        policy = question.policy.bind(FitContext(train.features, validation.features, score["validation"], worth))
        decision = policy.decide(score["test"], parts.test.features, question.actions)
        value = policy_value(question.evidence, question.reward_intercept, question.reward_slope, decision)
        baselines.append(Baseline(name, score["test"], accuracy(parts.test.outcome, score["test"]), value))
    return replace(question, baselines=tuple(baselines), alone=alone)


def overview(question: ExperimentSpec) -> bytes | None:
    """The users at a glance as PNG, for a full report."""
    return figures.overview(question.users) if question.report == "full" else None


def answer(question: ExperimentSpec, family: str, development: Users | None = None) -> Candidate:
    """Fit one family on train, calibrate on validation, and measure, price and explain it on test.

    Parameters
    ----------
    development
        Where the choice is made already: train and validation together, on all of which it is fitted. Out-of-fold
        scores stand for those of validation.
    """
    seed, parts = question.seed, question.parts
    start = time.perf_counter()
    if development is None:
        train, validation = parts.train, parts.validation
        seen, calibrating = (part.take(fitted_on(question, part)) for part in (train, validation))
        model = fit(question.families[family], seen, calibrating, seed)
        on_validation = model.score(validation)
    else:
        train = validation = development
        rows = fitted_on(question, development)
        seen = development.take(rows)
        model, out_of_fold = refit(question.families[family], seen, seed)
        on_validation = model.score(development)
        on_validation[rows] = out_of_fold
    fitted = time.perf_counter()
    score = model.score(parts.test)
    chosen_by = point(question.select_by, validation.outcome, on_validation)
    worth = reward_model(train, question.economics, seed) if question.users.action is not None else None
    policy = question.policy.bind(FitContext(train.features, validation.features, on_validation, worth))
    decision = policy.decide(score, parts.test.features, question.actions)
    value = policy_value(question.evidence, question.reward_intercept, question.reward_slope, decision)
    metrics = evaluate(parts.test.outcome, score, np.random.default_rng([seed, 1]))
    before = time.perf_counter()
    rng = np.random.default_rng([seed, 2])
    rows = np.sort(rng.permutation(len(parts.test))[: question.explain_rows])
    background = background_of(seen.features, seed)
    explanation = explain(model, parts.test.contract, parts.test.features.iloc[rows], background)
    seconds = {"fit": fitted - start, "explain": time.perf_counter() - before}
    segments = _segments(question, policy, score, value)
    learning = None
    if question.report == "full":
        learning = learning_curve(question.families[family], seen, parts.test, score, seed)
    segment = policy.segment(score, parts.test.features)
    rng = np.random.default_rng([seed, 6])
    judged = evaluation(parts.test, score, segment, policy.segments, policy.score_cuts, learning, rng)
    deployed = deployment(
        question.name,
        question.evidence.kind,
        question.terms,
        question.economics,
        question.actions,
        seen.features,
        validation,
        on_validation,
    )
    return Candidate(
        family,
        model,
        policy,
        chosen_by,
        score,
        metrics,
        value,
        segments,
        explanation,
        seconds,
        judged,
        deployed,
        development,
    )


def _segments(question: ExperimentSpec, policy: Policy, score: np.ndarray, value: PolicyValue) -> pd.DataFrame:
    test, kind = question.parts.test, question.evidence.kind
    code = policy.segment(score, test.features)
    rows = []
    for s, segment in enumerate(policy.segments):
        members, action = code == s, policy.actions[segment]
        size = int(members.sum())
        gain = mean(value.contribution[members]) if size else Estimate(float("nan"))
        measured = question.evidence.measured and (size >= LEAST_CHANGED or (size > 0 and action == "none"))
        row = {
            "segment": segment,
            "action": action,
            "users": size,
            "share": size / len(test),
            "mean_score": float(score[members].mean()) if size else np.nan,
            "outcome_rate": float(test.outcome[members].mean()) if size else np.nan,
            f"uplift_per_user_{kind}": gain.value,
            f"uplift_per_user_{kind}_low": gain.low if measured else np.nan,
            f"uplift_per_user_{kind}_high": gain.high if measured else np.nan,
        }
        if not question.evidence.measured and size and action != "none":
            row["break_even_response"] = _break_even(question, action, members)
        rows.append(row)
    return pd.DataFrame(rows)


def _break_even(question: ExperimentSpec, action: str, members: np.ndarray) -> float:
    pair = [0, question.actions.index(action)]
    reward_intercept, reward_slope = question.reward_intercept[..., pair], question.reward_slope[..., pair]
    if reward_intercept.ndim == 2:  # prices of each user's own
        reward_intercept, reward_slope = reward_intercept[members], reward_slope[members]
    return segment_break_even(
        question.evidence.outcome_scores[members, 0], reward_intercept, reward_slope, question.users.contract.good
    )


def record(candidate: Candidate, question: ExperimentSpec, settings: Settings, run: Run, overview: bytes | None) -> str:
    """File a candidate in its run, with the overview of the users if any; returns the logged model's id.

    With `report=none` there are no figures and no tables.
    """
    parts, kind = question.parts, question.evidence.kind
    fitted = parts.train if candidate.development is None else candidate.development
    made_with = provenance()
    config = masked(settings.model_dump(mode="json"))
    run.params(
        {
            "model": candidate.family,
            "data": question.origin,
            "policy": question.policy.name,
            "economics": question.economics.name,
            "calibration": candidate.model.calibration,
            **{f"model.{key}": value for key, value in config["model"][candidate.family].items() if key != "search"},
            **{f"data.{key}": value for key, value in config["data"].items()},
            **{f"policy.{key}": value for key, value in config["policy"].items()},
            **{f"economics.{key}": value for key, value in config["economics"].items()},
            **{key: config[key] for key in ("split", "evidence", "select_by", "explain_rows", "seed")},
            "report": question.report,
        }
    )
    for part in ("train", "validation", "test"):
        run.dataset(getattr(parts, part), part, question.origin)
    example = parts.train.features.head(EXAMPLE_ROWS)
    model_id = run.model(candidate.model, question.users.contract, example, candidate.policy, candidate.deployment)
    run.metrics(
        {f"test/{name}": estimate for name, estimate in candidate.metrics.items()}
        | {f"validation/{settings.select_by}": candidate.validation}
        | candidate.policy_metrics(kind)
        | {f"cost/{name}_seconds": seconds for name, seconds in candidate.seconds.items()}
        | {"explanation/local_accuracy_gap": candidate.explanation.gap}
        | {"slices/worse": len(candidate.evaluation.worse)}
        | _over_baselines(candidate, question),
        model_id,
        parts.test,
    )
    run.curves(candidate.evaluation.steps)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if question.report != "none":
            write_evaluation(folder, candidate, question)
            found = write_explanations(
                folder,
                candidate.explanation,
                candidate.model,
                candidate.policy,
                fitted.take(fitted_on(question, fitted)),
                parts.test.features,
                candidate.family,
                question.seed,
                question.report,
            )
            run.metrics(found, model_id, parts.test)
            candidate.segments.to_csv(folder / f"tables/policy_{kind}.csv", index=False)
        if overview is not None:
            (folder / "figures/explore.png").write_bytes(overview)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        (folder / "policy.json").write_text(json.dumps(candidate.policy.bound(), indent=2))
        (folder / "card.md").write_text(note := card(candidate, question, made_with, f"models:/{model_id}"))
        (folder / "packages.txt").write_text("\n".join(made_with.packages) + "\n")
        if made_with.diff:
            (folder / "uncommitted.diff").write_text(made_with.diff)
        run.artifacts(folder)
    run.tags({"mlflow.note.content": shortened(note, "run")})
    return model_id


def _over_baselines(candidate: Candidate, question: ExperimentSpec) -> dict[str, Estimate]:
    """ROC AUC of the best single column, and what the model has over it, user by user."""
    if not question.baselines:
        return {}
    column, outcome = question.baselines[-1], question.parts.test.outcome
    gain = mean(auc_contributions(outcome, candidate.score) - auc_contributions(outcome, column.score))
    return {"baseline/roc_auc": column.metrics["roc_auc"], "baseline/roc_auc_gain": gain}


def register_candidate(
    client: Client, candidate: Candidate, question: ExperimentSpec, run_id: str, model_id: str
) -> Version:
    """Register a filed candidate as the next version of its question, with its policy and its card."""
    tags = {
        "model": candidate.family,
        "evidence": question.evidence.kind,
        "data_digest": question.users.digest,
        "economics": question.economics.name,
    }
    note = shortened(card(candidate, question, provenance(), f"models:/{model_id}"), "version")
    return register(client, question.name, model_id, run_id, candidate.policy, candidate.deployment, tags, note)


def run_tags(question: ExperimentSpec, job: str) -> dict[str, str]:
    """Tags every run of a job carries."""
    policy = question.policy
    return {
        **provenance().tags(),
        JOB: job,
        "question": question.name,
        "evidence": question.evidence.kind,
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
