"""What marketing's pages take."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator

from tippingpoint.config.settings import NAMED, Serve


class DashboardSettings(Serve):
    """Marketing's pages, as `conf/dashboard.yaml` lists them."""

    port: int = Field(default=8501, ge=1, le=65535)
    model: Annotated[str | None, NAMED] = None
    """The registered version to open on; null: each question's champion."""
    mlflow: str | None = None
    """Where MLflow's pages are; null: at a store that is a server, else where `tippingpoint ui` serves."""
    predictions: str | None = None
    """A table of decisions, for the page Over time."""
    outcomes: str | None = None
    logins: str | None = None
    """A log, one row a login."""
    at: str | None = None
    absent: Literal["unknown", "zero"] = "unknown"
    until: datetime | None = None
    """Of the outcomes, as `measure` takes them."""
    public: bool = False
    """Whether others may reach the pages, though there is no login."""
    list_makers: list[Annotated[str, Field(pattern=r"^[^@\s]*@[^@\s]+$")]] = []
    """Of those who are logged in: addresses, or `@domain`, of who may download lists, save policies and name tables."""
    tables: bool = True
    """Whether visitors may name a database: it is read as whoever started the pages."""

    @field_validator("until")
    @classmethod
    def _is_in_utc(cls, time: datetime | None) -> datetime | None:
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time
