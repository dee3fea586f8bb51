"""What users bring is text: never run, never a link, never in the way of the pages' own."""

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from tests.dashboard.conftest import on_page, uploaded
from tippingpoint import dashboard
from tippingpoint.config.compose import compose
from tippingpoint.dashboard.intake import listed, names_beside
from tippingpoint.dashboard.lists import line
from tippingpoint.dashboard.state import JOINER, plain
from tippingpoint.dashboard.tables import safe
from tippingpoint.dashboard.uploads import look


def test_every_table_of_the_pages_is_safe_to_download():
    views = Path(dashboard.__file__).parent / "views"
    shown = re.compile(r"\.(dataframe|table|data_editor)\(")
    assert not [p.name for p in views.glob("*.py") if shown.search(p.read_text().replace("of.table(", ""))]


@pytest.mark.parametrize("as_pandas", [False, True])
def test_what_a_spreadsheet_would_run_gets_its_mark_in_cells_and_header(as_pandas):
    table = pl.DataFrame({"=1+1": ["=1+1", "+2", "@x", "-3", "a", None], "n": [1, 2, 3, 4, 5, -6]})
    shown = safe(table.to_pandas() if as_pandas else table)
    assert shown.columns == ["'=1+1", "n"]
    assert shown["'=1+1"].to_list() == ["'=1+1", "'+2", "'@x", "'-3", "a", None]
    assert shown["n"].to_list() == [1, 2, 3, 4, 5, -6]
    coded = pl.DataFrame({"a": pl.Series(["=x", "y"], dtype=pl.Enum(["=x", "y"]))})
    assert safe(coded)["a"].to_list() == ["'=x", "y"]
    assert safe(pd.DataFrame()).shape == (0, 0)


def test_an_upload_is_shown_with_its_formulas_marked(open_page, upload):
    app = uploaded(open_page("users"), upload(plan=pl.lit("=cmd()")))
    assert set(app.dataframe[0].value["plan"]) == {"'=cmd()"}


@pytest.mark.parametrize(
    "address", ["www.evil.com", "http://evil.com/x", "HTTPS://evil.com", "ann@evil.com", "WWW.evil"]
)
def test_no_address_in_a_text_becomes_a_link(address):
    shown = plain(f"see {address}")
    assert shown.replace("\\", "").replace(JOINER, "") == f"see {address}"
    unescaped = shown.replace("\\", "")
    assert not re.search(r"(?i)://|www\.|[a-z]@", unescaped)


@pytest.mark.parametrize(
    "name", ["O'x$(touch owned).csv", "users (1).csv", "a,b.csv", "a=b.csv", "`x`;y&.csv", "a\\'b.csv"]
)
def test_the_line_to_paste_says_the_name_as_it_is_whatever_is_in_it(conversion, upload, tmp_path, name):
    found = replace(listed(look("users.csv", upload()), conversion, {}), origin=name)
    typed = line(found, conversion, ("medium", "high"), True)
    argv = subprocess.run(
        ["sh", "-c", f'tippingpoint() {{ printf "%s\\0" "$@"; }}; {typed}'],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    assert [a.decode() for a in argv[:-1]] == shlex.split(typed)[1:]
    assert not list(tmp_path.iterdir())
    words = [w for w in shlex.split(typed)[2:] if not w.startswith(("model=", "to="))]
    config = compose("score", [*words, "to=x.csv"])
    assert (config["input"], config["only"]) == (name, ["medium", "high"])


def test_columns_called_like_the_pages_own_stay_apart(open_page, conversion, upload):
    assert names_beside(["segment", "segment (table)", "plan"], ["segment"]) == {"segment": "segment (table) (table)"}
    own = pl.Series("x", ["mine", "yours"] * 200)
    content = upload(**{"segment": own, "segment (table)": own, "high": own, "len": own})
    app = uploaded(open_page("users"), content)
    assert not app.exception
    app = on_page(app, "segments")
    for column in ("high", "len", "segment (table)"):
        app.selectbox[0].select(column).run()
        assert not app.exception
        assert not app.error


def test_a_file_of_any_name_is_read_for_what_it_is(conversion, upload):
    assert listed(look("a\0b/../x.parquet", upload()), conversion, {}).tally.decided == 400
