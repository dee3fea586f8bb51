"""Record what every verb answers, as `python -m tests.frozen.record` writes it to answers.json.

It knows the command line, the files it writes and the MLflow store, and nothing of the modules inside.
"""

import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from mlflow import MlflowClient

from tests.frozen import refusals
from tests.frozen.command import REAL, ROOT, Answer, call, working_in
from tests.frozen.comparing import normalised, written
from tests.frozen.service import served
from tests.frozen.what_is_there import held, names, outline

ANSWERS = Path(__file__).parent / "answers.json"
BOOSTED = ("model=[logistic,boosting]", "model.boosting.n_estimators=40", "explain_rows=10")
FOREST = ("model=[logistic,random_forest]", "model.random_forest.n_estimators=10", "explain_rows=10")
FITTED = ("explain_rows=10", "report=none")
QUICK = ("gate.reload=null", "gate.explanation.rows=20", "gate.speed.milliseconds=10000", "who=tests")
LENIENT = tuple(f"gate.{check}.cannot_tell=passes" for check in ("quality", "better", "value"))
FORCED = (*LENIENT, "gate.better.margin=0.5", "gate.value.margin=100", "gate.slices=null", "gate.calibration=null")
LONG_AGO = "2024-05-01T06:00:00"


class Recorder:
    """What was typed in a folder, and what came of it.

    Parameters
    ----------
    folder
        Where it is typed; the store is in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: dict[str, Any] = {}
        self.places: dict[str, Path | str] = {"folder": folder.resolve(), "real": REAL, "root": ROOT}

    def ask(self, name: str, *words: str, brief: bool = False) -> dict[str, Any]:
        """Type a line with output=json, keep the answer under a name, and return it as it came.

        Of a brief one only what stands at its top is kept, and which keys are below.
        """
        answer = call(*words, "output=json")
        try:
            found = [json.loads(line) for line in answer.out.splitlines()]
        except ValueError:
            found = [{"no JSON": answer.out}]
        if not found:
            found = [{"answered nothing": answer.err.splitlines()[-1:]}]
        kept = [outline(node) for node in found] if brief else found
        self._keep(name, words, answer, kept[0] if len(kept) == 1 else kept)
        return found[0]

    def say(self, name: str, *words: str) -> Answer:
        """Type a line whose text is not kept, but whether it answered."""
        answer = call(*words)
        self._keep(name, words, answer, {"lines": bool(answer.out)})
        return answer

    def file(self, name: str, path: str) -> None:
        """Keep what a written table holds: columns, types, sums."""
        self.calls[name] = {"file": path, "holds": normalised(held(self.folder / path), self.places)}

    def keep(self, name: str, value: Any) -> None:
        """Keep anything else."""
        self.calls[name] = normalised(value, self.places)

    def store(self) -> None:
        """Keep what stands in the MLflow store: names, not values."""
        self.calls["mlflow"] = normalised(names(MlflowClient(f"sqlite:///{self.folder}/mlflow.db")), self.places)

    def _keep(self, name: str, words: tuple[str, ...], answer: Answer, found: Any) -> None:
        assert name not in self.calls, name
        typed = shlex.join(["tippingpoint", *words])
        known = {"typed": typed, "exit_code": answer.exit_code, "answer": found}
        self.calls[name] = normalised(known, self.places)


def case_study(folder: Path) -> dict[str, Any]:
    """Return what all verbs answer on the generated case study."""
    to = Recorder(folder)
    users = "data.users=3000"
    to.ask("doctor", "doctor")
    compared = to.ask("compare", "compare", users, *BOOSTED)
    to.ask("run", "run", users, "model=logistic", "explain_rows=10", "report=light", "evidence=experiment")
    to.ask("sweep", "run", "-m", "model=logistic", "data.users=800", "seed=0,1", *FITTED, brief=True)
    to.ask("sweep_again", "run", "-m", "model=logistic", "data.users=800", "seed=0,1", *FITTED, brief=True)
    search = ("tune", "model=logistic", users, "explain_rows=10", "tune.trials=3", "tune.prune=0")
    to.ask("tune", *search)
    to.ask("tune_again", *search)
    simulated = to.ask("simulate", "simulate", f"models=[{compared.get('run_id')}]", "cuts=15")
    to.ask("simulate_again", "simulate", f"models=[{simulated.get('run_id')}]", "economics.price=8")
    asked = ("policies=[top_fraction,best_action]", "policy.cuts=[0.35,0.6]", "budget.contacts=100")
    to.ask("simulate_budget", "simulate", "models=[models:/conversion/1]", "cuts=10", *asked)
    to.ask("promote_dry", "promote", "1", "dry_run=true", *QUICK)
    to.ask("promote", "promote", "1", "why=the first", "who=tests")
    to.ask("promote_refused", "promote", "gate=strict", *QUICK)
    to.ask("promote_forced", "promote", *FORCED, *QUICK)
    to.ask("promote_to", "promote", "to=prod", *FORCED, *QUICK)
    to.ask("rollback_dry", "rollback", "--dry-run", "who=tests")
    to.ask("rollback", "rollback", "why=back", "who=tests")
    to.ask("history", "history", "name=conversion")
    to.ask("status", "status")
    to.ask("write", "data", "write", "data.users=600", "data.seed=7", "to=users.csv")
    to.file("users.csv", "users.csv")
    at = f"scored_at={LONG_AGO}"
    to.ask("score", "score", "input=users.csv", "to=decisions.csv", at)
    to.file("decisions.csv", "decisions.csv")
    to.ask("score_holdout", "score", "input=users.csv", "to=lot.parquet", "holdout=0.4", "reasons=true", at)
    to.file("lot.parquet", "lot.parquet")
    to.ask("score_only", "score", "input=users.csv", "to=list.csv", "only=[high]", "model=models:/conversion/2", at)
    to.file("list.csv", "list.csv")
    to.ask("score_parts", "score", "input=users.csv", "to=parts", "parts=true", "chunk=200", "tracking.log=false", at)
    to.file("parts", "parts")
    to.ask("score_database", "score", "input=users.csv", "to=duckdb:///app.duckdb", "tracking.log=false", at)
    outcomes(folder / "lot.parquet", folder / "users.csv", folder / "outcomes.csv")
    came = ("decisions=lot.parquet", "outcomes=outcomes.csv", "outcome=converted")
    to.ask("measure", "measure", *came, "users=users.csv", "to=joined.csv")
    to.file("joined.csv", "joined.csv")
    to.ask("measure_within", "measure", *came, "at=at", "within=14", "absent=zero", "until=2024-06-30")
    looked = ("data.users=600", "scored_by=models:/conversion/1")
    to.ask("policy_lint", "policy", "lint", *looked)
    to.ask("policy_lint_gap", "policy", "lint", *looked, "policy.cuts=[0.4,1.0]")
    to.ask("policy_diff", "policy", "diff", "intent_bands", "top_fraction", *looked)
    to.keep("serve", served(folder))
    to.say("help_dashboard", "dashboard", "--help")
    to.say("help_ui", "ui", "--help")
    to.say("help", "help")
    to.say("status_text", "status")
    to.store()
    return to.calls


def csv(folder: Path) -> dict[str, Any]:
    """Return what the verbs answer on a CSV, with the action as an experiment and without."""
    to = Recorder(folder)
    lines = (ROOT / "data/synthetic_user_conversion_data.csv").read_text().splitlines()
    (folder / "users.csv").write_text("\n".join(lines[:3001]) + "\n")
    (folder / "others.csv").write_text("\n".join([lines[0], *lines[4001:4501], "v1,1,900,1,1,1,tier_9,none,0"]) + "\n")
    own = ("data=csv", "data.path=users.csv", "data.target=converted")
    chances = "data.logging_probability={none: 0.5, discount_10: 0.25, checkout_prompt: 0.25}"
    acted = (*own, "data.action=action", chances)
    to.ask("describe", "data", "describe", *acted, "to=contract.yaml")
    to.keep("contract.yaml", (folder / "contract.yaml").read_text().splitlines())
    to.ask("explore", "data", "explore", *acted, "to=page.html")
    bands = "policy=intent_bands"  # was the policy of any table
    to.ask("compare", "compare", *acted, bands, "data.contract=contract.yaml", *FOREST, "report=light")
    to.ask("run_assumed", "run", *own, bands, "data.drop=[action]", "model=logistic", "data.name=assumed", *FITTED)
    to.ask("simulate", "simulate", "cuts=12", *acted)
    to.ask("promote", "promote", "name=converted", *FORCED, *QUICK)
    to.ask("score", "score", "input=others.csv", "to=decisions.csv", f"scored_at={LONG_AGO}", "reasons=true")
    to.file("decisions.csv", "decisions.csv")
    to.ask("status", "status", "name=converted")
    to.store()
    return to.calls


def hillstrom(folder: Path) -> dict[str, Any]:
    """Return what the verbs answer on a real e-mail experiment, cut to its first rows."""
    to = Recorder(folder)
    with (REAL / "hillstrom.csv").open() as file:
        (folder / "hillstrom.csv").write_text("".join(line for _, line in zip(range(6001), file, strict=False)))
    asked = ("experiment=hillstrom", "data.path=hillstrom.csv")
    to.ask("describe", "data", "describe", *asked)
    to.ask("compare", "compare", *asked, *BOOSTED, "report=none")
    to.ask("simulate", "simulate", "cuts=12")
    to.ask("promote", "promote", *FORCED, *QUICK)
    to.ask("score", "score", "input=hillstrom.csv", "to=decisions.csv", f"scored_at={LONG_AGO}")
    to.file("decisions.csv", "decisions.csv")
    to.store()
    return to.calls


def tables(folder: Path) -> dict[str, Any]:
    """Return what the data verbs answer on all that is generated, on exported events, and on a database."""
    to = Recorder(folder)
    for name in ("case_study", "streamzone", "retention"):
        to.ask(f"write_{name}", "data", "write", f"data={name}", "data.users=500", f"to={name}.parquet")
        to.file(f"{name}.parquet", f"{name}.parquet")
        to.ask(f"describe_{name}", "data", "describe", f"data={name}", "data.users=500")
    to.ask("write_events", "data", "write", "data=event_log", "data.profiles=1500", "to=log")
    to.keep("log", sorted(path.name for path in (folder / "log").iterdir()))
    exported = ("data=events", "data.product=log/product.jsonl", "data.payments=log/payments.jsonl")
    to.ask("describe_events", "data", "describe", *exported)
    to.ask("explore_events", "data", "explore", *exported, "to=page.html")
    to.ask("describe_churn", "data", "describe", "data=event_log_churn", "data.profiles=1500")
    lint = ("policy=retention", "data=retention", "economics=retention", "data.users=1000")
    to.ask("policy_lint", "policy", "lint", *lint, "clusters=[monthly_watch_hours,days_since_last_login]")
    to.ask("policy_diff", "policy", "diff", "retention", "retention", *lint[1:])
    return to.calls


def refused(folder: Path) -> dict[str, Any]:
    """Return exit code, key and message of every line that is refused."""
    to = Recorder(folder)
    call("data", "write", "data.users=400", "to=users.csv")
    refusals.tables(folder)
    found = {line: refusal(to, line) for line in refusals.WITHOUT_STORE}
    assert call("compare", "data.users=800", "model=[logistic]", *FITTED).exit_code == 0
    found |= {line: refusal(to, line) for line in refusals.WITH_STORE}
    for line in ("doctor", "status"):
        os.environ["MLFLOW_TRACKING_URI"] = "sqlite:////nowhere/at/all/mlflow.db"  # working_in puts it back
        found[f"{line}, without a store"] = refusal(to, line)
    return found


def refusal(to: Recorder, line: str) -> dict[str, Any]:
    """Return what a wrong line is answered with; progress may stand before the message on stderr."""
    answer = call(*shlex.split(line))
    said = answer.err.strip().splitlines()[-1] if answer.err.strip() else ""
    assert "Traceback" not in answer.err, f"{line}: {answer.err}"
    key, _, what = said.partition(": ")
    return normalised({"exit_code": answer.exit_code, "key": key, "message": what, "out": bool(answer.out)}, to.places)


def outcomes(decisions: Path, users: Path, to: Path) -> None:
    """Write what came of decisions: what the users' own table says, at days that differ."""
    known = pl.read_csv(users).select("user_id", "converted", k=pl.int_range(pl.len()))
    at = pl.datetime(2024, 5, 2) + pl.duration(days=pl.col("k") % 20)
    known = known.join(pl.read_parquet(decisions).select("user_id"), on="user_id")
    known.select("user_id", "converted", at=at.dt.strftime("%Y-%m-%dT%H:%M:%S")).sort("user_id").write_csv(to)


GROUPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "case_study": case_study,
    "csv": csv,
    "hillstrom": hillstrom,
    "tables": tables,
    "refusals": refused,
}


def missing(group: str) -> str:
    """Return why a group cannot be recorded here; '' where it can."""
    there = (REAL / "hillstrom.csv").is_file()
    return "" if group != "hillstrom" or there else f"hillstrom.csv is not in {REAL} (TIPPINGPOINT_REAL_DATA)"


@cache
def empty_store() -> bytes:
    """Return a store without runs: to make one takes MLflow seconds, to copy it none."""
    with tempfile.TemporaryDirectory() as folder, working_in(Path(folder)):
        call("doctor")
        return Path("mlflow.db").read_bytes()


def recorded(group: str, folder: Path) -> dict[str, Any]:
    """Return the answers of a group, typed in a folder that holds nothing but an empty store."""
    (folder / "mlflow.db").write_bytes(empty_store())
    with working_in(folder):
        return json.loads(json.dumps(GROUPS[group](folder)))


def main() -> None:
    """Write answers.json, all groups or those that are named."""
    known = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {}
    for group in sys.argv[1:] or list(GROUPS):
        if why := missing(group):
            print(f"{group}: left as it is, {why}")
            continue
        folder, began = Path(tempfile.mkdtemp(prefix="frozen-")), time.monotonic()
        known[group] = recorded(group, folder)
        shutil.rmtree(folder)
        for name, node in known[group].items():
            if "answered nothing" in str(node):
                print(f"  {name}: {node}")
        print(f"{group}: {len(known[group])} answers in {time.monotonic() - began:.0f} s")
    ANSWERS.write_text(written(known) + "\n")


if __name__ == "__main__":
    main()
