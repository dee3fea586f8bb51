"""`tippingpoint diagnostics`: all of them, or what one measures, from where on it is told, why, and what to do."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.config.settings import Terminal
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.experiment.diagnostics import Diagnostic, catalogue
from tippingpoint.reports.result import Result

FAMILIES = {
    "TP1": "Data",
    "TP2": "Model",
    "TP3": "Evidence",
    "TP4": "Policy",
    "TP5": "Operation",
}
ABOUT = """\
A job says what it found in the terminal, in its JSON (`findings`), on the card, in the report, in MLflow's tags
(`diagnostics`, `veto.CODE`, `accepted.CODE`), in the gate (its check `diagnostics`) and in the dashboard, in the same
words everywhere. `tippingpoint diagnostics` lists all, `tippingpoint diagnostics TP301` explains one.

A **warning** is told; `diagnostics.silence='[TP204]'` leaves it out. A **veto** takes the interval away, and every
verdict that rests on it is inconclusive: contests, choices of cut-offs, leaders, gates. It cannot be silenced;
`diagnostics.accept='{TP301: "why it holds all the same"}'` gives the interval back, and the reason is filed with the
run and with the version. What a model's run accepted stays accepted when it is simulated or promoted.
"""


class ExplainSettings(Terminal):
    """Which diagnostic is explained, as `conf/diagnostics.yaml` lists it."""

    code: str | None = None


@dataclass(frozen=True, repr=False)
class DiagnosticsResult(Result):
    """The diagnostics asked for, by code."""

    asked: tuple[Diagnostic, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"diagnostics": [asdict(entry) for entry in self.asked]}

    def render(self) -> RenderableType:
        """A line a diagnostic, or one in full."""
        if len(self.asked) == 1:
            (entry,) = self.asked
            return Group(Text(f"{entry.code} {entry.title} ({entry.level})", style="bold"), *map(Text, _lines(entry)))
        table = Table(box=None, pad_edge=False, header_style="dim")
        for head in ("code", "level", "what", "told from"):
            table.add_column(head, overflow="fold")
        for entry in self.asked:
            table.add_row(entry.code, entry.level, entry.title, entry.threshold)
        return Group(table, Text("One in full: tippingpoint diagnostics TP301"))


def diagnostics(settings: ExplainSettings) -> DiagnosticsResult:
    """List the diagnostics, or the one whose code is given.

    Raises
    ------
    InputError
        When there is no such code.
    """
    entries = catalogue()
    if settings.code is None:
        return DiagnosticsResult(tuple(entries.values()))
    code = settings.code.upper()
    if code not in entries:
        raise InputError("code", f"there is no diagnostic {settings.code!r}", nearest(code, entries))
    return DiagnosticsResult((entries[code],))


def _lines(entry: Diagnostic) -> list[str]:
    lines = [f"Measured: {entry.what}", f"Threshold: {entry.threshold}.", f"Why: {entry.why}"]
    lines += [f"What to do: {entry.remedy}"] if entry.remedy else ["What to do: it says what to type."]
    way = "To let it through" if entry.level == "veto" else "To leave it out"
    return [*lines, f"{way}: {what_to_type(entry)}"]


def what_to_type(entry: Diagnostic) -> str:
    """Return the override that lets a veto through, or leaves a warning out."""
    if entry.level == "veto":
        return override("diagnostics.accept", {entry.code: "why it holds all the same"})
    return override("diagnostics.silence", [entry.code])
