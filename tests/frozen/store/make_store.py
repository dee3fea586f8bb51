"""Make the store that test_store_made_before.py works on: `python -m tests.frozen.store.make_store`.

It was run on the tree before its modules moved. Made again by a later tree it would prove nothing: it stays as it is.
"""

import contextlib
import json
import shutil
import socket
import sqlite3
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tests.frozen.command import call, working_in
from tests.frozen.comparing import written
from tests.frozen.record import FORCED, LONG_AGO, QUICK, Recorder
from tests.frozen.service import served

HERE = Path(__file__).parent
STORE, ANSWERS, DECISIONS = HERE / "store.tar.xz", HERE / "answers.json", HERE / "decisions.csv"
FOLDER = "/folder/of/the/store"
"""What the packed database holds in place of the folder it was made in."""
HEAVY = (".html", ".png", ".parquet", ".diff", ".lock")
"""Ends of files that no verb reads again."""
VERSIONS = ("1", "2", "3")
SEARCH = ("tune", "model=boosting", "data.users=600", "explain_rows=5", "report=none", "tune.trials=3", "tune.prune=0")
SEARCH = (*SEARCH, "model.boosting.n_estimators=15", "model.boosting.search.n_estimators.high=30")


def unpacked(to: Path) -> Path:
    """Unpack the store into a folder, and tell it where it is."""
    with tarfile.open(STORE) as archive:
        archive.extractall(to, filter="data")
    moved(to, FOLDER, str(to))
    return to


def moved(folder: Path, before: str, now: str) -> None:
    """Replace a text in all columns of all tables and in the models' own files.

    Addresses of artifacts are absolute, and stand in a dozen columns.
    """
    for path in folder.rglob("MLmodel"):
        path.write_text(path.read_text().replace(before, now))
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for column in [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]:
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?)'
                    f' WHERE typeof("{column}") = \'text\' AND instr("{column}", ?)',
                    (before, now, before),
                )


def replayed(folder: Path) -> dict[str, Any]:
    """Return what the verbs answer on the store, typed in its folder; decisions of all versions go to decisions.csv."""
    with working_in(folder):
        to = Recorder(folder)
        to.ask("status", "status")
        to.ask("history", "history")
        for version in VERSIONS:
            words = (f"to=by{version}.csv", f"model=models:/conversion/{version}", f"scored_at={LONG_AGO}")
            to.ask(f"score_{version}", "score", "input=users.csv", *words)
        lines = [(folder / f"by{version}.csv").read_text().splitlines(keepends=True) for version in VERSIONS]
        (folder / "decisions.csv").write_text("".join([lines[0][0], *(line for of in lines for line in of[1:])]))
        to.ask("score", "score", "input=users.csv", "to=champion.csv", f"scored_at={LONG_AGO}", "reasons=true")
        to.ask("simulate", "simulate", "models=[models:/conversion/1,models:/conversion/2]", "cuts=8")
        before = (folder / "simulation.txt").read_text()
        to.ask("simulate_again", "simulate", f"models=[{before}]", "economics.price=8")
        to.keep("serve", served(folder))
        to.ask("promote", "promote", "3", *FORCED, *QUICK)
        to.ask("status_promoted", "status")
        to.ask("rollback", "rollback", "who=tests")
        to.ask("status_rolled_back", "status")
        to.ask("score_rolled_back", "score", "input=users.csv", "to=back.csv", f"scored_at={LONG_AGO}")
        return json.loads(json.dumps(to.calls))


def make(folder: Path) -> None:
    """Compare, tune, simulate and promote in an empty folder."""
    small = ("data.users=600", "explain_rows=5", "report=none")
    for words in (
        ("compare", *small, "model=[logistic,boosting]", "model.boosting.n_estimators=15"),
        SEARCH,
        ("run", *small, "model=random_forest", "model.random_forest.n_estimators=5"),
        ("simulate", "models=[models:/conversion/2]", "cuts=8"),
        ("promote", "1", *FORCED, *QUICK, "why=the first"),
        ("promote", "2", *FORCED, *QUICK, "why=the second"),
        ("data", "write", "data.users=50", "data.seed=3", "to=users.csv"),
    ):
        answer = call(*words, "output=json")
        assert answer.exit_code == 0, answer.err
        if words[0] == "simulate":
            (folder / "simulation.txt").write_text(json.loads(answer.out)["run_id"])


def pack(folder: Path) -> None:
    """Pack a store without what is heavy, and without the names of this machine."""
    for path in folder.rglob("*"):
        if path.suffix in HEAVY:
            path.unlink()
    moved(folder, str(folder), FOLDER)
    moved(folder, socket.gethostname(), "a-machine")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("VACUUM")
    with tarfile.open(STORE, "w:xz", preset=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                member = archive.gettarinfo(path, str(path.relative_to(folder)))
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                with path.open("rb") as file:
                    archive.addfile(member, file)


def main() -> None:
    """Make and pack the store, then record what is answered on it once it is unpacked elsewhere."""
    folder, other = (Path(tempfile.mkdtemp(prefix="frozen-")).resolve() for _ in range(2))
    with working_in(folder):
        make(folder)
    pack(folder)
    answers = replayed(unpacked(other))
    ANSWERS.write_text(written(answers) + "\n")
    shutil.copy(other / "decisions.csv", DECISIONS)
    for path in (folder, other):
        shutil.rmtree(path)
    print(f"{STORE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
