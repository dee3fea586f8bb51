"""Wrong inputs of every kind: each ends in an answer or in one message, and no row is lost.

FUZZ=2000 makes as many (200 by default); FUZZ_SEED=7 others than those of seed 0, FUZZ_CASE=123 one of them alone.
"""

import asyncio
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from starlette.types import ASGIApp

from tests.soak import mutators
from tippingpoint.config.compose import config_folder
from tippingpoint.data.contract import shipped
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.api import application
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.version import Limits, serve_version
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]  # cases have a limit of their own, of the same signal
CASES = int(os.environ.get("FUZZ", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
ONE = os.environ.get("FUZZ_CASE")
SECONDS = 300
"""After which a case counts as hanging."""
EXITS = (0, 1, 2, 3, 130, 143)
ROWS = 120
MODEL = "models:/conversion/1"
"""The version that decides: the winner of the comparison."""


class Hung(BaseException):
    """A case took too long."""


@dataclass
class Ended:
    """How a command line ended: its exit code, what it wrote, and what it raised if that was no answer."""

    code: int | None
    out: str
    err: str
    raised: str = ""


@dataclass
class Case:
    """A wrong input: what was typed or sent, and what must hold of its end beside what holds of all."""

    words: list[str]
    holds: Callable[[Ended], str] = lambda ended: ""
    """Says what does not hold; empty if all does."""
    sent: Callable[[], Ended] | None = None
    """Sends a request, where no command line is typed."""


def typed(words: list[str]) -> Ended:
    """The command line in this process; what it raises that is no answer is a finding."""
    from tippingpoint.cli.main import main

    out, err, code, raised = io.StringIO(), io.StringIO(), None, ""
    before, handlers = sys.argv, {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = ["tippingpoint", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as done:
            code = int(done.code or 0) if not isinstance(done.code, str) else 1
        except BaseException:  # polars' panics are none of Exception's
            raised = traceback.format_exc()
        finally:
            sys.argv = before
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Ended(code, out.getvalue(), err.getvalue(), raised)


@contextlib.contextmanager
def hanging_not() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Ground:
    """The folder that cases work in, and the right inputs that are made wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.users = pl.read_csv("users.csv", schema_overrides={"user_id": pl.String}).head(ROWS)
        fair = pl.Series("converted", [k % 3 == 0 for k in range(len(self.users))]).cast(pl.Int64)
        self.logged = self.users.with_columns(
            fair, pl.Series("joined", ["2026-03-01", "2026-04-02 10:00"] * (len(fair) // 2))
        )
        self.logged.write_csv("logged.csv")
        self.contract = shipped("case_study").read_text()
        self.groups = {
            path: path.read_text()
            for group in ("policy", "economics", "experiment", "data", "model", "gate")
            for path in sorted((config_folder() / group).glob("*.yaml"))
        }
        assert typed(["data", "write", "data=event_log", "data.profiles=60", "to=events"]).code == 0
        scored = typed(
            ["score", "input=users.csv", "to=decided.csv", f"model={MODEL}", "tracking.log=false", "holdout=0.5"]
        )
        assert scored.code == 0, scored

    def of_table(self, rng: random.Random) -> Case:
        """A CSV or Parquet file, described, scored, fitted on, looked at."""
        right = rng.choice((self.users, self.logged))
        table = mutators.wrong_table(rng, right) if rng.randrange(4) else right
        parquet = rng.randrange(2) == 1
        content = mutators.as_parquet(rng, table) if parquet else mutators.as_csv(rng, table)
        whole = rng.randrange(2) == 1
        if not whole:
            content = mutators.wrong_bytes(
                rng, content, [content, b"a,b\n1,2\n"], (*mutators.NUMBERS, *mutators.TIMES, *mutators.ODD)
            )
        path = Path(f"case.{'parquet' if parquet else 'csv'}")
        path.write_bytes(content)
        told = ["data=csv", f"data.path={path}"]
        target = rng.choice(
            ([], ["data.target=converted"], ["data.target=converted", "data.id=user_id", "data.drop=[joined]"])
        )
        kind = rng.randrange(10)
        if kind < 4:
            return Case(["data", "describe", *told, *target, *rng.choice(([], [], ["data.as_of=2026-05-01"]))])
        if kind < 8:
            limits = ["quarantine_share=1", *rng.choice(([], [], ["chunk=7"], ["parts=true"], ["reasons=true"]))]
            to = "parts" if "parts=true" in limits else "out.csv"
            line = [
                "score",
                f"input={path}",
                f"to={to}",
                f"model={MODEL}",
                "tracking.log=false",
                "output=json",
                *limits,
            ]
            return Case(line, lambda ended: no_row_lost(ended, len(table) if whole and parquet else None))
        if kind == 8:
            return Case(["data", "explore", *told, *target, "to=page.html"])
        return Case(
            [
                "run",
                "model=logistic",
                *told,
                "data.target=converted",
                "tracking.log=false",
                "explain_rows=5",
                "report=none",
            ]
        )

    def of_yaml(self, rng: random.Random) -> Case:
        """A group's option, an experiment, a gate, a contract."""
        told = ["data=csv", "data.path=logged.csv", "data.target=converted"]
        if rng.randrange(4) == 0:
            content = mutators.wrong_yaml(rng, self.contract, list(self.groups.values()))
            Path("contract.yaml").write_bytes(content)
            line = ["data", "describe", *told, "data.contract=contract.yaml"]
            return Case(line, lambda ended: names_the_line(ended, content, "contract.yaml"))
        path = mutators.chosen(rng, list(self.groups))
        group = path.parent.name
        content = mutators.wrong_yaml(rng, self.groups[path], list(self.groups.values()))
        own = Path("own", group, "mine.yaml")
        shutil.rmtree("own", ignore_errors=True)
        own.parent.mkdir(parents=True)
        own.write_bytes(content)
        small = ["data.users=300"]
        folder = ["--config-dir", "own"]
        lines = {
            "policy": [
                ["policy", "lint", "policy=mine", *small, *folder],
                ["policy", "diff", "mine", "intent_bands", *small, *folder],
                ["policy", "diff", "intent_bands", str(own), *small],
            ],
            "economics": [["policy", "lint", "economics=mine", *small, *folder]],
            "data": [["data", "describe", "data=mine", *folder]],
            "gate": [["promote", "3", "name=nothing", "gate=mine", *folder]],
            "experiment": [["run", "--cfg", "job", "experiment=mine", *folder]],
            "model": [["run", "model=mine", *told, "tracking.log=false", "explain_rows=5", "report=none", *folder]],
        }
        return Case(mutators.chosen(rng, lines[group]), lambda ended: names_the_line(ended, content, "mine.yaml"))

    def of_events(self, rng: random.Random) -> Case:
        """A product's or a payment provider's export, one JSON document a line."""
        shutil.copytree("events", "export", dirs_exist_ok=True)
        path = Path("export", rng.choice(("product.jsonl", "payments.jsonl")))
        right = path.read_bytes().splitlines()[:400] or [b"{}"]
        lines = list(right)
        for _ in range(rng.choice((1, 3))):
            at = rng.randrange(len(lines))
            lines[at] = mutators.wrong_json(rng, json.loads(right[at]))
        path.write_bytes(b"\n".join(lines))
        return Case(
            [
                "data",
                "describe",
                "data=events",
                "data.product=export/product.jsonl",
                "data.payments=export/payments.jsonl",
            ]
        )

    def of_request(self, rng: random.Random) -> Case:
        """What a caller sends to the service."""
        users = [self.users.row(rng.randrange(ROWS), named=True) for _ in range(rng.choice((1, 2, 9)))]
        body = mutators.wrong_json(rng, users[0] if rng.randrange(2) else {"users": users})
        path = rng.choice(("/score", "/score", "/explain"))
        return Case([path, repr(body[:300])], sent=lambda: asyncio.run(answered(self.service, path, body)))

    @cached_property
    def service(self) -> ASGIApp:
        loaded = load_decider(backend.connect(), MODEL)
        limits = Limits(10_000, 100, 1 << 23)
        family = loaded.model.family
        served = serve_version("conversion", "1", loaded.policy_digest, loaded.decider, family, limits, False)
        metrics = Metrics()
        follower = Follower(served, None, lambda version: served, metrics)
        return application(follower, metrics, limits, "", True)

    def of_words(self, rng: random.Random) -> Case:
        """A command line."""
        small = "data.users=300"
        lines = [
            ["data", "describe", "data=csv", "data.path=logged.csv", "data.target=converted", "data.id=user_id"],
            ["data", "write", "data=streamzone", small, "to=written.csv"],
            ["policy", "lint", "policy=retention", "data=retention", "economics=retention", small],
            ["policy", "diff", "intent_bands", "top_fraction", small],
            ["policy", "lint", "-m", "seed=0,1", small],
            ["run", "--cfg", "job", "model=logistic", "policy=top_fraction", "policy.share=0.1"],
            ["tune", "--cfg", "job", "tune=pareto", "model=boosting"],
            ["score", "input=users.csv", "to=out.csv", f"model={MODEL}", "tracking.log=false", "only=[high]"],
            ["promote", "3", "name=nothing", "gate=strict"],
            ["rollback", "name=nothing"],
            ["status", "name=nothing", "to=prod"],
            ["history", "name=nothing"],
            ["simulate", "models=[nothing]", "policy.cuts=[0.4,0.6]", "policies=[top_fraction]", "budget.contacts=5"],
            ["measure", "decisions=decided.csv", "outcomes=logged.csv", "outcome=converted", "at=joined", "within=14"],
            ["doctor"],
        ]
        return Case(mutators.wrong_words(rng, mutators.chosen(rng, lines)))


async def answered(app: ASGIApp, path: str, body: bytes) -> Ended:
    """How the service answered: 0 for an answer or a refusal in its form."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            response = await client.post(path, content=body, headers={"Content-Type": "application/json"})
    told = response.status_code in (200, 400, 413, 422) and '"event":"error"' not in err.getvalue().replace(" ", "")
    json.loads(response.content)
    return Ended(0, response.text, err.getvalue(), "" if told else f"status {response.status_code}: {err.getvalue()}")


def no_row_lost(ended: Ended, rows: int | None) -> str:
    """What was read is what was decided and what was quarantined."""
    if ended.code != 0:
        return ""
    found = json.loads(ended.out)
    parted = found["decided"] + found["quarantined"]
    if found["rows"] != parted or rows not in (None, parted):
        return f"{found['rows']} rows read of {rows}: {found['decided']} decided, {found['quarantined']} quarantined"
    return ""


def names_the_line(ended: Ended, content: bytes, name: str) -> str:
    """What is no YAML is refused with its file and line."""
    import yaml

    try:
        list(yaml.parse(content.decode("utf-8"), Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError:
        said = ended.code == 2 and name in ended.err and re.search(r"line \d+", ended.err)
        return "" if said else "is no YAML, and file and line are not named"
    except (yaml.YAMLError, UnicodeDecodeError):
        return "" if ended.code == 2 and name in ended.err else "is no text of YAML, and the file is not named"
    except RecursionError:
        return "" if ended.code == 2 else "is too deep, and not refused"
    return ""


def findings_of(case: Case, ended: Ended) -> str:
    """What does not hold of how a case ended."""
    if ended.raised:
        return ended.raised
    if "Traceback" in ended.err or "Traceback" in ended.out:
        return "a traceback is printed\n" + ended.err
    if "which nothing expects" in ended.err or "cannot be composed" in ended.err:  # the last nets
        return ended.err
    if ended.code not in EXITS:
        return f"exit code {ended.code}"
    if ended.code in (1, 2, 3) and not (ended.err.strip() or ended.out.strip()):
        return f"exit code {ended.code} without a word"
    return case.holds(ended)


@pytest.fixture(scope="module")
def ground(at_compared: tuple, users: Any) -> Ground:
    return Ground(at_compared[1])


KINDS = ("table", "table", "table", "yaml", "yaml", "words", "words", "events", "request", "request")


def test_wrong_inputs_are_refused_in_words(ground: Ground, capsys: pytest.CaptureFixture):
    findings, codes = 0, dict.fromkeys(EXITS, 0)
    try:
        for k in [int(ONE)] if ONE else range(CASES):
            rng = random.Random(f"{SEED} {k}")
            kind = mutators.chosen(rng, KINDS)
            for left in ("out.csv", "written.csv", "page.html", "clusters.png", "parts"):
                shutil.rmtree(left, ignore_errors=True)
                Path(left).unlink(missing_ok=True)
            case = getattr(ground, f"of_{kind}")(rng)
            try:
                with hanging_not():
                    ended = case.sent() if case.sent else typed(case.words)
            except Hung:
                ended = Ended(None, "", "", f"did not end within {SECONDS} s")
            if found := findings_of(case, ended):
                findings += 1
                with capsys.disabled():  # at once: a whole run takes long
                    print(f"\nFUZZ_SEED={SEED} FUZZ_CASE={k} {kind}: {case.words}\n{found[-1500:]}", flush=True)
            else:
                codes[ended.code] += 1
            if ONE:
                print(case.words, ended.code, ended.err, ended.out[-2000:], sep="\n")
    finally:
        with capsys.disabled():
            print(f"\n{sum(codes.values())} cases by exit code: {codes}; {findings} findings", flush=True)
    assert not findings
