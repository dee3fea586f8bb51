"""Every verb, cut after any write to the store or killed, and typed again, files the same: nothing is lost or twice.

CUTS=all cuts after each single write (two a verb by default); ROUNDS says how often each verb is killed.
"""

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
from tests.soak.cuts import copied_after_each_write, held, put_back
from tippingpoint.tracking.journal import ENDING, moves

CUTS = os.environ.get("CUTS", "2")
"""After so many of a verb's writes it is cut, spread over all of them."""
KILLS = -(-ROUNDS * ROUNDS // 2)
"""Of each of the verbs: one in one round, 50 in ten."""
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
    "promote to": ["promote", "1", "to=prod", *LENIENT],
    "promote refused": ["promote", "2", *LENIENT[1:], "gate.quality.floor=0.99"],
    "rollback": ["rollback"],
    "sweep": ["run", "-m", "model=logistic", "seed=0,1", *SMALL],
}
REFUSED = [VERBS["promote refused"]]
"""What a gate says no to: exit code 1."""

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
    if verb in ("run", "compare", "tune", "sweep"):
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
    names = [model.name for model in client.search_registered_models() if not model.name.endswith(ENDING)]
    led = Counter((name, entry.kind, entry.version) for name in names for entry in moves(client, name).counting)
    lines = len(table.read_text().splitlines()) if table.exists() else 0
    return held(client) | {"champions": led, "lines": Counter({lines: 1})}


def ends(words: list[str], type_words: Callable[..., int]) -> int:
    """Exit code of the last line that has to be typed: what moves a champion may have to be finished by name."""
    code = type_words(*words)
    if code == 1 and words[0] in ("promote", "rollback") and words not in REFUSED:
        to = [word for word in words if word.startswith("to=")]
        name = "-".join(["conversion", *(word.removeprefix("to=") for word in to)])
        code = type_words("promote", "resume", str(moves(MlflowClient(), name).at), *to)
    return code


def differences(found: dict[str, Counter], whole: dict[str, Counter]) -> dict[str, Any]:
    """What is there too often, and what too rarely."""
    return {of: (found[of] - whole[of], whole[of] - found[of]) for of in whole if found[of] != whole[of]}


def test_cut_after_any_write_and_typed_again_the_store_holds_the_same(
    prepared: tuple[list[str], Afresh], call: Callable[..., int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    words, afresh = prepared
    cuts = tmp_path_factory.mktemp("cuts")
    wrong = []
    with afresh():
        with copied_after_each_write(cuts) as writes:
            wanted = call(*words)
        assert wanted == (words in REFUSED)
        whole, place = all_there_is(), Path.cwd()
        every = range(1, len(writes) + 1)
        moments = every if CUTS == "all" else np.linspace(1, len(writes), int(CUTS) + 2).astype(int)[1:-1].tolist()
        for moment in moments:
            put_back(cuts / str(moment), place)  # where it was: stores name their files by whole paths
            code = ends(words, call) if differences(all_there_is(), whole) else wanted
            amiss = differences(all_there_is(), whole)
            if code != wanted or amiss:
                wrong.append((moment, writes[moment - 1], code, amiss))
    print(f"{' '.join(words[:2])}: cut after {len(moments)} of {len(writes)} writes")
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
        wanted = type_words(*words)
        seconds = time.monotonic() - start
        assert wanted == (words in REFUSED)
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
            code = ends(words, type_words) if differences(all_there_is(), whole) else wanted
            amiss = differences(all_there_is(), whole)
        if code != wanted or amiss:
            wrong.append((kills, code, amiss))
    print(f"{' '.join(words[:2])}: {kills} kills")
    assert not wrong
