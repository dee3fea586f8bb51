"""The command line: a verb, and the rest goes to Hydra. Heavy imports wait until a verb is chosen."""

import os
import re
import sys
from collections.abc import Callable
from typing import Any

HELP = """\
tippingpoint: which model, which cut-offs, how much money, how sure.

  tippingpoint VERB [group=name] [key=value] [-m]

Verbs
  compare   model families under one policy on the same users; the best is registered
  run       one family: tippingpoint run model=boosting
  simulate  cut-offs, policies, budgets and prices on models that are there; the latest compare's by default
  policy    lint: gaps, overlaps, segments no one reaches;  diff A B: what changes for whom
  ui        serve the MLflow pages of this folder's store
  doctor    versions, and whether the store can be used

Start
  tippingpoint compare                                                   generated users
  tippingpoint compare data=csv data.path=users.csv data.target=adopter  your own table
  tippingpoint run -m model=logistic,boosting seed=0,1                   a sweep
  tippingpoint simulate policy.cuts='[0.4,0.6]'                          what if high started at 0.6?

Groups: data (case_study, csv)   model (logistic, random_forest, boosting, all)
        policy (intent_bands)   economics (freemium)   experiment (files of experiments/)
See every key of a verb with  tippingpoint VERB --cfg job;  add your own groups with  --config-dir FOLDER.
output=json prints one JSON object. Runs go to MLflow's store in this folder, or to MLFLOW_TRACKING_URI.
Exit codes: 0 done, 1 a check said no, 2 wrong input, 3 something outside failed.
"""

HYDRA_OPTIONS_WITH_VALUE = (
    "--cfg",
    "-c",
    "--config-dir",
    "-cd",
    "--config-path",
    "--config-name",
    "--package",
    "-p",
)
HYDRA_OPTIONS = (
    *HYDRA_OPTIONS_WITH_VALUE,
    "--multirun",
    "--help",
    "--info",
    "--hydra-help",
    "--resolve",
    "--shell-completion",
)
VERBS = ("compare", "run", "simulate", "policy", "ui", "doctor")
WORDS = {"policy": ("lint", "diff")}
"""The second words of verbs that have some."""


def main() -> None:
    """Entry point of the `tippingpoint` command."""
    arguments = sys.argv[1:]
    verb = arguments[0] if arguments else "help"
    if verb in ("help", "-h", "--help"):
        print(HELP, end="")
        return
    if verb == "--version":
        from tippingpoint import __version__

        print(__version__)
        return
    from tippingpoint.errors import InputError, TippingpointError, nearest

    try:
        if verb not in VERBS:
            raise InputError("tippingpoint", f"there is no verb {verb!r}", nearest(verb, VERBS))
        if words := WORDS.get(verb):
            word = arguments[1] if len(arguments) > 1 else ""
            if word not in words:
                raise InputError(
                    f"tippingpoint {verb}", f"what to do with it? {word!r} is nothing", nearest(word, words)
                )
            verb, arguments = f"{verb}_{word}", _named_policies(arguments[1:])
        _run(verb, as_overrides(arguments[1:]))
    except TippingpointError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)


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
        elif value := next(rest, ""):
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

    from tippingpoint.errors import TippingpointError
    from tippingpoint.settings import config_folder, hydra_error

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises, so that `main` can say it in our form
    sys.argv = [f"tippingpoint {verb}", *arguments]

    failures: list[TippingpointError] = []
    composed = False

    @hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=verb)
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
        raise hydra_error(error, verb, overrides, _option(arguments, "--config-dir", "-cd")) from error
    if failures:
        sys.exit(max(error.exit_code for error in failures))


def _job(verb: str) -> tuple[Callable[[Any], Any], Any]:
    """The job of a verb, and the class of its settings, which is the type its one argument declares."""
    import signal
    from importlib import import_module
    from typing import get_type_hints

    from rich.console import Console

    def stop(*_: object) -> None:
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, stop)
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("loading"):
            jobs = import_module("tippingpoint.jobs")
    else:
        jobs = import_module("tippingpoint.jobs")
    job = getattr(jobs, verb)
    return job, get_type_hints(job)["settings"]


def _answer(job: Callable[[Any], Any], settings: Any) -> None:
    result = job(settings)
    if settings.output == "json":
        import json

        print(json.dumps(result.as_dict(), default=float))
    else:
        from rich.console import Console

        Console().print(result.render(), highlight=False, crop=False)


def _option(arguments: list[str], *names: str) -> str | None:
    for at, argument in enumerate(arguments):
        for name in names:
            if argument == name and at + 1 < len(arguments):
                return arguments[at + 1]
            if argument.startswith(f"{name}="):
                return argument.removeprefix(f"{name}=")
    return None
