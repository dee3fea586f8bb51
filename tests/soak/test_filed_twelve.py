"""Every verb, cut after any write to the store or killed, and typed again, files the same: nothing is lost or twice."""

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.conftest import ROUNDS, working_in
from tests.measurement.measuring import decided, written
from tests.processes import Forked, typed
from tests.soak.cuts import Cut, cut_after, held
from tippingpoint.tracking.journal import moves

CUTS = 12 if ROUNDS == 1 else 5 * ROUNDS
"""Of all writes of a verb so many are cut after, at most: all of most verbs in ten rounds."""
KILLS = -(-5 * ROUNDS**2 // 8)
"""Of each of eight verbs: one in one round, 63 in ten."""
IN_A_ROW = 5
"""So often it is killed at most before it is left to end."""
SMALL = ["data.users=500", "explain_rows=5", "report=none"]
LENIENT = [
    f"gate.{check}=null"
    for check in ("quality", "better", "value", "calibration", "slices", "explanation", "reload", "speed")
]
VERBS = {
    "run": ["run", "model=logistic", *SMALL],
    "compare": ["compare", "model=[logistic,boosting]", "model.boosting.n_estimators=20", *SMALL],
    "tune": ["tune", "model=logistic", "tune.trials=3", "tune.workers=1", *SMALL],
    "simulate": ["simulate", "models=[models:/conversion/1]", "cuts=20"],
    "score": ["score", "input=users.csv", "to=scored.csv", "model=models:/conversion/1"],
    "measure": ["measure", "outcome=converted"],
    "promote": ["promote", "1", *LENIENT],
    "bind": ["policy", "bind", "models:/conversion/1", "policy.cuts=[0.2,0.5]", "policy.version=2"],
    "rollback": ["rollback"],
}

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]
Afresh = Callable[[], Any]


@pytest.fixture(params=VERBS)
def prepared(
    request: pytest.FixtureRequest,
    workspace: Path,
    call: Callable[..., int],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[str], Afresh]:
    """The words of a verb, and what gives a folder from which it starts, a new one each time."""
    verb = request.param
    words = list(VERBS[verb])
    if verb in ("run", "compare", "tune"):
        shutil.copy(request.getfixturevalue("empty_store"), workspace)
    else:
        request.getfixturevalue("client")
    if verb == "tune":  # the search is done, nothing of it is filed
        assert call(*words, "tracking.register_model=false") == 0
        (workspace / "mlflow.db").unlink()
        shutil.copy(request.getfixturevalue("empty_store"), workspace)
    if verb == "score":
        assert call("data", "write", "data.users=50", "to=users.csv") == 0
    if verb == "measure":
        decisions, outcomes, _ = decided(0.25, n=2000)
        words += written(workspace, decisions, outcomes)
    if verb == "rollback":
        assert call("promote", "1", *LENIENT) == 0
        assert call("promote", "2", *LENIENT) == 0

    @contextmanager
    def afresh() -> Iterator[None]:
        place = tmp_path_factory.mktemp("again") / "copy"
        shutil.copytree(workspace, place)
        with working_in(place):
            yield

    return words, afresh


def all_there_is() -> dict[str, Counter]:
    client = MlflowClient()
    table = Path("scored.csv")
    led = Counter((entry.kind, entry.version) for entry in moves(client, "conversion").counting)
    lines = len(table.read_text().splitlines()) if table.exists() else 0
    return held(client) | {"champions": led, "lines": Counter({lines: 1})}


def ends(words: list[str], type_words: Callable[..., int]) -> int:
    """Exit code of the last line that has to be typed: what moves a champion may have to be finished by name."""
    code = type_words(*words)
    if code == 1 and words[0] in ("promote", "rollback"):
        code = type_words("promote", "resume", str(moves(MlflowClient(), "conversion").at))
    return code


def differences(found: dict[str, Counter], whole: dict[str, Counter]) -> dict[str, Any]:
    """What is there too often, and what too rarely."""
    return {of: (found[of] - whole[of], whole[of] - found[of]) for of in whole if found[of] != whole[of]}


def test_cut_after_any_write_and_typed_again_the_store_holds_the_same(
    prepared: tuple[list[str], Afresh], call: Callable[..., int]
) -> None:
    words, afresh = prepared
    with afresh():
        with cut_after(None) as writes:
            assert call(*words) == 0
        whole = all_there_is()
    wrong = []
    moments = np.random.default_rng(0).permutation(len(writes))[:CUTS] + 1
    for moment in sorted(moments.tolist()):
        with afresh():
            with pytest.raises(Cut), cut_after(moment):
                call(*words)
            code = ends(words, call) if differences(all_there_is(), whole) else 0
            amiss = differences(all_there_is(), whole)
        if code or amiss:
            wrong.append((moment, writes[moment - 1], code, amiss))
    assert not wrong


def test_killed_at_random_moments_and_typed_again_the_store_holds_the_same(prepared: tuple[list[str], Afresh]) -> None:
    words, afresh = prepared
    rng = np.random.default_rng(0)

    def begun() -> Forked:
        return typed(*words, folder=Path.cwd())

    def type_words(*words: str) -> int:
        _, error = (job := typed(*words, folder=Path.cwd())).communicate(timeout=600)
        assert "Traceback" not in error
        assert job.returncode is not None
        return job.returncode

    with afresh():
        start = time.monotonic()
        assert type_words(*words) == 0
        seconds = time.monotonic() - start
        whole = all_there_is()
    wrong, kills = [], 0
    while kills < KILLS:
        with afresh():
            for _ in range(min(IN_A_ROW, KILLS - kills)):
                job, late = begun(), rng.random() < 0.7
                for line in job.stderr if late else ():  # mostly while it files
                    if "filing" in line:
                        break
                time.sleep(rng.uniform(0, seconds / (4 if late else 1)))
                if job.poll() is None:
                    os.killpg(job.pid, signal.SIGKILL)
                    kills += 1
                job.communicate()
                if not differences(all_there_is(), whole):  # it was done
                    break
            code = ends(words, type_words) if differences(all_there_is(), whole) else 0
            amiss = differences(all_there_is(), whole)
        if code or amiss:
            wrong.append((kills, code, amiss))
    print(f"{words[0]}: {kills} kills")
    assert not wrong
