"""Deciding for users whose outcome nobody knows yet: by a model, its policy, and what was written down beside them."""

from tippingpoint.deciding.decider import Decided, Decider
from tippingpoint.deciding.deployment import Deployment, deployment

__all__ = ["Decided", "Decider", "Deployment", "deployment"]
