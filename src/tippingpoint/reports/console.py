"""Tables and links as terminals take them; imported by verbs that must answer at once, so it imports little."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from tippingpoint.core.run_reference import RunReference

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


def links(filed: RunReference) -> list[Text]:
    """Where it is filed, and what to type next."""
    registered = f"Registered: {filed.registered}. " if filed.registered else ""
    pages = {"MLflow": filed.page} | filed.views
    lines = [Text(f"{name}: {page}", no_wrap=True, overflow="ignore") for name, page in pages.items()]
    return [Text(f"{registered}Next: tippingpoint ui, which serves these pages:"), *lines]
