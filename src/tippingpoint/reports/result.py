"""What every verb answers with: one object for the terminal, JSON and a notebook."""

from abc import ABC, abstractmethod
from html import escape
from itertools import zip_longest
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

LINES, WIDTH = 40, 100
"""How much of a result its `repr` shows."""


class Result(ABC):
    """The answer of a verb. Subclasses are frozen dataclasses that leave `repr` to this class."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return what was found, ready for JSON."""

    @abstractmethod
    def render(self) -> RenderableType:
        """Return what a terminal shows."""

    def __repr__(self) -> str:
        console = Console(width=WIDTH, color_system=None, force_terminal=False)
        with console.capture() as captured:
            console.print(self.render(), highlight=False)
        lines = [line.rstrip() for line in captured.get().rstrip().splitlines()]
        more = [f"… {len(lines) - LINES + 1} more lines: rich.print(result.render())"] if len(lines) > LINES else []
        return "\n".join([*lines[: LINES - len(more)], *more])

    def _repr_html_(self) -> str:
        return f'<div style="max-width: 60em">{_html(self.render())}</div>'


def _html(shown: RenderableType) -> str:
    """Return tables as tables and text as paragraphs."""
    if isinstance(shown, Panel):
        return _html(shown.renderable)
    if isinstance(shown, Group):
        return "".join(map(_html, shown.renderables))
    if not isinstance(shown, Table):
        return f"<p>{_text(shown)}</p>"
    heads = "".join(f"<th>{_text(column.header)}</th>" for column in shown.columns)
    cells = zip_longest(*(column.cells for column in shown.columns), fillvalue="")
    rows = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in cells)
    title = f"<caption>{_text(shown.title)}</caption>" if shown.title else ""
    head = f"<thead><tr>{heads}</tr></thead>" if shown.show_header else ""
    return f"<table>{title}{head}<tbody>{rows}</tbody></table>"


def _text(shown: RenderableType) -> str:
    plain = shown.plain if isinstance(shown, Text) else Text.from_markup(str(shown)).plain
    return escape(plain).replace("\n", "<br>")
