"""What the scoring service takes."""

from typing import Annotated

from pydantic import Field

from tippingpoint.config.settings import A_VERSION, BY_NAME, NAMED, VERSION, Day, Serve


class ServeSettings(Serve):
    """What the scoring service takes, as `conf/serve.yaml` lists it."""

    model: Annotated[str | None, NAMED] = Field(default=None, pattern=f"^{VERSION.pattern}$", title=A_VERSION)
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    poll_seconds: float = Field(default=1.0, gt=0, le=2)
    as_of: Day | None = None
    max_users: int = Field(default=10_000, ge=1)
    max_explained: int = Field(default=100, ge=1)
    max_body: int = Field(default=8 * 2**20, ge=1)
    access_log: bool = True
    holdout: float = Field(default=0, ge=0, le=1)
    holdout_actions: list[str] = []
    holdout_salt: str | None = None
    log: str | None = None
    """Where decisions go."""
    log_seconds: float = Field(default=10.0, gt=0, le=3600)
    log_rows: int = Field(default=100_000, ge=1)
    split: Annotated[dict[str, float] | None, BY_NAME] = None
    """Share of users that each alias, or version number, of the model answers; None: one version answers all."""
    shadow: str | None = Field(default=None, pattern=f"^{VERSION.pattern}$")
    """Decides for the same users, and is not answered."""
