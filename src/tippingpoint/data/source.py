"""Where users come from: the base of generators, tables and events, and the validation that all of them share."""

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import polars as pl
from pydantic import Field

from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.contract import TableSchema, read_contract
from tippingpoint.data.users import Intake, Users
from tippingpoint.data.validation import check
from tippingpoint.data.writing import quarantine


class Source(StrictModel, ABC):
    """Where users come from; the base of every `data=` option."""

    north_star: ClassVar[str | None] = None
    """The number the business steers by, where one is known; explored first."""

    train_on: Literal["all", "none"] = "all"
    """Whose outcomes a score predicts: under the logged mix of actions, or under none only."""
    contract: str | None = None
    """What each column must hold (YAML): rows that break it are quarantined. Null: a generator's own, else none."""
    quarantine: str = ".tippingpoint/quarantine"
    """Folder of the files that hold such rows."""
    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the rows above which the job stops."""

    @property
    @abstractmethod
    def question(self) -> str:
        """Short name of what is asked (`conversion`); names the registered model and the MLflow experiment."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Short name of where the users come from: a file's, or the generator's."""

    @property
    def wanted(self) -> bool:
        """Whether outcome 1 is wanted, as its users' contract says once they are loaded."""
        return True

    @abstractmethod
    def load(self) -> Users:
        """Return the users, read or drawn, whose rows hold the contract.

        Raises
        ------
        InputError
            When the table is not what the config says.
        """

    @cached_property
    def loaded(self) -> Users:
        """The users, read or drawn once."""
        return self.load()

    def best_auc(self, users: Users) -> float | None:
        """The ROC AUC no score of these users can have more than by chance, where that is known."""
        return None

    @cached_property
    def terms(self) -> TableSchema | None:
        """The contract, read."""
        return None if self.contract is None else read_contract(Path(self.contract))

    def validated(self, table: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray, Intake]:
        """Hold a table against the contract, if there is one; quarantine what breaks it.

        Returns
        -------
        polars.DataFrame, numpy.ndarray, Intake
            The valid rows, their positions in the table, and the count of all.

        Raises
        ------
        InputError
            When it lacks columns, or more of its rows break the contract than `quarantine_share`.
        """
        if self.terms is None:
            return table, np.arange(len(table)), Intake(len(table))
        checked = check(table, self.terms, datetime.now(UTC).replace(tzinfo=None))
        broken = len(checked.broken)
        if not broken:
            return checked.table, checked.rows, Intake(len(table))
        path = quarantine(checked.broken, Path(self.quarantine), self.origin)
        intake = Intake(len(table), broken, str(path), checked.reasons)
        if broken > self.quarantine_share * len(table) or intake.used < 2:
            allowed = f"more than data.quarantine_share={self.quarantine_share:g}"
            raise InputError(
                f"data.contract={self.contract}" if self.contract else "data",
                f"{broken / len(table):.1%} of {self.origin} breaks {'it' if self.contract else 'its contract'},"
                f" {allowed if broken > self.quarantine_share * len(table) else 'and fewer than two rows are left'}."
                f" {intake}",
                "Mend the table or the contract, or raise data.quarantine_share.",
            )
        return checked.table, checked.rows, intake

    def valid_users(self, users: Users, table: pd.DataFrame) -> Users:
        """Return the users, drawn or made of events, whose rows as a file would hold them hold the contract."""
        _, rows, intake = self.validated(pl.from_pandas(table))
        return replace(users if intake.used == len(users) else users.take(rows), intake=intake)
