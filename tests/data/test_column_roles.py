"""What is set aside, dropped and made of the columns of a table, wherever it comes from."""

from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml

from tippingpoint.core.errors import InputError
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.database import Sql
from tippingpoint.data.files import Table
from tippingpoint.data.frame import Frame
from tippingpoint.data.profile import infer

CASES = Path(__file__).parent / "cases"
HEADER = "id,age,plan,paid"
USERS = [f"u{k},{20 + k},{'ab'[k % 2]},{int(k % 3 == 0)}" for k in range(12)]


def source(kind: str, lines: list[str], folder: Path, **roles: object) -> Roles:
    """A table with a header, as a file, as a frame or in a database."""
    path, given = folder / "users.csv", {"quarantine": str(folder / "aside"), "target": "paid"} | roles
    path.write_text("\n".join(lines) + "\n")
    if kind == "csv":
        return Table.model_validate({"path": str(path)} | given)
    table = pl.read_csv(path, infer_schema=False)
    if kind == "frame":
        return Frame.of(table, **given)
    with duckdb.connect(str(folder / "users.duckdb")) as database:
        database.register("there", table)
        database.execute("create table users as select * from there")
    return Sql.model_validate({"url": f"duckdb:///{folder}/users.duckdb", "query": "select * from users"} | given)


@pytest.mark.parametrize("kind", ["csv", "frame", "sql"])
def test_rows_that_are_no_users_are_set_aside_and_counted_not_refused(tmp_path: Path, kind: str) -> None:
    lines = [HEADER, *USERS[:5], HEADER, *USERS[5:9], ",,,", "u98,40,a,", "u99,40,a,NA", *USERS[9:], " ,,,"]
    users = source(kind, lines, tmp_path).load()
    assert users.features["age"].tolist() == [20 + k for k in range(12)], "the header's word spoils no column's type"
    assert users.outcome.tolist() == [int(k % 3 == 0) for k in range(12)]
    assert users.intake is not None
    assert (users.intake.rows, users.intake.used, users.intake.quarantined) == (17, 12, 5)
    assert sorted(users.intake.reasons.values()) == [2, 3]
    assert "paid is missing: 2" in str(users.intake)
    aside = pl.read_csv(str(users.intake.path))
    assert aside["row"].to_list() == [6, 11, 12, 13, 17], "their places in the table"


def test_rows_without_an_outcome_do_not_count_as_breaches_of_a_contract(tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(
        "{outcome: paid, id: id, columns: {id: {type: text}, age: {type: whole, max: 50}, plan: {type: category},"
        " paid: {type: whole}}}"
    )
    unknown = [f"v{k},30,a," for k in range(20)]
    lines = [HEADER, *USERS[:6], *unknown, "w,99,a,1", *USERS[6:]]
    users = source("csv", lines, tmp_path, contract=str(contract), quarantine_share=0.1).load()
    assert users.intake is not None
    assert users.intake.reasons == {"paid is missing": 20, "age is above 50 ('99')": 1}
    aside = pl.read_csv(str(users.intake.path))
    assert aside["row"].to_list() == [*range(7, 28)]
    with pytest.raises(InputError, match=r"7\.7% of users\.csv"):
        source("csv", lines, tmp_path, contract=str(contract)).load()


def test_without_a_quarantine_such_rows_are_counted_and_nothing_is_written(tmp_path: Path) -> None:
    users = source("csv", [HEADER, *USERS, "u99,40,a,"], tmp_path, quarantine=None).load()
    assert users.intake is not None
    assert (users.intake.quarantined, users.intake.path) == (1, None)
    assert [p.name for p in tmp_path.iterdir()] == ["users.csv"]


def test_a_word_for_missing_is_an_outcome_where_there_would_be_no_other(tmp_path: Path) -> None:
    lines = ["x,plan", *(f"{k},{('None', 'gold')[k % 2]}" for k in range(6))]
    users = source("csv", lines, tmp_path, target="plan", positive="gold").load()
    assert users.outcome.tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("case", ["c07_empty_column_odd_name", "c08_trailing_comma"])
def test_a_column_without_any_value_is_dropped_and_named(case: str) -> None:
    users = Table(path=str(CASES / f"{case}.csv"), target="converted").load()
    assert list(users.contract.dropped.values()) == ["no value"]
    assert len(users) == 240


@pytest.mark.parametrize("kind", ["csv", "frame", "sql"])
def test_true_and_false_are_measures_and_costs_too(tmp_path: Path, kind: str) -> None:
    lines = ["x,renewed,opened,y", "1,TRUE,yes,1", "2,FALSE,no,0", "3,TRUE,no,1"]
    users = source(kind, lines, tmp_path, target="y", measures=["renewed"], costs=["opened"]).load()
    assert users.measures is not None
    assert users.costs is not None
    assert users.measures["renewed"].tolist() == [1, 0, 1]
    assert users.costs["opened"].tolist() == [1, 0, 0]


def test_blanks_around_a_category_are_no_part_of_it_as_where_users_are_scored(tmp_path: Path) -> None:
    lines = ["x,plan,y", *(f"{k},{(' gold', 'free ', ' ')[k % 3]},{k % 2}" for k in range(9))]
    plans = source("csv", lines, tmp_path, target="y").load().features["plan"]
    assert plans[:2].tolist() == ["gold", "free"]
    assert plans[2::3].isna().all()


def test_a_contract_of_a_table_with_odd_names_is_read_again_and_leaves_out_what_has_no_value() -> None:
    names = ["", "no", "x: {y}", "ä 'q' \"r\"", "a" * 200, "yes"]
    table = pl.DataFrame({name: ["a", "b", None] for name in names} | {"nothing": [None] * 3})
    read = yaml.load(infer(table, None, None).as_yaml(), Loader=yaml.BaseLoader)
    assert list(read["columns"]) == names


@pytest.mark.parametrize("kind", ["csv", "frame", "sql"])
@pytest.mark.parametrize("held", [False, True])
def test_logging_probabilities_are_no_features_even_where_the_action_is_dropped(
    tmp_path: Path, kind: str, held: bool
) -> None:
    lines = [f"{HEADER},action,logging_probability_none", *(f"{u},none,0.{k + 1}" for k, u in enumerate(USERS[:9]))]
    users = source(kind, lines, tmp_path, drop=["action"])
    if held:
        (tmp_path / "contract.yaml").write_text(infer(users.read(), "paid", "id").as_yaml())
        users = users.model_copy(update={"contract": str(tmp_path / "contract.yaml")})
    contract = users.load().contract
    assert [column.name for column in contract.columns] == ["age", "plan"]
    assert contract.dropped == {"action": "data.drop", "logging_probability_none": "a logging probability"}
