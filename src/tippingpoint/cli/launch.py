"""Hydra composes a verb's settings and launches its job: once, or under -m once for each combination."""

import contextlib
import hashlib
import io
import json
import math
import os
import re
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, time
from functools import partial
from importlib import import_module
from itertools import chain
from typing import Any, NoReturn, get_type_hints

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, RangeSweep
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from tippingpoint.cli.hydra_internals import Hydra, get_args_parser
from tippingpoint.config.compose import NAMING, as_added, composing, config_folder, own_groups
from tippingpoint.config.old_spellings import modern_words
from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError, RefusedError, TippingpointError, UnexpectedError
from tippingpoint.core.foreign import as_theirs
from tippingpoint.core.overrides import quoted
from tippingpoint.core.redaction import masked

JOBS = {
    "compare": "comparison.job:compare",
    "compare_runs": "comparison.two_runs:compare_runs",
    "daily": "daily.job:daily",
    "dashboard": "dashboard.job:dashboard",
    "describe": "exploration.describe:describe",
    "doctor": "cli.doctor:doctor",
    "diagnostics": "cli.diagnostics:diagnostics",
    "explore": "exploration.explore:explore",
    "features": "exploration.features:features",
    "history": "promotion.history:history",
    "measure": "measurement.job:measure",
    "policy_bind": "promotion.bind:policy_bind",
    "policy_diff": "simulation.policy_tools:policy_diff",
    "policy_lint": "simulation.policy_tools:policy_lint",
    "promote": "promotion.job:promote",
    "rollback": "promotion.rollback:rollback",
    "run": "comparison.run:run",
    "score": "scoring.job:score",
    "serve": "serving.job:serve",
    "simulate": "simulation.job:simulate",
    "status": "promotion.status:status",
    "tune": "tuning.job:tune",
    "ui": "cli.ui:ui",
    "write": "exploration.write:write",
}
"""Where each verb's job is, imported when it is asked for: the data verbs need no MLflow, which loads for seconds."""
SWEPT = ("run", "compare", "tune")
"""Verbs whose runs a sweep gathers."""
SILENT = ("force", "output", "debug")
"""Keys that change neither what a sweep answers nor which sweep it is."""


@dataclass(frozen=True)
class Outcome:
    """What a job came to, small enough to travel from a worker.

    Parameters
    ----------
    job
        The overrides that tell it from others of a sweep.
    shown
        What belongs on stdout and stands there not yet: a worker's own would be cut up among others'.
    """

    exit_code: int = 0
    shown: str = ""
    skipped: bool = False
    job: str = ""


@dataclass(frozen=True)
class LaunchedJob:
    """What Hydra calls with each composed config, here or in a worker, which may be on another machine.

    Parameters
    ----------
    sweep_id
        The sweep that the jobs belong to, if any.
    home
        The process that was started by the user.
    columns
        Width of its terminal.
    store
        Its environment's words about the MLflow store: workers of a cluster inherit none.
    """

    verb: str
    in_sweep: bool = False
    sweep_id: str | None = None
    home: tuple[str, int] = field(default_factory=lambda: _process())
    columns: int = field(default_factory=lambda: shutil.get_terminal_size().columns)
    store: Mapping[str, str] = field(
        default_factory=lambda: {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
    )

    def __call__(self, config: DictConfig) -> Outcome:
        """Run the job and answer; what is wrong is said on stderr."""
        away = self.home != _process()
        if away:
            os.environ.update(self.store)
        typed = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)  # ${…} stays as it was typed
        assert isinstance(typed, list)
        words = [masked(word) for word in typed if _key(word) not in SILENT]
        if self.sweep_id:
            config.tracking.sweep_id, config.tracking.sweep_job = self.sweep_id, words
        shown = io.StringIO()
        try:
            job, settings = job_of(self.verb)
            stop_cleanly(away)  # after the imports: some library sets a SIGINT handler of its own
            stopping.check()
            with contextlib.redirect_stdout(shown) if away else contextlib.nullcontext():
                result = _answer(job, settings.from_config(config), self.columns if away else None)
        except BaseException as raised:  # kept from Hydra, so that the rest of a sweep goes on; a panic of polars too
            stopping.check()  # an import that a signal cut short fails in words of its own
            if not isinstance(raised, Exception) and type(raised).__name__ != "PanicException":
                raise
            told = raised if isinstance(raised, TippingpointError) else as_theirs(raised)
            if isinstance(told, InputError):
                told = _placed(told, typed)
            error = told or UnexpectedError.of(raised)
            if config.get("debug"):
                if not self.in_sweep:
                    raise error from error.__cause__
                traceback.print_exception(error)
            print(error, file=sys.stderr, flush=True)
            return Outcome(error.exit_code, job=" ".join(words))
        refused = getattr(result, "refused", False)  # a check that said no has shown why
        return Outcome(RefusedError.exit_code if refused else 0, shown.getvalue(), isinstance(result, _finished()))


def _placed(error: InputError, typed: list[str]) -> InputError:
    """The error with the user's file and line that it comes from, if it comes from one."""
    from tippingpoint.config.own_folder import placed

    found = placed(error, HydraConfig.get().runtime, typed)
    found.__cause__ = error.__cause__
    return found


def launch(verb: str, config_name: str, arguments: list[str]) -> int:
    """Run a verb with Hydra's words; returns the exit code, of a sweep the largest of its jobs'.

    Raises
    ------
    TippingpointError
        For words that cannot be composed, and under `debug` what the job itself raises.
    """
    stopping.came.clear()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises, so that `main` can say it in our form
    parser = get_args_parser()
    parser.error = _no_option  # type: ignore[method-assign]  # argparse would print the usage of Hydra, not of a verb
    options = parser.parse_args(arguments)
    typed = modern_words(verb, options.overrides)
    added = as_added(verb, typed)
    name = options.config_name or config_name
    named = [f"config_dir={quoted(options.config_dir)}"] if options.config_dir and verb in NAMING else []
    words = [*own_groups(options.config_dir), *named, *added]
    told = partial(composing, name, typed, options.config_dir)
    others = [word for word in _without_folder(arguments) if word not in options.overrides]
    sys.argv = [f"tippingpoint {verb}", *words, *others]
    if options.help or options.hydra_help or options.cfg or options.info is not None or options.shell_completion:
        with told():
            hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)(LaunchedJob(verb))()
        return 0
    with hydra.initialize_config_dir(str(config_folder()), job_name="tippingpoint", version_base="1.3"):
        loaded = GlobalHydra.instance().hydra
        assert loaded is not None
        with told():
            if not (swept := options.multirun or loaded.get_mode(name, words) == RunMode.MULTIRUN):
                returned = loaded.run(name, LaunchedJob(verb), [*words, "hydra.mode=RUN"])  # keeps what the job raises
        if swept:
            return _sweep(verb, name, words, loaded, told)
        outcome: Outcome = returned.return_value
        return outcome.exit_code


def _no_option(message: str) -> NoReturn:
    """Refuse what Hydra's parser of options does not take."""
    raise InputError("command line", message, "Words are KEY=VALUE; --cfg job shows every key.")


def _without_folder(arguments: list[str]) -> Iterator[str]:
    """Hydra's words without the folder of the user's own groups, which `own_groups` names to it."""
    rest = iter(arguments)
    for word in rest:
        if word in ("--config-dir", "-cd"):
            next(rest, None)
        elif not word.startswith("--config-dir="):
            yield word


def job_of(verb: str) -> tuple[Callable[[Any], Any], Any]:
    """The job of a verb, and the class of its settings, which is the type its one argument declares."""
    console = Console(stderr=True)
    with console.status("loading") if console.is_terminal else contextlib.nullcontext():
        module, name = JOBS[verb].split(":")
        job = getattr(import_module(f"tippingpoint.{module}"), name)
    return job, get_type_hints(job)["settings"]


def stop_cleanly(away: bool = False) -> None:
    """Let Ctrl-C and SIGTERM close what is open, runs and servers alike; a worker is left to whoever launched it."""

    def stop(number: int, _: object) -> None:
        stopping.note(number)
        print("interrupted; what was finished is kept", file=sys.stderr)
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN if away and number == signal.SIGINT else stop)


def _answer(job: Callable[[Any], Any], settings: Any, width: int | None) -> Any:
    """Show the result, and give it; the one that was there already is `Finished`."""
    try:
        result = job(settings)
    except _finished() as before:
        print(before, file=sys.stderr, flush=True)
        result = before
    if settings.output == "json":
        print(json.dumps(_finite(result.to_dict()), default=_in_json, allow_nan=False))
    else:
        Console(width=width).print(result.render(), highlight=False, crop=False)
    return result


def _in_json(value: Any) -> Any:
    """What JSON has no type for: a number of NumPy's, a time."""
    return value.isoformat() if isinstance(value, date | time) else float(value)


def _finished() -> type[Any]:
    from tippingpoint.experiment.resume import Finished

    return Finished


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: what cannot be told is null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sweep(
    verb: str, name: str, words: list[str], loaded: Hydra, told: Callable[[], AbstractContextManager[None]]
) -> int:
    """Launch each combination and gather what is finished, also after an interruption; returns the exit code."""
    with told():
        words = [*words, "hydra.mode=MULTIRUN"]
        words += _launcher_of_swept_experiments(name, words, loaded)
        config = loaded.compose_config(name, words, RunMode.MULTIRUN)
        params = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
        typed = [*params, *config.hydra.overrides.task]
        jobs = _count(typed, config, loaded)
    asked = [word for word in typed if _key(word) not in SILENT]
    digest = hashlib.sha256(json.dumps([verb, *sorted(asked)]).encode()).hexdigest()[:10]
    line = " ".join([verb, "-m", *map(masked, asked)])
    sweep_id = (config.tracking.sweep_id or digest) if verb in SWEPT else None

    def gather(status: str) -> None:
        from tippingpoint.cli.sweep import SweepRequest, gather

        if sweep_id is not None:
            for swept in gather(SweepRequest(sweep_id, verb, line, jobs, status)):
                Console(stderr=config.output == "json").print(swept.render(), highlight=False, crop=False)

    print(f"sweep {sweep_id or verb}: {jobs} job{'s'[: jobs > 1]}", file=sys.stderr, flush=True)
    stop_cleanly()
    try:
        with told():
            returned = loaded.multirun(name, LaunchedJob(verb, True, sweep_id), words)
    except InputError:
        stopping.check()
        raise  # nothing was launched: what jobs raise of this kind is their outcome
    except BaseException as error:
        _broken_off(error, gather, config.hydra.runtime.choices["hydra/launcher"])
        raise
    outcomes = [job.return_value for job in chain.from_iterable(returned)]
    failed = _show(outcomes)
    if len(failed) < len(outcomes):
        gather("FAILED" if failed else "FINISHED")
    if skipped := sum(outcome.skipped for outcome in outcomes):
        print(f"{skipped} of {jobs} jobs were finished before", file=sys.stderr)
    if failed:
        said = f"{len(failed)} of {jobs} jobs failed; the same line tries them again:"
        print(said, *failed, sep="\n  ", file=sys.stderr)
    return max((outcome.exit_code for outcome in outcomes), default=0)


def _show(outcomes: Sequence[Outcome]) -> list[str]:
    """Print what the jobs of a sweep show; returns the overrides of those that failed."""
    for outcome in outcomes:
        print(outcome.shown, end="", flush=True)
    return [outcome.job for outcome in outcomes if outcome.exit_code]


def _broken_off(error: BaseException, gather: Callable[[str], None], launcher: str) -> None:
    """Gather what a sweep finished before an error, and raise in our form what has one.

    Raises
    ------
    SystemExit
        With the exit code of the signal that stopped the sweep.
    OutsideError
        When a worker is lost.
    """
    if ray := sys.modules.get("ray"):  # its workers stop before their runs are closed
        ray.shutdown()
    came, stopped = list(stopping.came), isinstance(error, KeyboardInterrupt | SystemExit) or bool(stopping.came)
    stopping.came.clear()  # what is finished is gathered all the same
    with contextlib.suppress(TippingpointError):  # the first error is the one to tell
        gather("KILLED" if stopped else "FAILED")
    if stopped:
        print("interrupted; what is finished is kept, and the same line goes on", file=sys.stderr)
        if came:  # Ray makes an exit code of its own of it
            raise SystemExit(128 + came[0]) from error
    if isinstance(error, _lost_workers()):
        reason = re.split(r"[.\n]", str(error).strip())[0]
        remedy = "Type the same line again: what is finished is not done twice."
        raise OutsideError(f"launcher {launcher}", f"a worker failed ({reason})", remedy) from error


def _count(typed: list[str], config: DictConfig, loaded: Hydra) -> int:
    """How many jobs Hydra's own sweeper makes of these overrides.

    Raises
    ------
    InputError
        When there is nothing to sweep over.
    """
    parsed = OverridesParser.create(config_loader=loaded.config_loader).parse_overrides(typed)
    numbers = {}
    for override in parsed:
        key = override.get_key_element()
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise InputError(key, "an interval has no end of values", f"Type {key}=1,2,3 or {key}='range(1,4)'.")
        _refuse_range_within(key, override.value())
        numbers[key] = len(list(override.sweep_string_iterator())) if override.is_sweep_override() else None
    if "BasicSweeper" in config.hydra.sweeper._target_:
        if all(number is None for number in numbers.values()):
            raise InputError("-m", "nothing to sweep over", "Type e.g. seed=0,1,2 or seed='range(0,3)', or drop -m.")
        if empty := [key for key, number in numbers.items() if number == 0]:
            raise InputError(empty[0], "sweeps over no value", f"Type {empty[0]}=1,2,3.")
    return math.prod(number or 1 for number in numbers.values())


def _refuse_range_within(key: str, swept: object) -> None:
    """Refuse a range among other values, which Hydra cannot count."""
    if isinstance(swept, ChoiceSweep) and any(isinstance(one, RangeSweep) for one in swept.list):
        values = [one.range() if isinstance(one, RangeSweep) else [one] for one in swept.list]
        listed = ",".join(str(value) for value in chain.from_iterable(values))
        raise InputError(key, "a range stands among other values", f"Type {key}={listed}.")


def _launcher_of_swept_experiments(name: str, words: list[str], loaded: Hydra) -> list[str]:
    """What to add so that the launcher which swept experiments choose is used.

    Hydra picks the launcher before it looks into the experiments it is to sweep over (its issue 2946), so one chosen
    in their files is silently left aside. Here they are composed first.
    """
    swept = [o for o in OverridesParser.create().parse_overrides(words) if o.is_sweep_override()]
    experiments = next((o for o in swept if o.key_or_group == "experiment" and o.is_discrete_sweep()), None)
    if experiments is None or any(_key(word) == "hydra/launcher" for word in words):
        return []
    others = [word for word in words if word != experiments.input_line]
    found: dict[str, str] = {}
    for value in experiments.sweep_string_iterator():
        config = loaded.compose_config(name, [*others, f"experiment={value}"], RunMode.MULTIRUN)
        if config.hydra.sweeper.get("params"):
            what = f"{value} brings its own sweep, which is left aside when experiments are swept over"
            raise InputError("experiment", what, "Type one line for each experiment.")
        node = OmegaConf.to_container(config.hydra.launcher, resolve=False)
        chosen = f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']}"
        found[str(value)] = json.dumps([chosen, *_leaves("++hydra.launcher", node)])
    if len(set(found.values())) > 1:
        what = f"{' and '.join(found)} choose different launchers"
        raise InputError("experiment", what, "Type hydra/launcher=…, which counts for all.")
    return list(json.loads(next(iter(found.values()), "[]")))


def _leaves(path: str, node: Any) -> list[str]:
    if not isinstance(node, dict):
        return [f"{path}={json.dumps(node)}"]
    return [leaf for key, value in node.items() if key != "_target_" for leaf in _leaves(f"{path}.{key}", value)]


def _key(word: str) -> str:
    return word.lstrip("+~").split("=")[0]


def _process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _lost_workers() -> tuple[type[BaseException], ...]:
    """What launchers raise when a worker is gone."""
    ray = sys.modules.get("ray")
    return (BrokenExecutor, ray.exceptions.RayError) if ray else (BrokenExecutor,)
