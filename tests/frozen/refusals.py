"""Lines with a mistake in each: the answers are an exit code, a key and a message."""

from pathlib import Path

NOBODY = "models:/conversion/99"
WITHOUT_STORE = (
    "rnu",
    "run modle=3",
    "run model=all",
    "run data.users=3",
    "run seed=-1",
    "run -m seed=0",
    "run split.train=0.9 split.validation=0.2",
    "run economics.prize=1",
    "run data=csv data.path=users.csv data.target=adopter",
    "run data=csv data.path=user.csv data.target=converted",
    "run data=csv data.path=users.csv data.target=converted evidence=experiment",
    "run data=csv data.path=users.csv data.target=converted data.action=deed",
    "run data=csv data.path=users.csv data.target=converted data.action=action data.logging_probability='{none: 0.5}'",
    "run data=csv data.path=text.csv data.target=converted",
    "run data=csv data.path=empty.csv data.target=converted",
    "run data=csv data.path=users.csv data.contract=strict.yaml",
    "run data=sql data.url=mysql://host/app data.query='select 1' data.target=y",
    "run experiment=nothing",
    "compare model={",
    "compare policy.cuts=[0.7,0.4]",
    "compare policy.actions.high=email",
    "compare model.logistic.C=-1",
    "compare --seed",
    "tune tune.trials=0",
    "tune tune.objectives=[accuracy]",
    "tune tune.objectives=[roc_auc,nodes] tune.sampler=cmaes",
    "tune tune.storage=redis://host/0",
    "tune model=logistic model.logistic.search.C.low=100 model.logistic.search.C.high=1",
    "data",
    "data descripe",
    "data write to=users.xlsx",
    "data write data=csv data.path=users.csv data.target=converted to=copy.csv",
    "data describe data=csv data.path=users.csv data.target=adopter",
    "policy",
    "policy lnit",
    "policy lint policy=retention",
    "policy diff intent_bands",
    "policy diff intent_bands top_fraction",
    "dashboard host=0.0.0.0",
    "dashboard prot=1",
    "ui port=99999999",
    "doctor deep=true",
    "serve host=0.0.0.0",
    "serve model=conversion",
    "score",
    "score input=users.csv",
    "score input=users.csv output=decisions.xlsx",
    "score input=users.csv output=decisions.csv scored_at=soon",
    "score input=user.csv output=decisions.csv",
    "score input=users.csv output=a.csv to=b.csv",
    "measure outcomes=users.csv",
    "measure decisions=decision.csv outcomes=users.csv",
    "measure decisions=users.csv outcomes=users.csv within=7",
    "simulate budget.contacts=5 budget.money=5",
    "promote gate=lenient",
    "promote 3 run=00000000000000000000000000000000",
    "history nme=x",
)
"""Mistakes that are told before there is a store, or in one where nothing was registered."""
WITH_STORE = (
    "score input=users.csv output=decisions.csv",
    f"score input=users.csv output=decisions.csv model={NOBODY}",
    "score input=users.csv output=decisions.csv model=models:/conversion/1 only=[hihg]",
    "score input=lacking.csv output=decisions.csv model=models:/conversion/1",
    "score input=broken.csv output=decisions.csv model=models:/conversion/1",
    "score input=duckdb:///none.duckdb?table=users output=decisions.csv model=models:/conversion/1",
    "serve port=0",
    "simulate models=[00000000000000000000000000000000]",
    f"simulate models=[{NOBODY}]",
    "simulate models=[models:/conversion/1] policies=[intent_band]",
    "simulate models=[models:/conversion/1] policy.actions.high=email",
    "simulate models=[models:/conversion/1] economics.prize=1",
    "simulate models=[models:/conversion/1] data=retention data.users=500",
    "policy lint scored_by=boosting",
    "promote 99",
    "promote run=00000000000000000000000000000000",
    "promote models:/other/1",
    "rollback",
    "history name=other",
    "run model=logistic policy.cuts=[0.2,0.9] data.users=400 explain_rows=5 report=none",
    "measure decisions=users.csv outcomes=users.csv",
)
"""Mistakes about what is registered, in a store that holds a comparison but no champion."""


def tables(folder: Path) -> None:
    """Write the tables with mistakes in them beside users.csv."""
    lines = (folder / "users.csv").read_text().splitlines()
    header = lines[0].split(",")
    (folder / "text.csv").write_bytes(b"\x00\x01\x02PNG" * 40)
    (folder / "empty.csv").write_text("")
    (folder / "twice.csv").write_text("\n".join([*lines, *lines[1:20]]) + "\n")
    cut = [",".join(value for name, value in zip(header, line.split(","), strict=True) if name != "sessions_7d")
           for line in lines]  # fmt: skip
    (folder / "lacking.csv").write_text("\n".join(cut) + "\n")
    at = header.index("sessions_7d")
    broken = [line.split(",") for line in lines]
    for row in broken[1::2]:
        row[at] = "100000"
    (folder / "broken.csv").write_text("\n".join(",".join(row) for row in broken) + "\n")
    strict = (
        "outcome: converted\nid: user_id\ncolumns:\n  user_id: {type: text}\n  sessions_7d: {type: whole, max: 2}\n"
    )
    (folder / "strict.yaml").write_text(strict + "  converted: {type: whole, min: 0, max: 1}\n")
    (folder / "wrong.yaml").write_text("outcome: converted\ncolumns:\n  converted: {type: colour}\n")
