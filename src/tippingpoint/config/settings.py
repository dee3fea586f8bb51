"""The composed config of each verb as typed strict models: what cannot be right is refused."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from tippingpoint.config.gate_settings import Gate
from tippingpoint.core.errors import InputError
from tippingpoint.core.redaction import masked
from tippingpoint.core.signs import Encoding, Separator
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
    sweep_id: str | None = Field(default=None, pattern=r"^[\w.-]{1,64}$", title=A_NAME)
    sweep_job: list[str] | None = None


def _refuse_idle_destination(tracking: "Tracking | ScoreTracking") -> None:
    """Refuse a place to file at where nothing is filed."""
    if tracking.experiment is not None and not tracking.log:
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
    select_by: Literal["roc_auc", "pr_auc", "log_loss", "brier"] = "roc_auc"
    explain_rows: int = Field(default=200, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**32)
    force: bool = False
    """Whether a sweep runs again what is finished already."""
    report: Report | None = None
    """null: what `reported` says."""

    unless_asked: ClassVar[Report] = "full"

    @model_validator(mode="after")
    def _files_where_it_says(self) -> Self:
        _refuse_idle_destination(self.tracking)
        return self

    @property
    def reported(self) -> Report:
        """The report that is written: the one asked for, or else under a sweep a light one."""
        return self.report or ("light" if self.tracking.sweep_id else self.unless_asked)


class CompareSettings(Settings):
    """A comparison's settings, as `conf/compare.yaml` lists them."""

    evaluate: Literal["held_out", "crossfit"] = "held_out"
    """Which users carry the uplift: those of test, or all, each decided for by models of other folds."""
    repeats: int = Field(default=0, ge=0, le=100)
    """Further splits that show how far the split moves the verdict."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that fit the models of folds and further splits."""

    @model_validator(mode="after")
    def _asks_one_thing_of_time(self) -> Self:
        if self.split.by == "time" and (self.evaluate != "held_out" or self.repeats):
            asked = "repeats" if self.repeats else "evaluate"
            idle = f"{asked}={'0' if self.repeats else 'held_out'}"
            raise ValueError(f"{asked} puts users of every date on every side. Type {idle}, or split=hash.")
        return self


Objective = Literal["roc_auc", "pr_auc", "log_loss", "brier", "value", "spend", "features", "nodes"]


class Tune(StrictModel):
    """How hyper-parameters are searched, as `conf/tune/standard.yaml` lists it."""

    trials: int = Field(default=50, ge=1)
    objectives: list[Objective] = Field(default=["roc_auc"], min_length=1, max_length=2)
    sampler: Literal["tpe", "random", "grid", "gp", "cmaes"] = "tpe"
    grid_points: int = Field(default=5, ge=2)
    folds: int = Field(default=3, ge=2, le=20)
    prune: float = Field(default=0.25, ge=0, lt=1)
    workers: int = Field(default=1, ge=1, le=256)
    storage: str | None = None
    study: str | None = Field(default=None, pattern=r"^[\w.-]+$", title=A_NAME)

    @model_validator(mode="after")
    def _has_distinct_objectives(self) -> "Tune":
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives names one twice. Give two different ones, or one.")
        return self


class TuneSettings(Settings):
    """A search's settings, as `conf/tune.yaml` lists them."""

    unless_asked: ClassVar[Report] = "light"

    tune: Tune = Tune()


class TableSettings(Terminal):
    """What the data verbs take, as `conf/table.yaml` lists it; contract and quarantine are keys of `data`."""

    data: Component
    policy: Component
    economics: Component
    all: bool = False
    """Whether `describe` shows all columns of a wide table."""
    to: str | None = None
    """Where to write: a contract to edit, a page, a table."""


class BudgetLimit(StrictModel):
    """What may be spent: users acted on, or money, out of so many users; null is no limit."""

    contacts: float | None = Field(default=None, ge=0)
    money: float | None = Field(default=None, ge=0)
    of_users: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _is_one(self) -> "BudgetLimit":
        if self.contacts is not None and self.money is not None:
            raise ValueError("a budget is in contacts or in money, not both. Drop one.")
        return self


class SimulateSettings(Terminal):
    """What is asked of models that are there already, as `conf/simulate.yaml` lists it."""

    models: list[str] = []
    policy: dict[str, Any] = {}
    policies: list[str] = []
    config_dir: str | None = None
    economics: dict[str, Any] = {}
    data: Component | None = None
    evidence: Literal["auto", "truth", "experiment", "logged", "assumed"] = "auto"
    tracking: Tracking = Tracking()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    cuts: int | None = Field(default=None, ge=2, le=1000)
    least: int | None = Field(default=None, ge=2)
    budget: BudgetLimit = BudgetLimit()
    smallest_uplift: float | None = Field(default=None, gt=0)
    sensitivity: float | None = Field(default=None, gt=0, lt=1)
    seed: int | None = Field(default=None, ge=0, lt=2**32)


class PolicySettings(Terminal):
    """What looking at policies takes, as `conf/policy_lint.yaml` lists it."""

    data: Component
    economics: Component
    split: Split = Split()
    model: Annotated[str | None, NAMED] = None
    """The registered version, or the run, whose score policies read."""
    seed: int = Field(default=0, ge=0, lt=2**32)


class LintSettings(PolicySettings):
    """One policy; `clusters` names two number columns for a check by K-means, or none."""

    policy: Component
    clusters: list[str] = Field(default=[], max_length=2)
    to: str = "clusters.png"
    """Where the picture of the clusters goes."""


class DiffSettings(PolicySettings):
    """Two policies: options of conf/policy, YAML files, or registered versions."""

    policy: dict[str, Any] | None = None
    """What some data bring along; not read: `policies` are compared."""

    policies: list[str]
    config_dir: str | None = None

    @field_validator("policies")
    @classmethod
    def _are_two(cls, policies: list[str]) -> list[str]:
        if len(policies) != 2:
            raise ValueError("two are compared. Type tippingpoint policy diff ONE OTHER.")
        return policies


class CompareRunsSettings(Terminal):
    """Two runs side by side, as `conf/compare_runs.yaml` lists it."""

    runs: list[str]
    data: Component | None = None
    to: str | None = None
    tracking: Tracking = Tracking()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()

    @field_validator("runs")
    @classmethod
    def _are_two(cls, runs: list[str]) -> list[str]:
        if len(runs) != 2:
            raise ValueError("two are compared. Type tippingpoint compare runs='[ONE,OTHER]'.")
        return runs


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


class MeasureSettings(Terminal):
    """Decisions, and what came of them, as `conf/measure.yaml` lists it."""

    decisions: str = Field(min_length=1)
    decisions_id: str | None = None
    outcomes: str | None = Field(default=None, min_length=1)
    outcomes_id: str | None = None
    data: Component | None = None
    """Raw events that say what came of users, instead of a table."""
    campaign: str | None = None
    outcome: str | None = None
    at: str | None = None
    absent: Literal["unknown", "zero"] = "unknown"
    within: float | None = Field(default=None, gt=0)
    since: datetime | None = None
    until: datetime | None = None
    users: str | None = None
    users_id: str | None = None
    to: str | None = Field(default=None, pattern=r"(?i)\.(csv|parquet)$", title="a name that ends in .csv or .parquet")

    @field_validator("since", "until")
    @classmethod
    def _is_in_utc(cls, time: datetime | None) -> datetime | None:
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time

    @model_validator(mode="after")
    def _knows_what_came(self) -> Self:
        if self.outcomes is None and self.data is None:
            raise ValueError("outcomes is not given. Type outcomes=outcomes.csv, or data=events data.product=…")
        if self.data is not None and (self.outcomes or self.outcomes_id or self.at or self.absent != "unknown"):
            given = (
                "outcomes" if self.outcomes else "outcomes_id" if self.outcomes_id else "at" if self.at else "absent"
            )
            raise ValueError(f"{given} is of a table, and events say it themselves. Leave {given} out, or data.")
        return self

    @model_validator(mode="after")
    def _reads_users_for_something(self) -> Self:
        if self.users is not None and self.to is None:
            raise ValueError("users is not used: its columns go into `to`. Type to=joined.parquet too, or drop users.")
        if self.users_id is not None and self.users is None:
            raise ValueError("users_id is not used without users. Type users=… too, or drop users_id.")
        return self

    @model_validator(mode="after")
    def _knows_when(self) -> Self:
        if self.within is not None and self.at is None and self.data is None:
            raise ValueError("within needs to know when outcomes came. Type at=… too.")
        return self


class ExplainSettings(Terminal):
    """Which diagnostic is explained, as `conf/diagnostics.yaml` lists it."""

    code: str | None = None


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


class PromoteSettings(RollbackSettings):
    """What `promote` takes, as `conf/promote.yaml` lists it."""

    model: Annotated[int | str | None, NAMED] = None
    run: str | None = None
    resume: int | None = Field(default=None, ge=1)
    gate: Gate
    data: Component | None = None
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.resume is not None and (self.model is not None or self.run is not None or self.dry_run):
            raise ValueError("resume finishes an entry, and nothing is judged. Drop model, run and dry_run.")
        if self.model is not None and self.run is not None:
            raise ValueError("model names one, and so does run. Drop one.")
        return self


class ScoreTracking(StrictModel):
    """Whether and where a batch is logged; null is the experiment of the model's own run."""

    experiment: str | None = None
    log: bool = True

    @model_validator(mode="after")
    def _files_where_it_says(self) -> Self:
        _refuse_idle_destination(self)
        return self


class ScoreSettings(Terminal):
    """A batch of decisions, as `conf/score.yaml` lists it."""

    input: str | None = None
    input_query: str | None = None
    input_parameters: dict[str, str | int | float | bool | None] = {}
    input_separator: Separator | None = None
    input_encoding: Encoding | None = None
    data: Component | None = None
    days: int = Field(default=1, ge=1)
    to: str | None = None
    campaign: str = ""
    model: Annotated[str | None, NAMED] = None
    only: list[str] = []
    parts: bool = False
    reasons: bool = False
    holdout: float = Field(default=0, ge=0, le=1)
    holdout_actions: list[str] = []
    holdout_salt: str | None = None
    scored_at: str | None = None
    as_of: Day | None = None
    chunk: int = Field(default=100_000, ge=1)
    quarantine: str = ".tippingpoint/quarantine"
    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    fail_on_drift: bool = False
    """Whether a column that moved makes the exit code 1."""
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    tracking: ScoreTracking = ScoreTracking()


class DailySettings(CompareSettings):
    """A day on raw events, as `conf/daily.yaml` lists it: how users are decided for and models fitted again."""

    as_of: Day | None = None
    since: Day | None = None
    """The first of several days, of which `as_of` is the last; None: that day alone."""
    days: int = Field(default=1, ge=1)
    predictions: str | None = None
    """The database's table of decisions."""
    campaign: str = ""
    name: str | None = None
    """The registered model; None: called as the question."""
    champion: str | None = Field(default=None, pattern=f"^{VERSION.pattern}$", title=A_VERSION)
    """The version that decides; None: the model's champion."""
    holdout: float = Field(default=0.1, ge=0, le=1)
    holdout_actions: list[str] = []
    within: float | None = Field(default=None, gt=0)
    quarantine: str = ".tippingpoint/quarantine"
    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    retrain: Literal["compare"] | None = None
    retrain_every: int = Field(default=7, ge=1)
    """Days."""
    test_days: int | None = Field(default=None, ge=1)
    """Days before the last whose outcomes are due that are test; None: as `split` has it."""
    gate: Gate
    who: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.since is not None and (self.as_of is None or self.since > self.as_of):
            raise ValueError("since must be as_of or earlier. Type since=2026-03-01 as_of=2026-03-07")
        if self.retrain is None and self.test_days is not None:
            raise ValueError("test_days is not used: no model is fitted. Type retrain=compare, or drop test_days.")
        return self


class FeatureSettings(Terminal):
    """Users of raw events as of a day, as `conf/features.yaml` lists it."""

    data: Component
    as_of: Day | None = None
    days: int = Field(default=1, ge=1)
    to: str | None = None


class Serve(Terminal):
    """Where a page is served."""

    host: str = "127.0.0.1"
    port: int = Field(default=5000, ge=1, le=65535)


class ServeSettings(Serve):
    """What the scoring service takes, as `conf/serve.yaml` lists it."""

    model: Annotated[str | None, NAMED] = Field(default=None, pattern=f"^{VERSION.pattern}$", title=A_VERSION)
    port: int = Field(default=8000, ge=0, le=65535)
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
    tables: bool = True
    """Whether visitors may name a database: it is read as whoever started the pages."""

    @field_validator("until")
    @classmethod
    def _is_in_utc(cls, time: datetime | None) -> datetime | None:
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time
