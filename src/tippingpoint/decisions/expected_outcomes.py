"""What outcome to expect under each action: small enough to be written beside a model and read by people.

Under none the score tells it. What another action adds is a matter of who the user is, not of how likely the outcome is
anyway: it comes from tables of effects by column (`models.effect_table`), or from a model that predicts effects.
"""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from tippingpoint.core.strict import StrictModel
from tippingpoint.data.model_output import by_action
from tippingpoint.data.users import Users
from tippingpoint.models.effect_table import Columns, EffectTable
from tippingpoint.offpolicy.evidence import Kind, factor

INSIDE = 1e-6
"""How near to 0 and 1 a score may come before its log-odds are taken."""
FEW = 30
"""Users of the rarer outcome under an action below which only its level is learnt, not its slope."""
FARTHEST = 50.0


class Sigmoid(StrictModel):
    """P(outcome | action) = 1 / (1 + exp(-(intercept + slope · log-odds of the score)))."""

    intercept: float
    slope: float

    def __call__(self, score: np.ndarray, features: Columns) -> np.ndarray:
        """(n,) probabilities from (n,) scores."""
        return np.asarray(expit(self.intercept + self.slope * _log_odds(score)))


class Ratio(StrictModel):
    """P(outcome | action) = ratio · P(outcome | none), as a stated response has it."""

    ratio: float
    good: bool = True
    """False in versions of before: the ratio is that of outcome 0."""

    def __call__(self, score: np.ndarray, features: Columns) -> np.ndarray:
        """(n,) probabilities of outcome 1 from (n,) scores."""
        paying = np.minimum(self.ratio * (score if self.good else 1 - score), 1.0)
        return np.asarray(paying if self.good else 1 - paying)


class Added(StrictModel):
    """P(outcome | action) = P(outcome | none), which the score tells, and what the action adds for such a user."""

    under_none: Sigmoid
    effect: EffectTable

    def __call__(self, score: np.ndarray, features: Columns) -> np.ndarray:
        """(n,) probabilities from (n,) scores and the columns of the users."""
        return np.asarray(np.clip(self.under_none(score, features) + self.effect(features), 0, 1))


class Predicted(StrictModel):
    """P(outcome | action) as an effect learner predicts it: the chance under none, and what the action adds."""

    column: int
    """Of the action, among those whose effects are predicted."""

    def __call__(self, found: np.ndarray, features: Columns) -> np.ndarray:
        """(n,) probabilities, of what the model gives of n users."""
        return by_action(found)[:, self.column]


Response = Sigmoid | Ratio | Added | Predicted
NO_EFFECTS: Mapping[str, EffectTable] = {}


def responses(
    kind: Kind,
    users: Users,
    found: np.ndarray,
    actions: tuple[str, ...],
    stated: np.ndarray,
    effects: Mapping[str, EffectTable] = NO_EFFECTS,
) -> dict[str, Response | None]:
    """The response to each action.

    The chance under none is a logistic regression of the outcome on the score's log-odds: of its known probability for
    `truth`, else among the users who got none, whom `experiment` weighs by the inverse of the chance of that. For
    `assumed` responses are stated. None for an action nothing is known of.

    Parameters
    ----------
    users, found
        Users of validation, n of them, and what the model gives of them; where it predicts effects, the response is
        what it predicts.
    actions, stated
        The K actions, none first, and their (K,) stated responses.
    effects
        What actions add, for those of which that could be learnt.
    """
    if found.ndim == 2:
        return {action: Predicted(column=users.actions.index(action)) for action in actions}
    if kind == "assumed":
        return {a: Ratio(ratio=float(r)) for a, r in zip(actions, factor(stated, users.contract.good), strict=True)}
    none = _under_none(kind, users, found)
    learnt: dict[str, Response | None] = {actions[0]: none}
    for action in actions[1:]:
        effect = effects.get(action)
        learnt[action] = None if none is None or effect is None else Added(under_none=none, effect=effect)
    return learnt


def _under_none(kind: Kind, users: Users, score: np.ndarray) -> Sigmoid | None:
    if kind == "truth" and users.truth is not None:
        return _fit(score, users.truth[:, 0], np.ones(len(users)))
    assert users.action is not None
    got, chance = users.action == 0, users.logging_probability
    weight = 1 / chance[got, 0] if kind == "experiment" and chance is not None else np.ones(int(got.sum()))
    return _fit(score[got], users.outcome[got].astype(np.float64), weight)


def _fit(score: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> Sigmoid | None:
    if not len(score):
        return None
    odds = _log_odds(score)
    level = float(np.clip(np.average(outcome, weights=weight), INSIDE, 1 - INSIDE))
    if min(outcome.sum(), (1 - outcome).sum()) < FEW:

        def apart(shift: float) -> float:
            return float(np.average(expit(shift + odds), weights=weight)) - level

        return Sigmoid(intercept=float(brentq(apart, -FARTHEST, FARTHEST)), slope=1.0)
    both = np.concatenate([odds, odds])[:, None]
    ones = np.repeat([1, 0], len(odds))
    line = LogisticRegression(C=np.inf).fit(both, ones, np.concatenate([weight * outcome, weight * (1 - outcome)]))
    return Sigmoid(intercept=float(line.intercept_[0]), slope=float(line.coef_[0, 0]))


def _log_odds(score: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(score, INSIDE, 1 - INSIDE)))
