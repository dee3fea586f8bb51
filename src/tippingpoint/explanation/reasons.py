"""Why a user is in a segment, and the least that would take them to the next, as the model sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.model_output import probability
from tippingpoint.data.users import FeatureSchema
from tippingpoint.explanation.effects import points_of
from tippingpoint.explanation.values import Explanation, explain
from tippingpoint.models.calibration import Model
from tippingpoint.models.learners.effects import output

REASONS = 3
POINTS = 25
CAVEAT = "A change: the least of those tried; what the model would say of such a user, not what would come of it."


@dataclass(frozen=True)
class Move:
    """A change of one column that takes a user to another segment.

    Parameters
    ----------
    label
        What people read of the column.
    size
        Share of the background a number passes on the way; for a category, and from a missing number, the share that
        is not there: what is rare is far.
    score
        Calibrated score after it.
    """

    column: str
    label: str
    before: Any
    after: Any
    size: float
    score: float

    def __str__(self) -> str:
        return f"{self.label} {shown(self.before)} → {shown(self.after)} (score {self.score:.2f})"


@dataclass(frozen=True)
class Typical:
    """A user who stands for a segment.

    Parameters
    ----------
    row
        Position in the explanation of typical users.
    toward
        Segment above this one; for the highest, the one below.
    move
        The least change of one column, of those tried (`what_moves`), that would lead there; None where none does.
    """

    segment: str
    row: int
    score: float
    toward: str
    move: Move | None
    reasons: tuple[tuple[str, Any, float], ...]

    def why(self) -> str:
        """The largest SHAP values in words."""
        return ", ".join(f"{column} {shown(value)} ({part:+.2g})" for column, value, part in self.reasons)

    def would_move(self) -> str:
        """What would take this user to the other segment, in words."""
        return str(self.move) if self.move else "no value tried of a single column does"


def what_moves(
    model: Model,
    user: pd.DataFrame,
    background: pd.DataFrame,
    segment: Callable[[np.ndarray, pd.DataFrame], np.ndarray],
    toward: int,
    labels: Mapping[str, str] | None = None,
) -> Move | None:
    """Find the smallest change of a single column, of those tried, that takes one user to another segment; or None.

    Tried are values that were observed: 25 quantiles of a number from its least to its largest, the 25 most frequent
    categories; between two quantiles a smaller change may do. What can be acted upon is not known (age cannot), nor
    what else would change along: it is what the model would say.

    Parameters
    ----------
    user
        One row, the model's columns.
    background
        Users whose values are tried, and whose shares measure how far a change is.
    segment
        (what the model gives, features) to (n,) codes, as a policy's `assign`.
    toward
        Code of the segment to get to.
    labels
        What people read instead of a column's name.
    """
    moves: list[tuple[str, Any, float]] = []
    for name in user.columns:
        here, column = user[name].iloc[0], background[name]
        moves += [
            (name, value, _distance(column, here, value))
            for value in points_of(column, POINTS, edge=0)
            if value != here
        ]
    if not moves:
        return None
    tried = user.loc[user.index.repeat(len(moves))].reset_index(drop=True)
    for name in user.columns:
        values = tried[name].to_numpy(dtype=object, copy=True)
        for row, (changed, value, _) in enumerate(moves):
            if changed == name:
                values[row] = value
        tried[name] = pd.Series(values).astype(user[name].dtype)
    found = output(model.classifier, tried)
    there = np.flatnonzero(segment(found, tried) == toward)
    if not len(there):
        return None
    row = int(min(there, key=lambda k: moves[k][2]))
    name, value, size = moves[row]
    return Move(name, (labels or {}).get(name, name), user[name].iloc[0], value, size, float(probability(found)[row]))


def typical_users(
    model: Model,
    contract: FeatureSchema,
    features: pd.DataFrame,
    background: pd.DataFrame,
    segments: tuple[str, ...],
    segment: Callable[[np.ndarray, pd.DataFrame], np.ndarray],
    most: int = 3,
) -> tuple[list[Typical], Explanation]:
    """For each segment that has users the one nearest to its median score, low scores first; and their explanation.

    Parameters
    ----------
    features, background
        Users among whom they are looked for; users whose values are tried, and from whose mean a line starts.
    segments
        Names of the codes that `segment` gives.
    most
        Of more segments these are the lowest, the highest, and those between evenly.
    """
    found = output(model.classifier, features)
    score, code = probability(found), segment(found, features)
    median = {int(c): float(np.median(score[code == c])) for c in np.unique(code)}
    ranked = sorted(median, key=lambda c: median[c])
    places = np.unique(np.linspace(0, len(ranked) - 1, min(most, len(ranked))).round().astype(int))
    rows = [_nearest(score, code == ranked[at], median[ranked[at]]) for at in places]
    explanation = explain(model, contract, features.iloc[rows], background)
    typical = []
    for row, at in enumerate(places):
        # Segments that have users only: where all are in one there is nowhere to go.
        other = ranked[at + 1] if at + 1 < len(ranked) else ranked[at - 1] if at else None
        user, values = explanation.features.iloc[[row]], explanation.values[row]
        move = None if other is None else what_moves(model, user, background, segment, other, contract.labels)
        largest = np.abs(values).argsort(kind="stable")[::-1][:REASONS]
        reasons = tuple((contract.label(str(features.columns[j])), user.iloc[0, j], float(values[j])) for j in largest)
        toward = "" if other is None else segments[other]
        typical.append(Typical(segments[ranked[at]], row, float(score[rows[row]]), toward, move, reasons))
    return typical, explanation


def _nearest(score: np.ndarray, members: np.ndarray, middle: float) -> int:
    """Position of the member whose score is nearest to `middle`."""
    among = np.flatnonzero(members)
    return int(among[np.abs(score[among] - middle).argmin()])


def typical_table(users: list[Typical]) -> pd.DataFrame:
    """One row a typical user."""
    return pd.DataFrame(
        [
            {
                "segment": user.segment,
                "score": user.score,
                "why": user.why(),
                "toward": user.toward,
                "smallest_change": user.would_move(),
                "column": user.move.column if user.move else None,
                "before": user.move.before if user.move else None,
                "after": user.move.after if user.move else None,
                "score_after": user.move.score if user.move else None,
                "share_passed": user.move.size if user.move else None,
            }
            for user in users
        ]
    )


def _distance(column: pd.Series, here: Any, value: Any) -> float:
    """How far `value` is from `here`, as a share of the users in `column`."""
    if column.dtype.kind != "f" or pd.isna(here):
        return float(1 - (column == value).mean())
    low, high = sorted((float(here), float(value)))
    values: np.ndarray = np.asarray(column, dtype=np.float64)
    return float(((low < values) & (values <= high)).mean())


def shown(value: Any) -> str:
    """A column's value as people write it."""
    if isinstance(value, float | np.floating):
        number = float(value)
        return "missing" if np.isnan(number) else f"{number:,.4g}" if abs(number) < 1e4 else f"{number:,.0f}"
    return "missing" if pd.isna(value) else str(value)
