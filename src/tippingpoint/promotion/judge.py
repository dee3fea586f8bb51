"""A registered version held against the champion, on the version's own test users."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from sklearn.pipeline import Pipeline

from tippingpoint.config.gate_settings import Gate, GateCheck
from tippingpoint.core.errors import InputError
from tippingpoint.data.column_rules import CLOCKS
from tippingpoint.data.model_output import probability
from tippingpoint.data.profile import LEAK
from tippingpoint.evaluation.baselines import best_column
from tippingpoint.experiment.collect import score_users
from tippingpoint.experiment.diagnostics import Chosen, Finding, operation
from tippingpoint.explanation import background_of, explain
from tippingpoint.models.calibration import Model, pipeline_of
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.promotion import quality_checks, soundness_checks
from tippingpoint.promotion.alpha_spending import level
from tippingpoint.promotion.contestants import Contestant, JudgedUsers, Scores, champion_scores
from tippingpoint.promotion.speed import milliseconds
from tippingpoint.promotion.valuing import (
    NotValued,
    Valued,
    against_no_model,
    guardrail_check,
    of_policy,
    value_check,
    valued_users,
)
from tippingpoint.promotion.verdict import Check, Judgement
from tippingpoint.tracking.models import LoadedModel
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.reload import clean_scores, files

Asked = tuple[GateCheck, Check]
"""What the gate asks, and what was found."""


def judge(
    client: Client,
    gate: Gate,
    candidate: Contestant,
    champion: Contestant | str | None,
    users: JudgedUsers,
    against: str,
    look: int,
    reported: int,
    picked: bool,
    chosen: Chosen,
    say: Callable[[str], None] = lambda _: None,
) -> Judgement:
    """Run every check of a gate.

    The champion is scored anew on the candidate's test users; where there is none the candidate's scores are held
    against the outcome rate of train for everyone, and its policy against none for everyone. Both are valued at the
    candidate's prices, each under its own policy.

    Parameters
    ----------
    champion
        None where there is none; why, where there is one and it does not load.
    against
        Its URI; '' where there is none.
    look
        Its place among those that looked at these users.
    reported
        Registered versions whose runs reported on these users.
    picked
        Whether somebody picked the candidate, who may have read what all of them reported; a challenger was chosen on
        validation.
    chosen
        Which diagnostics are silenced and accepted.
    say
        Told what is done next.

    Raises
    ------
    InputError
        Where the candidate's own columns do not fit its users.
    """
    sure = level(look, gate.alpha) / (max(reported, 1) if picked else 1)
    say("scoring test users with both")
    scores = _score_both(candidate, champion, users)
    valued = valued_users(candidate, users, chosen)
    without_model = against_no_model(candidate, users, scores.own, valued)
    findings = valued.findings + of_policy(candidate, users, scores.own, valued, without_model, chosen)
    found = [*_of_scores(gate, candidate, users, scores, valued, without_model, sure, say)]
    say("looking at the model")
    found += _of_model(client, gate, candidate, users, scores.own)
    if fresh := gate.fresh:
        days, column = age(users.users.times, candidate.read, datetime.now(UTC).replace(tzinfo=None))
        findings += chosen.settle([operation.stale(days, fresh.days, column)])
        found.append((fresh, soundness_checks.fresh(days, fresh.days, column)))
    found += _of_procedure(gate, look, reported, picked, sure, findings)
    checks = tuple(check.when_inconclusive(asked.inconclusive) for asked, check in found)
    pair, size = (candidate.uri, against), len(users.parts.test)
    return Judgement(gate.title, *pair, users.test, size, look, sure, checks, findings)


def _score_both(candidate: Contestant, champion: Contestant | str | None, users: JudgedUsers) -> Scores:
    test = users.parts.test
    own = score_users(candidate.uri, candidate.model, test)  # (n, K + 1) of one that predicts effects
    constant = np.full(len(test), float(users.parts.train.outcome.mean()))
    if own.ndim == 2:  # the same effects for everyone
        constant = np.column_stack([constant, np.tile(own[:, 1:].mean(axis=0), (len(own), 1))])
    if champion is None or isinstance(champion, str):
        return Scores(own, constant, None, champion or "")
    other, unlike = champion_scores(candidate, champion, users, own)
    return Scores(own, constant if unlike else other, champion, unlike)


def _of_procedure(
    gate: Gate, look: int, reported: int, picked: bool, sure: float, findings: Sequence[Finding]
) -> Iterator[Asked]:
    """The checks of how often the test set was looked at, and of what was found amiss."""
    if looks := gate.looks:
        yield looks, soundness_checks.test_set_looks(look, reported, picked, sure, looks.most)
    if gate.diagnostics:
        yield gate.diagnostics, soundness_checks.diagnosed(findings)


def _of_scores(
    gate: Gate,
    candidate: Contestant,
    users: JudgedUsers,
    scores: Scores,
    valued: "Valued | NotValued",
    without_model: Sequence[Contrast],
    sure: float,
    say: Callable[[str], None],
) -> Iterator[Asked]:
    """The checks of the scores, and of what the policies do with them."""
    test, group = users.parts.test, users.parts.test.codes
    own, other = probability(scores.own), probability(scores.other)

    def paired(name: str, check: Callable[[], Check]) -> Check:
        return Check(name, "inconclusive", scores.unlike) if scores.unlike else check()

    if of := gate.quality:
        yield of, quality_checks.floor(test.outcome, own, of.floor, sure, group)
    if than := gate.better:
        margin, smallest = than.margin, than.smallest
        yield (
            than,
            paired("better", lambda: quality_checks.better(test.outcome, own, other, margin, smallest, sure, group)),
        )
    if value := gate.value:
        say("valuing both policies")
        yield value, paired("value", lambda: value_check(candidate, scores, valued, without_model, value.margin, sure))
    if gate.guardrails and (margins := candidate.guardrails):
        yield gate.guardrails, guardrail_check(candidate, scores, valued, margins, sure)
    if limits := gate.calibration:
        yield limits, quality_checks.calibrated(test.outcome, own, limits.slope, limits.intercept, group)
    if sliced := gate.slices:
        yield sliced, paired("slices", lambda: quality_checks.slices(test, own, other, gate.alpha))


def age(times: Mapping[str, datetime], read: int, now: datetime) -> tuple[float, str]:
    """Days since the newest time of users and the column that holds it; else since they were read, and ''.

    A column that reaches into the future holds plans and is left out.

    Parameters
    ----------
    times
        The newest of each column, UTC without a zone, as `now` is.
    read
        Milliseconds since 1970.
    """
    past = {column: newest for column, newest in times.items() if newest <= now + CLOCKS}
    column = max(past, key=past.__getitem__, default="")
    since = past[column] if column else datetime.fromtimestamp(read / 1000, UTC).replace(tzinfo=None)
    return max((now - since) / timedelta(days=1), 0.0), column


def _of_model(
    client: Client, gate: Gate, candidate: Contestant, users: JudgedUsers, score: np.ndarray
) -> Iterator[Asked]:
    """The checks of the model itself. Its files are run elsewhere only once they ask for nothing unusual."""
    model, test = candidate.model, users.parts.test
    with files(client, model) as of:
        columns = {column.name: column.kind for column in users.users.contract.columns}
        safe = soundness_checks.trusted(of.written, model.trusted, model.columns, columns, candidate.amiss)
        if gate.signature:
            yield gate.signature, safe
        if again := gate.reload:
            found = Check("reload", "inconclusive", "its files are not to be run")
            if safe.verdict == "passes":
                there, why = clean_scores(
                    of.folder, test.features[list(model.columns)].head(again.rows), score.ndim == 2
                )
                found = soundness_checks.reloads(score[: again.rows], there, why)
            yield again, found
        if speed := gate.speed:
            taken = milliseconds(model, test)
            yield speed, soundness_checks.light(taken, of.megabytes, speed.milliseconds, speed.megabytes)
    if share := gate.explanation:
        yield share, _explained(model, users, share.rows, share.share)


def _explained(model: LoadedModel, users: JudgedUsers, most: int, share: float) -> Check:
    """Whether no column explains more than its share; at most so many test users are explained."""
    train, test, seed = users.parts.train, users.parts.test, int(model.config["seed"])
    rows = np.sort(np.random.default_rng([seed, 2]).permutation(len(test))[:most])
    background = background_of(train.features, seed)
    try:
        opened = _opened(model)
        explanation = explain(opened, test.contract, test.features.iloc[rows], background)
        importance: dict[str, float] = dict(explanation.importance().itertuples(index=False))
        alone = best_column(train, np.random.default_rng([seed, 7]))[1]
        return soundness_checks.explained(importance, alone, LEAK, share)
    except InputError as error:
        return Check("explanation", "inconclusive", str(error))


def _opened(model: LoadedModel) -> Model:
    """What was loaded as the model it was saved from: its pipeline may stand under a sigmoid."""
    family, classifier = model.family, model.classifier
    if model.actions is not None:
        return Model(family, classifier, pipeline_of(classifier), "none", actions=model.actions)
    if isinstance(classifier, Pipeline):
        return Model(family, classifier, classifier, "none")
    inner = classifier.calibrated_classifiers_[0].estimator
    return Model(family, classifier, getattr(inner, "estimator", inner), "sigmoid")
