"""Numbers as people write them."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.data.column_rules import MISSING
from tippingpoint.data.number_format import BLANKS, FORMATS, ODD, NumberFormat, Reading, recognised


def read(*cells: str | None, **given: object) -> Reading | None:
    return recognised(pl.Series("x", cells, dtype=pl.String), MISSING, **given)  # type: ignore[arg-type]  # marks only


@pytest.mark.parametrize(
    ("cells", "wanted", "shown"),
    [
        (["28,89", "-4,5"], [28.89, -4.5], "1.568,43"),
        (["1.568,43", "12,5"], [1568.43, 12.5], "1.568,43"),
        (["1,568.43", "12.5"], [1568.43, 12.5], "1,568.43"),
        (["1 568,43", "1\u00a0568,43", "1\u202f568,43", "3,2"], [1568.43] * 3 + [3.2], "1 568,43"),
        (["1'568.43", "1’568.43", "3.2"], [1568.43, 1568.43, 3.2], "1'568.43"),
        (["1,23,456.50", "12,34,567"], [123456.5, 1234567], "1,568.43"),
        (["1,698E+03", "2,500E+01"], [1698, 25], "1.568,43"),
        (["1,568", "999"], [1568, 999], "1,568.43"),
        (["1,568", "1,56"], [1.568, 1.56], "1.568,43"),
        (["1,568", "0,568"], [1.568, 0.568], "1.568,43"),
        (["1.568", "3"], [1.568, 3], None),
        (["1.568.430", "3"], [1568430, 3], "1.568,43"),
        (["1.568 €", "999 €"], [1568, 999], "1.568,43 €"),
        (["$1,068.93", "-$896.88", "($5)", "7"], [1068.93, -896.88, -5, 7], "1,568.43 $"),
        (["CHF 1'200.50", "3 CHF"], [1200.5, 3], "1'568.43 CHF"),
        (["24.2%", "15.5 %", "0"], [24.2, 15.5, 0], "1,568.43 %"),
        (["(12.50)", "3.20", "12.50-"], [-12.5, 3.2, -12.5], "1,568.43"),
        (["1 month", "12 Months", "24 months"], [1, 12, 24], "1,568.43 Months"),
        (["1e5", "2,5"], [1e5, 2.5], "1.568,43"),
        (["inf", "2,5", "-inf"], [float("inf"), 2.5, -float("inf")], "1.568,43"),
        (["+5", "-3"], [5, -3], None),
        (["1'568.–", "12.-", "−3.50"], [1568, 12, -3.5], "1'568.43"),
    ],
)
def test_numbers_are_what_is_written(cells: list[str], wanted: list[float], shown: str | None) -> None:
    found = read(*cells)
    assert found is not None
    assert found.numbers.to_list() == wanted
    assert (found.written and str(found.written)) == shown
    assert not found.odd


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-05", "2024-01-06"], ["31.12.2024", "12.10.2024"], ["10:30", "11:15"],
        ["1.2.3", "1.2.4"], ["1.2"] * 60 + ["2.0.1"], ["192.168.0.1", "10.0.0.1"],
        ["007", "12"], ["90210"] * 60 + ["07001"], ["90210.5"] * 60 + ["00501"],
        ["+49 30 1234567", "+4930765432"], ["555 123 456", "612 345 678"], ["(555)", "(612)"],
        ["3 years", "12 months"], ["1.2k", "900"], ["5%"] * 9 + ["0.05"], ["10 am", "11 am"], ["18-24", "25-34"],
        ["tier_1", "tier_2"], ["A4", "A5"], ["BAW 123", "BAW 456"], ["-", "unknown"], ["low", "high"], [None, " "],
    ],
)  # fmt: skip
def test_what_only_looks_like_a_number_stays_text(cells: list[str | None]) -> None:
    assert read(*cells) is None


def test_a_few_odd_words_are_missing_and_counted() -> None:
    found = read(*["1.5", "2", None, "n.a."] * 25, "weird", "-", "Unknown")
    assert found is not None
    assert found.odd == {"n.a.": 25, "weird": 1, "-": 1, "Unknown": 1}
    assert found.also_missing == ["weird"]
    assert found.numbers.null_count() == 25 + 25 + 3
    share = int(ODD * 100)
    assert read(*["1,5"] * (100 - share), *["weird"] * share) is not None
    assert read(*["1,5"] * (100 - share - 1), *["weird"] * (share + 1)) is None
    assert read(*["1,5"] * 1000, *[f"word {chr(97 + k)}" for k in range(20)]) is None, "too many different ones"


def test_given_signs_say_what_no_value_tells() -> None:
    found = read("1.234", "2.345", marks=(",", None))
    assert found is not None
    assert found.numbers.to_list() == [1234, 2345]
    assert read("1,234", "2,3", marks=(".", None)) is None


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.sampled_from(["", "€", "USD", "%", "months"]),
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=8),
    st.data(),
)
def test_what_is_written_in_a_format_is_read_as_it_was(
    signs: NumberFormat, unit: str, numbers: list, data: st.DataObject
) -> None:
    written = NumberFormat(signs.decimal, signs.thousands, unit)
    blank = data.draw(st.sampled_from(BLANKS[1:-1])) if signs.thousands == " " else signs.thousands

    def text(number: float) -> str:
        plain = f"{abs(number):,.2f}".replace(",", "T").replace(".", signs.decimal).replace("T", blank)
        plain = f"{plain} {unit}".strip()
        return plain if number >= 0 else data.draw(st.sampled_from([f"-{plain}", f"({plain})", f"{plain}-"]))

    cells = pl.Series([text(number) for number in numbers])
    assert written.parse(cells).to_list() == [float(number) for number in numbers]
    found = read(*cells)
    if found is not None:  # all in brackets are no numbers
        assert found.numbers.to_list() == [float(number) for number in numbers]
    else:
        assert cells.str.starts_with("(").all()
    assert NumberFormat.of(**written.terms) == written
