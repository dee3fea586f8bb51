"""CSVs as programs write them: separators, encodings, line ends, what stands before the header."""

import codecs
import gzip
from pathlib import Path

import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.data.files import Table, read
from tippingpoint.scoring.readers import Files

CASES = Path(__file__).parent / "cases"
PLAIN = "id,größe,y\na,28.5,1\nb,31.0,0\n"


def table(path: Path, **given: object) -> Table:
    return Table(path=str(path), target="converted", **given)  # type: ignore[arg-type]  # the keys of a config


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        codecs.BOM_UTF8 + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
        gzip.compress(PLAIN.encode("utf-16"), mtime=0),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        b"sep=,\n" + PLAIN.encode(),
        ("sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n")).encode("utf-16"),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", "|").encode(),
        ('# made by "us\n# 2024; 2025\n\n' + PLAIN).encode(),
    ],
)
def test_a_table_is_the_same_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(content)
    read = table(path).read()
    assert read.columns == ["id", "größe", "y"]
    assert read["größe"].to_list() == [28.5, 31.0]
    (chunk,) = Files(path).chunks(["größe", "id"], {}, 10)
    assert chunk.rows() == [("28.5", "a"), ("31.0", "b")]


def test_what_windows_wrote_is_named_and_read_when_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(PLAIN.encode("cp1252"))
    with pytest.raises(InputError, match=r"is not UTF-8.*type data\.encoding=cp1252"):
        table(path).read()
    assert table(path, encoding="cp1252").read().columns == ["id", "größe", "y"]
    with pytest.raises(InputError, match="is not written in utf-16"):
        table(path, encoding="utf-16").read()
    with pytest.raises(InputError, match="no encoding 'cp12520'"):
        table(path, encoding="cp12520")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a;b, c;d\n1;2,5;3\n4;5,6;7\n", ["a", "b, c", "d"]),
        ("a,b|c\n1,2|3\n4,5|6\n", ["a", "b|c"]),
        ('a,"b;c;d"\n1,2\n3,4\n', ["a", "b;c;d"]),
        ("a,b\n1;2;3,x\n4;5;6,y\n", ["a", "b"]),
        ("a\n1,5\n2,5\n", None),
        ("#a,b\n1,2\n3,4\n", ["#a", "b"]),
        ('x,"say ""hi"", you"\n1,2\n3,4\n', ["x", 'say "hi", you']),
    ],
)
def test_the_separator_is_what_parts_all_lines_alike(tmp_path: Path, text: str, columns: list[str] | None) -> None:
    path = tmp_path / "users.csv"
    path.write_text(text)
    if columns is None:
        with pytest.raises(InputError, match="line 2 has 2 values, the header 1"):
            table(path).read()
        assert table(path, separator="semicolon").read().columns == ["a"]
    else:
        assert table(path).read().columns == columns


@pytest.mark.parametrize(
    ("case", "column", "mean"),
    [
        ("c03_decimal_comma", "spend", 57.7637),
        ("c04_currency_percent", "spend", 2137.2572),
        ("c04_currency_percent", "discount_rate", 14.5696),
        ("c09_sep_line", "spend", 57.7637),
        ("c10_semicolon_comma_in_header", "spend, EUR", 57.7637),
        ("c11_one_odd_word", "spend", 57.8780),
        ("c11_one_odd_word", "tenure", 35.3891),
        ("c13_inf", "ratio", 59.0531),
        ("c14_quote_in_header", 'plan = "type", v2', None),
    ],
)
def test_files_that_failed_hold_what_people_see_in_them(case: str, column: str, mean: float | None) -> None:
    users = table(CASES / f"{case}.csv").load()
    assert len(users) == 240
    kinds = {c.name: c.kind for c in users.contract.columns}
    assert kinds[column] == ("category" if mean is None else "number")
    if mean is not None:
        assert users.features[column].mean() == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("name", ["fz2_describe_22.bin", "fz2_describe_6.bin"])
def test_bytes_that_are_no_table_are_refused_in_one_message(name: str) -> None:
    with pytest.raises(InputError, match=r"is not UTF-8|contains|has"):
        read(Path(__file__).parent / "cases" / name)
