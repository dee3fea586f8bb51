"""What tells users apart: ids as text, by name; the lots they draw; columns that number rows."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.data import decisions
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.database import Sql
from tippingpoint.data.files import Table
from tippingpoint.data.frame import Frame
from tippingpoint.data.identity import INDEX, LIKE_ID, index, names_id
from tippingpoint.data.profile import describe, infer
from tippingpoint.data.splits import position
from tippingpoint.decisions.randomization import Randomization

CASES = Path(__file__).parent / "cases"
N = 40


def table(ids: pl.Series | list, name: str = "user_id") -> pl.DataFrame:
    n = len(ids)
    x, y = pl.Series("x", [i / 3 for i in range(n)]), pl.Series("y", [i % 2 for i in range(n)])
    return pl.DataFrame([pl.Series(name, ids), x, y])


def by_way(folder: Path, frame: pl.DataFrame, user_id: str | None = None) -> dict[str, Roles]:
    """The same table as CSV, Parquet, SQL and in memory."""
    frame.write_csv(folder / "u.csv")
    frame.write_parquet(folder / "u.parquet")
    (folder / "u.duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(folder / "u.duckdb")) as database:
        database.register("frame", frame)
        database.execute("create table users as select * from frame")
    roles: dict = {"target": "y", "id": user_id}
    return {
        "csv": Table(path=str(folder / "u.csv"), **roles),
        "parquet": Table(path=str(folder / "u.parquet"), **roles),
        "sql": Sql(url=f"duckdb:///{folder}/u.duckdb", query="select * from users", **roles),
        "polars": Frame.of(frame, **roles),
        "pandas": Frame.of(frame.to_pandas(), **roles),
    }


@pytest.mark.parametrize(
    "name",
    [
        "Customer ID", "customer-id", "user.id", "userid", "UserId", "userID", "ID", "Id", "USER_ID", "uuid",
        "customerid", "CUSTOMERID", "account_number", "CustomerNumber", "CLIENTNUM", "PassengerId", "id_client",
        "device id",
    ],
)  # fmt: skip
def test_ids_are_told_by_their_name_in_any_spelling(name: str) -> None:
    assert names_id(name)
    frame = table([f"u{i % 7}-{i}" for i in range(N)], name)
    assert Frame.of(frame, target="y").load().contract.user_id == name


@pytest.mark.parametrize(
    "name",
    [
        "paid", "valid", "grid", "bid", "bidPrice", "android", "idle", "idée", "rapid", "COVID", "kid", "n_users",
        "order_no", "",
    ],
)  # fmt: skip
def test_words_that_hold_id_are_no_ids(name: str) -> None:
    assert not names_id(name)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=9, unique=True), st.integers(0, 3))
def test_a_user_has_one_side_and_one_lot_in_every_form(tmp_path: Path, numbers: list[int], zeros: int) -> None:
    wanted = [str(i) for i in numbers]
    forms = {
        "number": pl.Series(numbers, dtype=pl.UInt64),
        "text": pl.Series(wanted),
        "zeros": pl.Series(["0" * zeros + i for i in wanted]),
    }
    lots = Randomization(share=0.5, among=(0, 1, 2), salt="s")
    action = np.zeros(len(numbers), dtype=np.int64)
    seen = []
    for form, ids in forms.items():
        for source in by_way(tmp_path, table(ids)).values():
            found = source.load().user_id
            assert found.tolist() == (ids.to_list() if form == "zeros" else wanted)
            seen.append((position(found, "t").tolist(), *(part.tolist() for part in lots.draw(found, action))))
    assert all(one == seen[0] for one in seen)
    assert seen[0][0] == position(np.array(wanted, dtype=object), "t").tolist()


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["07", "0007", "7"], ["07", "0007", "7"]),
        (["000450", "450.5", "x"], ["000450", "450.5", "x"]),
        ([-7, 12345678901234567, 3], ["-7", "12345678901234567", "3"]),
        ([7.0, 8.0, 9.0], ["7", "8", "9"]),
        (["1e5", "2e5", "3e5"], ["1e5", "2e5", "3e5"]),
        (["true", "false", "x"], ["true", "false", "x"]),
        (["2024-01-02", "2024-01-03", "2024-01-04"],) * 2,
    ],
)
def test_ids_are_as_written(tmp_path: Path, ids: list, wanted: list[str]) -> None:
    for name, user_id in (("user_id", None), ("who", "who")):
        for way, source in by_way(tmp_path, table(ids, name), user_id).items():
            assert source.load().user_id.tolist() == wanted, way
    table(ids, "who").write_csv(tmp_path / "d.csv")
    read = decisions.read(str(tmp_path / "d.csv"), "outcomes", "who")
    assert decisions.written_ids(read["who"]).to_list() == wanted


def test_leading_zeros_survive_with_and_without_a_contract(tmp_path: Path) -> None:
    path = CASES / "c01_leading_zero_ids.csv"
    source = Table(path=str(path), target="converted")
    (tmp_path / "c.yaml").write_text(infer(source.read(), "converted", "customer_id").as_yaml())
    held = Table(path=str(path), target="converted", contract=str(tmp_path / "c.yaml"))
    loose = (tmp_path / "c.yaml").read_text().replace("customer_id: {type: text", "customer_id: {type: whole")
    (tmp_path / "whole.yaml").write_text(loose)
    whole = Table(path=str(path), target="converted", contract=str(tmp_path / "whole.yaml"))
    for users in (source.load(), held.load(), whole.load()):
        assert users.user_id[:2].tolist() == ["000172", "000128"]


def test_an_id_with_a_blank_in_its_name_is_no_feature() -> None:
    source = Table(path=str(CASES / "c05_id_with_space_number.csv"), target="converted")
    assert source.load().contract.user_id == "Customer ID"
    assert list(source.load().features) == ["tenure", "spend", "plan", "logins"]


def test_a_second_id_is_no_feature_with_and_without_a_contract() -> None:
    frame = table([f"u{i}" for i in range(N)]).with_columns(device_id=pl.Series([f"{i * i}" for i in range(N)]))
    assert Frame.of(frame, target="y").load().contract.dropped == {"device_id": LIKE_ID}
    assert infer(frame, "y", "user_id").columns["device_id"].type == "text"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("", range(N)),
        ("Unnamed: 0", range(5, 5 + N)),
        ("Unnamed: 0.1", [i * i for i in range(N)]),
        ("__index_level_0__", [i % 5 for i in range(N)]),
        ("index", range(N)),
        ("level_0", range(N)),
        ("n", range(N, 0, -1)),
        ("n", [(7 * i) % N for i in range(N)]),
        ("n", range(100, 100 + 7 * N, 7)),
    ],
)
def test_what_numbers_the_rows_is_no_feature_and_named(tmp_path: Path, name: str, values: list) -> None:
    frame = pl.DataFrame({name: list(values), **table(range(N))[["x", "y"]].to_dict()})  # a dict keeps the name ''
    for way, source in by_way(tmp_path, frame).items():
        if (way, name) == ("sql", ""):  # DuckDB names it itself
            continue
        users = source.load()
        assert users.contract.dropped == {name: INDEX}, way
        assert list(users.features) == ["x"]
    assert name not in infer(frame, "y", None).columns


def test_an_index_that_pandas_kept_in_parquet_is_named(tmp_path: Path) -> None:
    users = table(range(N)).to_pandas()[["x", "y"]].sample(frac=1, random_state=0)
    users.to_parquet(tmp_path / "u.parquet")
    assert Table(path=str(tmp_path / "u.parquet"), target="y").load().contract.dropped == {"__index_level_0__": INDEX}
    named = users.rename_axis(index="user id")
    named.to_parquet(tmp_path / "u.parquet")
    for source in (Table(path=str(tmp_path / "u.parquet"), target="y"), Frame.of(named, target="y")):
        assert source.load().user_id.tolist() == users.index.astype(str).tolist()


@pytest.mark.parametrize(("name", "values"), [("n", [i * i for i in range(N)]), ("", ["a", "b"] * (N // 2))])
def test_what_may_be_no_feature_is_remarked_on(name: str, values: list) -> None:
    frame = table(range(N))[["x", "y"]].with_columns(pl.lit(pl.Series(values)).alias(name))
    users = Frame.of(frame, target="y").load()
    assert list(users.contract.remarks) == [name]
    assert name in users.features
    roles = {"x": "number", "y": "outcome", name: "category" if "a" in values else "number"}
    assert [c.name for c in describe(frame, roles, None) if c.remark] == [name]


def test_a_counter_with_leading_zeros_is_an_id_and_no_index() -> None:
    assert index(pl.Series("Kundennummer", [f"{i}" for i in range(1, 100)]), first=True)
    assert not index(pl.Series("Kundennummer", [f"{i:08}" for i in range(1, 100)]), first=True)


def test_no_number_in_few_rows_or_with_fractions_is_an_index() -> None:
    few = Frame.of(table([3, 4, 5, 6], "n"), target="y").load()
    assert "n" in few.features
    assert not few.contract.remarks
    parted = Frame.of(table([i + 0.5 for i in range(N)], "n"), target="y").load()
    assert "n" in parted.features
    assert not parted.contract.remarks


def nearly() -> pl.DataFrame:
    return table([f"u{max(i, 1)}" for i in range(N)])


def test_what_is_said_of_repeated_ids_can_be_done() -> None:
    source = Frame.of(nearly(), target="y")
    with pytest.raises(InputError, match=r"data.id: 'user_id' .* type data.drop='\[user_id\]'"):
        source.load()
    users = Frame.of(nearly(), target="y", drop=["user_id"]).load()
    assert users.contract.user_id is None
    assert users.contract.dropped == {"user_id": "data.drop"}


def test_a_later_column_that_differs_in_every_row_is_the_id() -> None:
    frame = nearly().rename({"user_id": "session_id"}).with_columns(user_id=pl.Series([f"u{i}" for i in range(N)]))
    assert Frame.of(frame, target="y").load().contract.user_id == "user_id"


def test_frames_may_mix_text_and_numbers_in_ids() -> None:
    mixed = pd.DataFrame({"user_id": [7, "x7", "07"], "x": [1.0, 2.0, 4.0], "y": [0, 1, 0]})
    assert Frame.of(mixed, target="y").load().user_id.tolist() == ["7", "x7", "07"]
    large = mixed.assign(user_id=[2**70, 1, 2])
    assert Frame.of(large, target="y").load().user_id.tolist() == [str(2**70), "1", "2"]
