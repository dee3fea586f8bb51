"""Configs out of `conf/`, the user's own folders and the words of the command line.

Hydra is imported when something is composed: the command's own screen needs none of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tippingpoint.config.meant import bound_policy, elsewhere, in_place, with_comma
from tippingpoint.config.old_spellings import modern_words
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override, quoted
from tippingpoint.core.redaction import masked
from tippingpoint.core.yaml_files import read_yaml

if TYPE_CHECKING:
    from omegaconf import DictConfig

NAMING = ("simulate", "policy_bind", "policy_diff")
"""Verbs whose settings name options, so that they must know of folders of the user's own."""
LAUNCHERS = ("joblib", "ray")
"""Hydra launchers that are extras of ours."""
VERSIONED = ("plan", "score", "serve", "dashboard", "promote", "policy_lint", "policy_diff", "policy_bind")
"""Verbs whose `model=` is a registered version. Hydra would choose families by it, so it is given `model.version=`."""
RAISED = (AssertionError, AttributeError, KeyError, NotImplementedError, OSError, RecursionError, TypeError, ValueError)
"""What Hydra raises for words that its own checks let through, beside its own errors and OmegaConf's."""
DECIDING, OWN = ("run", "compare", "tune", "policy_lint"), ("csv", "sql", "events")
"""Verbs that take a policy, and data whose base rate no shipped cut-offs can know."""
NAMELESS = re.compile(r"(?i)|null|true|false|-?\d+(\.\d+)?")
"""Words that Hydra takes for something else than the name of an option."""
FREE = (
    r"economics\.actions\.",
    r"data\.parameters\.",
    r"input_parameters\.",
    r"data\.vocabulary\.counted\.",
    r"data\.(events|billing)\.",
    r"model\.\w+\.search\.",
    r"diagnostics\.accept",
)
FREE_IN = {"simulate": (r"policy\.actions\.", r"economics\.costs\."), "policy_bind": (r"policy\.actions\.",)}
"""Where keys are the user's to name, so that a shipped config cannot list them: in every verb, and in one more."""


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
    own = Path(name)
    folders = [Path(folder) / group for folder in (config_dir, config_folder()) if folder is not None]
    paths = [own] if own.suffix in (".yaml", ".yml") else [folder / f"{name}.yaml" for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        options = sorted({p.stem for folder in folders for p in folder.glob("*.yaml")})
        raise InputError(group, f"there is no {name!r}", f"{nearest(name, options)} Or name a YAML file.")
    node = read_yaml(path, str(path))
    if not isinstance(node, dict):
        raise InputError(str(path), "holds no keys", f"See {config_folder() / group} for examples.")
    return node


def as_typed(config: "DictConfig", typed: Sequence[str], group: str = "policy") -> None:
    """Take an option of a group that was typed beside an experiment as it is written, with what was typed on top.

    What the experiment says of that group is about its own option, which may be of another class.
    """
    from omegaconf import OmegaConf, open_dict

    words = [word.lstrip("+").partition("=") for word in typed]
    chosen = {key: name for key, _, name in words if key in (group, "experiment")}
    if len(chosen) < 2 or not (config_folder() / group / f"{chosen[group]}.yaml").is_file():
        return
    node = OmegaConf.create(option(group, chosen[group]))
    for key in (key for key, sign, _ in words if sign and key.startswith(f"{group}.")):
        OmegaConf.update(node, key.removeprefix(f"{group}."), OmegaConf.select(config, key), force_add=True)
    with open_dict(config):
        config[group] = node


def config_folder() -> Path:
    """The folder of the shipped `conf/`: inside the wheel, or at the top of a checkout."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def compose(verb: str, overrides: Sequence[str] = (), config_dir: str | None = None) -> "DictConfig":
    """Compose the config of a job, for use from Python: `Settings.from_config(compose("run", [...]))`.

    Parameters
    ----------
    config_dir
        A folder with groups of the user's own, beside the shipped ones.

    Examples
    --------
    >>> compose("run", ["model=logistic", "seed=3"]).seed
    3
    """
    overrides = modern_words(verb, overrides)
    with composing(verb, overrides, config_dir):
        return _composed(verb, overrides, config_dir)


def _composed(verb: str, overrides: Sequence[str], config_dir: str | None) -> "DictConfig":
    """As `compose`; what Hydra raises is raised."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    named = [f"config_dir={quoted(config_dir)}"] if config_dir and verb in NAMING else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return hydra_compose(verb, [*own_groups(config_dir), *named, *as_added(verb, overrides)])


@contextmanager
def composing(verb: str, overrides: Sequence[str], config_dir: str | None) -> Iterator[None]:
    """Say in our form what Hydra raises for words it cannot compose; no job may run within.

    Raises
    ------
    InputError
        Naming the word, and the nearest valid one.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException, *RAISED) as error:
        raise hydra_error(error, verb, overrides, config_dir) from error


def as_added(verb: str, overrides: Sequence[str]) -> list[str]:
    """Overrides with Hydra's ++ in front of keys that are the user's to name, so that they work as typed.

    >>> as_added("simulate", ["economics.actions.email.contact_cost=1", "economics.price=8"])
    ['++economics.actions.email.contact_cost=1', 'economics.price=8']
    >>> as_added("run", ["data.positive=>0"])
    ["data.positive='>0'"]
    """
    if nothing := [word for word in overrides if re.fullmatch(r"\+*model\.\w+\.search=\s*\{\s*\}", word)]:
        key = nothing[0].lstrip("+").partition("=")[0]
        what = "{} takes nothing away: what is given is laid over what is there"
        raise InputError(key, what, f"Type ~{key}.NAME to leave one out, ~{key} for all.")
    if verb == "policy_bind":
        overrides = bound_policy(overrides)
    if verb in VERSIONED:
        overrides = [re.sub(r"^model=", "model.version=", word) for word in overrides]
    # What is left out would be the class's own.
    overrides = [re.sub(r"^~(model\.\w+\.search)$", r"\1=null", word) for word in overrides]
    for word in overrides:
        group, _, value = word.partition("=")
        if NAMELESS.fullmatch(value) and "=" in word and (config_folder() / group).is_dir() and group:
            options = sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))
            raise InputError(group, f"takes the name of an option; got {value or 'nothing'}", nearest("", options))
    # A bound, as in data.positive=>0, is text, which Hydra would take in quotes only.
    overrides = [re.sub(r"(?s)^([\w.]+=)([<>].*)$", lambda m: m[1] + quoted(m[2]), word) for word in overrides]
    free = (*FREE, *FREE_IN.get(verb, ()))
    overrides = [*overrides, *_brought_along(verb, overrides)]
    return [f"++{word}" if any(re.match(key, word) for key in free) and "=" in word else word for word in overrides]


def _brought_along(verb: str, overrides: Sequence[str]) -> list[str]:
    """Words that go without saying: bands at shares of users for a table of one's own.

    >>> _brought_along("compare", ["data=csv", "data.path=users.csv"])
    ['policy=intent_shares']
    """
    typed = {word.lstrip("+").partition("=")[0] for word in overrides}
    own = any(re.fullmatch(rf"data=({'|'.join(OWN)})", word) for word in overrides)
    if verb in DECIDING and own and not typed & {"policy", "policy.cuts", "experiment"}:
        return ["policy=intent_shares"]
    return []


def own_groups(config_dir: str | None) -> list[str]:
    """The override that adds a folder with groups of the user's own to the shipped ones.

    Raises
    ------
    InputError
        When there is no such folder, or it holds an option that goes by the name of a shipped one, which would be read.
    """
    if config_dir is None:
        return []
    if not Path(config_dir).is_dir():
        raise InputError(
            "--config-dir", f"there is no folder {config_dir}", "Name one that holds groups, as conf/ does."
        )
    from tippingpoint.config.own_folder import searched

    shipped = config_folder()
    for path in sorted(Path(config_dir).glob("*/*.yaml")):
        group, there = path.parent.name, shipped / path.parent.name / path.name
        if there.is_file() and there.read_bytes() != path.read_bytes():
            what = f"{group}={path.stem} is there already, and is read instead of it"
            raise InputError(str(path), what, f"Give it another name: my_{path.name}.")
    return [f"hydra.searchpath=[{quoted(searched(Path(config_dir)))}]"]


def hydra_error(error: Exception, verb: str, overrides: Sequence[str], config_dir: str | None) -> InputError:
    """Say a composition error of Hydra's in our form: where, what, and the nearest valid name."""
    from hydra.errors import OverrideParseException

    text = str(error)
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, option = found.groups()
        listed = text.partition("Available options")[2].partition("Config search path")[0]
        options = [line.strip() for line in listed.splitlines() if line.startswith("\t")]
        if group == "hydra/launcher" and option in LAUNCHERS:
            return InputError(group, f"{option} is not installed", f"Type pip install 'tippingpoint[{option}]'.")
        given = next((word for word in overrides if word.startswith("data=") and re.search(r"[./\\]", word)), None)
        if given and group.startswith("data"):
            path = override("data.path", given.removeprefix("data="))
            return InputError("data", "is the kind of data, not a file", f"Type data=csv {path} data.target=…")
        return InputError(group, f"there is no {group}={option}", nearest(option, options))
    if found := re.search(r"Could not override '([^'@]+)'", text):
        return _not_overridden(found[1], verb, overrides, config_dir)
    if found := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        key, value = found.groups()
        whole = _is_whole(key, verb, overrides, config_dir)
        return InputError(key, f"{value!r} has a comma", with_comma(key, value, whole))
    if isinstance(error, OverrideParseException):
        return _not_made_out(*masked(error.override).partition("="))
    if found := re.search(r"Multiple values for ([\w/]+)", text):
        begins = f"{found[1]}="
        typed = next((w.lstrip("+") for w in overrides if w.lstrip("+").startswith(begins)), f"{begins}…")
        return InputError(found[1], "is chosen already", f"Leave out the +: type {typed}.")
    if found := re.search(r"Cannot find primary config '([^']*)'", text):
        names = sorted(path.stem for path in config_folder().glob("*.yaml"))
        return InputError("--config-name", f"there is no config {found[1]!r}", nearest(found[1], names))
    if text.startswith("Only one of --"):
        return InputError("command line", "-m, --cfg and --info exclude each other", "Leave out all but one.")
    return _culprit(error, verb, overrides, config_dir)


def _not_overridden(key: str, verb: str, overrides: Sequence[str], config_dir: str | None) -> InputError:
    """Say that no config has a key that was typed, or that it holds other keys than those typed."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import DictConfig, OmegaConf

    parent, _, leaf = key.rpartition(".")
    parsed = OverridesParser.create().parse_overrides(as_added(verb, overrides))
    kept = [str(o.input_line) for o in parsed if o.key_or_group != key and not o.is_sweep_override()]
    config = compose(verb, kept, config_dir) if len(kept) < len(parsed) else OmegaConf.create()
    config = OmegaConf.select(config, parent) if parent else config
    known = [str(key) for key in config] if isinstance(config, DictConfig) else []
    if parent == "data" and leaf in ("path", "target"):
        return InputError(key, "these data are generated", f"For a table of your own add data=csv {key}=…")
    if leaf in known:  # Hydra means a key of the dict that was typed
        typed = next(word for word in overrides if word.startswith(f"{key}="))
        return InputError(key, "holds other keys", f"Type {in_place(key, typed)} to put yours in place.")
    if config is None and (options := sorted(path.stem for path in (config_folder() / parent).glob("*.yaml"))):
        chosen = " or ".join(f"{parent}={name}" for name in options)
        return InputError(key, f"no {parent} is chosen yet", f"Type {chosen} too.")
    if not parent and (meant := [*elsewhere(OmegaConf.to_container(config), leaf)]):
        return InputError(key, "unknown key", f"Type {' or '.join(f'{other}=…' for other in meant[:3])}.")
    return InputError(key, "unknown key", nearest(leaf, known))


def _is_whole(key: str, verb: str, overrides: Sequence[str], config_dir: str | None) -> bool:
    """Whether a key holds a whole number, where it is not typed."""
    from omegaconf import OmegaConf

    others = [word for word in overrides if word.lstrip("+").partition("=")[0] != key]
    with suppress(InputError):
        return isinstance(OmegaConf.select(compose(verb, others, config_dir), key), int)
    return False


def _culprit(error: Exception, verb: str, overrides: Sequence[str], config_dir: str | None) -> InputError:
    """Name the one word without which the others can be composed, or that cannot alone; Hydra does not say which."""
    without = {word: [*overrides[:k], *overrides[k + 1 :]] for k, word in enumerate(overrides)}
    for word in overrides:
        if len(overrides) == 1 or _composes(verb, without[word], config_dir):
            return _unusable(word)
    for word in overrides:
        if not _composes(verb, [word], config_dir):
            return _unusable(word)
    return InputError("command line", f"cannot be composed ({' '.join(str(error).split())})".rstrip("."))


def _composes(verb: str, overrides: Sequence[str], config_dir: str | None) -> bool:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        _composed(verb, overrides, config_dir)
    except (InputError, HydraException, OmegaConfBaseException, *RAISED):
        return False
    return True


def _unusable(word: str) -> InputError:
    """Refuse a word that Hydra cannot use, whatever its reason."""
    key, sign, value = masked(word).partition("=")
    gone = word.startswith("~") and not sign
    what = "there is no such key to leave out" if gone else f"cannot be set to {value!r}"
    return InputError(key.lstrip("+~"), what, "--cfg job shows every key.")


def _not_made_out(key: str, sign: str, value: str) -> InputError:
    """Say that a word of the command line is not in Hydra's grammar."""
    if not sign or not re.fullmatch(r"[+~]{0,2}[\w.@/-]+", key, re.ASCII):
        what = f"cannot make out {key + sign + value!r}"
        return InputError("command line", what, "Words are KEY=VALUE; --cfg job shows every key.")
    if value.startswith(("[", "{")):
        if re.fullmatch(r"\[[^][{}'\"]+\]", value):
            listed = override(key, [word.strip() for word in value[1:-1].split(",") if word.strip()])
            return InputError(key, f"cannot read {value!r}", f"Type {listed}.")
        lists = f"Type {key}='[a,b]' for a list, {key}='{{a: 1}}' for keys with values, "
        return InputError(key, f"cannot read {value!r}", f"{lists}{override(key, value)} for one text.")
    remedy = f"For a text with spaces, =, commas or letters beyond a to z, quote it twice: {override(key, value)}"
    return InputError(key, f"cannot read {value!r}", remedy)
