"""What the user of a tracking server may write, tried by writes that change nothing: before minutes of work, and told.

Only a server has users. What it answers is all that is asked for, so any way of granting rights is seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tippingpoint.tracking.backend import StoreRefusedError, is_server, named, store_errors, user
from tippingpoint.tracking.grants import grant_line
from tippingpoint.tracking.journal import MODEL
from tippingpoint.tracking.refusals import TABLE, is_refusal

NOTHING = "tippingpoint.nothing"
"""A tag that nothing has: taking it away needs the right to write, and changes nothing."""
EDIT = "EDIT on it is needed"
MOST = 50
"""Experiments, and registered models, whose rights are looked at: each costs a request."""


def edits_experiment(client: MlflowClient, experiment_id: str) -> bool:
    """Whether runs may be written into an experiment.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    return _may(lambda: client.delete_experiment_tag(experiment_id, NOTHING))


def edits_model(client: MlflowClient, name: str) -> bool:
    """Whether versions may be registered under a name, and moved; True where there is no such model yet.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    return _may(lambda: client.delete_registered_model_tag(name, NOTHING))


def check_manages(client: MlflowClient, name: str, what: str) -> None:
    """Refuse a registered model that may not be managed, which is tried on a version that no model has.

    Parameters
    ----------
    what
        What cannot be done without, after `may not`.

    Raises
    ------
    StoreRefusedError
        When its user may not; it says who grants it.
    """
    if not _may(lambda: client.delete_model_version(name, "0")):
        line = grant_line(user(), name, permission="MANAGE")
        said = f"{_who()} may not {what}: MANAGE on the model is needed"
        raise StoreRefusedError(f"models:/{name}", said, f"Its owner, or an admin, types: {line}. {TABLE}")


def creates_experiments(client: MlflowClient) -> bool:
    """Whether experiments may be created; tried with one that has no name."""
    return _may(lambda: client.create_experiment(""))


def creates_models(client: MlflowClient) -> bool:
    """Whether models may be registered; tried with one that has no name."""
    return _may(lambda: client.create_registered_model(""))


def check_experiment(client: MlflowClient, experiment_id: str) -> None:
    """Refuse an experiment that runs may not be written into.

    Raises
    ------
    StoreRefusedError
        When its user may not; it says who grants it.
    """
    if not edits_experiment(client, experiment_id):
        with store_errors(reading=True):
            name = client.get_experiment(experiment_id).name
        remedy = f"{_granted('experiment', experiment_id)} Or type tracking.log=false."
        raise StoreRefusedError(f"experiment {name!r}", f"{_who()} may not write runs into it: {EDIT}", remedy)


def check_model(client: MlflowClient, name: str, instead: str = "") -> None:
    """Refuse a registered model that may not be edited; it is made where the server does not say if there is one.

    Parameters
    ----------
    instead
        What can be typed instead, as a sentence.

    Raises
    ------
    StoreRefusedError
        When its user may not; it says who grants it.
    """
    if edits_model(client, name):
        return
    try:  # a server that shows nothing by default says no of what is not there, too, and lets it be made
        with store_errors():
            named(client, name, tags=MODEL)
    except StoreRefusedError:
        allowed = False
    else:
        allowed = edits_model(client, name)
    if not allowed:
        remedy = f"{_granted('registered_model', name)} {instead}".rstrip()
        raise StoreRefusedError(f"models:/{name}", f"{_who()} may not edit this registered model: {EDIT}", remedy)


@dataclass(frozen=True)
class Rights:
    """What a user of a server may do.

    Parameters
    ----------
    experiments, models
        Of those that the user may read, by name: whether they may be edited. The first `MOST` of each.
    creates
        `experiments`, `registered models`, both, or ''.
    """

    user: str
    experiments: dict[str, bool]
    models: dict[str, bool]
    creates: str

    @property
    def writes(self) -> bool:
        """Whether anything may be written at all."""
        return bool(self.creates) or any([*self.experiments.values(), *self.models.values()])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        edits = {"experiments": self.experiments, "registered_models": self.models}
        return {"user": self.user, "edits": edits, "creates": self.creates}


def rights(client: MlflowClient, experiments: Mapping[str, str], models: Sequence[str]) -> Rights | None:
    """Try what the user may do; None where the store knows no users.

    Parameters
    ----------
    experiments
        Names and ids.
    """
    if not is_server():
        return None
    made = {"experiments": creates_experiments, "registered models": creates_models}
    return Rights(
        user(),
        {name: edits_experiment(client, of) for name, of in list(experiments.items())[:MOST]},
        {name: edits_model(client, name) for name in models[:MOST]},
        " and ".join(name for name, may in made.items() if may(client)),
    )


def _who() -> str:
    return f"user {user()!r}" if user() else "you"


def _granted(kind: str, resource: str) -> str:
    return f"Its owner, or an admin, types: {grant_line(user(), resource, kind)}. {TABLE}"


def _may(write: Callable[[], object]) -> bool:
    """Whether a write is let through, whatever becomes of it then."""
    if not is_server():
        return True
    with store_errors():
        try:
            write()
        except MlflowException as error:
            if is_refusal(error):
                return False
            if not error.error_code.startswith(("RESOURCE_", "INVALID_", "BAD_")):
                raise
    return True
