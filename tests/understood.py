"""A line of words that must be understood: composed and checked, not run."""

import shlex
import sys

import pytest

from tippingpoint.cli import launched_job, main


def understood(line: str, patch: pytest.MonkeyPatch) -> list[object]:
    """The settings that the words of a line come to, none for `--help`; it ends with 0, or a test fails."""
    asked: list[object] = []
    patch.setattr(launched_job, "_answer", lambda job, settings, width: asked.append(settings))
    patch.setattr("tippingpoint.cli.sweep.gather", lambda asked: [])
    # No jobs in other processes.
    words = [word for word in shlex.split(line, comments=True) if not word.startswith("hydra")]
    patch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0, line
    return asked
