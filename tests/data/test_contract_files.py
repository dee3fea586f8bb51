"""Tables of one's own with a contract: what is let in, what is quarantined, what models see."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.data.contract import read_contract
from tippingpoint.data.files import Table
from tippingpoint.data.generators.case_study import CaseStudy
from tippingpoint.data.writing import write_blocks
from tippingpoint.models.calibration import fit
from tippingpoint.models.family import Family

ROOT = Path(__file__).parents[2]
CASE_STUDY = ROOT / "data/synthetic_user_conversion_data.csv"
CONTRACT = """
outcome: y
id: user_id
columns:
  user_id: {type: text}
  x: {type: number, min: 0, max: 100}
  c: {type: category, values: [p, q]}
  y: {type: whole, min: 0, max: 1}
"""


def table(path: Path, **arguments: Any) -> Table:
    node = yaml.safe_load((ROOT / "conf/data/csv.yaml").read_text())
    node.pop("_target_")
    folder = {"quarantine": str(path.parent / "quarantine")}
    return Table.model_validate(node | folder | {"path": str(path)} | arguments)


@pytest.fixture
def contract(tmp_path: Path) -> str:
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT)
    return str(path)


def users_csv(folder: Path, *extra: str, n: int = 60) -> Path:
    path = folder / "users.csv"
    lines = ["user_id,x,c,y,note", *(f"u{i},{i % 17},{'pq'[i % 2]},{int(i % 3 == 0)},{i % 5}" for i in range(n))]
    path.write_text("\n".join([*lines, *extra]) + "\n")
    return path


def test_rows_that_break_the_contract_are_quarantined_and_counted(tmp_path: Path, contract: str) -> None:
    path = users_csv(tmp_path, "v1,500,p,1,0", "v2,3,z,7,0")
    users = table(path, contract=contract).load()
    assert users.intake is not None
    assert (users.intake.rows, users.intake.used, users.intake.quarantined) == (62, 60, 2)
    assert str(users.intake).startswith("62 rows in = 60 used + 2 quarantined (")
    aside = pl.read_csv(users.intake.path)  # type: ignore[arg-type]  # None would fail the test
    assert aside["row"].to_list() == [61, 62]
    assert aside["reason"].to_list() == ["x 500 is above 100", "c z is an unseen category; y 7 is above 1"]
    assert aside["user_id"].to_list() == ["v1", "v2"]
    assert users.digest == table(users_csv(tmp_path), contract=contract).load().digest


def test_the_same_rows_go_to_the_same_file(tmp_path: Path, contract: str) -> None:
    path = users_csv(tmp_path, "v1,500,p,1,0")
    for _ in range(2):
        table(path, contract=contract).load()
    (file,) = (tmp_path / "quarantine").iterdir()
    assert file.name.startswith("users.csv-")


def test_above_the_share_the_job_stops_and_names_the_worst(tmp_path: Path, contract: str) -> None:
    path = users_csv(tmp_path, *(f"v{i},{500 + i},z,1,0" for i in range(5)), "w,1,z,0,0")
    with pytest.raises(InputError) as error:
        table(path, contract=contract).load()
    said = str(error.value)
    assert "9.1% of users.csv breaks it, more than data.quarantine_share=0.05. 66 rows in = 60 used + 6 quarant" in said
    assert "Worst: c is an unseen category ('z'): 6; x is above 100 ('500', '501', '502', …): 5" in said
    assert list((tmp_path / "quarantine").iterdir())
    assert len(table(path, contract=contract, quarantine_share=0.1).load()) == 60


def test_a_contract_says_outcome_id_and_features_and_their_order(tmp_path: Path, contract: str) -> None:
    path = users_csv(tmp_path)
    pl.read_csv(path).select("note", "c", "y", "x", "user_id").write_csv(path)
    source = table(path, contract=contract)
    users = source.load()
    assert source.question == "y"
    assert [(c.name, c.kind) for c in users.contract.columns] == [("x", "number"), ("c", "category")]
    assert users.contract.dropped == {"note": "not in the contract"}
    assert users.user_id[0] == "u0"


def test_a_numbered_row_keeps_its_number_when_others_are_set_aside(tmp_path: Path, contract: str) -> None:
    Path(contract).write_text(CONTRACT.replace("id: user_id", ""))
    path = users_csv(tmp_path, "v1,500,p,1,0", "v2,3,p,1,0")
    assert table(path, contract=contract).load().user_id[-1] == "row61"


def test_without_target_and_contract_the_columns_are_offered(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data.target: not given. Type data.target=… .*There are: user_id, x, c, y"):
        table(users_csv(tmp_path)).load()


def test_without_a_contract_every_row_is_used(tmp_path: Path) -> None:
    users = table(users_csv(tmp_path), target="y").load()
    assert str(users.intake) == "60 rows in = 60 used + 0 quarantined"


def test_a_missing_contract_names_the_nearest_file(tmp_path: Path, contract: str) -> None:
    with pytest.raises(InputError, match=r"no such file. Nearest: 'contract.yaml'"):
        table(users_csv(tmp_path), contract=contract.replace("contract.yaml", "contrat.yaml")).load()


@pytest.mark.parametrize(
    ("wrong", "line"),
    [("{type: number, mn: 3}", 4), ("{type: odd}", 4), ("{}", 4), ("{type: number}\nextra: 1", 5)],
)
def test_a_contract_that_is_wrong_is_named_with_the_line(tmp_path: Path, wrong: str, line: int) -> None:
    (path := tmp_path / "contract.yaml").write_text(f"outcome: y\nid: user_id\ncolumns:\n  a.b: {wrong}\n")
    with pytest.raises(InputError, match=rf"data\.contract={path}\..*\(line {line}\)"):
        read_contract(path)


def test_a_folder_is_the_table_of_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    whole, folder = users_csv(tmp_path), tmp_path / "parts"
    folder.mkdir()
    frame = pl.read_csv(whole)
    frame[:20].write_csv(folder / "a.csv")
    (folder / "b.csv.gz").write_bytes(gzip.compress(frame[20:40].write_csv().encode()))
    frame[40:].select(reversed(frame.columns)).write_parquet(folder / "c.parquet")
    (folder / "README.md").write_text("not a table")
    assert table(folder, target="y").load().digest == table(whole, target="y").load().digest


def test_a_column_that_is_a_number_in_one_file_only_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "a.csv").write_text("x,y\n1,1\n2,0\n")
    (folder / "b.csv").write_text("x,y\n?,1\n4.5,0\n")
    users = table(folder, target="y").load()
    np.testing.assert_array_equal(users.features["x"], [1, 2, np.nan, 4.5])


def test_a_folder_that_is_no_table_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    with pytest.raises(InputError, match="the folder has no table"):
        table(folder, target="y").load()
    (folder / "a.csv").write_text("x,y\n1,1\n2,0\n")
    (folder / "b.csv").write_text("z,y\n1,1\n2,0\n")
    with pytest.raises(InputError, match=r"column 'x' is in a.csv but not in b.csv"):
        table(folder, target="y").load()


CELL = st.sampled_from(
    ["", "1", "0", "u1", "u2", "99", "-3", "p", "q", "z", "2.5", "1e9", "nan", "2031-01-01", '"a,b"']
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=12), st.sampled_from([0.0, 0.3, 1.0]))
def test_whatever_a_file_holds_its_rows_are_used_or_quarantined_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], share: float
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "contract.yaml").write_text(CONTRACT)
    path = folder / "users.csv"
    path.write_text("\n".join(["user_id,x,c,y", *(",".join(row) for row in rows)]) + "\n")
    try:
        users = table(path, contract=str(folder / "contract.yaml"), quarantine_share=share).load()
    except InputError:
        return
    assert users.intake is not None
    aside = len(pl.read_csv(users.intake.path, infer_schema=False)) if users.intake.path else 0
    assert len(users) + aside == users.intake.rows == len(rows)


def test_the_contract_s_action_and_measures_are_no_features_unless_the_config_says_otherwise(tmp_path: Path) -> None:
    path, contract = users_csv(tmp_path), tmp_path / "c.yaml"
    contract.write_text(
        CONTRACT.replace("id: user_id", "id: user_id\naction: c\nmeasures: [x]") + "  note: {type: whole}\n"
    )
    users = table(path, contract=str(contract), control="p").load()
    assert list(users.features) == ["note"]
    assert users.actions == ("none", "q")
    assert users.measures is not None
    assert list(users.measures) == ["x"]
    assert table(path, contract=str(contract), drop=["c"]).load().action is None


def test_another_target_than_the_contract_s_leaves_its_outcome_no_feature(tmp_path: Path, contract: str) -> None:
    path = users_csv(tmp_path)
    pl.read_csv(path).with_columns(z=1 - pl.col("y")).write_csv(path)
    Path(contract).write_text(CONTRACT + "  z: {type: whole}\n")
    assert list(table(path, contract=contract, target="z").load().features) == ["x", "c"]


HIDDEN = {"the action": "action", "the id": "user_id", "a time": "seen_on", "a cost": "C_mail", "a measure": "spend"}


@pytest.mark.parametrize("what", [*HIDDEN, "the truth"])
def test_models_never_see(what: str, tmp_path: Path) -> None:
    """Permute it, and features and scores stay the same (the split is fixed first: it goes by the id)."""
    settings = Settings.from_config(compose("run", ["model=logistic"]))
    world = settings.data.build(CaseStudy, "data").model_copy(update={"users": 3000})
    rng = np.random.default_rng(7)
    drawn = world.load()
    plain = drawn.table()
    plain["seen_on"] = pd.date_range("2024-01-01", periods=3000, freq="h").astype("str")
    plain["C_mail"], plain["spend"] = rng.random(3000), drawn.outcome * rng.random(3000)
    order = rng.permutation(3000)
    features, scores = [], []
    for permuted in (False, True):
        if what == "the truth":
            assert drawn.truth is not None
            users = drawn.take(np.arange(3000))
            if permuted:
                users = type(users)(**{**vars(users), "truth": drawn.truth[order]})
        else:
            frame = plain.copy()
            if permuted:
                frame[HIDDEN[what]] = frame[HIDDEN[what]].to_numpy()[order]
            write_blocks([frame], tmp_path / "u.csv")
            chances = {"none": 0.5, "discount_10": 0.25, "checkout_prompt": 0.25}
            users = table(
                tmp_path / "u.csv", target="converted", action="action", logging_probability=chances,
                measures=["spend"], drop=["C_mail"],
            ).load()  # fmt: skip
        family = settings.model["logistic"].build(Family, "model.logistic")
        model = fit(family, users.take(np.arange(1800)), users.take(np.arange(1800, 2400)), seed=0)
        features.append(users.features)
        scores.append(model.score(users.take(np.arange(2400, 3000))))
    pd.testing.assert_frame_equal(*features, check_exact=True)
    np.testing.assert_array_equal(*scores)
    assert not set(HIDDEN.values()) & set(features[0])
