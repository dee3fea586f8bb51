import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.data.files import Table
from tippingpoint.data.writing import write_blocks

ROOT = Path(__file__).parents[2]


YES_NO = ("No", "Yes")


def table(path: Path, **arguments: object) -> Table:
    node = yaml.safe_load((ROOT / "conf/data/csv.yaml").read_text())
    node.pop("_target_")
    return Table.model_validate(node | {"path": str(path), "target": "y"} | arguments)


def csv(folder: Path, text: str | bytes, name: str = "users.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(columns: str, *each: str) -> str:
    return "\n".join([columns, *each]) + "\n"


def test_roles_are_inferred(tmp_path: Path) -> None:
    text = rows(
        "customerID,age,plan,charges,flat,note,seen,y",
        *(
            f"c{i},{20 + i},{'ab'[i % 2]},{' ' if i == 3 else i * 1.5},7,n{i},2024-01-{i + 1:02},{YES_NO[i % 3 > 0]}"
            for i in range(25)
        ),
    )
    users = table(csv(tmp_path, text)).load()
    assert [(c.name, c.kind) for c in users.contract.columns] == [
        ("age", "number"), ("plan", "category"), ("charges", "number"),
    ]  # fmt: skip
    assert users.contract.user_id == "customerID"
    assert users.contract.positive == "Yes"
    assert users.contract.dropped == {
        "flat": "constant",
        "note": "text: 25 different values",
        "seen": "a time; data.as_of=… makes days of it",
    }
    assert np.isnan(users.features["charges"][3])
    assert users.outcome.tolist() == [int(i % 3 > 0) for i in range(25)]
    assert users.times == {"seen": datetime(2024, 1, 25)}, "the newest, from which their age is told"


@pytest.mark.parametrize(
    ("yes", "no"), [("1", "0"), ("yes", "no"), ("True", "False"), ("t", "f"), ("1.0", "0.0"), ("Y", "N")]
)
def test_yes_and_no_targets_are_understood(tmp_path: Path, yes: str, no: str) -> None:
    users = table(csv(tmp_path, rows("x,y", f"1,{yes}", f"2,{no}", f"3,{no}"))).load()
    assert users.outcome.tolist() == [1, 0, 0]


def test_parquet_and_gzip_read_like_csv(tmp_path: Path) -> None:
    text = rows("user_id,x,c,y", *(f"{i},{i / 3},{'pq'[i % 2]},{i % 2}" for i in range(30)))
    plain = csv(tmp_path, text)
    packed = csv(tmp_path, gzip.compress(text.encode()), "users.csv.gz")
    parquet = tmp_path / "users.parquet"
    pl.read_csv(plain).write_parquet(parquet)
    assert len({table(path).load().digest for path in (plain, packed, parquet)}) == 1


GOOD = rows("user_id,x,y", "a,1,1", "b,2,0", "c,4,1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data.path={path}: the file is empty."),
        ("user_id,x,y\n", "data.path={path}: has no row. At least two users are needed."),
        (rows("user_id,x,y", "a,1,1"), "data.path={path}: has one row. At least two users are needed."),
        ("<!DOCTYPE html><html><body>Log in</body></html>", "data.path={path}: is a web page, not a CSV."),
        ("user_id,x,y\na,ä,1\nb,ö,0\n".encode("latin1"), "data.path={path}: is not UTF-8. In Excel, save it as"),
        (rows("user_id,x,why", "a,1,1", "b,2,0"), "data.target: no column 'y' in users.csv. "),
        (rows("user_id,x,y", "a,1,1", "b,2,1"), "data.target: 'y' has one value only, '1'."),
        (rows("user_id,x,y", "a,1,1", "b,2,0", "c,3,2"), "data.target: 'y' has 3 values (0, 1, 2), not two."),
        (
            rows("user_id,x,y", "a,1,1", "b,2,", "c,3,"),
            "data.target: 'y' has a value in 1 of 3 rows.",
        ),
        (
            rows("user_id,x,y", "a,1,on", "b,2,off"),
            "data.target: cannot tell which of 'off' and 'on' is outcome 1.",
        ),
        (
            rows("user_id,x,y", "a,,1", "b,,0"),
            "data: no feature is left in users.csv: y (the outcome); user_id (the id); x (no value).",
        ),
        (rows("user_id,x,y", "a,3,1", "b,3,0"), "data: no feature is left in users.csv: "),
    ],
)
def test_a_file_that_is_no_table_of_users_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(InputError) as error:
        table(path).load()
    assert str(error.value).startswith(message.format(path=path))


def test_a_control_that_is_never_is_named_as_it_is_typed(tmp_path: Path) -> None:
    path = csv(tmp_path, rows("user_id,x,arm,y", "a,1,Mail A,1", "b,2,No mail,0", "c,3,Mail A,0"))
    with pytest.raises(InputError) as error:
        table(path, action="arm").load()
    assert "data.control='\"No mail\"'" in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "z"}, "data.target: no column 'z' in users.csv."),
        ({"id": "user"}, "data.id: no column 'user' in users.csv. Nearest: 'user_id'."),
        ({"drop": ["w"]}, "data.drop: no column 'w' in users.csv."),
        ({"positive": "2"}, "data.positive: 'y' is never '2'."),
        ({"action": "x"}, "data.control: 'x' is never 'none'."),
        ({"drop": ["y"]}, "data.drop: 'y' is the outcome"),
        (
            {"action": "x", "control": "1", "logging_probability": {"1": 0.5}},
            "data.logging_probability: needs the chance of each of '1', '2', '4'.",
        ),
        (
            {"action": "x", "control": "1", "logging_probability": {"1": 0.5, "2": 0.4, "4": 0.4}},
            "data.logging_probability: must lie in (0, 1] and sum to 1",
        ),
        ({"control": "1"}, "data.action: not given, but data.control"),
        ({"measures": ["user_id"]}, "data.measures: 'user_id' is not a number"),
    ],
)
def test_a_config_that_does_not_fit_the_file_is_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(InputError) as error:
        table(csv(tmp_path, GOOD), **arguments).load()
    assert str(error.value).startswith(message)


def test_duplicate_ids_are_named(tmp_path: Path) -> None:
    path = csv(tmp_path, rows("user_id,x,y", "a,1,1", "b,2,0", "a,4,1"))
    with pytest.raises(
        InputError, match=r"data.id: 'user_id' is not unique in users.csv: 1 ids stand more than once \(a\)"
    ):
        table(path, id="user_id").load()


def test_a_missing_file_s_neighbours_are_named(tmp_path: Path) -> None:
    csv(tmp_path, GOOD)
    with pytest.raises(InputError, match=r"no such file. Nearest: 'users.csv'."):
        table(tmp_path / "user.csv").load()


def test_a_logged_action_comes_with_its_chances_and_is_no_feature(tmp_path: Path) -> None:
    text = rows(
        "user_id,x,did,p,y",
        *(f"{i},{i % 7},{('no', 'mail')[i % 2]},0.5,{i % 3 % 2}" for i in range(40)),
    )
    path = csv(tmp_path, text)
    users = table(path, action="did", control="no", logging_probability={"no": 0.5, "mail": 0.5}, drop=["p"]).load()
    assert users.actions == ("none", "mail")
    assert users.action is not None
    assert users.action[:2].tolist() == [0, 1]
    assert list(users.features) == ["x"]
    assert np.all(users.logging_probability == 0.5)
    assert (
        table(path, action="did", control="no", logging_probability="uniform", drop=["p"]).load().digest == users.digest
    )


def test_hillstrom_runs_as_it_is(real: Path) -> None:
    users = table(
        real / "hillstrom.csv", target="visit", action="segment", control="No E-Mail", logging_probability="uniform",
        measures=["conversion", "spend"],
    ).load()  # fmt: skip
    assert users.actions == ("none", "Mens E-Mail", "Womens E-Mail")
    assert not {"segment", "visit", "conversion", "spend"} & set(users.features)
    assert users.measures is not None
    assert users.measures["spend"].sum() == pytest.approx(67258.13, abs=0.005)


@pytest.mark.parametrize("name", ["Churn", "is_cancelled", "Left", "has_left", "exited"])
def test_an_outcome_that_reads_like_leaving_is_asked_for(tmp_path: Path, name: str) -> None:
    path = csv(tmp_path, rows(f"x,{name}", "1,0", "2,1", "3,0", "4,1"))
    with pytest.raises(
        InputError, match=r"^data.good: not given.*Type data.good=false if it is not, or data.good=true"
    ):
        table(path, target=name).load()
    assert [table(path, target=name, good=good).load().contract.good for good in (False, True)] == [False, True]


def test_other_outcomes_are_wanted_unless_the_config_says_otherwise(tmp_path: Path) -> None:
    path = csv(tmp_path, rows("x,leftover_credit,y", "1,0,1", "2,1,0", "3,0,1", "4,1,0"))
    assert table(path, target="leftover_credit").load().contract.good
    assert not table(path, good=False).load().contract.good
    with pytest.raises(InputError, match="'churn' reads as if"):
        table(path, name="churn").load()


def test_telco_blanks_are_missing_numbers(real: Path) -> None:
    users = table(real / "telco_customer_churn.csv", target="Churn", good=False).load()
    assert users.features["TotalCharges"].isna().sum() == 11
    assert users.contract.user_id == "customerID"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from([b"user_id,x,y\n", b"", b"\x1f\x8b\x08", b"PAR1", b"\xef\xbb\xbf"]), st.binary(max_size=300))
@example(b"\x1f\x8b\x08", b"no gzip after all")
@example(gzip.compress(b"user_id,x,y\n" + b"a,1,1\n" * 99)[:40], b"")
def test_any_bytes_are_read_or_refused_in_words(tmp_path: Path, head: bytes, content: bytes) -> None:
    path = csv(tmp_path, head + content)
    try:
        users = table(path).load()
    except InputError as refused:
        where = refused.where
    else:
        where = f"data.{type(users).__name__}"
    assert where.startswith("data")


def test_the_case_study_s_csv_is_the_generator_s_to_the_byte(tmp_path: Path) -> None:
    from tippingpoint.data.generators.world import World

    source = Settings.from_config(compose("run", [])).data.build(World, "data")
    write_blocks([source.table(source.load())], tmp_path / "again.csv")
    committed = ROOT / "data/synthetic_user_conversion_data.csv"
    assert (tmp_path / "again.csv").read_bytes() == committed.read_bytes()
    users = table(committed, target="converted", action="action", logging_probability={
        "none": 0.5, "discount_10": 0.25, "checkout_prompt": 0.25}).load()  # fmt: skip
    pd.testing.assert_frame_equal(users.features, source.load().features, check_exact=True)


def test_whole_numbers_mean_the_same_with_and_without_a_point(tmp_path: Path) -> None:
    """Ids above all: written as floats, as pandas does beside missing values, users must keep their sides."""
    lines = [(f"{i}", f"{i / 3}", f"{i % 2}", f"{int(i % 3 == 0)}") for i in range(40)]
    plain = csv(tmp_path, rows("user_id,x,t,y", *(",".join(line) for line in lines)))
    pointed = csv(tmp_path, rows("user_id,x,t,y", *(f"{i}.0,{x},{t}.0,{y}.0" for i, x, t, y in lines)), "floats.csv")
    roles = {"id": "user_id", "action": "t", "logging_probability": {0: 0.5, 1: 0.5}}
    one, other = (table(path, control=c, **roles).load() for path, c in ((plain, 0), (pointed, 0.0)))
    assert one.digest == other.digest
    assert one.contract == other.contract


def test_yes_and_no_may_be_what_the_control_is_called(tmp_path: Path) -> None:
    path = csv(tmp_path, rows("user_id,x,t,y", *(f"{i},{i / 3},{i % 2 == 0},{int(i % 3 == 0)}" for i in range(40))))
    assert table(path, action="t", control=False).load().actions == ("none", "true")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,y,a\n1,0,2\n2,1,3\n", "the header has more than one column 'a'. Rename"),
        ('a,y\n1,0\n"2\n2",1\n3,0,7\n', "line 5 has 3 values, the header 2. Fix this line"),
        (bytes(range(256)) * 8, "contains binary data, not text"),
        ("a,y\nZürich,1\nBern,0\n".encode("latin1"), "is not UTF-8. In Excel, save it"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_words(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        table(csv(tmp_path, text)).read()
    packed = csv(tmp_path, gzip.compress(text if isinstance(text, bytes) else text.encode()), "u.csv.gz")
    with pytest.raises(InputError, match=said):
        table(packed).read()


def test_a_column_may_be_called_as_polars_calls_the_second_of_a_name(tmp_path: Path) -> None:
    assert table(csv(tmp_path, "a,a_duplicated_0,y\n1,2,0\n2,3,1\n")).read().columns[1] == "a_duplicated_0"


def test_a_column_without_a_name_keeps_its_place(tmp_path: Path) -> None:
    assert table(csv(tmp_path, ",x,y\n0,1,0\n1,2,1\n")).read().columns == ["", "x", "y"]


def test_a_folder_is_read_with_its_subfolders_whose_names_may_be_columns(tmp_path: Path) -> None:
    for month, plan, first in (("2026-01", "Basic", 0), ("2026-02", "Gold%20plus", 10)):
        folder = tmp_path / "users" / f"month={month}" / f"plan={plan}"
        folder.mkdir(parents=True)
        csv(folder, rows("id,x,y", *(f"u{i},{i},{i % 2}" for i in range(first, first + 10))))
    csv(tmp_path / "users", "", "_SUCCESS")
    (tmp_path / "users/_temporary").mkdir()
    csv(tmp_path / "users/_temporary", "other\n1\n")
    read = table(tmp_path / "users").read()
    assert len(read) == 20
    assert read.group_by("month", "plan").len().sort("month").rows() == [
        ("2026-01", "Basic", 10), ("2026-02", "Gold plus", 10),
    ]  # fmt: skip
    csv(tmp_path / "users", rows("id,x,y", "a,1,0"))
    with pytest.raises(InputError, match=r"'month' is in .* but not in users.csv"):
        table(tmp_path / "users").read()


def test_a_column_in_the_file_and_in_its_folder_s_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x=1").mkdir()
    csv(tmp_path / "x=1", rows("id,x,y", "a,1,0", "b,2,1"))
    with pytest.raises(InputError, match="column 'x' is in the file, and in the name of its folder"):
        table(tmp_path).read()


def test_a_category_whose_values_are_nearly_all_rare_is_dropped_and_named(tmp_path: Path) -> None:
    text = rows("town,plan,y", *(f"t{i % 100},{'ab'[i % 2]},{i % 3 % 2}" for i in range(900)))
    users = table(csv(tmp_path, text)).load()
    assert users.contract.dropped == {"town": "nearly all of its 100 values are rare"}
