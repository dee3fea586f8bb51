"""What binding, judging and moving versions takes."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from tippingpoint.config.gate_settings import Gate
from tippingpoint.config.settings import A_NAME, A_VERSION, NAMED, VERSION, DiagnosticsSettings, Terminal
from tippingpoint.core.strict import Component


class BindSettings(Terminal):
    """A policy for the model of a registered version, as `conf/policy_bind.yaml` lists it."""

    model: Annotated[str, NAMED, Field(pattern=f"^{VERSION.pattern}$", title=A_VERSION)]
    policies: list[str] = Field(default=[], max_length=1)
    """An option of conf/policy or a YAML file; none: the version's own policy."""
    policy: dict[str, Any] = {}
    """What is laid over it."""
    config_dir: str | None = None
    gate: Gate
    data: Component | None = None
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    why: str = Field(default="", max_length=2000)
    who: str | None = Field(default=None, min_length=1, max_length=200)


class RegistrySettings(Terminal):
    """Which registered model, and which environment of it, as `conf/history.yaml` lists it."""

    name: str | None = None
    to: str | None = Field(default=None, pattern=r"^[\w.-]{1,64}$", title=A_NAME)


class HistorySettings(RegistrySettings):
    """What `history` takes: besides all entries that moved a champion the newest `limit`, 0 for all."""

    limit: int = Field(default=50, ge=0)


class StatusSettings(RegistrySettings):
    """What `status` takes. It only reads: `dry_run` changes nothing, but lines that say it are known."""

    dry_run: bool = False


class RollbackSettings(StatusSettings):
    """What `rollback` takes: why it is done, and on whose behalf."""

    why: str = Field(default="", max_length=2000)
    who: str | None = Field(default=None, min_length=1, max_length=200)


class PinSettings(RegistrySettings):
    """What pinning a gate takes, as `conf/promote_pin.yaml` lists it."""

    gate: Gate
    unpin: bool = False
    why: str = Field(default="", max_length=2000)
    who: str | None = Field(default=None, min_length=1, max_length=200)


class ApproveSettings(RegistrySettings):
    """What approving takes: the number of the journal's entry that asks for it."""

    request: int = Field(ge=1)
    why: str = Field(default="", max_length=2000)
    who: str | None = Field(default=None, min_length=1, max_length=200)


class PromoteSettings(RollbackSettings):
    """What `promote` takes, as `conf/promote.yaml` lists it."""

    model: Annotated[int | str | None, NAMED] = None
    run: str | None = None
    resume: int | None = Field(default=None, ge=1)
    request: bool = False
    """Whether a second person is asked to approve what the gate let in."""
    gate: Gate
    data: Component | None = None
    users: str | None = Field(default=None, min_length=1)
    """Where the users are now, read by the words of the version's own data."""
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.resume is not None and (self.model is not None or self.run is not None or self.dry_run or self.request):
            raise ValueError("resume finishes an entry, and nothing is judged. Drop model, run, request and dry_run.")
        if self.request and self.dry_run:
            raise ValueError("request asks for an approval, and dry_run for nothing. Drop one.")
        if self.data is not None and self.users is not None:
            raise ValueError("users says where they are, and so does data. Drop one.")
        if self.model is not None and self.run is not None:
            raise ValueError("model names one, and so does run. Drop one.")
        return self
