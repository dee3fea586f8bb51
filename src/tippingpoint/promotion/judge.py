"""A registered version held against the champion, on the version's own test users."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tippingpoint.config.gate_checks import Gate
from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.profile import LEAK
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.data.validation import CLOCKS
from tippingpoint.decisions import Decider
from tippingpoint.economics import Economics
from tippingpoint.evaluation.baselines import best_column
from tippingpoint.experiment.collect import check_columns, score_users
from tippingpoint.experiment.evidence import gather_evidence, kind_of
from tippingpoint.explanation import background_of, explain
from tippingpoint.models.calibration import Model
from tippingpoint.models.family import Family
from tippingpoint.offpolicy.value import policy_value
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


@dataclass(frozen=True)
class JudgedUsers:
    """Users that a version is judged on.

    Parameters
    ----------
    test
        What tells these test users from others: content and split.
    """

    users: Users
    parts: Parts
    test: str


def contestant(client: Client, name: str, number: str) -> Contestant:
    """A registered version, loaded as score and serve load it; what they would refuse of it is told in words.

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


def ground_of(contestant: Contestant, data: Component | None) -> JudgedUsers:
    """The users a version's run was judged on, read again and split as it did.

    Raises
    ------
    InputError
        When they are no longer what they were.
    """
    model = contestant.model
    component = data or Component.model_validate(model.config["data"])
    source = component.build(Source, "data")
    users = source.load()
    if users.digest != model.data_digest:
        raise InputError(
            "data",
            f"{source.origin} no longer holds the users {contestant.uri} was judged on (digest {users.digest},"
            f" was {model.data_digest})",
            "Bring them back, type data=… where they are now, or compare again on those there are now:"
            " tippingpoint compare, then promote.",
        )
    shares = validate(Split, model.config["split"], "split")
    cut = hashlib.sha256(json.dumps(shares.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
    return JudgedUsers(users, split(users, shares), f"{users.digest}-{cut}")


def judge(
    client: Client,
    gate: Gate,
    candidate: Contestant,
    champion: Contestant | str | None,
    ground: JudgedUsers,
    against: str,
    look: int,
    reported: int,
    picked: bool,
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
    say
        Told what is done next.

    Raises
    ------
    InputError
        Where the candidate's own columns do not fit its users.
    """
    test, train = ground.parts.test, ground.parts.train
    among = max(reported, 1) if picked else 1
    sure = level(look, gate.alpha) / among
    say("scoring test users with both")
    model = candidate.model
    score = score_users(candidate.uri, model, test)
    unlike, theirs = "", np.full(len(test), float(train.outcome.mean()))
    if isinstance(champion, str):
        unlike, champion = champion, None
    if champion is not None:
        try:
            unlike = _unseen(model, champion, ground.users)
            theirs = theirs if unlike else score_users(champion.uri, champion.model, test)
        except InputError as error:
            unlike = str(error)
    checks: list[Check] = []

    def paired(name: str, check: Callable[[], Check]) -> Check:
        return Check(name, "inconclusive", unlike) if unlike else check()

    if of := gate.quality:
        checks.append(quality_checks.floor(test.outcome, score, of.floor, sure).when_inconclusive(of.inconclusive))
    if than := gate.better:
        found = paired(
            "better", lambda: quality_checks.better(test.outcome, score, theirs, than.margin, than.smallest, sure)
        )
        checks.append(found.when_inconclusive(than.inconclusive))
    if worth := gate.value:
        say("valuing both policies")
        found = paired("value", lambda: _worth(candidate, champion, ground, score, theirs, worth.margin, sure))
        checks.append(found.when_inconclusive(worth.inconclusive))
    if limits := gate.calibration:
        found = quality_checks.calibrated(test.outcome, score, limits.slope, limits.intercept)
        checks.append(found.when_inconclusive(limits.inconclusive))
    if sliced := gate.slices:
        found = paired("slices", lambda: quality_checks.slices(test, score, theirs, gate.alpha))
        checks.append(found.when_inconclusive(sliced.inconclusive))
    say("looking at the model")
    checks += _sound(client, gate, candidate, ground, score)
    if fresh := gate.fresh:
        days, column = age(ground.users.times, candidate.read, datetime.now(UTC).replace(tzinfo=None))
        checks.append(soundness_checks.fresh(days, fresh.days, column).when_inconclusive(fresh.inconclusive))
    if looks := gate.looks:
        checks.append(
            soundness_checks.worn(look, reported, picked, sure, looks.most).when_inconclusive(looks.inconclusive)
        )
    written = json.dumps(gate.model_dump(mode="json", by_alias=True), sort_keys=True)
    digest = hashlib.sha256(written.encode()).hexdigest()[:8]
    return Judgement(f"{gate.name} {digest}", candidate.uri, against, ground.test, len(test), look, sure, tuple(checks))


def age(times: Mapping[str, datetime], read: int, now: datetime) -> tuple[float, str]:
    """Days since the newest time of users and the column that holds it; else since they were read, and ''.

    A column that reaches into the future tells what is planned, not how old anything is.

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


def _sound(client: Client, gate: Gate, candidate: Contestant, ground: JudgedUsers, score: np.ndarray) -> list[Check]:
    """The checks of the model itself. Its files are run elsewhere only once they ask for nothing unusual."""
    model, test = candidate.model, ground.parts.test
    family = model.family
    features = test.features[list(model.columns)]
    checks: list[Check] = []
    with files(client, model) as of:
        columns = {column.name: column.kind for column in ground.users.contract.columns}
        safe = soundness_checks.trusted(of.written, family.trusted, model.columns, columns, candidate.amiss)
        if gate.signature:
            checks.append(safe.when_inconclusive(gate.signature.inconclusive))
        if again := gate.reload:
            if safe.verdict == "passes":
                there, why = clean_scores(of.folder, features.head(again.rows))
                found = soundness_checks.reloads(score[: again.rows], there, why)
            else:
                found = Check("reload", "inconclusive", "its files are not to be run")
            checks.append(found.when_inconclusive(again.inconclusive))
        if speed := gate.speed:
            found = soundness_checks.light(
                _milliseconds(model, test), of.megabytes, speed.milliseconds, speed.megabytes
            )
            checks.append(found.when_inconclusive(speed.inconclusive))
    if share := gate.explanation:
        rng = np.random.default_rng([int(model.config["seed"]), 2])
        rows = np.sort(rng.permutation(len(test))[: share.rows])
        background = background_of(ground.parts.train.features, int(model.config["seed"]))
        try:
            explanation = explain(
                _opened(family, model.classifier), test.contract, test.features.iloc[rows], background
            )
            importance: dict[str, float] = dict(explanation.importance().itertuples(index=False))
            alone = best_column(ground.parts.train, np.random.default_rng([int(model.config["seed"]), 7]))[1]
            found = soundness_checks.explained(importance, alone, LEAK, share.share)
        except InputError as error:
            found = Check("explanation", "inconclusive", str(error))
        checks.append(found.when_inconclusive(share.inconclusive))
    return checks


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


def _worth(
    candidate: Contestant,
    champion: Contestant | None,
    ground: JudgedUsers,
    score: np.ndarray,
    theirs: np.ndarray,
    margin: float,
    sure: float,
) -> Check:
    """Paired difference of what the two policies bring, at the candidate's prices."""
    config, parts, users = candidate.model.config, ground.parts, ground.users
    by = candidate.decider, (champion or candidate).decider
    if by[0] is None or by[1] is None:
        return Check("value", "inconclusive", "one of them does not decide")
    own, other = by[0].policy, by[1].policy
    try:
        economics = Component.model_validate(config["economics"]).build(Economics, "economics")
        kind = kind_of(config["evidence"], users)
        if kind == "assumed":
            return quality_checks.worth(score, score, kind, False, margin, sure)
        seed, actions = int(config["seed"]), users.actions
        decided = {*own.actions.values(), *other.actions.values()}
        economics.check(decided | {"none"})
        if unknown := decided - set(actions):
            return Check("value", "inconclusive", f"no user ever got {', '.join(sorted(unknown))}")
        evidence = gather_evidence(kind, parts.train, parts.test, economics.response(actions), seed)
        reward_intercept, reward_slope = economics.rewards(actions, users.contract.good, parts.test.costs)
        gains = []
        for policy, scores in ((own, score), (other, theirs)):
            decision = policy.decide(scores, parts.test.features, actions)
            gains.append(policy_value(evidence, reward_intercept, reward_slope, decision).contribution)
    except InputError as error:
        return Check("value", "inconclusive", str(error).rstrip("."))
    return quality_checks.worth(gains[0], gains[1], kind, True, margin, sure)


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
