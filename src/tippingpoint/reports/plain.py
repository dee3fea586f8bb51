"""Tables as terminals and Markdown take them; imported by verbs that must answer at once, so it imports little."""

from collections.abc import Mapping, Sequence

import pandas as pd
from rich.table import Table
from rich.text import Text

LOOPBACK = "http://127.0.0.1"


def plain_table(title: str, heads: Sequence[str]) -> Table:
    """An empty table without lines; the first column to the left, the others to the right."""
    table = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", box=None, padding=(0, 1, 0, 0)
    )
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", no_wrap=True)
    return table


def pages(addresses: Mapping[str, str]) -> list[Text]:
    """Pages of the MLflow UI, by name and uncut, and what to type where they are this machine's."""
    lines = [Text(f"{name}: {address}", no_wrap=True, overflow="ignore") for name, address in addresses.items()]
    ours = any(address.startswith(LOOPBACK) for address in addresses.values())
    return [*([Text("tippingpoint ui serves:")] if ours else []), *lines]


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; missing values as a dash, pipes in text escaped."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * table.shape[1]]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(cell(value) for value in row) + " |")
    return "\n".join(lines)


def cell(value: object) -> str:
    """A value in a cell of Markdown."""
    if isinstance(value, float):
        return "–" if pd.isna(value) else f"{value:.4g}"
    return oneline(str(value)).replace("|", "\\|")


def oneline(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())
