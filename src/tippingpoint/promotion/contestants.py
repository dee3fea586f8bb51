"""Registered versions and the users they are judged on, as a gate takes them."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from tippingpoint.config.retyped import retyped
from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.decisions import Decider
from tippingpoint.experiment.collect import check_columns, score_users
from tippingpoint.tracking.deciders import held
from tippingpoint.tracking.filed_users import filed_users
from tippingpoint.tracking.models import LoadedModel, load
from tippingpoint.tracking.promotion import version_of
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.stored import find
from tippingpoint.tracking.tags import BOUND_FROM, FITTED_IN


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
    bound_from
        The version whose model it has under another policy; '' where it was fitted itself.
    fitted_in
        The run that its model was fitted in.
    """

    uri: str
    model: LoadedModel
    decider: Decider | None
    amiss: str
    read: int
    bound_from: str = ""
    fitted_in: str = ""

    @property
    def guardrails(self) -> dict[str, float]:
        """By measure the worst effect of its policy that is accepted, as it was fitted with."""
        return dict(self.model.config.get("guardrails") or {})

    def has_model_of(self, other: "Contestant") -> bool:
        """Whether both have the same model, to the byte, of the same users."""
        own = self.model.content, self.model.data_digest, self.model.config["split"]
        return bool(own[0]) and own == (other.model.content, other.model.data_digest, other.model.config["split"])

    def same(self, data: Component | None) -> str:
        """Words that select what it was fitted with: its data, or those given instead, policy, prices and split."""
        config = self.model.config
        words = retyped(config if data is None else config | {"data": data.model_dump()})
        return f"{words} learner={self.model.learner}".strip() if self.model.learner else words


@dataclass(frozen=True)
class JudgedUsers:
    """Users that a version is judged on.

    Parameters
    ----------
    test
        Identifies these test users: content and split.
    source
        Where they were read from, as a clause.
    """

    users: Users
    parts: Parts
    test: str
    source: str


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
    fitted_in = run.data.tags.get(FITTED_IN, run.info.run_id)
    bound_from = version.tags.get(BOUND_FROM, "")
    return Contestant(uri, model, decider, amiss, int(run.info.start_time), bound_from, fitted_in)


def judged_users(
    client: Client, contestant: Contestant, data: Component | None, path: str | None = None
) -> JudgedUsers:
    """The users a version's run was judged on, read again and split as it did.

    They are read by `data`, or from `path` by the version's own words; else from where the version says, and, where
    they are not there any more, from what was filed with its run.

    Raises
    ------
    InputError
        When they are no longer what they were.
    """
    model = contestant.model
    if data is not None or path is not None:
        component = data or _at(contestant, str(path))
        source = component.build(Source, "data")
        where = f"{source.origin}, as {'data' if data else 'users'} says"
        return _judged(model, _checked(contestant, source, source.load(), component), where)
    component = Component.of(model.config["data"], "data")
    try:
        source = component.build(Source, "data")
        return _judged(
            model, _checked(contestant, source, source.load(), None), f"{source.origin}, as the version says"
        )
    except (InputError, OutsideError):
        if (filed := filed_users(client, contestant.fitted_in)) is None or filed.digest != model.data_digest:
            raise
        return _judged(model, filed, f"the test set filed with run {contestant.fitted_in}")


def _at(contestant: Contestant, path: str) -> Component:
    """The version's own words on its data, with another path.

    Raises
    ------
    InputError
        When its data are no file.
    """
    node = contestant.model.config["data"]
    if "path" not in node:
        what = f"{contestant.uri} was fitted on users that are read from no file"
        raise InputError("users", what, "Type users=null data=… with where they are.")
    return Component.of({**node, "path": path}, "data")


def _checked(contestant: Contestant, source: Source, users: Users, data: Component | None) -> Users:
    """Users, if they are those that a version was judged on.

    Raises
    ------
    InputError
        When they are others.
    """
    model = contestant.model
    if users.digest != model.data_digest:
        raise InputError(
            "data",
            f"{source.origin} no longer holds the users {contestant.uri} was judged on (digest {users.digest},"
            f" was {model.data_digest})",
            "Bring them back, type users=… (a file) or data=… where they are now, or compare again on those there are"
            f" now: {' '.join(['tippingpoint compare', contestant.same(data)]).rstrip()}",
        )
    return users


def _judged(model: LoadedModel, users: Users, where: str) -> JudgedUsers:
    parts = split(users, validate(Split, model.config["split"], "split"))
    return JudgedUsers(users, parts, test_of(model), where)


def test_of(model: LoadedModel) -> str:
    """What identifies the test users of a model: their content, and how its run split them."""
    shares = validate(Split, model.config["split"], "split")
    cut = hashlib.sha256(json.dumps(shares.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
    return f"{model.data_digest}-{cut}"


@dataclass(frozen=True)
class Scores:
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


def champion_scores(
    candidate: Contestant, champion: Contestant, users: JudgedUsers, own: np.ndarray
) -> tuple[np.ndarray, str]:
    """(n,) scores of the candidate's test users by the champion, and why the two cannot be compared; '' if they can."""
    if candidate.has_model_of(champion):
        return own, ""
    try:
        unlike = _unseen(candidate.model, champion, users.users)
        return (own if unlike else score_users(champion.uri, champion.model, users.parts.test)), unlike
    except InputError as error:
        return own, str(error)


def _unseen(model: LoadedModel, champion: Contestant, users: Users) -> str:
    """Why the champion may have been fitted on these test users; '' where it cannot."""
    theirs, id_ = champion.model, users.contract.user_id
    own, other = (validate(Split, of.config["split"], "split") for of in (model, theirs))
    if own.test_from and other.test_from and other.test_from <= own.test_from:  # all it learnt from is older
        check_columns("the champion", theirs, users)
        return ""
    if model.config["split"] != theirs.config["split"]:
        return "the champion's run split users otherwise, so that it may have learnt from these"
    if theirs.data_digest != users.digest:
        if id_ is None:
            return "users carry no id, so that those the champion learnt from may be among these"
        if champion.decider is None or champion.decider.deployment.terms.id != id_:
            return f"the champion's users were not split by {id_!r}, so that it may have learnt from these"
    check_columns("the champion", theirs, users)
    return ""
