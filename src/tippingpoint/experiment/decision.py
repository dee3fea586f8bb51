"""Ship, do not ship or test first: the one word that the evidence of a job allows, and what it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text
from scipy.stats import norm

from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.statistics import Estimate

Word = Literal["Ship", "Do not ship", "Test first"]
WITHOUT = {
    "assumed": "what the actions do is assumed, not measured",
    "logged": "who got what was not drawn by lot, so a reason that nobody recorded may explain it",
}
"""Why evidence of a kind does not carry the word Ship, however large the uplift."""


@dataclass(frozen=True)
class Guardrail:
    """A further measure with the worst difference that is accepted.

    Parameters
    ----------
    margin
        Below 0 where it may fall by so much, above 0 where it may rise by so much, in the measure's unit.
    """

    measure: str
    unit: str
    margin: float
    difference: Estimate

    @property
    def verdict(self) -> Literal["kept", "broken", "inconclusive"]:
        """`kept` where the whole interval is better than the margin, `broken` where it is worse."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return "inconclusive"
        if self.margin > 0:
            low, high = -high, -low
        worst = -abs(self.margin)
        return "kept" if low > worst else "broken" if high < worst else "inconclusive"

    def __str__(self) -> str:
        told = {"kept": "within", "broken": "beyond", "inconclusive": "not told to be within"}[self.verdict]
        return f"{self.measure} {signed(self.difference)} {self.unit} is {told} its margin {self.margin:+g}"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"verdict": self.verdict}


@dataclass(frozen=True)
class Case:
    """What there is to decide.

    Parameters
    ----------
    what
        What would be shipped: `logistic under intent_bands`.
    contestant
        What it is called in `contrasts`.
    kind
        Kind of evidence of all uplifts.
    vetoed
        Codes of the diagnostics that took the intervals away.
    uplift
        Money per user over everyone getting none.
    unit
        `EUR per user`.
    simpler
        Uplift of what takes no model, by name: one action for everyone, or the best single column.
    contrasts
        Pairs of it and of `simpler`, on the same users, with simultaneous intervals.
    ranking
        Which model ranks users best, or that this is inconclusive; one sentence.
    following
        What to type next, by word.
    guardrails
        Further measures that must not get worse by more than a margin.
    losing
        Which segments' actions lose money, in sentences; empty where none is told to.
    withheld
        Why nothing may be concluded whatever the interval says: it was not the planned look.
    over, loses
        What the uplift is held against, and what is said where it lies below 0.
    """

    what: str
    contestant: str
    kind: str
    uplift: Estimate
    unit: str
    vetoed: Sequence[str] = ()
    simpler: Mapping[str, Estimate] = field(default_factory=dict)
    contrasts: Sequence[Contrast] = ()
    ranking: str = ""
    following: Mapping[Word, str] = field(default_factory=dict)
    guardrails: Sequence[Guardrail] = ()
    losing: str = ""
    withheld: str = ""
    over: str = "everyone getting none"
    loses: str = "it loses money"


@dataclass(frozen=True)
class Decision:
    """The word, why, which model ranks best, and what to type next; one line each, the same wherever it is shown."""

    word: Word
    what: str
    why: str
    ranking: str
    following: str

    @property
    def lines(self) -> list[str]:
        """Four lines; those that have nothing to say are left out."""
        said = [f"{self.word}: {self.what}.", self.why, self.ranking]
        return [*filter(None, said), *([f"Next: {self.following}"] if self.following else [])]

    def render(self) -> RenderableType:
        """A box for a terminal."""
        first, *others = self.lines
        text = Text("\n").join([Text(first, style="bold"), *map(Text, others)])
        return Panel(text, padding=(0, 1), border_style=COLOURS[self.word])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


COLOURS: dict[Word, str] = {"Ship": "green", "Do not ship": "red", "Test first": "yellow"}


def decide(case: Case) -> Decision:
    """Return the decision, by the first of these rules that holds.

    1. The intervals are vetoed, or this is not the look that was planned: test first.
    2. The interval lies below 0: do not ship.
    3. What takes no model brings more, its paired interval above 0: do not ship.
    4. A guardrail is broken: do not ship.
    5. The evidence is assumed or logged, there is no interval, or it holds 0: test first.
    6. A guardrail is not told to be kept: test first.
    7. Else ship.
    """
    uplift, better = case.uplift, _better(case)
    brings = f"it brings {signed(uplift)} {case.unit} ({case.kind}) over {case.over}"
    word: Word
    if case.vetoed:
        word, why = "Test first", f"its uplift is vetoed ({', '.join(case.vetoed)}): no figure of it can be relied on"
    elif case.withheld:
        word, why = "Test first", f"{brings}, but {case.withheld}"
    elif uplift.high is not None and uplift.high < 0 and case.kind != "assumed":
        word, why = "Do not ship", f"{case.loses}: {signed(uplift)} {case.unit} ({case.kind})"
    elif better:
        word, why = "Do not ship", f"{_without(case, better)}; this policy {signed(uplift)}"
    elif broken := [of for of in case.guardrails if of.verdict == "broken"]:
        word, why = "Do not ship", f"{brings}, but {broken[0]}"
    elif case.kind in WITHOUT:
        word, why = "Test first", f"{brings}, but {WITHOUT[case.kind]}{_more_as_assumed(case)}"
    elif uplift.low is None:
        word, why = "Test first", f"{brings}, on too few users for an interval"
    elif uplift.low <= 0:
        word, why = "Test first", f"that it brings anything is inconclusive: {signed(uplift)} {case.unit} ({case.kind})"
    elif untold := [of for of in case.guardrails if of.verdict == "inconclusive"]:
        word, why = "Test first", f"{brings}, but {untold[0]}"
    else:
        kept = "".join(f"; {of}" for of in case.guardrails)
        word, why = "Ship", brings + _nothing_better(case) + kept
    why = " ".join(filter(None, (f"{why[0].upper()}{why[1:]}.", "" if case.vetoed else case.losing)))
    return Decision(word, case.what, why, case.ranking, case.following.get(word, ""))


def together(found: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return those with an interval, of 95 % intervals each, widened so that they hold for all (Bonferroni)."""
    told = {name: of for name, of in found.items() if of.low is not None and of.high is not None}
    wider = norm.isf(0.025 / max(len(told), 1)) / norm.isf(0.025)
    return {
        name: Estimate(of.value, of.se, of.value - wider * (of.value - low), of.value + wider * (high - of.value))
        for name, of in told.items()
        if (low := of.low) is not None and (high := of.high) is not None
    }


def losers(found: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the segments whose action loses money, of the uplift per user of each that is acted on."""
    return {name: of for name, of in together(found).items() if of.high is not None and of.high < 0}


def losing_in_words(found: Mapping[str, Estimate], actions: Mapping[str, str], unit: str) -> str:
    """Return which segments to drop, and what their actions bring: negative uplifts by segment, as `losers` has them.

    >>> losing_in_words({"risky": Estimate(-0.3, None, -0.5, -0.1)}, {"risky": "discount_10"}, "EUR per user")
    'Drop risky: there discount_10 brings -0.300 [-0.500, -0.100] EUR per user of that segment.'
    """
    said = (
        f"Drop {name}: there {actions[name]} brings {signed(of)} {unit} of that segment." for name, of in found.items()
    )
    return " ".join(said)


def signed(estimate: Estimate) -> str:
    """`+1.356 [1.173, 1.538]`, to three digits behind the point at most."""
    largest = max(abs(v) for v in (estimate.value, estimate.low, estimate.high) if v is not None)
    digits = 3 if largest < 10 else 1 if largest < 1000 else 0
    value = f"{estimate.value + 0.0:+,.{digits}f}"  # a difference of nothing turned round is -0.0
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{estimate.low:,.{digits}f}, {estimate.high:,.{digits}f}]"


def _better(case: Case) -> str | None:
    """What takes no model and brings most among what is better, user by user; None where nothing is."""
    pairs = (contrast.seen_from(case.contestant) for contrast in case.contrasts)
    found = {pair.second for pair in pairs if pair is not None and pair.verdict == "worse"}
    return max(found & set(case.simpler), key=lambda name: case.simpler[name].value, default=None)


def _without(case: Case, name: str) -> str:
    return f"without a model {name} brings {signed(case.simpler[name])} {case.unit} ({case.kind})"


def _more_as_assumed(case: Case) -> str:
    """What takes no model and brings more by the same assumption; a clause, empty where nothing does."""
    name = max(case.simpler, key=lambda name: case.simpler[name].value, default="")
    if case.kind != "assumed" or not name or case.simpler[name].value <= case.uplift.value:
        return ""
    return f"; by the same assumption {name} without a model would bring more, {signed(case.simpler[name])}"


def _nothing_better(case: Case) -> str:
    if not case.simpler:
        return ""
    name = max(case.simpler, key=lambda name: case.simpler[name].value)
    pairs = (contrast.seen_from(case.contestant) for contrast in case.contrasts)
    verdict = next((pair.verdict for pair in pairs if pair is not None and pair.second == name), "inconclusive")
    told = "more than" if verdict == "better" else "which cannot be told from"
    return f", {told} {name} without a model, {signed(case.simpler[name])}"
