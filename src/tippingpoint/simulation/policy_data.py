"""Users that policies are looked at on, before or without a model."""

from dataclasses import dataclass

import numpy as np

from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.collect import score_users, score_validation
from tippingpoint.experiment.valuation import BindingUsers
from tippingpoint.policies.policy import Policy
from tippingpoint.simulation.settings import PolicySettings
from tippingpoint.tracking import backend
from tippingpoint.tracking.models import load
from tippingpoint.tracking.stored import find


@dataclass(frozen=True)
class PolicyData:
    """Users to look at policies on, with scores where a model gives them."""

    users: Users
    parts: Parts
    economics: Economics
    score: np.ndarray | None
    on_validation: np.ndarray | None
    seed: int
    actions: tuple[str, ...] | None = None
    """Of a model that predicts effects those it was fitted on, in order."""

    def bind(self, policy: Policy) -> Policy:
        """Fix what the policy learns; without a score only where it needs none."""
        parts = self.parts
        if self.on_validation is None and policy.reads_score:
            return policy
        score = np.zeros(len(parts.validation)) if self.on_validation is None else self.on_validation
        return BindingUsers.of(parts.train, parts.validation, self.economics, self.seed).bind(
            policy, score, self.actions
        )

    @property
    def given(self) -> dict[str, int] | None:
        """Users each action was taken for."""
        if self.users.action is None:
            return None
        counts = np.bincount(self.users.action, minlength=len(self.users.actions))
        return dict(zip(self.users.actions, counts.tolist(), strict=True))


def policy_data(settings: PolicySettings) -> PolicyData:
    """Load the users, and score them where a model is named.

    Raises
    ------
    InputError
        Where the users or the model are wrong or do not fit each other.
    """
    economics = settings.economics.build(Economics, "economics")
    users = settings.data.build(Source, "data").load()
    parts = split(users, settings.split)
    score = on_validation = actions = None
    if settings.model is not None:
        client = backend.connect(writing=False)
        model = load(client, find(client, settings.model)[0])
        actions = model.actions
        score, on_validation = score_users(model.name, model, users), score_validation(model.name, model, users, parts)
    return PolicyData(users, parts, economics, score, on_validation, settings.seed, actions)
