"""`tippingpoint promote` killed at random moments: the store is whole, or says what was left and how to finish it."""

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
from tippingpoint.promotion.job import promote
from tippingpoint.promotion.settings import PromoteSettings, StatusSettings
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
def test_killed_at_any_moment_the_store_is_whole_or_says_what_was_left(compared: tuple, workspace: Path) -> None:
    shutil.copy(compared[1] / "mlflow.db", workspace)
    client = MlflowClient()
    first = client.get_model_version("conversion", "1")
    client.create_model_version("conversion", first.source, first.run_id, first.tags)
    settings = StatusSettings.from_config(compose("status"))
    promoted = 0
    for number, moment in enumerate(np.random.default_rng(0).uniform(0, 0.5, KILLS)):
        entries = len(read(client, "conversion").entries)
        other = 2 if aliases(client, "conversion").get(CHAMPION) == "1" else 1
        words = ["promote", f"model={other}", *LENIENT]
        job = typed(*words, folder=workspace)
        at = "loading models" if number % 4 == 3 else "filing"  # mostly while the journal and aliases are written
        for line in job.stderr:
            if line.startswith(at):
                break
        time.sleep(moment)
        job.send_signal(signal.SIGKILL)
        job.communicate()
        journal = read(client, "conversion")
        if left := journal.left:  # everybody is told, and nothing moves until somebody says so
            assert status(settings).refused
            assert aliases(client, "conversion").get(CHAMPION, "") in (left.against, left.version)
            promote(PromoteSettings.from_config(compose("promote", [f"resume={left.number}"])))
        assert not status(settings).refused
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
