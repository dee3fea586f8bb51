"""What one check of a gate says, and all of them together."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tippingpoint.experiment.diagnostics import Findings

Verdict = Literal["passes", "fails", "inconclusive"]
NEEDED = "needed"
"""Figure of a check that nothing but more users lets in: so many of either outcome."""


@dataclass(frozen=True)
class Check:
    """What one check of a gate found.

    Parameters
    ----------
    said
        Why, in a sentence without a final stop.
    figures
        The numbers it rests on.
    blocks
        Whether an inconclusive check stops the promotion; a failed one always does.
    """

    name: str
    verdict: Verdict
    said: str
    figures: dict[str, float] = field(default_factory=dict)
    blocks: bool = True

    @property
    def stops(self) -> bool:
        """Whether the promotion ends here."""
        return self.verdict == "fails" or (self.verdict == "inconclusive" and self.blocks)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, where the verdict is called `word`."""
        figures = dict(self.figures)
        return {"name": self.name, "word": self.verdict, "said": self.said, "figures": figures, "blocks": self.blocks}

    def when_inconclusive(self, does: Literal["blocks", "passes"]) -> "Check":
        """The same check with what the gate's YAML says of `inconclusive`."""
        return replace(self, blocks=does == "blocks")


@dataclass(frozen=True)
class Judgement:
    """What a gate said of one version, all checks run.

    Parameters
    ----------
    gate
        What was asked of it: the gate's name and 8 hex digits of its settings, which a changed check changes.
    version, against
        What was judged, and the champion it was held against; '' for a constant score and everyone none.
    test
        Content and split of the users it was judged on.
    look
        How often this test table has judged, this time included.
    alpha
        One-sided level of this look.
    findings
        What diagnostics found of the users, the evidence and the policy.
    pinned, overrides
        The pinned gate, named as `gate` is, and in what this one differs from it; '' and () where none is pinned.
    """

    gate: str
    version: str
    against: str
    test: str
    users: int
    look: int
    alpha: float
    checks: tuple[Check, ...]
    findings: Findings = ()
    pinned: str = ""
    overrides: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no check stops it."""
        return not self.stopping

    @property
    def stopping(self) -> tuple[Check, ...]:
        """The checks that say no."""
        return tuple(check for check in self.checks if check.stops)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        # The check of diagnostics has the findings that count; the last two are of a pinned gate.
        left_out = {"findings", *(name for name in ("pinned", "overrides") if not getattr(self, name))}
        said = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**said, "checks": [check.to_dict() for check in self.checks], "passed": self.passed}
