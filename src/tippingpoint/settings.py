"""The composed config as typed closed models: what cannot be right is refused."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal, Self, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_serializer, model_validator
from pydantic_core import ErrorDetails

from tippingpoint.errors import InputError, nearest

T = TypeVar("T", bound=BaseModel)

PLUGIN_GROUPS = ("tippingpoint.models", "tippingpoint.generators", "tippingpoint.policies")


class Closed(BaseModel):
    """A frozen model that refuses unknown keys; the base of every settings class and component."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Component(Closed):
    """A config node that names a class of ours, or of an installed plugin, and its arguments.

    Families, data sources, policies and economics are components: the class is itself a closed model, so
    that adding one needs its file and its YAML and no third place.
    """

    target: str
    arguments: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _split(cls, node: Any) -> Any:
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise ValueError("names no class: a `_target_` is missing")
        return {"target": node["_target_"], "arguments": {k: v for k, v in node.items() if k != "_target_"}}

    @model_serializer
    def as_written(self) -> dict[str, Any]:
        """The config node again."""
        return {"_target_": self.target, **self.arguments}

    def build(self, base: type[T], where: str) -> T:
        """Import the class, check that it is a `base`, and validate the arguments with it.

        Raises
        ------
        InputError
            For a target outside the package and its plugins, of another kind, or for wrong arguments.
        """
        if not (self.target.startswith("tippingpoint.") or self.target in _plugins()):
            raise InputError(
                f"{where}._target_",
                f"{self.target!r} is neither in tippingpoint nor an installed plugin",
                f"Declare it as an entry point in one of: {', '.join(PLUGIN_GROUPS)}.",
            )
        module, _, name = self.target.rpartition(".")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise InputError(f"{where}._target_", f"cannot import {self.target!r} ({error})") from error
        if not (isinstance(found, type) and issubclass(found, base)):
            raise InputError(f"{where}._target_", f"{self.target!r} is not a {base.__name__}")
        return validate(found, self.arguments, where)


def _plugins() -> list[str]:
    return [entry.value.replace(":", ".") for group in PLUGIN_GROUPS for entry in entry_points(group=group)]


class Split(Closed):
    """Shares of users; what is left of train and validation is test. The salt moves users between them."""

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)
    salt: str

    @model_validator(mode="after")
    def _leaves_a_test(self) -> "Split":
        if self.train + self.validation > 0.99:
            raise ValueError("train + validation must leave at least 0.01 for test")
        return self


class Tracking(Closed):
    """Where runs go. `MLFLOW_TRACKING_URI` names the store; these name what is inside.

    Parameters
    ----------
    sweep_id, sweep_job
        The sweep a job belongs to, and the overrides that tell it from the others; `-m` gives them.
    """

    experiment: str | None
    register_model: bool
    sweep_id: str | None = Field(pattern=r"^[\w.-]{1,64}$")
    sweep_job: list[str] | None


class Terminal(Closed):
    """What every verb takes: how it answers."""

    output: Literal["text", "json"]
    debug: bool

    @classmethod
    def from_config(cls, config: DictConfig) -> Self:
        """Check a composed Hydra config; every problem in one message."""
        try:
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            where = error.full_key or "config"
            if "Missing mandatory value" in str(error):
                raise InputError(where, "not given", f"Type {where}=…") from error
            raise InputError(where, str(error).splitlines()[0]) from error
        assert isinstance(plain, dict)
        plain.pop("experiment", None)  # only its contents count, and they are merged by now
        return validate(cls, {str(key): value for key, value in plain.items()}, "")


Report = Literal["full", "light", "none"]
"""How much a run's report holds: all figures; ROC, calibration, SHAP and the tables; or card and metrics alone."""


class Settings(Terminal):
    """A job's settings, as `conf/config.yaml` lists them."""

    model: dict[str, Component] = Field(min_length=1)
    data: Component
    policy: Component
    economics: Component
    tracking: Tracking
    split: Split
    evidence: Literal["auto", "truth", "experiment", "logged", "assumed"]
    select_by: Literal["roc_auc", "pr_auc", "log_loss", "brier"]
    explain_rows: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0, lt=2**32)
    force: bool
    """Whether a sweep runs again what is finished already."""
    report: Report | None
    """null: what `reported` says."""

    unless_asked: ClassVar[Report] = "full"

    @property
    def reported(self) -> Report:
        """The report that is written: the one asked for, or else under a sweep a light one."""
        return self.report or ("light" if self.tracking.sweep_id else self.unless_asked)


Objective = Literal["roc_auc", "pr_auc", "log_loss", "brier", "value", "spend", "features", "nodes"]


class Tune(Closed):
    """How hyper-parameters are searched, as `conf/tune/standard.yaml` lists it."""

    trials: int = Field(ge=1)
    objectives: list[Objective] = Field(min_length=1, max_length=2)
    sampler: Literal["tpe", "random", "grid", "gp", "cmaes"]
    grid_points: int = Field(ge=2)
    folds: int = Field(ge=2, le=20)
    prune: float = Field(ge=0, lt=1)
    workers: int = Field(ge=1, le=256)
    storage: str | None
    study: str | None = Field(pattern=r"^[\w.-]+$")

    @model_validator(mode="after")
    def _has_distinct_objectives(self) -> "Tune":
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives names one twice. Give two different ones, or one.")
        return self


class TuneSettings(Settings):
    """A search's settings, as `conf/tune.yaml` lists them."""

    unless_asked: ClassVar[Report] = "light"

    tune: Tune


class TableSettings(Terminal):
    """What the data verbs take, as `conf/table.yaml` lists it; contract and quarantine are keys of `data`."""

    data: Component
    policy: Component
    economics: Component
    to: str | None
    """Where to write: a contract to edit, a page, a table."""


class Budget(Closed):
    """What may be spent: users acted on, or money, out of so many users; null is no limit."""

    contacts: float | None = Field(ge=0)
    money: float | None = Field(ge=0)
    of_users: int | None = Field(ge=1)

    @model_validator(mode="after")
    def _is_one(self) -> "Budget":
        if self.contacts is not None and self.money is not None:
            raise ValueError("a budget is in contacts or in money, not both. Drop one.")
        return self


class SimulateSettings(Terminal):
    """What is asked of models that are there already, as `conf/simulate.yaml` lists it."""

    models: list[str]
    policy: dict[str, Any]
    policies: list[str]
    config_dir: str | None
    economics: dict[str, Any]
    data: Component | None
    evidence: Literal["auto", "truth", "experiment", "logged", "assumed"]
    tracking: Tracking
    cuts: int | None = Field(ge=2, le=1000)
    least: int | None = Field(ge=2)
    budget: Budget
    smallest_uplift: float | None = Field(gt=0)
    sensitivity: float | None = Field(gt=0, lt=1)
    seed: int | None = Field(ge=0, lt=2**32)


class PolicySettings(Terminal):
    """What looking at policies takes, as `conf/policy_lint.yaml` lists it."""

    data: Component
    economics: Component
    split: Split
    scored_by: str | None
    seed: int = Field(ge=0, lt=2**32)


class LintSettings(PolicySettings):
    """One policy; `clusters` names two number columns for a check by K-means, or none."""

    policy: Component
    clusters: list[str] = Field(max_length=2)
    picture: str


class DiffSettings(PolicySettings):
    """Two policies: options of conf/policy, YAML files, or registered versions."""

    policy: dict[str, Any] | None = None
    """What some data bring along; not read: `policies` are compared."""

    policies: list[str]
    config_dir: str | None

    @field_validator("policies")
    @classmethod
    def _are_two(cls, policies: list[str]) -> list[str]:
        if len(policies) != 2:
            raise ValueError("two are compared. Type tippingpoint policy diff ONE OTHER.")
        return policies


class MeasureSettings(Terminal):
    """Decisions, and what came of them, as `conf/measure.yaml` lists it."""

    decisions: str = Field(min_length=1)
    decisions_table: str | None
    decisions_id: str | None
    outcomes: str = Field(min_length=1)
    outcomes_table: str | None
    outcomes_id: str | None
    outcome: str | None
    at: str | None
    absent: Literal["unknown", "zero"]
    within: float | None = Field(gt=0)
    since: datetime | None
    until: datetime | None
    users: str | None
    users_id: str | None
    to: str | None = Field(pattern=r"(?i)\.(csv|parquet)$")

    @field_validator("since", "until")
    @classmethod
    def _is_in_utc(cls, time: datetime | None) -> datetime | None:
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time

    @model_validator(mode="after")
    def _knows_when(self) -> Self:
        if self.within is not None and self.at is None:
            raise ValueError("within needs to know when outcomes came. Type at=… too.")
        return self


class GateCheck(Closed):
    """What a check does where it cannot tell."""

    cannot_tell: Literal["blocks", "passes"]


class Floor(GateCheck):
    """Of the lower bound of ROC AUC."""

    floor: float = Field(ge=0, lt=1)


class Margin(GateCheck):
    """By how much it may be worse; 0: not at all."""

    margin: float = Field(ge=0)


class Better(Margin):
    """`smallest`: the difference whose chance of being told is said."""

    smallest: float = Field(gt=0)


class Limits(GateCheck):
    """Within which calibration is good enough."""

    slope: tuple[float, float]
    intercept: tuple[float, float]


class Rows(GateCheck):
    """Test users that are looked at."""

    rows: int = Field(ge=1, le=100_000)


class Share(Rows):
    """Of mean |SHAP| that one column may have."""

    share: float = Field(gt=0, le=1)


class Speed(GateCheck):
    """At most so long for one row, and so large."""

    milliseconds: float = Field(gt=0)
    megabytes: float = Field(gt=0)


class Days(GateCheck):
    """Since the users were read, at most."""

    days: float = Field(gt=0)


class Most(GateCheck):
    """Looks at one test table."""

    most: int = Field(ge=1)


class Gate(Closed):
    """What a version must show, as `conf/gate/standard.yaml` lists it; a check that is null is left out."""

    alpha: float = Field(gt=0, lt=0.5)
    quality: Floor | None
    better: Better | None
    value: Margin | None
    calibration: Limits | None
    slices: GateCheck | None
    signature: GateCheck | None
    reload: Rows | None
    speed: Speed | None
    explanation: Share | None
    fresh: Days | None
    looks: Most | None


class StandingSettings(Terminal):
    """Which registered model, and which environment of it, as `conf/history.yaml` lists it."""

    name: str | None
    to: str | None = Field(pattern=r"^[\w.-]{1,64}$")


class StatusSettings(StandingSettings):
    """What `status` takes."""

    dry_run: bool


class RollbackSettings(StatusSettings):
    """What `rollback` takes: why it is done, and by whom."""

    why: str = Field(max_length=2000)
    who: str | None = Field(min_length=1, max_length=200)


class PromoteSettings(RollbackSettings):
    """What `promote` takes, as `conf/promote.yaml` lists it."""

    version: int | str | None
    run: str | None
    gate: Gate
    data: Component | None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.version is not None and self.run is not None:
            raise ValueError("version and run name a version each. Drop one.")
        return self


class ScoreTracking(Closed):
    """Whether and where a batch is logged; null is the experiment of the model's own run."""

    experiment: str | None
    log: bool


class ScoreSettings(Terminal):
    """A batch of decisions, as `conf/score.yaml` lists it."""

    input: str | None
    input_query: str | None
    input_parameters: dict[str, str | int | float | bool | None]
    to: str | None
    output_table: str
    version: str | None
    only: list[str]
    parts: bool
    reasons: bool
    holdout: float = Field(ge=0, le=1)
    holdout_actions: list[str]
    holdout_salt: str | None
    scored_at: str | None
    chunk: int = Field(ge=1)
    quarantine: str
    quarantine_share: float = Field(ge=0, le=1)
    tracking: ScoreTracking

    @model_validator(mode="before")
    @classmethod
    def _output_may_be_a_place(cls, node: Any) -> Any:
        """`output` says how to answer in every verb; here what is neither text nor json is where decisions go."""
        if not isinstance(node, dict) or node.get("output") in ("text", "json", None):
            return node
        if node.get("to") not in (None, node["output"]):
            raise ValueError(f"output={node['output']} and to={node['to']} differ. Give one of them.")
        return node | {"to": node["output"], "output": "text"}


class Serve(Terminal):
    """Where a page is served."""

    host: str
    port: int = Field(ge=1, le=65535)


class ServeSettings(Serve):
    """What the scoring service takes, as `conf/serve.yaml` lists it."""

    version: str | None = Field(pattern=r"^models:/[^/@]+(/\d+|@[\w.-]+)$")
    port: int = Field(ge=0, le=65535)
    poll_seconds: float = Field(gt=0, le=2)
    max_users: int = Field(ge=1)
    max_explained: int = Field(ge=1)
    max_body: int = Field(ge=1)
    access_log: bool


class DashboardSettings(Serve):
    """Marketing's pages, as `conf/dashboard.yaml` lists them."""

    version: str | None
    """The registered version to open on; null: each question's champion."""
    mlflow: str | None
    """Where MLflow's pages are; null: at a store that is a server, else where `tippingpoint ui` serves."""
    predictions: str | None
    """A table of decisions, for the page Over time."""
    outcomes: str | None


def validate(model: type[T], values: Mapping[str, Any], where: str) -> T:
    """Validate `values` with a closed model; pydantic's errors become one InputError.

    Parameters
    ----------
    where
        The config path of the node, '' for the root; it starts every line of the message.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors()
        # A list with a wrong item is also called too short: that is no second error.
        details = [d for d in found if d["type"] != "too_short" or len(found) == 1]
        lines = [_explain(model, where, detail) for detail in details]
        head, *rest = dict.fromkeys(lines)
        first = head.where, head.what, head.remedy
        if not rest:
            raise InputError(*first) from None
        more = " ".join(filter(None, [head.remedy, *(f"\n{line}" for line in rest)]))
        raise InputError(head.where, head.what, more) from None


def _explain(model: type[BaseModel], where: str, detail: ErrorDetails) -> InputError:
    path = ".".join(filter(None, [where, *map(str, detail["loc"])]))
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, detail["loc"][:-1])
        return InputError(path, "unknown key", nearest(str(detail["loc"][-1]), known))
    if detail["type"] == "missing":
        return InputError(path, "not given", f"Type {path}=…")
    given = detail["input"]
    if detail["type"] == "dict_type":
        field = model.model_fields.get(".".join(map(str, detail["loc"])))
        without = f", or ~{path} to do without" if field and not field.is_required() else ""
        what = f"holds keys with values; got {'null' if given is None else repr(given)}"
        return InputError(path, what, f"Type {path}.KEY=VALUE{without}.")
    if detail["type"] in ("tuple_type", "list_type") and isinstance(given, str | int | float):
        return InputError(path, f"must be a list; got {given!r}", f"Type {path}='[{given}]'.")
    if detail["type"] in ("too_short", "too_long") and isinstance(given, list | tuple):
        of = detail["ctx"]
        least = detail["type"] == "too_short"
        number = of["min_length"] if least else of["max_length"]
        items = f"{number} item{'s' if number > 1 else ''}"
        what = f"takes {'at least' if least else 'at most'} {items}; got {of['actual_length']}"
        return InputError(path, what, f"Type {path}='[{','.join('…' * min(number, 3))}]'." if number else "")
    what, _, remedy = detail["msg"].removeprefix("Value error, ").partition(". ")
    if isinstance(given, str | int | float | bool | list) or given is None:
        what = f"{what[0].lower()}{what[1:]}; got {given!r}"
    return InputError(path or "config", what, remedy)


def _fields_at(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    for step in loc:
        info = model.model_fields.get(str(step))
        inner = info.annotation if info else None
        for candidate in (inner, *getattr(inner, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return list(model.model_fields)
