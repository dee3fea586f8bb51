"""Tables as programs and people export them: what stands around the rows, and what stands for no value."""

from pathlib import Path

import polars as pl
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.data.files import Table
from tippingpoint.data.inference import feature
from tippingpoint.scoring.readers import Files

HEADER = "id,age,plan,y"
ROWS = [f"u{i},{20 + i},{'ab'[i % 2]},{int(i % 3 > 0)}" for i in range(8)]
PLAIN = "\n".join([HEADER, *ROWS]) + "\n"


def table(path: Path, text: str | None = None, **given: object) -> Table:
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return Table(path=str(path), quarantine=None, **{"target": "y"} | given)  # type: ignore[arg-type]  # keys of a config


@pytest.mark.parametrize(
    "text",
    [
        "Users 2026\n\n" + PLAIN,
        '"Users, 2026",,,\n,,,\n' + PLAIN,
        "Users 2026;;;\n\n" + PLAIN.replace(",", ";"),
        ",,,\n" + PLAIN,
        '"sep=,"\n' + PLAIN,
        "\n".join([HEADER, *ROWS[:4], "\ufeff" + HEADER, *ROWS[4:]]),
        "\n".join([HEADER, *ROWS[:4], *("\ufeff" + ROWS[4], *ROWS[5:])]),
        PLAIN + "Total,188,,5\n",
        PLAIN.replace("\n", ",,\n"),
        PLAIN + "\n(8 rows affected)\n",
    ],
)  # fmt: skip
def test_what_stands_around_the_rows_is_no_user(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users.csv"
    users = table(path, text).load()
    wanted = table(tmp_path / "plain.csv", PLAIN).load()
    assert users.user_id.tolist() == wanted.user_id.tolist()
    assert users.features.equals(wanted.features)
    assert users.outcome.tolist() == wanted.outcome.tolist()
    first = next(Files(path).chunks(["id", "age"], {}, 5))
    assert first["id"].to_list() == [f"u{i}" for i in range(5)] or "\ufeff" + HEADER in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("note\nhello, you, all\nbye, you, all\n", "line 2 has 3 values"),
        ("a,,,y\n1,2,7,0\n3,4,8,1\n", "column 3 has no name"),
        (PLAIN.replace("u3", '12" u3'), 'line 5 has a quote that is not closed'),
        ('[{"id": 1, "y": 0}]', "is JSON"),
        (PLAIN.replace(",", ":"), "Type data.separator='\":\"'"),
    ],
)  # fmt: skip
def test_what_is_no_title_and_no_table_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        table(tmp_path / "users.csv", text).load()
    assert said in str(error.value)


def test_a_nameless_column_without_values_goes_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    users = table(path, "id,age,,,y\n1,2,,,0\n3,4,,,1\n").load()
    assert users.contract.dropped == {"": "no value"}
    assert "age" in Files(path).columns(), "nor does it stop scoring"


def test_files_of_a_folder_are_typed_together(tmp_path: Path) -> None:
    for name, rows in {"a": ["1;1.230;0", "2;2.500;1"], "b": ["3;1.234,5;1", "4;0,5;0"], "c": []}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["id;x;y", *rows]) if rows else "")
    assert table(tmp_path).load().features["x"].tolist() == [1230, 2500, 1234.5, 0.5]
    pl.DataFrame({"id": [5, 6], "x": [1.25, 7.5], "y": [0, 1]}).write_parquet(tmp_path / "d.parquet")
    with pytest.raises(InputError, match=r"'x' has its numbers as .* in a\.csv, and as .* in"):
        table(tmp_path).load()


@pytest.mark.parametrize(
    ("values", "positive", "ones"),
    [
        (["Ja", "Nein", "Ja"], None, [1, 0, 1]),
        (["No", "yes", "YES ", "NO"], None, [0, 1, 1, 0]),
        (["X", "", "X", ""], "X", [1, 0, 1, 0]),
        (["1.250,50 €", "0 €", "12,00 €"], ">0", [1, 0, 1]),
    ],
)
def test_outcomes_as_people_write_them(
    tmp_path: Path, values: list[str], positive: str | None, ones: list[int]
) -> None:
    text = "n;x;y\n" + "".join(f"u;{k};{value}\n" for k, value in enumerate(values))
    assert table(tmp_path / "users.csv", text, positive=positive).load().outcome.tolist() == ones


def test_a_missing_outcome_may_be_said_to_be_zero(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing in 2 rows\. Type data\.positive=X if"):
        table(tmp_path / "users.csv", "id,x,y\na,1,X\nb,2,\nc,3,X\nd,4,\n").load()


def test_a_row_without_an_id_is_set_aside(tmp_path: Path) -> None:
    text = "id,x,y\n" + "".join(f"{'' if k == 7 else f'u{k}'},{k},{k % 2}\n" for k in range(20))
    users = table(tmp_path / "users.csv", text).load()
    assert users.contract.user_id == "id"
    assert users.intake is not None
    assert users.intake.reasons == {"id is missing": 1}


def test_ids_that_repeat_are_no_number_to_a_model() -> None:
    household = pl.Series("household_id", [k // 3 for k in range(300)])
    assert feature(household, None).why == "like an id: 100 different values"
    assert feature(household.rename("visits"), None).kind == "number"
