"""Users as a Parquet file and what no column holds: what was read once, read again without its source."""

import io
import json
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from tippingpoint.data.users import FeatureSchema, Users

SCHEMA, TIMES = TypeAdapter(FeatureSchema), TypeAdapter(dict[str, datetime])
TABLES, BY_ACTION = ("features", "measures", "costs"), ("logging_probability", "truth")
COLUMNS = ("outcome", "user_id", "group", "action", "moment")
"""Parts of users: tables with columns of their own, a column an action, one column."""


def as_parquet(users: Users) -> tuple[bytes, str]:
    """A Parquet file of users, a row each, and JSON of what is the same for all; the source's own counts stay out."""
    parts: dict[str, Any] = {}
    for name in TABLES:
        if (table := getattr(users, name)) is not None:
            parts |= {f"{name}/{column}": table[column].to_numpy() for column in table}
    for name in BY_ACTION:
        if (values := getattr(users, name)) is not None:
            parts |= {f"{name}/{action}": values[:, k] for k, action in enumerate(users.actions)}
    parts |= {name: values for name in COLUMNS if (values := getattr(users, name)) is not None}
    kinds = {name: [*table] for name in TABLES if (table := getattr(users, name)) is not None}
    about = {
        "contract": SCHEMA.dump_python(users.contract, mode="json"),
        "actions": users.actions,
        "tables": kinds,
        "types": {name: str(part.dtype) for name, part in parts.items()},
        "times": TIMES.dump_python(users.times, mode="json"),
        "horizon_days": users.horizon_days,
    }
    written = io.BytesIO()
    pd.DataFrame(parts).to_parquet(written, index=False)
    return written.getvalue(), json.dumps(about, indent=2)


def from_parquet(file: bytes, written: str) -> Users:
    """The users that `as_parquet` wrote; all parts but their intake are the same, and so is their digest.

    Raises
    ------
    ValueError, KeyError
        When they are not what it writes.
    """
    table, about = pd.read_parquet(io.BytesIO(file)), json.loads(written)
    actions = tuple(about["actions"])

    def column(name: str) -> Any:
        of = about["types"][name]
        return table[name].to_numpy(dtype=object if of in ("object", "str") else of)

    def frame(name: str) -> pd.DataFrame | None:
        if (columns := about["tables"].get(name)) is None:
            return None
        found = {
            of: pd.Series(column(f"{name}/{of}"), dtype="str" if _is_text(about, name, of) else None) for of in columns
        }
        return pd.DataFrame(found, index=range(len(table)), columns=columns)

    parts: dict[str, Any] = {name: column(name) for name in COLUMNS if name in table}
    for name in BY_ACTION:
        if f"{name}/{actions[0]}" in table:
            parts[name] = np.column_stack([column(f"{name}/{action}") for action in actions])
    features = frame("features")
    assert features is not None
    return Users(
        features=features,
        contract=SCHEMA.validate_python(about["contract"]),
        actions=actions,
        measures=frame("measures"),
        costs=frame("costs"),
        times=TIMES.validate_python(about["times"]),
        horizon_days=about["horizon_days"],
        **parts,
    )


def _is_text(about: dict[str, Any], table: str, column: str) -> bool:
    return about["types"][f"{table}/{column}"] in ("object", "str")
