"""A contract of a table: what each column must hold, as a YAML that people write and the door reads."""

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, field_validator, model_validator

from tippingpoint.errors import InputError, nearest
from tippingpoint.settings import Closed, validate

Type = Literal["number", "whole", "category", "text", "time"]
Bound = Annotated[float | datetime | date, Field(union_mode="left_to_right")]
HEADER = """\
# What the table must hold, column by column; rows that break it are set aside, with the reason. Written from what
# was seen: widen min, max and values to what may come, and say what each column means.
#   type: number, whole, category, text or time     typical: the median, by which a shifted unit is told
"""


class Terms(Closed):
    """What one column must hold. Models see numbers, whole numbers and categories; never text and times."""

    type: Type
    min: Bound | None = None
    max: Bound | None = None
    """Smallest and largest number, or time (UTC), both allowed. No time may lie in the future."""
    values: list[str] | None = None
    """All categories there are."""
    typical: float | None = None
    """The usual median; one that is 1,000 times as large or as small is a unit shifted."""
    missing: bool = False
    """Whether the value may be missing."""
    meaning: str = ""

    @model_validator(mode="before")
    @classmethod
    def _written_null(cls, node: Any) -> Any:
        if not isinstance(node, dict):
            raise ValueError("is not the terms of a column. Type {type: number, min: 0, max: 1, missing: false}")
        return {key: value for key, value in node.items() if value not in ("", "null", "~") or key == "meaning"}

    @field_validator("min", "max")
    @classmethod
    def _in_utc(cls, bound: Bound | None) -> Bound | None:
        if isinstance(bound, datetime):
            return bound.astimezone(UTC).replace(tzinfo=None) if bound.tzinfo else bound
        return datetime(bound.year, bound.month, bound.day) if isinstance(bound, date) else bound

    @model_validator(mode="after")
    def _fit_the_type(self) -> Self:
        numeric, bounds = self.type in ("number", "whole"), [b for b in (self.min, self.max) if b is not None]
        if bounds and not (numeric or self.type == "time"):
            raise ValueError(f"a {self.type} has no min and max")
        if any(isinstance(bound, float) != numeric for bound in bounds):
            raise ValueError(f"min and max of a {self.type} must be {'numbers' if numeric else 'dates'}")
        if len(bounds) == 2 and bounds[0] > bounds[1]:  # type: ignore[operator]
            raise ValueError("min must not be above max")
        if self.values is not None and (self.type != "category" or not self.values):
            raise ValueError("values must name the categories of a category")
        if self.typical is not None and (not numeric or self.typical == 0):
            raise ValueError("typical must be the median, other than 0, of a number")
        return self


class TableContract(Closed):
    """What a table of users must hold. Columns it does not name are no features."""

    outcome: str | None = None
    """The column to predict."""
    id: str | None = None
    """The id column; null: rows are numbered."""
    columns: dict[str, Terms] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_its_columns(self) -> Self:
        for key in ("outcome", "id"):
            if (name := getattr(self, key)) is not None and name not in self.columns:
                raise ValueError(f"{key} {name!r} is not one of the columns. {nearest(name, self.columns)}")
        return self

    def as_yaml(self) -> str:
        """The file to edit."""
        head = yaml.safe_dump({"outcome": self.outcome, "id": self.id}, sort_keys=False, allow_unicode=True)
        lines = [HEADER, head, "columns:\n"]
        for name, terms in self.columns.items():
            given = terms.model_dump(exclude_defaults=True) | {"meaning": terms.meaning}
            node = {name: {key: _plain(value) for key, value in given.items()}}
            flow = yaml.safe_dump(node, sort_keys=False, allow_unicode=True, default_flow_style=True, width=math.inf)
            lines.append(f"  {flow.strip()[1:-1]}\n")
        return "".join(lines)


def read_contract(path: Path) -> TableContract:
    """Read a contract.

    Raises
    ------
    InputError
        When there is no such file, or it is no contract; every problem in one message.
    """
    where = f"data.contract={path}"
    if not path.is_file():
        siblings = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        raise InputError(where, "no such file", nearest(path.name, siblings) if siblings else "")
    try:
        # Every word stays a word: No is a category before it is a boolean.
        node = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(where, f"is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(node, dict):
        raise InputError(where, "is no contract", "It has the keys outcome, id and columns.")
    named = {str(key): value for key, value in node.items() if value not in ("", "null", "~")}
    return validate(TableContract, named, where)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date() if value == datetime(value.year, value.month, value.day) else value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
