"""What may be tried for a hyper-parameter, as plain data."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from tippingpoint.core.strict import StrictModel

Value = bool | int | float | str | None


class Dimension(StrictModel, allow_inf_nan=False):
    """The values of one hyper-parameter: a range, or choices.

    Whole ends make a range of whole numbers. `when` makes it conditional: it is tried only where each parameter
    named there has one of the values given; elsewhere it stays as the family has it.
    """

    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    log: bool = False
    choices: tuple[Value, ...] | None = Field(default=None, min_length=1)
    when: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    patience: int | None = Field(default=None, ge=1)
    """Only for the parameter that counts boosting rounds, with `high` alone: the rounds are those that cross-validation
    finds best, and a fit ends when this many rounds brought nothing."""

    @model_validator(mode="before")
    @classmethod
    def _is_made_of_numbers(cls, written: Any) -> Any:
        if isinstance(written, Dimension):
            return written
        if not isinstance(written, Mapping):
            raise ValueError("is neither a range nor choices. Type {low: …, high: …} or {choices: […]}")
        if written.get("choices") is not None:
            # A config that is laid over a shipped range cannot take its keys away.
            return {key: written[key] for key in written if key not in ("low", "high", "step", "log", "patience")}
        for key in ("low", "high", "step"):
            if isinstance(value := written.get(key), bool | str):
                raise ValueError(f"{key} {value!r} is no number. Give one, or choices instead of a range.")
        if not isinstance(log := written.get("log", False), bool):
            raise ValueError(f"log {log!r} is neither true nor false. Type log: true, or drop it.")
        return written

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> "Dimension":
        if self.choices is not None:
            written = [json.dumps(choice) for choice in self.choices]
            if doubled := [value for value in dict.fromkeys(written) if written.count(value) > 1]:
                raise ValueError(f"choices names {', '.join(doubled)} twice. Name each value once.")
            return self
        if self.patience is not None:
            if self.low is not None or self.step or self.log or not isinstance(self.high, int) or self.high < 1:
                raise ValueError(
                    "patience goes with high alone, a whole number of rounds. Type {high: 1000, patience: 50}"
                )
        elif self.low is None or self.high is None:
            raise ValueError("a range needs low and high. Type {low: …, high: …} or {choices: […]}")
        elif self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}. Give low < high.")
        elif self.log and self.low <= 0:
            raise ValueError(f"a log range starts above 0, not at {self.low}. Raise low, or drop log.")
        elif self.step is not None and self.step <= 0:
            raise ValueError(f"step {self.step} is not above 0. Give one above 0, or drop it.")
        elif self.log and self.step:
            raise ValueError("a log range has no step. Drop one.")
        elif self.step and self.step > self.high - self.low:
            raise ValueError(
                f"step {self.step} is wider than the range from {self.low} to {self.high}. Narrow the step."
            )
        return self

    @property
    def whole(self) -> bool:
        """Whether the range is of whole numbers."""
        return all(isinstance(end, int) for end in (self.low, self.high, self.step or 1))

    def holds(self, value: Value) -> bool:
        """Whether a value is among those tried."""
        if self.choices is not None:
            return value in self.choices
        if self.low is None or self.high is None or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / (self.step or 1)
        return abs(steps - round(steps)) < 1e-8 or not (self.step or self.whole)

    def ends(self) -> tuple[Value, ...]:
        """Values that must be right if all between them are."""
        return self.choices or tuple(end for end in (self.low, self.high) if end is not None)

    def grid(self, points: int) -> tuple[Value, ...]:
        """All choices, each step of a stepped range, or so many points of another one.

        >>> Dimension(low=0.01, high=1.0, log=True).grid(3)
        (0.01, 0.1, 1.0)
        """
        if self.choices is not None:
            return self.choices
        assert self.low is not None
        assert self.high is not None
        if self.step:
            steps = int((self.high - self.low) / self.step + 1e-9)
            return tuple(self.low + k * self.step for k in range(steps + 1))
        spread = np.geomspace if self.log else np.linspace
        _, *between, _ = spread(self.low, self.high, points).tolist()
        inner = (round(v) if self.whole else float(f"{v:.6g}") for v in between)
        return tuple(dict.fromkeys((self.low, *inner, self.high)))

    def applies(self, parameters: Mapping[str, Any]) -> bool:
        """Whether it is tried at all beside these."""
        return all(parameters.get(name) in values for name, values in self.when.items())
