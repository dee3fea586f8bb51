"""Which words of a policy put a user into their segment."""

import numpy as np
import pandas as pd

from tippingpoint.explanation.reasons import shown
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.rules import SCORE, Rules


def clause(policy: Policy, score: float, features: pd.DataFrame) -> str:
    """Why one user, whose features these are, is in their segment; nothing where the policy has no such words."""
    if isinstance(policy, Bands):
        return _band(policy, score)
    if not isinstance(policy, Rules):
        return ""
    held = policy.matches(np.array([score]), features)[0]
    if not held.any():
        return f"{policy.otherwise}, because no rule holds"
    k = int(held.argmax())
    rule = policy.rules[k]
    read = [c for c in policy.columns if c != SCORE]
    values = [f"score = {score:.3f}", *(f"{c} = {shown(features[c].iloc[0])}" for c in read)]
    return f"{rule.segment}, because rule {k + 1} is the first that holds: {rule.when}. Here {', '.join(values)}"


def _band(policy: Bands, score: float) -> str:
    segment = policy.segments[int(policy.segment(np.array([score]), pd.DataFrame(index=[0]))[0])]
    k = policy.segments.index(segment)
    low, high = policy.cuts[max(k - 1, 0) : k], policy.cuts[k : k + 1]
    ends = [*(f"from {cut:g}" for cut in low), *(f"up to {cut:g}" for cut in high)]
    return f"{segment}, because the score {score:.3f} is in its band: {' '.join(ends)}"
