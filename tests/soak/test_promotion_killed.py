"""`tippingpoint promote` killed at random moments: the next command finds the store whole, or makes it so."""

import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.conftest import ROUNDS
from tests.processes import typed
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import StatusSettings
from tippingpoint.promotion.status import status
from tippingpoint.tracking.journal import CHAMPION, read
from tippingpoint.tracking.promotion import aliases

KILLS = 2 * ROUNDS + 1
LENIENT = [
    f"gate.{check}=null"
    for check in ("quality", "better", "value", "calibration", "slices", "explanation", "reload", "speed")
]

pytestmark = pytest.mark.soak


@pytest.mark.timeout(1200)
def test_killed_at_any_moment_the_next_command_finds_the_store_whole(compared: tuple, workspace: Path) -> None:
    shutil.copy(compared[1] / "mlflow.db", workspace)
    client = MlflowClient()
    first = client.get_model_version("conversion", "1")
    client.create_model_version("conversion", first.source, first.run_id, first.tags)
    settings = StatusSettings.from_config(compose("status"))
    promoted = 0
    for number, moment in enumerate(np.random.default_rng(0).uniform(0, 0.5, KILLS)):
        entries = len(read(client, "conversion").entries)
        words = ["promote", f"model={number % 2 + 1}", *LENIENT]
        job = typed(*words, folder=workspace)
        at = "loading models" if number % 4 == 3 else "filing"  # mostly while the journal and aliases are written
        for line in job.stderr:
            if line.startswith(at):
                break
        time.sleep(moment)
        job.send_signal(signal.SIGKILL)
        job.communicate()
        found = status(settings)
        assert not found.refused
        journal = read(client, "conversion")
        assert journal.missing == []
        assert len(journal.entries) - entries in (0, 1, 2)  # its look, and then its promotion
        assert aliases(client, "conversion").get(CHAMPION, "") == journal.champion
        promoted += sum(entry.kind == "promote" for entry in journal.entries[entries:])
    assert promoted <= KILLS
    version = 2 if journal.champion == "1" else 1
    again = typed("promote", f"version={version}", *LENIENT, folder=workspace)
    _, error = again.communicate()
    assert again.returncode == 0, error
    assert aliases(client, "conversion")[CHAMPION] == str(version)
