"""A model with its policy and deployment: users in, decisions out.

`decider.Decider` scores users and applies the policy; `deployment.Deployment` is what it is filed with;
`randomization` gives a share of users a random action, `expected_outcomes` what each action is expected to bring,
`reasons` explains one decision, `drift` compares users with those learnt from, `batch_statistics` and `batch_result`
count a batch. No files, no MLflow.
"""

from tippingpoint.decisions.decider import Decided, Decider
from tippingpoint.decisions.deployment import Deployment, deployment

__all__ = ["Decided", "Decider", "Deployment", "deployment"]
