"""Everything one batch of decisions came to: one shape for terminal, JSON and run."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from tippingpoint.decisions.batch_statistics import Tally


@dataclass(frozen=True)
class BatchResult:
    """A batch of decisions that is written.

    Parameters
    ----------
    origin, to
        Where users came from, and where their decisions are.
    model
        The version that decided.
    policy, policy_digest
        Its policy, and the digest of that as bound.
    scored_at
        UTC.
    segments
        One row a segment: users, mean score, action, expected value.
    drift
        Population stability index of each column and of the score, the largest first.
    evidence
        What the expected values rest on.
    quarantine
        Where quarantined rows are; None where there are none.
    resumed
        Parts that an earlier job had written, and parts in all; None where it is one file or table.
    unseen
        Categories the model never learnt from, as `unseen.named` gives them.
    as_of
        The day that times were counted to; None where a column says it, or the model reads no times.
    """

    origin: str
    to: str
    model: str
    policy: str
    policy_digest: str
    scored_at: datetime
    tally: Tally
    segments: pd.DataFrame
    drift: pd.DataFrame
    currency: str
    evidence: str
    quarantine: str | None
    only: tuple[str, ...]
    holdout: float
    seconds: float
    resumed: tuple[int, int] | None = None
    unseen: list[dict[str, str | int | None]] = field(default_factory=list)
    as_of: str | None = None
    numbered: bool = False
    """Whether users have no id, and are called by their row."""
    outcome: str = ""
    among: int = 0
    """From how many actions the hold-out draws; 1 leaves users alone, or gives all the same."""
    promised: float | None = None
    """Uplift per 1,000 users that the version was valued at."""
    vetoed: tuple[str, ...] = ()
    """Codes of the diagnostics that the evidence was vetoed by."""
    effects_of: str = ""
    """What tells what an action adds for a user, as `Deployment.effects_of`."""
    withheld: str = ""
    """In which segments no gain is shown, and why."""

    @property
    def moved(self) -> list[str]:
        """The columns that moved since the model was fitted, beyond what chance may say, the furthest first."""
        return self.drift.loc[self.drift["drift"].isin(["moved", "shifted"]), "column"].tolist()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        tally = self.tally
        return {
            "input": self.origin,
            "to": self.to,
            "model": self.model,
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "scored_at": f"{self.scored_at.isoformat()}Z",
            "as_of": self.as_of,
            "rows": tally.rows,
            "decided": tally.decided,
            "quarantined": tally.quarantined,
            "written": tally.kept,
            "reasons": tally.worst(),
            "quarantine": self.quarantine,
            "only": list(self.only),
            "holdout": self.holdout,
            "explored": tally.explored,
            "neutralised": tally.neutralised,
            "evidence": self.evidence,
            "effects_of": self.effects_of,
            "withheld": self.withheld,
            "currency": self.currency,
            "segments": self.segments.to_dict("records"),
            "unseen_categories": {"rows": tally.unseen_rows, "values": self.unseen},
            "drift": self.drift.to_dict("records"),
            "seconds": self.seconds,
            "parts": None if self.resumed is None else {"there": self.resumed[0], "all": self.resumed[1]},
        }
