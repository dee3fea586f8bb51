"""Registered versions and the users they are judged on, as a gate takes them."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from tippingpoint.config.retyped import retyped
from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.decisions import Decider
from tippingpoint.tracking.deciders import held
from tippingpoint.tracking.models import LoadedModel, find, load
from tippingpoint.tracking.promotion import version_of
from tippingpoint.tracking.registry import Client


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
