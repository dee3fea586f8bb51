"""A check's word, and all of them together."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Word = Literal["passes", "fails", "cannot tell"]


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
        Whether what cannot be told stops the promotion; what fails always does.
    """

    name: str
    word: Word
    said: str
    figures: dict[str, float] = field(default_factory=dict)
    blocks: bool = True

    @property
    def stops(self) -> bool:
        """Whether the promotion ends here."""
        return self.word == "fails" or (self.word == "cannot tell" and self.blocks)

    def where_untold(self, does: Literal["blocks", "passes"]) -> "Check":
        """The same check with what the gate's YAML says of `cannot tell`."""
        return replace(self, blocks=does == "blocks")


@dataclass(frozen=True)
class Judgement:
    """What a gate said of one version, all checks run.

    Parameters
    ----------
    gate
        What was asked of it: the gate's name and 8 hex digits of its settings, which a changed check changes.
    version, against
        What was judged, and the champion it was held against; '' for the constant baseline.
    test
        Content and split of the users it was judged on.
    look
        How often this test table has judged, this time included.
    alpha
        One-sided level of this look.
    """

    gate: str
    version: str
    against: str
    test: str
    users: int
    look: int
    alpha: float
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check stops it."""
        return not self.stopping

    @property
    def stopping(self) -> tuple[Check, ...]:
        """The checks that say no."""
        return tuple(check for check in self.checks if check.stops)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "checks": [asdict(c) for c in self.checks], "passed": self.passed}
