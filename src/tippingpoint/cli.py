"""The command line: a verb, and the rest goes to Hydra. Heavy imports wait until a verb is chosen."""

import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

from tippingpoint.errors import InputError, TippingpointError, nearest

HELP = """\
tippingpoint: which model, which cut-offs, how much money, how sure.

  tippingpoint VERB [group=name] [key=value] [-m]

Verbs
  compare   model families under one policy on the same users; the best is registered
  run       one family: tippingpoint run model=boosting
  tune      search hyper-parameters to a target: tippingpoint tune model=boosting tune.trials=200
  simulate  cut-offs, policies, budgets and prices on models that are there; the latest compare's by default
  policy    lint: gaps, overlaps, segments no one reaches;  diff A B: what changes for whom
  data      describe, explore or write a table: tippingpoint data describe data=csv data.path=users.csv
  ui        serve the MLflow pages of this folder's store
  doctor    versions, and whether the store can be used

Start
  tippingpoint compare                                                   generated users
  tippingpoint compare data=csv data.path=users.csv data.target=adopter  your own table
  tippingpoint run -m model=logistic,boosting seed=0,1                   a sweep
  tippingpoint simulate policy.cuts='[0.4,0.6]'                          what if high started at 0.6?

{groups}
See every key of a verb with  tippingpoint VERB --cfg job;  add your own groups with  --config-dir FOLDER.
output=json prints one JSON object. Runs go to MLflow's store in this folder, or to MLFLOW_TRACKING_URI.
Exit codes: 0 done, 1 a check said no, 2 wrong input, 3 something outside failed.
"""

HYDRA_OPTIONS_WITH_VALUE = ("--cfg", "-c", "--config-dir", "-cd", "--config-path", "--config-name", "--package", "-p")
HYDRA_OPTIONS = (*HYDRA_OPTIONS_WITH_VALUE, "--multirun", "--help", "--info", "--hydra-help", "--resolve")
VERBS = ("compare", "run", "tune", "simulate", "policy", "data", "ui", "doctor")
WORDS = {"policy": ("lint", "diff"), "data": ("describe", "explore", "write")}
"""The second words of verbs that have some."""


def main() -> None:
    """Entry point of the `tippingpoint` command."""
    arguments = sys.argv[1:]
    verb = arguments[0] if arguments else "help"
    if verb in ("help", "-h", "--help"):
        print(HELP.format(groups=_groups()), end="")
        return
    if verb == "--version":
        from tippingpoint import __version__

        print(__version__)
        return
    try:
        if verb not in VERBS:
            raise InputError("tippingpoint", f"there is no verb {verb!r}", nearest(verb, VERBS))
        rest = arguments[1:]
        if words := WORDS.get(verb):
            word, *rest = rest or [""]
            if word not in words:
                what = f"there is no verb {word!r}" if word else "what to do with it is not given"
                raise InputError(f"tippingpoint {verb}", what, nearest(word, words))
            verb, rest = (word, rest) if verb == "data" else (f"{verb}_{word}", _named_policies([word, *rest])[1:])
        _run(verb, as_overrides(rest))
    except TippingpointError as error:
        if any(argument.lower() == "debug=true" for argument in arguments):
            raise
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)


def _groups() -> str:
    """What can be chosen, as the shipped folders hold it."""
    inside = Path(__file__).parent / "conf"
    folder = inside if inside.is_dir() else Path(__file__).parents[2] / "conf"
    lines = []
    for group in ("data", "model", "policy", "economics", "experiment"):
        names = ", ".join(sorted(path.stem for path in (folder / group).glob("*.yaml")))
        lines.append(fill(names, 108, initial_indent=f"  {group + '=':13}", subsequent_indent=" " * 15))
    return "Choose\n" + "\n".join(lines)


def _named_policies(arguments: list[str]) -> list[str]:
    """`policy diff a b` as Hydra takes it; names hold no =, and stand before everything else."""
    word, *rest = arguments
    names = [a for a in rest if "=" not in a and not a.startswith("-")] if word == "diff" else []
    return [word, *([f"policies=[{','.join(names)}]"] if names else []), *(a for a in rest if a not in names)]


def as_overrides(arguments: list[str]) -> list[str]:
    """Turn `--key value`, the form in which `mlflow run -P key=value` passes it on, into Hydra's `key=value`.

    The value is quoted where Hydra would trip over its spaces, commas or quotes; lists and dicts stay Hydra's. An
    empty value counts as not given. Hydra's own options come last, where its parser wants them.

    >>> as_overrides(["--data.path", "Ann's users, new.csv", "-m", "--model", "[logistic,boosting]", "seed=1"])
    ["data.path='Ann\\'s users, new.csv'", 'model=[logistic,boosting]', 'seed=1', '-m']
    """
    overrides: list[str] = []
    options: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in HYDRA_OPTIONS_WITH_VALUE:
            options += [argument, next(rest, "")]
        elif argument.split("=")[0] in HYDRA_OPTIONS or re.match("-[^-]", argument):
            options.append(argument)
        elif not argument.startswith("--"):
            overrides.append(argument)
        elif "=" in argument:
            overrides.append(argument.removeprefix("--"))
        elif (value := next(rest, None)) is None:
            raise InputError(argument, "has no value", f"Type {argument.removeprefix('--')}=…")
        elif value:
            plain = value.startswith(("[", "{")) or re.fullmatch(r"[A-Za-z0-9_./:@%+-]+", value)
            # In Hydra's quotes a backslash counts only before a quote, and is doubled there.
            escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + m[2].replace("'", "\\'"), value)
            overrides.append(f"{argument.removeprefix('--')}=" + (value if plain else f"'{escaped}'"))
    return [*overrides, *options]


def _run(verb: str, arguments: list[str]) -> None:
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    from tippingpoint.settings import NAMING, config_folder, hydra_error

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises, so that `main` can say it in our form
    name = "table" if verb in WORDS["data"] else verb  # the data verbs share their settings
    folder = _option(arguments, "--config-dir", "-cd")
    sys.argv = [f"tippingpoint {verb}", *([f"config_dir='{folder}'"] if folder and verb in NAMING else []), *arguments]

    failures: list[TippingpointError] = []
    composed = False

    @hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)
    def task(config: DictConfig) -> None:
        nonlocal composed
        composed = True
        job, settings = _job(verb)
        try:
            _answer(job, settings.from_config(config))
        except TippingpointError as error:  # kept from Hydra, so that the rest of a sweep goes on
            failures.append(error)
            if config.get("debug"):
                raise
            print(error, file=sys.stderr)

    try:
        task()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        if composed:
            raise
        overrides = [a for a in arguments if "=" in a and not a.startswith("--")]
        raise hydra_error(error, name, overrides, folder) from error
    if failures:
        sys.exit(max(error.exit_code for error in failures))


def _job(verb: str) -> tuple[Callable[[Any], Any], Any]:
    """The job of a verb, and the class of its settings, which is the type its one argument declares."""
    import signal
    from importlib import import_module
    from typing import get_type_hints

    from rich.console import Console

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("loading"):
            job = getattr(import_module("tippingpoint.jobs"), verb)
    else:
        job = getattr(import_module("tippingpoint.jobs"), verb)
    # What is open is closed, runs and servers alike. After the imports: some library sets a SIGINT handler of its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return job, get_type_hints(job)["settings"]


def _answer(job: Callable[[Any], Any], settings: Any) -> None:
    result = job(settings)
    if settings.output == "json":
        import json

        print(json.dumps(_finite(result.as_dict()), default=float, allow_nan=False))
    else:
        from rich.console import Console

        Console().print(result.render(), highlight=False, crop=False)


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: what cannot be told is null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _option(arguments: list[str], *names: str) -> str | None:
    for at, argument in enumerate(arguments):
        for name in names:
            if argument == name and at + 1 < len(arguments):
                return arguments[at + 1]
            if argument.startswith(f"{name}="):
                return argument.removeprefix(f"{name}=")
    return None
