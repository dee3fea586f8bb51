"""Several versions that answer, each a share of users, by a salted hash of their ids."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.data.splits import position
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.request import Problem, RefusedUsersError
from tippingpoint.serving.version import Json, Served

Method = Callable[[Served, list[Json]], Json]


@dataclass(frozen=True)
class Part:
    """What one version answered.

    Parameters
    ----------
    found
        Its answer to `users`.
    chance
        Of each user to be answered by this version.
    """

    served: Served
    users: list[Json]
    found: Json
    chance: float


@dataclass(frozen=True)
class Split:
    """Shares of users, each answered by a version of its own.

    A user stays with the version while the shares stay as they are; a share that grows takes users from its neighbours
    alone.

    Parameters
    ----------
    followers, shares
        The versions, and what part of users each answers; they sum to 1.
    first
        The position of the one that the service describes.
    salt
        Of the hash, which is not that of the hold-out.
    """

    followers: tuple[Follower, ...]
    shares: tuple[float, ...] = (1.0,)
    first: int = 0
    salt: str = ""

    @property
    def current(self) -> Served:
        """The version that the service describes."""
        return self.followers[self.first].current

    @property
    def alone(self) -> bool:
        """Whether one version answers all."""
        return len(self.followers) == 1

    @property
    def openapi(self) -> Json:
        """The document of that version; where several answer, each decision says by which."""
        document = self.current.openapi
        return document if self.alone else _of_several(document, [follower.current for follower in self.followers])

    def answer(self, users: list[Json], method: Method) -> tuple[Json, list[Part]]:
        """What `method` of each user's version answers, in the order of the users; and the parts it is made of.

        Raises
        ------
        RefusedUsersError
            Where users break the contract of their version.
        """
        if self.alone:
            served = self.current
            found = method(served, users)
            return found, [Part(served, users, found, 1.0)]
        versions = [follower.current for follower in self.followers]
        arm = self.arms(users, versions[self.first])
        problems: list[Problem] = []
        parts: list[Part] = []
        answers: dict[int, Json] = {}
        for k in np.unique(arm):
            rows = np.flatnonzero(arm == k).tolist()
            own = [users[i] for i in rows]
            try:
                found = method(versions[k], own)
            except RefusedUsersError as refused:
                problems += [Problem(rows[p.user], p.field, p.rule, p.said) for p in refused.problems]
                continue
            parts.append(Part(versions[k], own, found, self.shares[k]))
            by = {"model": found["model"], "policy_digest": found["policy_digest"]}
            answers |= dict(zip(rows, ({**of, **by} for of in found[_listed(found)]), strict=True))
        if problems:
            raise RefusedUsersError(sorted(problems, key=lambda problem: problem.user))
        told = [answers[i] for i in range(len(users))]
        return {**versions[self.first].head(), _listed(parts[0].found): told}, parts

    def arms(self, users: Sequence[Json], described: Served) -> np.ndarray:
        """(n,) the position of each user's version."""
        name = str(described.decider.deployment.terms.id)
        ids = np.array([str(user.get(name, "")).strip() for user in users], dtype=np.object_)
        edges = np.cumsum(self.shares)[:-1]
        return np.searchsorted(edges, position(ids, self.salt), side="right")


def _listed(found: Json) -> str:
    return "decisions" if "decisions" in found else "explanations"


def refuse_shares(shares: dict[str, float], described: str) -> None:
    """Refuse shares that are none, or leave out the version that `model=` names.

    Raises
    ------
    InputError
        When they do.
    """
    if described not in shares:
        what = f"has no share for {described}, the version that model= names"
        raise InputError("split", what, f"Type split='{{{described}: 0.9, challenger: 0.1}}'.")
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) <= 0:
        raise InputError(
            "split",
            f"its shares must be above 0 and sum to 1; they sum to {sum(shares.values()):g}",
            f"Type split='{{{described}: 0.9, challenger: 0.1}}'.",
        )


def refuse_other_columns(served: Served, described: Served) -> None:
    """Refuse a version that asks callers for more than the service's description does.

    Raises
    ------
    InputError
        When it reads further columns, or calls the id otherwise.
    """
    own, known = served.decider.deployment.terms, described.decider.deployment.terms
    if own.id != known.id:
        what = f"{served.reference} calls the id {own.id!r}, {described.reference} {known.id!r}"
        raise InputError("split", what, "Split between versions of one table.")
    if further := sorted(set(own.columns) - set(known.columns)):
        what = f"{served.reference} reads {', '.join(map(repr, further))}, which {described.reference} does not ask for"
        raise InputError("split", what, f"Type model={served.reference}, or split between versions of one table.")


def _of_several(document: Json, versions: list[Served]) -> Json:
    """The document where several versions answer: decisions may have the segments and actions of each."""
    named: dict[str, list[str]] = {
        "segment": [s for of in versions for s in of.decider.policy.segments],
        "action": [a for of in versions for a in of.decider.deployment.actions],
    }
    named["policy_action"] = named["action"]

    def widened(schema: Json, key: str) -> Json:
        listed = schema["properties"][key]
        item = listed["items"]
        own: dict[str, Any] = {**item["properties"], "model": {"type": "string"}, "policy_digest": {"type": "string"}}
        own |= {n: {**own[n], "enum": list(dict.fromkeys(of))} for n, of in named.items() if n in own}
        needed = [n for n in item["required"] if n != "effects" and n != "expected_gain"]
        item = {**item, "properties": own, "required": [*needed, "model", "policy_digest"]}
        return {**schema, "properties": {**schema["properties"], key: {**listed, "items": item}}}

    schemas = dict(document["components"]["schemas"])
    schemas["Decisions"] = widened(schemas["Decisions"], "decisions")
    schemas["Explanations"] = widened(schemas["Explanations"], "explanations")
    return {**document, "components": {**document["components"], "schemas": schemas}}
