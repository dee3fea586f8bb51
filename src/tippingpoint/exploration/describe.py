"""`tippingpoint data describe`: what a table holds and may leak, and a contract to edit."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import RenderableType

from tippingpoint.core.errors import InputError
from tippingpoint.data import profile
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.days import Days
from tippingpoint.data.inference import feature
from tippingpoint.data.outcome import Positive
from tippingpoint.data.profile import Described, infer
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.data.validation import set_aside
from tippingpoint.data.writing import replacing
from tippingpoint.exploration import describe_report
from tippingpoint.exploration.settings import TableSettings
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result

MOST = 30
"""Columns that a terminal shows unless all are asked for."""


@dataclass(frozen=True, repr=False)
class DescribeResult(Result):
    """What was found.

    Parameters
    ----------
    trouble
        Why no job could use the table as it is configured; empty if one can.
    contract
        The contract that was written, if one was asked for.
    held
        The contract the rows were held against, if one was given.
    shown
        Columns that the terminal shows, the telling ones first where there are more.
    outcome, positive, rate
        The column to predict, what of it counts as 1, and the share of rows that have it; None where not known.
    best
        The ROC AUC no model can beat, where the users are generated.
    """

    origin: str
    rows: int
    intake: str
    columns: list[Described]
    trouble: str
    best: float | None
    contract: str | None
    held: str | None
    outcome: str | None
    positive: Positive | None
    rate: float | None
    shown: int = MOST

    @property
    def refused(self) -> bool:
        """Whether no job could use the table: exit code 1."""
        return bool(self.trouble)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "origin": self.origin,
            "rows": self.rows,
            "intake": self.intake,
            "columns": [{**asdict(column), "leaks": column.leaks} for column in self.columns],
            "leak_suspects": [column.name for column in self.columns if column.leaks],
            "trouble": self.trouble,
            "best_auc": self.best,
            "contract": self.contract,
            "outcome": self.outcome,
            "positive": self.positive,
            "outcome_rate": self.rate,
            "like_actions": [column.name for column in self.columns if column.like_action],
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return describe_report.describe_summary(**vars(self))


def describe(settings: TableSettings) -> DescribeResult:
    """Describe each column of a table or of a generated world; with `to`, write a contract it holds.

    What would stop other jobs (an outcome that cannot be told, broken rows) is reported, not raised.

    Raises
    ------
    InputError
        When there is no table, the config names columns it lacks, or there is a file where the contract is to go: it
        may hold edits.
    """
    if settings.to is not None and Path(settings.to).exists():
        raise InputError("to", f"{settings.to} is there already, and may be edited", "Type another name.")
    source = settings.data.build(Source, "data")
    with progress(3) as step:
        step("reading users")
        users, trouble, days, user_id = None, "", None, None
        if isinstance(source, Roles):
            read = source.read()
            source.require(read)
            table = set_aside(read, source.unused(read)).table
            table, rows = (table if len(table) > 1 else read), len(read)
            try:
                user_id = source.find_id(table)
                users = source.users(read)
                days = source.days(table, user_id)
            except InputError as error:
                trouble = str(error)
            roles, target = _roles(source, table, user_id, days), source.outcome
            (outcome, positive), action, measures = _outcome(source, table), source.logged, source.measured
        else:
            users = source.load()
            table, roles = pl.from_pandas(users.table()), _known(users)
            rows = len(table)
            target, user_id, outcome = users.contract.outcome, users.contract.user_id or "user_id", users.outcome
            positive = users.contract.positive
            action = "action" if users.action is not None else None
            measures = [] if users.measures is None else list(map(str, users.measures))
        step("describing columns")
        marks = source.marks if isinstance(source, Roles) else (None, None)
        described = profile.describe(table, roles, outcome, marks, days)
        best = source.best_auc(users) if users is not None else None
        if settings.to is not None:
            step("writing the contract")
            with replacing(Path(settings.to)) as file:
                file.write(infer(table, target, user_id, action, measures, marks).as_yaml().encode())
    return DescribeResult(
        origin=source.origin,
        rows=rows,
        intake=str(users.intake) if users is not None and users.intake else "",
        columns=described,
        trouble=trouble,
        best=best,
        contract=settings.to,
        held=source.contract,
        outcome=target,
        positive=positive,
        rate=None if outcome is None else float(outcome.mean()),
        shown=len(described) if settings.all else MOST,
    )


def _outcome(source: Roles, table: pl.DataFrame) -> tuple[np.ndarray | None, Positive | None]:
    if source.outcome is None:
        return None, None
    try:
        return source.outcomes(table[source.outcome])
    except InputError:
        return None, None  # the reason stands in the trouble of loading already


def _roles(source: Roles, table: pl.DataFrame, user_id: str | None, days: Days | None) -> dict[str, str]:
    """Role of each column of a table: what the config says, else what it is to a model."""
    hidden = source.hidden(user_id)
    roles = {name: why.removeprefix("the ").removeprefix("a ") for name, why in hidden.items()}
    for values in table:
        if values.name not in roles:
            own = days.columns.get(values.name) if days else None
            found = feature(values, source.terms, values.name == table.columns[0], source.marks, own)
            roles[values.name] = found.kind or f"not seen: {found.why.partition(';')[0]}"
    return roles


def _known(users: Users) -> dict[str, str]:
    roles = dict.fromkeys(users.table().columns, "measure")
    roles |= {"action": "logged action"} | {column.name: column.kind for column in users.contract.columns}
    return roles | {users.contract.outcome: "outcome", users.contract.user_id or "user_id": "id"}
