"""Who gets the alias challenger: the newest winner, but for one that is worse than who has it, on the same users."""

import sys

from tippingpoint.config.settings import Tracking
from tippingpoint.core.errors import InputError
from tippingpoint.data.model_output import probability
from tippingpoint.evaluation import auc_contributions
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.collect import score_users
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.tracking.deciders import load_decider
from tippingpoint.tracking.promotion import aliases, tag_version
from tippingpoint.tracking.registry import CHALLENGER, Client, Version, challenge


def challenge_unless_worse(
    client: Client, version: Version, candidate: Candidate, question: ExperimentSpec, tracking: Tracking
) -> None:
    """Give a version the alias challenger, unless it is worse than who has it; that is said, and on the version too.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    before = aliases(client, version.name).get(CHALLENGER, "")
    if tracking.challenger == "unless_worse" and before not in ("", version.version):
        at = f"models:/{version.name}/{before}"
        if worse := _worse(client, at, candidate, question):
            typed = "tracking.challenger=always gives it to the newest whatever it is"
            print(f"{version.uri} is no challenger: {worse} than {at}, which stays it; {typed}.", file=sys.stderr)
            why = f"{worse} than version {before}"
            tag_version(client, version.name, version.version, "no_challenger", why)
            return
    challenge(client, version)


def _worse(client: Client, uri: str, candidate: Candidate, question: ExperimentSpec) -> str:
    """By how much a candidate ranks or decides worse than a version on the same test users; '' where it is not told."""
    try:
        other = load_decider(client, uri)
        same = other.model.data_digest, other.model.config["split"]
        if same != (question.users.digest, question.config["split"]):
            return ""
        test = question.parts.test
        score = score_users(uri, other.model, test)
        value = question.valued.value(other.decider.policy, score) if question.evidence.measured else None
    except (InputError, ValueError):  # it does not load, or gives actions that are not known here
        return ""
    areas = auc_contributions(test.outcome, candidate.score) - auc_contributions(test.outcome, probability(score))
    gains = {"ROC AUC": mean(areas, group=test.codes)}
    if value is not None:
        gains[f"{question.economics.currency} per user"] = candidate.value.over(value)
    told = [_written(gain, unit) for unit, gain in gains.items() if gain.high is not None and gain.high < 0]
    return f"{' and '.join(told)} worse" if told else ""


def _written(gain: Estimate, unit: str) -> str:
    assert gain.low is not None
    assert gain.high is not None
    return f"{-gain.value:.3f} [{-gain.high:.3f}, {-gain.low:.3f}] {unit}"
