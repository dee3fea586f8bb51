"""Decisions for a frame in memory: nothing is written, no run is filed."""

import time
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
from rich.console import RenderableType

from tippingpoint.core.errors import InputError
from tippingpoint.decisions.batch_result import BatchResult
from tippingpoint.experiment.diagnostics import Chosen, Findings
from tippingpoint.experiment.fitted import FittedModel
from tippingpoint.reports.result import Result
from tippingpoint.scoring.batch import Batch, best_first
from tippingpoint.scoring.report import found_in, score_summary

ORIGIN = "frame"


@dataclass(frozen=True, repr=False)
class ScoredFrame(Result):
    """What was decided for the users of a frame.

    Parameters
    ----------
    decisions
        One row a user, columns as in the files of `score`.
    quarantined
        Rows that break the model's contract, with the reasons.
    model
        What decided, where it is at hand; `measure` needs it of a model that no store holds.
    findings
        What diagnostics found of the batch.
    """

    decisions: pd.DataFrame
    quarantined: pd.DataFrame
    scored: BatchResult
    model: FittedModel | None
    findings: Findings = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**self.scored.to_dict(), "findings": [finding.to_dict() for finding in self.findings]}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return score_summary(self.scored, self.findings, None)


def score_frame(
    table: pl.DataFrame, batch: Batch, holdout: float, model: FittedModel | None, chosen: Chosen
) -> ScoredFrame:
    """Decide for all users of a table at once.

    Raises
    ------
    InputError
        When the table lacks columns, or none of its rows holds the contract.
    """
    start = time.perf_counter()
    table = table.select(batch.wanted(table.columns))
    done = batch.decide(table, 0)
    if not done.tally.decided:
        worst = ", ".join(list(done.tally.worst())[:3]) or "there are no rows"
        raise InputError(
            "users", f"no row of the frame can be decided ({worst})", "Compare the frame with the model's contract."
        )
    decisions = best_first([done.table], batch.user_id, batch.decider.deployment) if batch.only else done.table
    scored = batch.result(
        done.tally,
        batch.scored_at,
        origin=ORIGIN,
        to="memory",
        quarantine=".quarantined" if done.tally.quarantined else None,
        holdout=holdout,
        seconds=time.perf_counter() - start,
    )
    return ScoredFrame(_pandas(decisions), _pandas(done.broken), scored, model, found_in(scored, chosen))


def _pandas(table: pl.DataFrame) -> pd.DataFrame:
    return table.with_columns(pl.col(pl.Enum).cast(pl.String)).to_pandas()
