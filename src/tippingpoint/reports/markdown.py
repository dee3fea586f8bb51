"""Cards and descriptions in Markdown: templates, tables, and how much of them MLflow keeps."""

from functools import cache

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from tippingpoint.reports.estimates import evidence_in_words, interval

LIMITS = {"run": 8_000, "version": 5_000}
"""Characters MLflow keeps of a description; the whole card is an artifact of the run."""


def render(template: str, **context: object) -> str:
    """A card from a template, which sees nothing but this context."""
    return _environment().get_template(template).render(**context)


def shortened(text: str, of: str) -> str:
    """A card cut before a section, or at the end of a line, to what a `run` or a `version` may say of itself."""
    room = LIMITS[of] - 60
    if len(text) <= LIMITS[of]:
        return text
    section = text.rfind("\n## ", 0, room)
    end = section if section > room // 2 else text.rfind("\n", 0, room)
    return text[:end] + "\n\n… the rest is in the run's artifact card.md.\n"


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; missing values as a dash, pipes in text escaped."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * table.shape[1]]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(cell(value) for value in row) + " |")
    return "\n".join(lines)


def cell(value: object) -> str:
    """A value in a cell of Markdown."""
    if value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return oneline(str(value)).replace("|", "\\|")


def oneline(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


@cache
def _environment() -> Environment:
    loader = PackageLoader("tippingpoint.reports")
    environment = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters |= {"markdown": markdown, "interval": interval, "cell": cell, "oneline": oneline, "zip": zip}
    environment.globals["evidence_in_words"] = evidence_in_words
    return environment
