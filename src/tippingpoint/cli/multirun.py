"""Hydra's -m: a job for each combination, what is finished gathered, also after an interruption."""

import contextlib
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, RangeSweep
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from tippingpoint.cli.hydra_internals import Hydra, SweepLoader
from tippingpoint.cli.launched_job import SILENT, LaunchedJob, Outcome, key_of, stop_cleanly
from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError, TippingpointError
from tippingpoint.core.redaction import masked

SWEPT = ("run", "compare", "tune")
"""Verbs whose runs a sweep gathers."""


def sweep(
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
    asked = [word for word in typed if key_of(word) not in SILENT]
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
    loaded.config_loader = SweepLoader(loaded.config_loader.get_search_path())
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
    if experiments is None or any(key_of(word) == "hydra/launcher" for word in words):
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


def _lost_workers() -> tuple[type[BaseException], ...]:
    """What launchers raise when a worker is gone."""
    ray = sys.modules.get("ray")
    return (BrokenExecutor, ray.exceptions.RayError) if ray else (BrokenExecutor,)
