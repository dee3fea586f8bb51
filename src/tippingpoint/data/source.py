"""Where users come from: the base of generators, tables and events, and the validation that all of them share."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from tippingpoint.core.errors import InputError
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.contract import TableSchema, read_contract
from tippingpoint.data.users import Intake, Users
from tippingpoint.data.validation import check, set_aside
from tippingpoint.data.writing import quarantine


class Source(StrictModel, ABC):
    """Where users come from; the base of every `data=` option."""

    north_star: ClassVar[str | None] = None
    """The number the business steers by, where one is known; explored first."""

    train_on: Literal["all", "none"] = "all"
    """Whose outcomes a score predicts: under the logged mix of actions, or under none only."""
    contract: str | None = None
    """What each column must hold (YAML): rows that break it are quarantined. Null: a generator's own, else none."""
    quarantine: str | None = ".tippingpoint/quarantine"
    """Folder of the files that hold such rows; null: they are counted only."""
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

    def content(self) -> str | None:
        """Return a digest of what decides which users these are beside settings and code, without loading them.

        None where only loading tells: what a database gives may change, and what is in the future becomes the past.
        """
        return None

    def best_auc(self, users: Users) -> float | None:
        """The ROC AUC no score of these users can have more than by chance, where that is known."""
        return None

    @cached_property
    def terms(self) -> TableSchema | None:
        """The contract, read."""
        return None if self.contract is None else read_contract(Path(self.contract))

    def content_of(self, files: Iterable[Path]) -> str | None:
        """Return the digest of files and of the contract; None where the contract has times that may lie ahead.

        Raises
        ------
        InputError
            When one cannot be read.
        """
        if self.terms and any(spec.type == "time" and not spec.future for spec in self.terms.columns.values()):
            return None
        total = hashlib.sha256(self.terms.model_dump_json().encode() if self.terms else b"")
        for path in files:
            try:
                with path.open("rb") as file:
                    total.update(f"{path}\0".encode() + hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise InputError(str(path), f"cannot be read ({error.strerror})") from error
        return total.hexdigest()

    def validated(
        self, table: pl.DataFrame, aside: dict[str, np.ndarray] | None = None
    ) -> tuple[pl.DataFrame, np.ndarray, Intake]:
        """Hold a table against the contract, if there is one; quarantine what breaks it.

        Parameters
        ----------
        aside
            (n,) whether each row is quarantined before that, by the reason; `quarantine_share` does not count these.

        Returns
        -------
        polars.DataFrame, numpy.ndarray, Intake
            The valid rows, their positions in the table, and the count of all.

        Raises
        ------
        InputError
            When it lacks columns, or more of its rows break the contract than `quarantine_share`.
        """
        whole = set_aside(table, aside or {})
        if self.terms is None:
            checked = replace(whole, rows=np.arange(len(whole.table)), broken=whole.broken.clear(), reasons={})
        else:
            checked = check(whole.table, self.terms, datetime.now(UTC).replace(tzinfo=None))
        rows, broken = whole.rows[checked.rows], len(checked.broken)
        if len(rows) == len(table):
            return checked.table, rows, Intake(len(table))
        row = whole.broken.columns[0]
        moved = checked.broken.with_columns(pl.Series(row, whole.rows[checked.broken[row].to_numpy() - 1] + 1))
        both = pl.concat([whole.broken, moved]).sort(row)
        path = str(quarantine(both, Path(self.quarantine), self.origin)) if self.quarantine else None
        intake = Intake(len(table), len(both), path, whole.reasons | checked.reasons)
        too_many = broken > self.quarantine_share * len(whole.table)
        if broken and (too_many or intake.used < 2):
            allowed = f"more than data.quarantine_share={self.quarantine_share:g}"
            raise InputError(
                f"data.contract={self.contract}" if self.contract else "data",
                f"{broken / len(whole.table):.1%} of {self.origin} breaks {'it' if self.contract else 'its contract'},"
                f" {allowed if too_many else 'and fewer than two rows are left'}."
                f" {intake}",
                "Fix the table or the contract, or raise data.quarantine_share.",
            )
        return checked.table, rows, intake

    def valid_users(self, users: Users, table: pd.DataFrame) -> Users:
        """Return the users, drawn or made of events, whose rows as a file would hold them hold the contract."""
        _, rows, intake = self.validated(pl.from_pandas(table))
        return replace(users if intake.used == len(users) else users.take(rows), intake=intake)
