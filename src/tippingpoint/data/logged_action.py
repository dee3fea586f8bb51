"""What was done to each user, and with which chance, as the column of a table and the config say it."""

import contextlib
import re
from typing import Any, Literal

import numpy as np

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override

IDLE = re.compile(
    r"(?i)(^|[^a-z])(no|none|nothing|control|hold-?out|placebo|without|off|false|nein|keine?|ohne|non)([^a-z]|$)|^0$"
)
"""Words for an action that is none."""


def arms(values: list[str], control: str | None, column: str | None) -> list[str]:
    """The action's values, the one that means nothing was done first.

    Raises
    ------
    InputError
        When that is not among them.
    """
    control = control if control is not None else "none"
    if control not in values:
        listed = nearest(control, values, "data.control")
        idle = next((value for value in values if IDLE.search(value)), None)
        typed = "data.control=…" if idle is None else override("data.control", idle)
        remedy = f"{listed} Name the one that means nothing was done: {typed}."
        raise InputError("data.control", f"{column!r} is never {control!r}", remedy)
    return [control, *(v for v in values if v != control)]


def stated(
    values: list[str], given: dict[str, float | str] | Literal["uniform"] | None
) -> dict[str, float | str] | None:
    """For each of the action's values its chance, or the column that holds it; None where none is stated.

    Raises
    ------
    InputError
        When that of a value is not.
    """
    chances: Any = given
    if chances is None:
        return None
    if chances == "uniform":
        chances = dict.fromkeys(values, 1 / len(values))
    if not isinstance(chances, dict) or set(chances) != set(values):
        raise InputError(
            "data.logging_probability",
            f"needs the chance of each of {', '.join(map(repr, values))}",
            type_chances(values),
        )
    return chances


def in_all(chance: np.ndarray, values: list[str]) -> np.ndarray:
    """Return (n, K) chances that sum to 1 to the last digit.

    Raises
    ------
    InputError
        When a user's lie outside (0, 1], or sum to something else.
    """
    total = chance.sum(axis=1, keepdims=True)
    if (wrong := ~(np.all(chance > 0, axis=1) & (np.abs(total[:, 0] - 1) < 0.01))).any():
        row = np.flatnonzero(wrong)[0]
        said = f"must lie in (0, 1] and sum to 1 over the actions, for each user; {chance[row].tolist()}"
        what = f"{said} sum to {total[row, 0]:.4g}"
        raise InputError("data.logging_probability", what, type_chances(values))
    return np.asarray(chance / total)


def type_chances(values: list[str]) -> str:
    """What to type for the chances of actions."""
    remedy = "Type data.logging_probability=uniform, or name the columns that hold them"
    with contextlib.suppress(ValueError):  # some names can stand in a file only
        remedy += f", or {override('data.logging_probability', dict.fromkeys(values, round(1 / len(values), 4)))}"
    return f"{remedy}."
