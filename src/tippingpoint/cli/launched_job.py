"""What Hydra calls with each composed config: the job of a verb, its answer shown, its errors told."""

import contextlib
import io
import json
import math
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from importlib import import_module
from typing import Any, get_type_hints

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from tippingpoint.cli.help import name_page
from tippingpoint.config.compose import as_typed
from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, RefusedError, TippingpointError, UnexpectedError
from tippingpoint.core.foreign import as_theirs
from tippingpoint.core.installed import lacking
from tippingpoint.core.on_demand import without
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
    "measure_arms": "measurement.arms_job:measure_arms",
    "plan": "planning.job:plan",
    "policy_bind": "promotion.bind:policy_bind",
    "policy_diff": "simulation.policy_tools:policy_diff",
    "policy_lint": "simulation.policy_tools:policy_lint",
    "promote": "promotion.job:promote",
    "promote_approve": "promotion.approve:promote_approve",
    "promote_pin": "promotion.pin:promote_pin",
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
        words = [masked(word) for word in typed if key_of(word) not in SILENT]
        if self.sweep_id:
            config.tracking.sweep_id, config.tracking.sweep_job = self.sweep_id, words
        as_typed(config, typed)
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
            if told is None and isinstance(raised, ModuleNotFoundError):
                told = lacking(f"tippingpoint {self.verb}", raised)
            error = told or UnexpectedError.of(raised)
            if config.get("debug"):
                if not self.in_sweep:
                    raise error from error.__cause__
                traceback.print_exception(error)
            print(error, file=sys.stderr, flush=True)
            if not self.in_sweep:
                name_page(error, self.verb)
            return Outcome(error.exit_code, job=" ".join(words))
        refused = getattr(result, "refused", False)  # a check that said no has shown why
        return Outcome(RefusedError.exit_code if refused else 0, shown.getvalue(), isinstance(result, _finished()))


def _placed(error: InputError, typed: list[str]) -> InputError:
    """The error with the user's file and line that it comes from, if it comes from one."""
    from tippingpoint.config.own_folder import placed

    found = placed(error, HydraConfig.get().runtime, typed)
    found.__cause__ = error.__cause__
    return found


def job_of(verb: str) -> tuple[Callable[[Any], Any], Any]:
    """The job of a verb, and the class of its settings, which is the type its one argument declares."""
    console = Console(stderr=True)
    with console.status("loading") if console.is_terminal else contextlib.nullcontext():
        if verb == "serve":  # its process does nothing else, and need not be ready for all tables there are: 70 MB
            with without("polars", "pyarrow"), contextlib.suppress(ModuleNotFoundError):  # the job says what is missing
                import_module("tippingpoint.tracking.deciders")
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


def _process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def key_of(word: str) -> str:
    """The key of an override, without what is put before it."""
    return word.lstrip("+~").split("=")[0]
