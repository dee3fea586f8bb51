"""What the data verbs take."""

from pydantic import Field

from tippingpoint.config.settings import Day, Terminal
from tippingpoint.core.strict import Component


class TableSettings(Terminal):
    """What the data verbs take, as `conf/table.yaml` lists it; contract and quarantine are keys of `data`."""

    data: Component
    policy: Component
    economics: Component
    all: bool = False
    """Whether `describe` shows all columns of a wide table."""
    to: str | None = None
    """Where to write: a contract to edit, a page, a table."""


class FeatureSettings(Terminal):
    """Users of raw events as of a day, as `conf/features.yaml` lists it."""

    data: Component
    as_of: Day | None = None
    days: int = Field(default=1, ge=1)
    to: str | None = None
