"""The contract of a table: what each column must hold, as a YAML file that people write."""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.signs import Sign
from tippingpoint.core.strict import StrictModel, validate
from tippingpoint.core.yaml_files import line_of, read_yaml
from tippingpoint.data.number_format import NumberFormat
from tippingpoint.data.users import Column, FeatureSchema

Type = Literal["number", "whole", "category", "text", "time"]
Bound = Annotated[float | datetime | date, Field(union_mode="left_to_right")]
KINDS: dict[str, Literal["number", "category"]] = {"number": "number", "whole": "number", "category": "category"}
"""What a model makes of the types; it never sees the others."""
NOUN = {"number": "a number", "whole": "a whole number", "category": "a category", "text": "text", "time": "a time"}
HEADER = """\
# What the table must hold, column by column; rows that break it are set aside, with the reason. Written from what
# was seen: widen min, max and values to what may come, and say what each column means.
#   type: number, whole, category, text or time     typical: the median, by which a shifted unit is told
#   future: whether a time may lie in the future     label: what figures, tables and reasons call it
#   decimal, thousands, unit: how numbers are written, as 1.568,43 €     also_missing: words that stand for missing ones
"""
WRITING = ("decimal", "thousands", "unit", "also_missing")
QUIET = (*WRITING, "future", "month_first", "label")
"""Keys that are left out where they say nothing, so that a file without them keeps its digest."""


class ColumnSpec(StrictModel):
    """What one column must hold. Models see numbers, whole numbers and categories; never text and times."""

    WHOLE: ClassVar[float] = 2.0**53
    """Whole numbers are smaller: from here on a float does not tell neighbours apart."""

    type: Type
    min: Bound | None = None
    max: Bound | None = None
    """Smallest and largest number, or time (UTC), both allowed."""
    future: bool = False
    """Whether a time may lie in the future."""
    month_first: bool = False
    """Whether 01/02/2026 is in January."""
    values: list[str] | None = None
    """All categories there are."""
    typical: float | None = None
    """The usual median; one that is 1,000 times as large or as small is a unit shifted."""
    missing: bool = False
    """Whether the value may be missing."""
    decimal: Literal[".", ","] | None = None
    thousands: Sign | None = None
    unit: str = ""
    """How numbers are written where they are text: 1.568,43 € has `decimal: ','` and `unit: €`. Without, as 1568.43."""
    also_missing: list[str] = Field(default_factory=list)
    """Words that stand for a missing number or time; inf: infinite numbers."""
    label: str = ""
    """What people call it, on one line; without, its name."""
    meaning: str = ""

    def named(self, name: str) -> str:
        """Return what people read of a column of this name: its label with the unit that its numbers have.

        >>> ColumnSpec(type="number", label="Monthly spend", unit="€").named("spend_30d")
        'Monthly spend, €'
        """
        return ", ".join(filter(None, (self.label, self.unit))) if self.label else name

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers, whole or not."""
        return self.type in ("number", "whole")

    @cached_property
    def written(self) -> NumberFormat | None:
        """How numbers are written; None: as 1568.43."""
        return NumberFormat.of(self.decimal, self.thousands, self.unit)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number allowed."""
        farthest = self.WHOLE - 1 if self.type == "whole" else math.inf
        low = self.min if isinstance(self.min, float) else -math.inf
        high = self.max if isinstance(self.max, float) else math.inf
        return max(low, -farthest), min(high, farthest)

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

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if value or key not in QUIET}

    @model_validator(mode="after")
    def _fit_the_type(self) -> Self:
        numeric, bounds = self.numeric, [b for b in (self.min, self.max) if b is not None]
        if bounds and not (numeric or self.type == "time"):
            raise ValueError(f"a {self.type} has no min and max")
        if any(isinstance(bound, float) != numeric for bound in bounds):
            raise ValueError(f"min and max of a {self.type} must be {'numbers' if numeric else 'dates'}")
        if len(bounds) == 2 and bounds[0] > bounds[1]:  # type: ignore[operator]  # both are of one kind, which the checks above saw to
            raise ValueError("min must not be above max")
        if self.values is not None and (self.type != "category" or not self.values):
            raise ValueError("values must name the categories of a category")
        if not numeric and any(getattr(self, key) for key in WRITING if (key, self.type) != ("also_missing", "time")):
            raise ValueError(f"a {self.type} has no {' and '.join(WRITING)}; a number may have")
        if (self.future or self.month_first) and self.type != "time":
            raise ValueError(f"a {self.type} has no {'future' if self.future else 'month_first'}; a time may have")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands must differ")
        if self.typical is not None and (not numeric or self.typical == 0):
            raise ValueError("typical must be the median, other than 0, of a number")
        return self


class TableSchema(StrictModel):
    """What a table of users must hold. Columns it does not name are no features."""

    outcome: str | None = None
    """The column to predict."""
    id: str | None = None
    """The id column; null: rows are numbered."""
    action: str | None = None
    """The column that says what was done to the user."""
    measures: list[str] = Field(default_factory=list)
    """Further numeric outcomes. Like the action they are no features."""
    columns: dict[str, ColumnSpec] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_its_columns(self) -> Self:
        named = [(key, name) for key in ("outcome", "id", "action") if (name := getattr(self, key)) is not None]
        for key, name in [*named, *(("measures", name) for name in self.measures)]:
            if name not in self.columns:
                raise ValueError(f"{key} {name!r} is not one of the columns. {nearest(name, self.columns)}")
        if self.id is not None:  # text, whatever else it is said to be: every digit of it counts
            said = self.columns[self.id]
            self.columns[self.id] = ColumnSpec(type="text", missing=said.missing, meaning=said.meaning)
        return self

    def meaning(self, outcome: str) -> FeatureSchema:
        """What it says to models where no config says more: the features, and why they see no time or text."""
        hidden = {outcome, self.id, self.action, *self.measures}
        rest = {name: terms for name, terms in self.columns.items() if name not in hidden}
        return FeatureSchema(
            columns=tuple(Column(name, KINDS[terms.type]) for name, terms in rest.items() if terms.type in KINDS),
            outcome=outcome,
            user_id=self.id,
            labels=self.labels,
            dropped={n: f"{NOUN[t.type]}: {t.meaning}" for n, t in rest.items() if t.type not in KINDS},
        )

    @property
    def labels(self) -> dict[str, str]:
        """What people read of the columns that have a label, by name."""
        return {name: spec.named(name) for name, spec in self.columns.items() if spec.label}

    def label(self, name: str) -> str:
        """Return what people read of a column: its label, else its name."""
        return self.labels.get(name, name)

    def with_actions(self, actions: Sequence[str]) -> Self:
        """The same, but that these are the actions there are."""
        if self.action is None:
            return self
        terms = self.columns[self.action].model_copy(update={"values": list(actions)})
        return self.model_copy(update={"columns": self.columns | {self.action: terms}})

    def as_yaml(self) -> str:
        """The file to edit."""
        roles = {"outcome": self.outcome, "id": self.id, "action": self.action, "measures": self.measures}
        shown = {key: name for key, name in roles.items() if name or key in ("outcome", "id")}
        head = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
        lines = [HEADER, head, "columns:\n"]
        for name, terms in self.columns.items():
            given = terms.model_dump(exclude_defaults=True) | {"meaning": terms.meaning}
            node = {key: _plain(value) for key, value in given.items()}
            flow = yaml.safe_dump(node, sort_keys=False, allow_unicode=True, default_flow_style=True, width=math.inf)
            # In quotes as JSON has them, so that a key may be empty or long, which PyYAML writes as none of one line.
            key = name if re.fullmatch(r"(?a)[A-Za-z_]\w*", name) else json.dumps(name, ensure_ascii=False)
            lines.append(f"  {key}: {flow.strip()}\n")
        return "".join(lines)


def read_contract(path: Path) -> TableSchema:
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
    node = read_yaml(path, where, words=True)
    if not isinstance(node, dict):
        raise InputError(where, "is no contract", "It has the keys outcome, id and columns.")
    named = {str(key): value for key, value in node.items() if value not in ("", "null", "~")}
    try:
        return validate(TableSchema, named, where)
    except InputError as error:
        line = line_of(path, error.where.removeprefix(f"{where}.").split("."))
        raise InputError(error.where, f"{error.what} (line {line})", error.remedy) if line else error from None


def proposed_label(name: str) -> str:
    """Return a column's name as people would write it; empty where that is the name.

    >>> [proposed_label(name) for name in ("monthly_watch_hours", "sessions_7d", "isTrial", "f0", "Plan")]
    ['Monthly watch hours', 'Sessions in 7 days', 'Is trial', '', '']
    """
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").replace(".", "_").split("_")
    words = [word.lower() if word[:1].isupper() and word[1:].islower() else word for word in parts if word]
    if len(words) > 1 and (window := re.fullmatch(r"(\d+)([dhwm])", words[-1])):
        number, unit = window.groups()
        words[-1:] = ["in", number, {"d": "day", "h": "hour", "w": "week", "m": "month"}[unit] + "s" * (number != "1")]
    return f"{words[0][:1].upper()}{words[0][1:]} {' '.join(words[1:])}" if len(words) > 1 else ""


@cache
def shipped_contract(name: str) -> TableSchema:
    """The contract of a generated world, read once a process."""
    return read_contract(shipped(name))


def shipped(name: str) -> Path:
    """The contract of a generated world: inside the wheel, or in `data/` of a checkout."""
    inside = Path(__file__).parents[1] / "contracts"
    folder = inside if inside.is_dir() else Path(__file__).parents[3] / "data" / "contracts"
    return folder / f"{name}.yaml"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date() if value == datetime(value.year, value.month, value.day) else value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
