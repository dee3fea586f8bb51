"""What the settings of every verb are made of, checked from a composed config: what cannot be right is refused."""

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from tippingpoint.core.errors import InputError
from tippingpoint.core.redaction import masked
from tippingpoint.core.strict import Component, StrictModel, validate

VERSION = re.compile(r"models:/([^/@]+)(?:/(\d+)|@([\w.-]+))")
"""Address of a registered version, by number or alias."""
A_VERSION = "a registered version, as models:/conversion/3 or models:/conversion@champion"
A_RUN = "the id of a run, 32 hex digits"
A_NAME = "a name of letters, digits, '_', '.' and '-'"
"""Titles of fields with a pattern: a refusal says them instead of it."""

DECIDES = ("model", "learner", "policy", "economics")
FROM_ENVIRONMENT = "${oc.env:"

NAMED = BeforeValidator(lambda node: node["version"] if isinstance(node, dict) and set(node) == {"version"} else node)
"""Takes a registered version as configs hold it, `model: {version: …}`: Hydra would choose families by `model=`."""
BY_NAME = BeforeValidator(lambda node: {str(key): of for key, of in node.items()} if isinstance(node, dict) else node)
"""Takes numbers as names: Hydra makes an int of the version in `split={3: 0.9, 4: 0.1}`."""


def _day(given: Any) -> Any:
    try:
        return date.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as error:
        raise ValueError("is no day. Type one such as 2026-03-01") from error


Day = Annotated[date, BeforeValidator(_day)]


def _leaves_room(margins: dict[str, float]) -> dict[str, float]:
    if nothing := [name for name, margin in margins.items() if margin == 0]:
        raise ValueError(f"{nothing[0]} has margin 0, which no number of users tells. Give one above or below 0.")
    return margins


Guardrails = Annotated[dict[str, float], BY_NAME, AfterValidator(_leaves_room)]
"""By measure the worst difference that is accepted: -2 where it may fall by 2, 3 where it may rise by 3."""


class Split(StrictModel):
    """Shares of users; what is left of train and validation is test. The salt moves users between them.

    Parameters
    ----------
    by
        `hash` of the user id, or `time`: then test is what is dated `test_from` or later, and train and validation are
        shared as they are to each other among what came before.
    gap_days
        Days before `test_from` whose rows are left out, as their outcomes were not due by then; None: the horizon.
    """

    by: Literal["hash", "time"] = "hash"
    train: float = Field(default=0.6, gt=0, lt=1)
    validation: float = Field(default=0.2, gt=0, lt=1)
    salt: str = "tippingpoint"
    test_from: Day | None = None
    gap_days: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _leaves_a_test(self) -> "Split":
        if self.train + self.validation > 0.99:
            raise ValueError("train + validation must leave at least 0.01 for test")
        if self.by == "time" and self.test_from is None:
            raise ValueError("test_from is not given. Type split.test_from=2026-03-01")
        if self.by == "hash" and (self.test_from is not None or self.gap_days is not None):
            raise ValueError("test_from and gap_days are of a split by time. Type split=time")
        return self

    @model_serializer(mode="wrap")
    def _as_it_was_before_time(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Of a split by hash what it always was: filed splits are compared with each other."""
        of_time = ("by", "test_from", "gap_days") if self.by == "hash" else ()
        return {key: value for key, value in dump(self).items() if key not in of_time}


class Tracking(StrictModel):
    """Where runs go. `MLFLOW_TRACKING_URI` names the store; these name what is inside.

    Parameters
    ----------
    log
        False: nothing is written anywhere, and nothing registered.
    sweep_id, sweep_job
        The sweep a job belongs to, and the overrides that tell it from the others; `-m` gives them.
    """

    experiment: str | None = None
    log: bool = True
    register_model: bool = True
    challenger: Literal["unless_worse", "always"] = "unless_worse"
    test_set: bool = False
    """Whether the users are filed with the run of a registered version, for a gate that cannot read them elsewhere."""
    sweep_id: str | None = Field(default=None, pattern=r"^[\w.-]{1,64}$", title=A_NAME)
    sweep_job: list[str] | None = None


def refuse_idle_destination(experiment: str | None, log: bool) -> None:
    """Refuse a place to file at where nothing is filed."""
    if experiment is not None and not log:
        raise ValueError(
            "tracking.experiment is not used: nothing is filed. Type tracking.experiment=null, or tracking.log=true."
        )


class DiagnosticsSettings(StrictModel):
    """What is made of diagnostics, which `tippingpoint diagnostics` lists.

    Parameters
    ----------
    silence
        Codes of warnings that are not shown.
    accept
        Codes of vetoes that are let through, each with the reason, which is filed.
    """

    silence: list[str] = []
    accept: dict[str, str] = {}

    @field_validator("accept")
    @classmethod
    def _says_why(cls, accept: dict[str, str]) -> dict[str, str]:
        if silent := [code for code, why in accept.items() if not why.strip()]:
            raise ValueError(f"{silent[0]} needs a reason: it is filed")
        return accept


BROUGHT = ("policy", "economics")
"""What some data bring their own of along, which not every verb that takes data reads."""


class Terminal(StrictModel):
    """What every verb takes: how it answers."""

    output: Literal["text", "json"] = "text"
    debug: bool = False

    _written: Any = PrivateAttr(default=None)
    """The composed config before anything in it was looked up, where it holds text from the environment."""

    @classmethod
    def from_config(cls, config: DictConfig) -> Self:
        """Check a composed Hydra config; every problem in one message."""
        try:
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            where = error.full_key or "config"
            if "Missing mandatory value" in str(error):
                raise InputError(where, "not given", f"Type {where}=…") from error
            raise _not_looked_up(where, str(error).splitlines()[0]) from error
        assert isinstance(plain, dict)
        plain.pop("experiment", None)  # only its contents count, and they are merged by now
        for key in BROUGHT:
            if key not in cls.model_fields and (plain.get("data") or plain.get(key, ...) is None):
                plain.pop(key, None)
        settings = validate(cls, {str(key): value for key, value in plain.items()}, "")
        written = OmegaConf.to_container(config, resolve=False)
        settings._written = written if FROM_ENVIRONMENT in str(written) else None
        return settings

    def filed(self) -> dict[str, Any]:
        """The settings as the store may hold them: no passwords, and text from the environment as it was written.

        What a version decides by (model, policy, economics) is filed with its values.
        """
        asked = self.model_dump(mode="json")
        kept = {key: value for key, value in asked.items() if key in DECIDES}
        return dict(masked(_as_written(asked, self._written) | kept))


def _not_looked_up(where: str, said: str) -> InputError:
    """Say in our words which `${…}` of the config leads nowhere."""
    if found := re.search(r"Environment variable '([^']*)' not found", said):
        name = found[1]
        return InputError(where, f"the environment has no {name}", f"Set it, or write ${{oc.env:{name},DEFAULT}}.")
    if found := re.search(r"Interpolation key '([^']*)' not found", said):
        return InputError(where, f"${{{found[1]}}} names no key of the config", "--cfg job shows every key.")
    if found := re.search(r"Unsupported interpolation type (\S+)", said):
        return InputError(
            where, f"there is no ${{{found[1]}:…}}", "Type ${oc.env:NAME} for what the environment holds."
        )
    return InputError(where, "holds a ${…} that cannot be looked up", "--cfg job shows what is written.")


def _as_written(value: Any, written: Any) -> Any:
    """A node of the settings with the `${oc.env:…}` that text in it came from."""
    if isinstance(value, dict) and isinstance(written, dict):
        return {key: _as_written(inner, written.get(key)) for key, inner in value.items()}
    if isinstance(value, list) and isinstance(written, list) and len(value) == len(written):
        return [_as_written(*pair) for pair in zip(value, written, strict=True)]
    of_environment = isinstance(value, str) and isinstance(written, str) and FROM_ENVIRONMENT in written
    return written if of_environment else value


Report = Literal["full", "light", "none"]
"""How much a run's report holds: all figures; ROC, calibration, SHAP and the tables; or card and metrics alone."""


RESPONSE = Component.of({"_target_": "tippingpoint.models.learners.response.Response"}, "learner.response")


class Settings(Terminal):
    """A job's settings, as `conf/config.yaml` lists them."""

    model: dict[str, Component] = Field(min_length=1)
    learner: dict[str, Component] = Field(default={"response": RESPONSE}, min_length=1)
    data: Component
    policy: Component
    economics: Component
    tracking: Tracking = Tracking()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    split: Split = Split()
    evidence: Literal["auto", "truth", "experiment", "logged", "assumed"] = "auto"
    guardrails: Guardrails | None = None
    """Measures, in money or whatever they are in, per user over everyone getting none."""
    select_by: Literal["roc_auc", "pr_auc", "log_loss", "brier"] = "roc_auc"
    explain_rows: int = Field(default=200, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**32)
    force: bool = False
    """Whether a sweep runs again what is finished already."""
    report: Report | None = None
    """null: what `reported` says."""

    unless_asked: ClassVar[Report] = "full"

    @model_serializer(mode="wrap")
    def _as_it_was_before_guardrails(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without guardrails what it always was: filed configs are compared with each other."""
        return {key: value for key, value in dump(self).items() if key != "guardrails" or value is not None}

    @model_validator(mode="after")
    def _files_where_it_says(self) -> Self:
        refuse_idle_destination(self.tracking.experiment, self.tracking.log)
        if self.tracking.test_set and not (self.tracking.log and self.tracking.register_model):
            raise ValueError(
                "tracking.test_set is not used: no version is registered. Type tracking.test_set=false, or"
                " tracking.log=true tracking.register_model=true."
            )
        return self

    @property
    def reported(self) -> Report:
        """The report that is written: the one asked for, or else under a sweep a light one."""
        return self.report or ("light" if self.tracking.sweep_id else self.unless_asked)


class Serve(Terminal):
    """Where a page is served."""

    host: str = "127.0.0.1"
    port: int = Field(default=5000, ge=1, le=65535)
