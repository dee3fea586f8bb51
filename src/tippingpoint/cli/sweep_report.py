"""The leaderboard of a sweep, for the terminal and as the description of its run."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.core.overrides import override
from tippingpoint.core.run_reference import RunReference
from tippingpoint.reports.markdown import markdown

SHOWN = 20
"""Rows on a terminal."""
OPTIMISTIC = (
    "Validation chose, so the first of many looks better there than it is; test chose nothing, and its intervals hold"
    " for one run each, not for the first of all."
)


@dataclass(frozen=True)
class Leaderboard:
    """Finished runs of a sweep, best first on validation among those of the same users and metric.

    Parameters
    ----------
    jobs
        How many the sweep has, finished or not.
    table
        One row a job: what was varied, `chosen` (the model), `users` (data digest), `selected_by`, `validation`, all
        metrics under their names in MLflow, `run_id`.
    varied
        Columns of what was varied.
    """

    table: pd.DataFrame
    varied: list[str]
    jobs: int

    @property
    def best(self) -> dict[str, Any] | None:
        """The first row; None where users or metrics differ: runs on other users are not better or worse."""
        return _rows(self.table)[0] if len(self.groups) == 1 else None

    @property
    def groups(self) -> list[tuple[str, str]]:
        """Users and metric of each ranking."""
        return list(self.table[["users", "selected_by"]].drop_duplicates().itertuples(index=False, name=None))

    def shown(self) -> pd.DataFrame:
        """The columns people read, as text."""
        table, shown = self.table, pd.DataFrame(index=self.table.index)
        for name in self.varied:
            shown[name.rpartition(".")[2]] = table[name].fillna("–")
        if "model" not in self.varied:
            shown["model"] = table["chosen"]
        if table["users"].nunique() > 1:
            shown["users"] = table["users"].str[:8]
        metric = self.groups[0][1] if len({by for _, by in self.groups}) == 1 else None
        shown[metric or "validation"] = [
            f"{value:.4f}" + ("" if metric else f" ({by.removeprefix('validation/')})")
            for value, by in zip(table["validation"], table["selected_by"], strict=True)
        ]
        kinds = [name for name in table if str(name).startswith("policy/") and str(name).endswith("/uplift_per_1000")]
        for name, digits in [("test/roc_auc", 3), *((str(kind), 1) for kind in kinds)]:
            shown[name.removesuffix("/uplift_per_1000").replace("policy/", "per 1,000 ")] = [
                _interval(row, name, digits) for row in _rows(table)
            ]
        return shown


def sweep_card(board: Leaderboard, line: str) -> str:
    """A sweep in Markdown."""
    shown = board.shown().assign(run_id=board.table["run_id"])
    return (
        f"`tippingpoint {line}`\n\n{len(shown)} of {board.jobs} jobs finished.\n\n{markdown(shown)}\n\n{OPTIMISTIC}\n"
    )


def sweep_summary(board: Leaderboard, filed: RunReference) -> RenderableType:
    """A sweep on one screen."""
    shown = board.shown()
    table = Table(title_justify="left", title_style="bold", header_style="dim", box=None, padding=(0, 1, 0, 0))
    table.title = f"Best first on validation, {len(shown)} of {board.jobs} jobs"
    for at, name in enumerate(shown):
        table.add_column(
            str(name).replace("/", "\n").replace("1,000 ", "1,000\n"),
            justify="right" if at >= len(board.varied) else "left",
        )
    for at, row in enumerate(shown.head(SHOWN).itertuples(index=False)):
        table.add_row(*map(_stacked, row), style="bold" if at == 0 and board.best is not None else "")
    more = [Text(f"{len(shown) - SHOWN} more in the run's tables/leaderboard.csv.", style="dim")] * (len(shown) > SHOWN)
    apart = [] if board.best is not None else [Text("Each users' runs are ranked apart: AUC on others is no better.")]
    first = board.table["run_id"].iloc[0]
    return Group(
        table,
        *more,
        *apart,
        Text(OPTIMISTIC, style="dim"),
        Text(f"Next: tippingpoint simulate {override('models', [first])}, or tippingpoint ui, which serves this page:"),
        Text(f"MLflow: {filed.page}", no_wrap=True, overflow="ignore"),
    )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _stacked(cell: object) -> Text:
    value, _, ends = str(cell).partition(" [")  # as text: Rich would take a list for its markup
    return Text(f"{value}\n{ends.removesuffix(']')}" if ends else value)


def _interval(row: dict[str, float], name: str, digits: int) -> str:
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None or pd.isna(value):
        return "–"
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
