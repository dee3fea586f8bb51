"""Hydra composes a verb's settings and launches its job: once, or under -m once for each combination."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from tippingpoint.cli.hydra_internals import get_args_parser
from tippingpoint.cli.launched_job import LaunchedJob, Outcome
from tippingpoint.cli.multirun import sweep
from tippingpoint.config.compose import NAMING, as_added, composing, config_folder, own_groups
from tippingpoint.config.old_spellings import modern_words
from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import quoted


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
            return sweep(verb, name, words, loaded, told)
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
