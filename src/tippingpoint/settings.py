"""The composed config as typed closed models: Hydra composes, this file refuses what cannot be right."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_serializer, model_validator
from pydantic_core import ErrorDetails

from tippingpoint.errors import InputError, nearest

T = TypeVar("T", bound=BaseModel)

NAMING = ("simulate", "policy_diff")
"""Verbs whose settings name options, so that they must know of folders of the user's own."""
LAUNCHERS = ("joblib", "ray")
"""Hydra launchers that are extras of ours."""
FREE = (r"economics\.actions\.", r"data\.parameters\.", r"data\.vocabulary\.counted\.", r"model\.\w+\.search\.")
FREE_IN = {"simulate": (r"policy\.actions\.", r"economics\.costs\.")}
"""Where keys are the user's to name, so that a shipped config cannot list them: in every verb, and in one more."""
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
        plugins = [e.value.replace(":", ".") for group in PLUGIN_GROUPS for e in entry_points(group=group)]
        if not (self.target.startswith("tippingpoint.") or self.target in plugins):
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


class Serve(Terminal):
    """Where a page is served."""

    host: str
    port: int = Field(ge=1, le=65535)


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


def masked(value: Any) -> Any:
    """Text, or a whole config, without the passwords of addresses in it: what the store and terminals may see.

    >>> masked({"url": "postgresql://ann:secret@host/db?password=x"})
    {'url': 'postgresql://ann:***@host/db?password=***'}
    """
    if isinstance(value, Mapping):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"(?i)(://[^:/@\s]*):[^@\s]+@|(password=)('[^']*'|[^&\s'\"]+)", _mask, value)


def _mask(found: re.Match[str]) -> str:
    return f"{found[1]}:***@" if found[2] is None else f"{found[2]}***"


def overlay(written: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`written` with the keys of `given` that are not null or empty on top; a given `_target_` replaces all of it.

    >>> overlay({"name": "a", "actions": {"none": {"x": 1}}}, {"name": None, "actions": {"none": {"x": 2}}})
    {'name': 'a', 'actions': {'none': {'x': 2}}}
    """
    merged = {} if "_target_" in given else dict(written)
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = overlay(merged[key], value)
        elif value is not None and value != {}:
            merged[key] = value
    return merged


def option(group: str, name: str, config_dir: str | None = None) -> dict[str, Any]:
    """One option of a group, of the shipped ones or of a folder of the user's own; or a YAML file, as written."""
    import yaml

    own = Path(name)
    folders = [Path(folder) / group for folder in (config_dir, config_folder()) if folder is not None]
    paths = [own] if own.suffix in (".yaml", ".yml") else [folder / f"{name}.yaml" for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        options = sorted({p.stem for folder in folders for p in folder.glob("*.yaml")})
        raise InputError(group, f"there is no {name!r}", f"{nearest(name, options)} Or name a YAML file.")
    try:
        node = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InputError(str(path), f"is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(node, dict):
        raise InputError(str(path), "holds no keys", f"See {config_folder() / group} for examples.")
    return node


def config_folder() -> Path:
    """The folder of the shipped `conf/`: inside the wheel, or at the top of a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def compose(verb: str, overrides: Sequence[str] = (), config_dir: str | None = None) -> DictConfig:
    """Compose the config of a job, for use from Python: `Settings.from_config(compose("run", [...]))`.

    Parameters
    ----------
    config_dir
        A folder with groups of the user's own, beside the shipped ones.

    Examples
    --------
    >>> Settings.from_config(compose("run", ["model=logistic", "seed=3"])).seed
    3
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    named = [f"config_dir='{config_dir}'"] if config_dir and verb in NAMING else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            return hydra_compose(verb, [*own_groups(config_dir), *named, *as_added(verb, overrides)])
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise hydra_error(error, verb, overrides, config_dir) from error


def as_added(verb: str, overrides: Sequence[str]) -> list[str]:
    """Overrides with Hydra's ++ in front of keys that are the user's to name, so that they work as typed.

    >>> as_added("simulate", ["economics.actions.email.contact_cost=1", "economics.price=8"])
    ['++economics.actions.email.contact_cost=1', 'economics.price=8']
    """
    if nothing := [word for word in overrides if re.fullmatch(r"\+*model\.\w+\.search=\s*\{\s*\}", word)]:
        key = nothing[0].lstrip("+").partition("=")[0]
        what = "{} takes nothing away: what is given is laid over what is there"
        raise InputError(key, what, f"Type ~{key}.max_depth to leave one out, ~{key} for all.")
    free = (*FREE, *FREE_IN.get(verb, ()))
    return [f"++{word}" if any(re.match(key, word) for key in free) and "=" in word else word for word in overrides]


def own_groups(config_dir: str | None) -> list[str]:
    """The override that adds a folder with groups of the user's own to the shipped ones.

    Raises
    ------
    InputError
        When there is no such folder.
    """
    if config_dir is None:
        return []
    if not Path(config_dir).is_dir():
        raise InputError(
            "--config-dir", f"there is no folder {config_dir}", "Name one that holds groups, as conf/ does."
        )
    path = str(Path(config_dir).resolve()).replace("'", "\\'")
    return [f"hydra.searchpath=['file://{path}']"]


def hydra_error(error: Exception, verb: str, overrides: Sequence[str], config_dir: str | None) -> InputError:
    """Say a composition error of Hydra's in our form: where, what, and the nearest valid name."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    text = str(error)
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, option = found.groups()
        listed = text.partition("Available options")[2].partition("Config search path")[0]
        options = [line.strip() for line in listed.splitlines() if line.startswith("\t")]
        if group == "hydra/launcher" and option in LAUNCHERS:
            return InputError(group, f"{option} is not installed", f"Type pip install 'tippingpoint[{option}]'.")
        return InputError(group, f"there is no {group}={option}", nearest(option, options))
    if found := re.search(r"Could not override '([^'@]+)'", text):
        parent, _, leaf = found[1].rpartition(".")
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        kept = [str(o.input_line) for o in parsed if o.key_or_group != found[1] and not o.is_sweep_override()]
        config = compose(verb, kept, config_dir) if len(kept) < len(overrides) else OmegaConf.create()
        config = OmegaConf.select(config, parent) if parent else config
        known = [str(key) for key in config] if isinstance(config, DictConfig) else []
        if parent == "data" and leaf in ("path", "target"):
            return InputError(
                found[1], "these data are generated", f"For a table of your own add data=csv {found[1]}=…"
            )
        remedy = nearest(leaf, known)
        if parent.startswith(("economics.actions", "data.parameters")):
            remedy += f" For a new one type ++{found[1]}=…"
        return InputError(found[1], "unknown key", remedy)
    if found := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        key, value = found.groups()
        return InputError(
            key,
            f"{value!r} has a comma",
            f"Type {key}='[{value}]' for a list, {key}=\"'{value}'\" for one text, or add -m to run one job for each.",
        )
    if isinstance(error, OverrideParseException):
        key, _, value = masked(error.override).partition("=")
        literal = value if re.match("['\"]", value) else f"'{value}'" if "'" not in value else f'"{value}"'
        if value.startswith(("[", "{")):
            return InputError(key, f"cannot make out {value!r}", f"Type '{key}=[a,b]' for a list, '{key}={{a: 1}}'.")
        remedy = f"For a text with spaces, = or commas, quote it twice: {shlex.quote(f'{key}={literal}')}"
        return InputError(key, f"cannot make out {value!r}", remedy)
    return InputError("command line", " ".join(text.split()).rstrip("."))
