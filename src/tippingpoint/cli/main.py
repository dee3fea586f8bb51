"""The command line: a verb, and the rest goes to Hydra. Heavy imports wait until a verb is chosen."""

import os
import re
import sys

from tippingpoint.cli.help import ABOUT, WORDS, about, name_page, screen
from tippingpoint.core.errors import InputError, TippingpointError, UnexpectedError, nearest
from tippingpoint.core.overrides import WORD, quoted
from tippingpoint.core.threads import spare_cores

HYDRA_OPTIONS_WITH_VALUE = ("--cfg", "-c", "--config-dir", "-cd", "--config-path", "--config-name", "--package", "-p")
HYDRA_OPTIONS = (*HYDRA_OPTIONS_WITH_VALUE, "--multirun", "--help", "--info", "--hydra-help", "--resolve")
VERBS = tuple(ABOUT)
TEXTS = (
    *("data.query", "data.url", "data.product", "data.payments", "input", "input_query", "to", "output"),
    *("decisions", "outcomes", "users"),
    *("predictions", "logins", "log", "tune.storage", "why"),
)
"""Keys whose values are taken literally."""
REGISTRY_VERBS = ("promote", "rollback", "history", "status")
"""Verbs of the registry."""


def main() -> None:
    """Entry point of the `tippingpoint` command."""
    arguments = sys.argv[1:]
    verb = arguments[0] if arguments else "help"
    if verb in ("help", "-h", "--help"):
        print(screen(), end="")
        return
    if verb == "--version":
        from tippingpoint.core.version import __version__

        print(__version__)
        return
    try:
        if verb not in VERBS:
            raise InputError("tippingpoint", f"there is no verb {verb!r}", nearest(verb, VERBS))
        rest = arguments[1:]
        if (said := _said(verb, rest)) is not None:
            print(said, end="")
            return
        if words := WORDS.get(verb):
            word, *rest = rest or [""]
            if word not in words:
                what = f"there is no verb {word!r}" if word else "what to do with it is not given"
                raise InputError(f"tippingpoint {verb}", what, nearest(word, words))
            verb, rest = (word, rest) if verb == "data" else (f"{verb}_{word}", _named_policies([word, *rest])[1:])
        verb, rest = _of_what(verb, rest), _locked(verb, rest)
        spare_cores()  # before any library that starts threads is loaded
        verb, rest = _of_registry(verb, rest)
        if verb == "diagnostics" and rest and "=" not in rest[0] and not rest[0].startswith("-"):
            rest = [f"code={rest[0]}", *rest[1:]]
        from tippingpoint.cli.launch import launch

        # The data verbs share their settings.
        code = launch(verb, "table" if verb in WORDS["data"] else verb, as_overrides(rest))
        sys.stdout.flush()
        sys.exit(code)
    except Exception as error:
        if any(argument.lower() == "debug=true" for argument in arguments):
            raise
        told = error if isinstance(error, TippingpointError) else UnexpectedError.of(error)
        print(told, file=sys.stderr)
        name_page(told, verb)
        _drop_unwritten()
        sys.exit(told.exit_code)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)


def _said(verb: str, rest: list[str]) -> str | None:
    """Return what needs no job: a verb's help, or a script that completes words; None for all else."""
    if {"--help", "-h"} & set(rest):
        return about(verb)
    if verb != "completion":
        return None
    from tippingpoint.cli.completion import completion

    return completion(*rest[:1] or [""])


def _drop_unwritten() -> None:
    """Let go of what stdout does not take, as Python would try again at its end and say so in its own way."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_registry(verb: str, arguments: list[str]) -> tuple[str, list[str]]:
    """Return the job of a verb of the registry, and its words: `promote pin`, `unpin` and `approve` have their own.

    >>> _of_registry("promote", ["pin", "gate=strict"]), _of_registry("promote", ["approve", "7", "why=seen"])
    (('promote_pin', ['gate=strict']), ('promote_approve', ['request=7', 'why=seen']))
    >>> _of_registry("promote", ["request", "3"]), _of_registry("promote", ["unpin"])
    (('promote', ['model=3', 'request=true']), ('promote_pin', ['unpin=true']))
    """
    word, *rest = arguments or [""]
    if verb != "promote":
        return verb, _registry_words(arguments) if verb in REGISTRY_VERBS else arguments
    if word == "request":
        return "promote", _registry_words([*rest, "request=true"])
    if word == "approve":
        named = bool(rest) and "=" not in rest[0] and not rest[0].startswith("-")
        return "promote_approve", [f"request={rest[0]}", *rest[1:]] if named else rest
    if word in ("pin", "unpin"):
        return "promote_pin", [*rest, *(["unpin=true"] if word == "unpin" else [])]
    return "promote", _registry_words(arguments)


def _registry_words(arguments: list[str]) -> list[str]:
    """`promote 3`, `promote RUN_ID`, `promote resume 5` and `--dry-run` as Hydra takes them.

    >>> _registry_words(["3", "--to", "prod", "--dry-run"])
    ['model=3', '--to', 'prod', 'dry_run=true']
    >>> _registry_words(["resume", "5"])
    ['resume=5']
    """
    if arguments[:1] == ["resume"]:
        arguments = [f"resume={''.join(arguments[1:2])}", *arguments[2:]]
    found = ["dry_run=true" if word == "--dry-run" else word for word in arguments]
    if found and "=" not in found[0] and not found[0].startswith("-"):
        found[0] = f"{'run' if re.fullmatch('[0-9a-f]{32}', found[0]) else 'model'}={found[0]}"
    return found


def _of_what(verb: str, arguments: list[str]) -> str:
    """The job of a verb: `compare runs=[…]` fits nothing, `measure data=…` needs no decisions; each is one of its own.

    >>> _of_what("compare", ["runs=[a,b]"]), _of_what("compare", ["seed=1"])
    ('compare_runs', 'compare')
    >>> _of_what("measure", ["data=csv", "data.path=ab.csv"]), _of_what("measure", ["decisions=d.csv"])
    ('measure_arms', 'measure')
    """
    named = {word.lstrip("-+").partition("=")[0].partition(".")[0] for word in arguments}
    if verb == "compare" and "runs" in named:
        return "compare_runs"
    # With decisions, data are the raw events that say what came of them.
    return "measure_arms" if verb == "measure" and "data" in named and "decisions" not in named else verb


def _locked(verb: str, arguments: list[str]) -> list[str]:
    """`plan lock …` as Hydra takes it.

    >>> _locked("plan", ["lock", "rate=0.04"])
    ['rate=0.04', 'lock=true']
    """
    return [*arguments[1:], "lock=true"] if verb == "plan" and arguments[:1] == ["lock"] else arguments


def _named_policies(arguments: list[str]) -> list[str]:
    """`policy diff a b` and `policy bind models:/c/3 a` as Hydra takes them; names hold no =.

    >>> _named_policies(["diff", "intent_bands", "my own.yaml", "--config-dir", "mine", "seed=1"])
    ['diff', "policies=[intent_bands,'my own.yaml']", '--config-dir', 'mine', 'seed=1']
    >>> _named_policies(["bind", "models:/c/3", "mine.yaml", "who=ann"])
    ['bind', 'model=models:/c/3', 'policies=[mine.yaml]', 'who=ann']
    """
    word, *rest = arguments
    if word not in ("diff", "bind"):
        return arguments
    if word == "bind" and rest and "=" not in rest[0] and not rest[0].startswith("-"):
        return [word, f"model={rest[0]}", *_named_policies(["diff", *rest[1:]])[1:]]
    values = {k + 1 for k, argument in enumerate(rest) if argument in HYDRA_OPTIONS_WITH_VALUE}
    named = {k for k, a in enumerate(rest) if k not in values and "=" not in a and not a.startswith("-")}
    names = ",".join(word if WORD.fullmatch(word) else quoted(word) for word in (rest[k] for k in sorted(named)))
    others = [argument for k, argument in enumerate(rest) if k not in named]
    return [word, *([f"policies=[{names}]"] if named else []), *others]


def as_overrides(arguments: list[str]) -> list[str]:
    r"""Turn `--key value`, the form in which `mlflow run -P key=value` passes it on, into Hydra's `key=value`.

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
            overrides.append(_as_meant(argument))
        elif "=" in argument:
            overrides.append(_as_meant(argument.removeprefix("--")))
        elif (value := next(rest, None)) is None:
            raise InputError(argument, "has no value", f"Type {argument.removeprefix('--')}=…")
        elif value:
            plain = value.startswith(("[", "{")) or re.fullmatch(r"[A-Za-z0-9_./:@%+-]+", value)
            overrides.append(_as_meant(f"{argument.removeprefix('--')}={value if plain else quoted(value)}"))
    return [*overrides, *options]


def _as_meant(override: str) -> str:
    """SQL, addresses and reasons are text, whatever Hydra's grammar makes of =, commas and dots.

    >>> _as_meant("data.query=select a, b from t where c = 1")
    "data.query='select a, b from t where c = 1'"
    >>> _as_meant("data.url=null")
    'data.url=null'
    """
    key, _, value = override.partition("=")
    if key.lstrip("+") in TEXTS and value not in ("", "null") and not value.startswith(("'", '"')):
        return f"{key}={quoted(value)}"
    return override
