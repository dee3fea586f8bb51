"""A registered version held against the champion, on the version's own test users."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tippingpoint.config.gate_settings import Gate, GateCheck
from tippingpoint.config.retyped import retyped
from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.column_rules import CLOCKS
from tippingpoint.data.profile import LEAK
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.decisions import Decider
from tippingpoint.economics import Economics
from tippingpoint.evaluation.baselines import best_column
from tippingpoint.experiment.collect import check_columns, score_users
from tippingpoint.experiment.diagnostics import Chosen, Findings, evidence, operation
from tippingpoint.experiment.diagnostics import policy as policy_findings
from tippingpoint.experiment.evidence import kind_of, log_of
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.explanation import background_of, explain
from tippingpoint.models.calibration import Model
from tippingpoint.models.family import Family
from tippingpoint.offpolicy.evidence import Log
from tippingpoint.promotion import quality_checks, soundness_checks
from tippingpoint.promotion.alpha_spending import level
from tippingpoint.promotion.verdict import Check, Judgement
from tippingpoint.tracking.deciders import held
from tippingpoint.tracking.models import LoadedModel, find, load
from tippingpoint.tracking.promotion import version_of
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.reload import clean_scores, files

TIMED = 30
"""Rows that are scored one by one for the latency, whose median counts."""


@dataclass(frozen=True)
class Contestant:
    """A registered version with its model.

    Parameters
    ----------
    uri
        `models:/conversion/3`.
    decider
        What `score` and `serve` decide with; None where they refuse the version.
    amiss
        Why they do: its source points elsewhere, its policy or deployment is another or does not fit; '' where not.
    read
        When its run read the users, milliseconds since 1970.
    """

    uri: str
    model: LoadedModel
    decider: Decider | None
    amiss: str
    read: int

    def same(self, data: Component | None) -> str:
        """Words that select what it was fitted with: its data, or those given instead, policy, prices and split."""
        config = self.model.config
        return retyped(config if data is None else config | {"data": data.model_dump()})


@dataclass(frozen=True)
class JudgedUsers:
    """Users that a version is judged on.

    Parameters
    ----------
    test
        Identifies these test users: content and split.
    """

    users: Users
    parts: Parts
    test: str


def contestant(client: Client, name: str, number: str) -> Contestant:
    """A registered version, loaded as score and serve load it; what they would refuse is kept as a sentence.

    Raises
    ------
    InputError
        When there is no such version, it is not of ours, or its file is refused.
    """
    version = version_of(client, name, number)
    uri = f"models:/{name}/{number}"
    if not version.run_id:
        raise InputError(uri, "was registered without a run: its users and its policy are not known", "Name another.")
    run = find(client, uri)[0]
    model = load(client, run)
    decider, amiss = None, ""
    try:
        decider = held(client, version, model).decider
    except InputError as error:
        amiss = error.what
    return Contestant(uri, model, decider, amiss, int(run.info.start_time))


def judged_users(contestant: Contestant, data: Component | None) -> JudgedUsers:
    """The users a version's run was judged on, read again and split as it did.

    Raises
    ------
    InputError
        When they are no longer what they were.
    """
    model = contestant.model
    component = data or Component.of(model.config["data"], "data")
    source = component.build(Source, "data")
    users = source.load()
    if users.digest != model.data_digest:
        raise InputError(
            "data",
            f"{source.origin} no longer holds the users {contestant.uri} was judged on (digest {users.digest},"
            f" was {model.data_digest})",
            "Bring them back, type data=… where they are now, or compare again on those there are now:"
            f" {' '.join(['tippingpoint compare', contestant.same(data)]).rstrip()}",
        )
    shares = validate(Split, model.config["split"], "split")
    cut = hashlib.sha256(json.dumps(shares.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
    return JudgedUsers(users, split(users, shares), f"{users.digest}-{cut}")


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

    The champion is scored anew on the candidate's test users; where there is none the candidate is held against the
    outcome rate of train for everyone. Both are valued at the candidate's prices, each under its own policy.

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
    valued = _valued(candidate, users, chosen)
    findings = valued.findings + _of_policy(candidate, users, scores.own, valued, chosen)
    found = [*_of_scores(gate, candidate, users, scores, valued, sure, say)]
    say("looking at the model")
    found += _of_model(client, gate, candidate, users, scores.own)
    if fresh := gate.fresh:
        days, column = age(users.users.times, candidate.read, datetime.now(UTC).replace(tzinfo=None))
        findings += chosen.settle([operation.stale(days, fresh.days, column)])
        found.append((fresh, soundness_checks.fresh(days, fresh.days, column)))
    if looks := gate.looks:
        found.append((looks, soundness_checks.test_set_looks(look, reported, picked, sure, looks.most)))
    if gate.diagnostics:
        found.append((gate.diagnostics, soundness_checks.diagnosed(findings)))
    checks = tuple(check.when_inconclusive(asked.inconclusive) for asked, check in found)
    size, asked_of = len(users.parts.test), f"{gate.name} {_digest(gate)}"
    return Judgement(asked_of, candidate.uri, against, users.test, size, look, sure, checks, findings)


def _digest(gate: Gate) -> str:
    """8 hex digits of what a gate asks."""
    written = json.dumps(gate.model_dump(mode="json", by_alias=True), sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class _Scores:
    """Scores of the test users by a version, and by what it is held against.

    Parameters
    ----------
    champion
        Whose `other` are; None where they are the outcome rate of train for everyone.
    unlike
        Why the two cannot be compared; '' where they can.
    """

    own: np.ndarray
    other: np.ndarray
    champion: Contestant | None
    unlike: str


def _score_both(candidate: Contestant, champion: Contestant | str | None, users: JudgedUsers) -> _Scores:
    test = users.parts.test
    own = score_users(candidate.uri, candidate.model, test)
    constant = np.full(len(test), float(users.parts.train.outcome.mean()))
    if champion is None or isinstance(champion, str):
        return _Scores(own, constant, None, champion or "")
    try:
        unlike = _unseen(candidate.model, champion, users.users)
        other = constant if unlike else score_users(champion.uri, champion.model, test)
    except InputError as error:
        return _Scores(own, constant, champion, str(error))
    return _Scores(own, other, champion, unlike)


Asked = tuple[GateCheck, Check]
"""What the gate asks, and what was found."""


def _of_scores(
    gate: Gate,
    candidate: Contestant,
    users: JudgedUsers,
    scores: _Scores,
    valued: "_Valued | _NotValued",
    sure: float,
    say: Callable[[str], None],
) -> Iterator[Asked]:
    """The checks of the scores, and of what the policies do with them."""
    test, own, other, group = users.parts.test, scores.own, scores.other, users.parts.test.codes

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
        yield value, paired("value", lambda: _value(candidate, scores, valued, value.margin, sure))
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
        safe = soundness_checks.trusted(of.written, model.family.trusted, model.columns, columns, candidate.amiss)
        if gate.signature:
            yield gate.signature, safe
        if again := gate.reload:
            found = Check("reload", "inconclusive", "its files are not to be run")
            if safe.verdict == "passes":
                there, why = clean_scores(of.folder, test.features[list(model.columns)].head(again.rows))
                found = soundness_checks.reloads(score[: again.rows], there, why)
            yield again, found
        if speed := gate.speed:
            taken = _milliseconds(model, test)
            yield speed, soundness_checks.light(taken, of.megabytes, speed.milliseconds, speed.megabytes)
    if share := gate.explanation:
        yield share, _explained(model, users, share.rows, share.share)


def _explained(model: LoadedModel, users: JudgedUsers, most: int, share: float) -> Check:
    """Whether no column explains more than its share; at most so many test users are explained."""
    train, test, seed = users.parts.train, users.parts.test, int(model.config["seed"])
    rows = np.sort(np.random.default_rng([seed, 2]).permutation(len(test))[:most])
    background = background_of(train.features, seed)
    try:
        opened = _opened(model.family, model.classifier)
        explanation = explain(opened, test.contract, test.features.iloc[rows], background)
        importance: dict[str, float] = dict(explanation.importance().itertuples(index=False))
        alone = best_column(train, np.random.default_rng([seed, 7]))[1]
        return soundness_checks.explained(importance, alone, LEAK, share)
    except InputError as error:
        return Check("explanation", "inconclusive", str(error))


def _unseen(model: LoadedModel, champion: Contestant, users: Users) -> str:
    """Why the champion may have been fitted on these test users; '' where it cannot."""
    theirs, id_ = champion.model, users.contract.user_id
    if model.config["split"] != theirs.config["split"]:
        return "the champion's run split users otherwise, so that it may have learnt from these"
    if theirs.data_digest != users.digest:
        if id_ is None:
            return "users carry no id, so that those the champion learnt from may be among these"
        if champion.decider is None or champion.decider.deployment.terms.id != id_:
            return f"the champion's users were not split by {id_!r}, so that it may have learnt from these"
    check_columns("the champion", theirs, users)
    return ""


@dataclass(frozen=True)
class _Valued:
    """The test users with evidence, and what diagnostics found of it.

    Parameters
    ----------
    log
        What was done to them; None for other kinds of evidence.
    """

    of: ValuedUsers
    log: Log | None
    findings: Findings


@dataclass(frozen=True)
class _NotValued:
    """Why a version's users cannot be valued."""

    why: str
    findings: Findings = ()


def _valued(candidate: Contestant, users: JudgedUsers, chosen: Chosen) -> _Valued | _NotValued:
    """Gather evidence of the test users at the candidate's prices, and hold it against the diagnostics."""
    config, parts, everyone = candidate.model.config, users.parts, users.users
    seed = int(config["seed"])
    try:
        economics = Component.of(config["economics"], "economics").build(Economics, "economics")
        kind = kind_of(config["evidence"], everyone)
        if kind == "assumed":
            return _NotValued("the evidence is assumed: no experiment stands behind it")
        assigned = evidence.of_assignment(everyone, kind, seed, chosen)
        log = log_of(kind, parts.train, parts.test, seed) if kind in ("experiment", "logged") else None
        allowed = assigned.vetoed, tuple(chosen.accept)
        valued = ValuedUsers.of(kind, parts.train, parts.test, everyone.actions, economics, seed, log, *allowed)
    except InputError as error:
        return _NotValued(str(error).rstrip("."))
    return _Valued(valued, log, assigned.findings)


def _of_policy(
    candidate: Contestant, users: JudgedUsers, score: np.ndarray, valued: _Valued | _NotValued, chosen: Chosen
) -> Findings:
    """What diagnostics find of the candidate's policy on test."""
    if candidate.decider is None or isinstance(valued, _NotValued):
        return ()
    policy, test = candidate.decider.policy, users.parts.test
    if not {*policy.actions.values()} <= {*valued.of.actions}:
        return ()
    found = [*policy_findings.of_policy(policy_findings.Decided.of(policy, test, score))]
    if valued.log is not None and valued.of.evidence.measured:
        decision = valued.of.decide(policy, score)
        estimated = valued.of.evidence.kind == "logged"
        weights = evidence.Weights.of(valued.log, decision, valued.of.reward_slope, estimated)
        found += [*evidence.of_weights(weights)]
    return chosen.settle(found)


def _value(candidate: Contestant, scores: _Scores, valued: _Valued | _NotValued, margin: float, sure: float) -> Check:
    """Paired difference of the values of the two policies, at the candidate's prices."""
    by = candidate.decider, (scores.champion or candidate).decider
    if by[0] is None or by[1] is None:
        return Check("value", "inconclusive", "one of them does not decide")
    if isinstance(valued, _NotValued):
        return Check("value", "inconclusive", valued.why)
    users, own, other = valued.of, by[0].policy, by[1].policy
    if vetoed := users.evidence.vetoed:
        return Check(
            "value", "inconclusive", f"the evidence ({users.evidence.kind}) is vetoed by {' and '.join(vetoed)}"
        )
    if unknown := {*own.actions.values(), *other.actions.values()} - {*users.actions}:
        return Check("value", "inconclusive", f"no user ever got {', '.join(sorted(unknown))}")
    try:
        mine, champion = users.value(own, scores.own), users.value(other, scores.other)
    except InputError as error:
        return Check("value", "inconclusive", str(error).rstrip("."))
    basis, kind = mine.basis(champion), users.evidence.kind
    return quality_checks.value(mine.contribution, champion.contribution, kind, margin, sure, basis, mine.group)


def _opened(family: Family, classifier: Any) -> Model:
    """A loaded classifier as the model it was saved from: its pipeline may stand under a sigmoid."""
    if isinstance(classifier, Pipeline):
        return Model(family, classifier, classifier, "none")
    inner = classifier.calibrated_classifiers_[0].estimator
    return Model(family, classifier, getattr(inner, "estimator", inner), "sigmoid")


def _milliseconds(model: LoadedModel, users: Users) -> float:
    """Median time of one row's score."""
    features = users.features[list(model.columns)]
    seconds = []
    for row in range(min(TIMED, len(features))):
        one = features.iloc[[row]]
        start = time.perf_counter()
        model.classifier.predict_proba(one)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds) * 1000)
