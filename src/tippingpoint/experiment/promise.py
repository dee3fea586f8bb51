"""What a version promised: the uplift its policy was valued at, and the evidence that rests on."""

from dataclasses import dataclass

from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.tracking.runs import StoredRun


@dataclass(frozen=True)
class Promise:
    """What the test users of a version's run said of its policy.

    Parameters
    ----------
    kind
        The evidence it rests on.
    per_1000, per_user
        Uplift in outcomes per 1,000 users and in money per user; None where the run has none.
    """

    kind: str
    per_1000: Estimate | None
    per_user: Estimate | None


def promised(run: StoredRun) -> Promise:
    """The uplift of its policy that a version's run filed, with the evidence it rests on."""
    kind = run.data.tags["evidence"]

    def estimate(name: str) -> Estimate | None:
        full = f"policy/{kind}/{name}"
        if (value := run.data.metrics.get(full)) is None:
            return None
        return Estimate(value, None, *(run.data.metrics.get(f"{full}_{end}") for end in ("low", "high")))

    return Promise(kind, estimate("uplift_per_1000"), estimate("uplift_per_user"))
