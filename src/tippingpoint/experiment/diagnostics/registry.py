"""What a diagnostic is, what one found, and the list of all of them by code."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import wraps
from importlib import import_module
from typing import Any, Literal, ParamSpec, Self

from rich.text import Text

from tippingpoint.config.settings import DiagnosticsSettings
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override

Level = Literal["warning", "veto"]
P = ParamSpec("P")
OF_A_WORD = ("TP403",)
"""Vetoes that withhold a word, and leave intervals as they are."""


@dataclass(frozen=True)
class Found:
    """What a diagnostic measured where it has something to say.

    Parameters
    ----------
    said
        One sentence or two, with the figures.
    figures
        The numbers and names it rests on.
    remedy
        What to do, where that hangs on what was found; else the diagnostic's own.
    level
        Where it is another than the diagnostic's own.
    """

    said: str
    figures: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""
    level: Level | None = None


@dataclass(frozen=True)
class Diagnostic:
    """An entry of the registry.

    Parameters
    ----------
    level
        A `warning` is told and can be silenced; a `veto` takes the interval away unless a reason lets it through.
    what
        What is measured.
    threshold
        From where on it is told.
    why
        Why that matters.
    remedy
        What to do.
    """

    code: str
    level: Level
    title: str
    what: str
    threshold: str
    why: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """What a diagnostic found in one job: the same words wherever it is shown.

    Parameters
    ----------
    of
        What it is about, where a job has several: a model, a contestant.
    accepted
        Why a veto was let through; '' where it was not.
    """

    code: str
    level: Level
    title: str
    said: str
    figures: dict[str, Any]
    threshold: str
    remedy: str
    of: str = ""
    accepted: str = ""

    @property
    def vetoes(self) -> bool:
        """Whether it is a veto that nobody accepted."""
        return self.level == "veto" and not self.accepted

    @property
    def takes_intervals(self) -> bool:
        """Whether it takes an interval away, and not a word only."""
        return self.vetoes and self.code not in OF_A_WORD

    def __str__(self) -> str:
        level = f"{self.level}, accepted ({self.accepted})" if self.accepted else self.level
        of = f" of {self.of}" if self.of else ""
        return f"{self.code} {level}, {self.title}{of}: {self.said} {self.remedy}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"words": str(self)}

    @classmethod
    def from_dict(cls, node: Mapping[str, Any]) -> Self:
        """What `to_dict` wrote."""
        return cls(**{key: value for key, value in node.items() if key != "words"})


Findings = tuple[Finding, ...]
_ENTRIES: dict[str, Diagnostic] = {}
FAMILIES = ("data", "model", "evidence", "policy", "operation")
"""The modules of this folder that hold diagnostics."""


def catalogue() -> dict[str, Diagnostic]:
    """All diagnostics by code. Their modules are loaded now: what only shows findings need not wait for them."""
    for family in FAMILIES:
        import_module(f"{__package__}.{family}")
    return {code: _ENTRIES[code] for code in sorted(_ENTRIES)}


def diagnostic(
    code: str, level: Level, title: str, *, what: str, threshold: str, why: str, remedy: str
) -> Callable[[Callable[P, Found | None]], Callable[P, Finding | None]]:
    """Enter a function into the registry; what it returns becomes a finding."""
    entry = _ENTRIES[code] = Diagnostic(code, level, title, what, threshold, why, remedy)

    def entered(function: Callable[P, Found | None]) -> Callable[P, Finding | None]:
        @wraps(function)
        def found(*given: P.args, **named: P.kwargs) -> Finding | None:
            of = function(*given, **named)
            if of is None:
                return None
            level, remedy = of.level or entry.level, of.remedy or entry.remedy
            return Finding(code, level, title, of.said, of.figures, entry.threshold, remedy)

        return found

    return entered


@dataclass(frozen=True)
class Chosen:
    """Which warnings are silenced and which vetoes accepted."""

    silence: frozenset[str] = frozenset()
    accept: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: DiagnosticsSettings, *before: Mapping[str, Any]) -> Self:
        """Check the settings against the registry.

        Parameters
        ----------
        before
            Configs of runs that a job builds on: what they accepted stays accepted.

        Raises
        ------
        InputError
            For a code that is none, a veto that is silenced, and a warning that is accepted.
        """
        entries = catalogue()
        for where, codes in (("silence", settings.silence), ("accept", settings.accept)):
            for code in codes:
                if code not in entries:
                    raise InputError(f"diagnostics.{where}", f"there is no {code!r}", nearest(code, entries))
        for code in settings.silence:
            if entries[code].level == "veto":
                typed = override("diagnostics.accept", {code: "why"})
                raise InputError(
                    "diagnostics.silence",
                    f"{code} is a veto",
                    f"Type {typed} if you know that the finding does not apply; the reason is filed.",
                )
        for code in settings.accept:
            if entries[code].level == "warning":
                typed = override("diagnostics.silence", [*settings.silence, code])
                raise InputError("diagnostics.accept", f"{code} is a warning and stops nothing", f"Type {typed}.")
        earlier: dict[str, str] = {}
        for config in before:
            earlier |= config.get("diagnostics", {}).get("accept") or {}
        return cls(frozenset(settings.silence), earlier | settings.accept)

    def settle(self, found: Iterable[Finding | None], of: str = "") -> Findings:
        """Return what is told: without silenced warnings, accepted vetoes with their reason."""
        told = []
        for finding in found:
            if finding is None or (finding.level == "warning" and finding.code in self.silence):
                continue
            accepted = self.accept.get(finding.code, "") if finding.level == "veto" else ""
            told.append(replace(finding, of=of or finding.of, accepted=accepted))
        return tuple(told)


def diagnosed(findings: Iterable[Finding]) -> list[Text]:
    """A line a finding for the terminal; vetoes stand out."""
    return [Text(str(finding), style="bold red" if finding.vetoes else "yellow") for finding in findings]


def vetoes(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Codes of the vetoes that nobody accepted."""
    return tuple(dict.fromkeys(finding.code for finding in findings if finding.vetoes))


def tags(findings: Iterable[Finding]) -> dict[str, str]:
    """The findings as a run's and a version's tags: their codes, and why a veto stands or was accepted."""
    found = list(findings)
    told = {"diagnostics": ",".join(dict.fromkeys(finding.code for finding in found))} if found else {}
    told |= {f"veto.{finding.code}": finding.said for finding in found if finding.vetoes}
    return told | {f"accepted.{finding.code}": finding.accepted for finding in found if finding.accepted}
