"""Model cards and descriptions in Markdown, written from what was measured."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from tippingpoint.compared import Comparison
from tippingpoint.filed import Provenance
from tippingpoint.findings import Candidate, Question
from tippingpoint.reports.limits import known_limits
from tippingpoint.reports.plain import cell, markdown, oneline
from tippingpoint.reports.tables import EVIDENCE, interval
from tippingpoint.reports.what_if import leader_in_words
from tippingpoint.simulated import Simulation

LIMITS = {"run": 8_000, "version": 5_000}
"""Characters MLflow keeps of a description; the whole card is an artifact of the run."""


def card(candidate: Candidate, question: Question, provenance: Provenance, model_uri: str) -> str:
    """One model: what it is, on which users, how good, what the policy would bring, how to load it."""
    limits = known_limits(candidate, question)
    of = {"candidate": candidate, "question": question, "provenance": provenance}
    return _render("model.md.j2", **of, limits=limits, model_uri=model_uri)


def comparison_card(comparison: Comparison, words: str) -> str:
    """A comparison: the leaderboard and what can be told of it."""
    return _render("comparison.md.j2", comparison=comparison, question=comparison.question, words=words)


def simulation_card(simulation: Simulation) -> str:
    """A simulation: contestants, cut-offs, what can be told, who is in which segment, what it hangs on."""
    return _render("simulation.md.j2", simulation=simulation, led=" ".join(leader_in_words(simulation)))


def _render(template: str, **context: object) -> str:
    return _environment().get_template(template).render(**context)


def shortened(text: str, of: str) -> str:
    """A card cut before a section, or at the end of a line, to what a `run` or a `version` may say of itself."""
    room = LIMITS[of] - 60
    if len(text) <= LIMITS[of]:
        return text
    section = text.rfind("\n## ", 0, room)
    end = section if section > room // 2 else text.rfind("\n", 0, room)
    return text[:end] + "\n\n… the rest is in the run's artifact card.md.\n"


@cache
def _environment() -> Environment:
    loader = PackageLoader("tippingpoint.reports")
    environment = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters |= {"markdown": markdown, "interval": interval, "cell": cell, "oneline": oneline, "zip": zip}
    environment.globals["EVIDENCE"] = EVIDENCE
    return environment
