"""Numbers as people write them: which sign is the decimal one, what parts thousands, which unit stands beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tippingpoint.core.on_demand import polars as pl

ODD = 0.05
"""Share of a column's values, missing ones aside, up to which such as are no number are missing."""
ODD_WORDS = 10
"""How many different ones these may be."""
ENOUGH = 0.5
"""Share of a column's first values that must read like numbers before the others are looked at."""
HEAD, SAMPLE = 1000, 50_000
"""Values of which that is asked; and different ones by which the format is chosen."""
MISSING_NUMBERS = ["-", "--", "–", "—", ".", "...", "n.a.", "n.a", "na", "n/a", "none", "unknown", "missing"]
"""What stands for a missing number, in lower case, beside what stands for any missing value."""

Marks = tuple[str | None, str | None]
"""Decimal and thousands signs that a config gives; None where they are to be found."""
OTHER = {".": ",", ",": "."}
BLANKS = "[ \u00a0\u2009\u202f]"
GROUPS = {",": ",", ".": r"\.", " ": BLANKS, "'": "['’]"}
CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|INR|BRL|CAD|AUD|NZD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|TRY|UAH|ZAR|MXN|KRW|SGD|HKD|ILS|THB"
)
CURRENCY = rf"(?:US|A|C|R|HK|NZ)?\$|[€£¥₹₽₩₺₴₪฿]|{CODES}"
WORD = r"°?\p{L}[\p{L}²³/.]{0,14}"
DASH = "[-–—]{1,2}"
"""What stands where a price has no cents: 12.– or 12,--."""
NUMBER = rf"(?:\d(?:(?:[\d.,'’]|{BLANKS})*\d)?(?:[.,]{DASH})?|[.,]\d+)(?:[eE][+-]?\d+)?"
GENERAL = (
    rf"^\(?\s*[-−+]?\s*(?P<before>{CURRENCY})?\s*[-−]?\s*(?P<number>{NUMBER})\s*(?P<behind>[%‰]|{CURRENCY}|{WORD})?"
    r"\s*\)?\s*-?$"
)
NO_UNITS = re.compile("k|m|b|t|bn|mn|mio|mrd|tsd|thousand|million|billion|am|pm|nd|rd|st|th", re.IGNORECASE)
"""Words behind a number that change it, or count, or tell the time."""
NO_NUMBER = r"^[-+]?0[0-9]|^\+[0-9][0-9 ()/-]{6,}$"
"""Postal codes and ids with leading zeros, and phone numbers: where there is one, the column holds no numbers."""
PARTS = r"^[0-9]+([./:-][0-9]+){2,}"
"""Dates and versions, of which the same is true unless their points part thousands."""


@dataclass(frozen=True)
class NumberFormat:
    """How a column's numbers are written; a unit may be left out, and -5, 5- and (5) are negative.

    A percentage stays the number that is written: 12 % is 12.

    Parameters
    ----------
    decimal
        `.` or `,`.
    thousands
        `,`, `.`, `'` or a blank, which stands for every kind of blank.
    unit
        A currency's sign or code, before or behind the number; `%`; or a word behind it, in singular or plural.
    """

    decimal: str = "."
    thousands: str = ","
    unit: str = ""

    @classmethod
    def of(cls, decimal: str | None = None, thousands: str | None = None, unit: str = "") -> NumberFormat | None:
        """Return the format of which some signs are given; None where none is: numbers are written as 1568.43."""
        if not (decimal or thousands or unit):
            return None
        decimal = decimal or OTHER.get(thousands or ",", ".")
        return cls(decimal, thousands or OTHER[decimal], unit)

    @property
    def terms(self) -> dict[str, Any]:
        """What a contract says of it; `of` takes it."""
        own = {"thousands": self.thousands} if self.thousands != OTHER[self.decimal] else {}
        return {"decimal": self.decimal} | own | ({"unit": self.unit} if self.unit else {})

    def parse(self, text: pl.Series) -> pl.Series:
        """Return the numbers as Float64, null where a text is none."""
        distinct = text.unique()
        if len(distinct) > len(text) / 2:
            return self._parsed(text)
        return text.replace_strict(distinct, self._parsed(distinct), return_dtype=pl.Float64)

    def __str__(self) -> str:
        return f"1{self.thousands}568{self.decimal}43 {self.unit}".strip()

    def _parsed(self, text: pl.Series) -> pl.Series:
        part = text.str.extract_groups(self._pattern).struct.unnest()
        digits = part["number"].str.replace(rf"[.,]{DASH}$", "")
        number = digits.str.replace_all(GROUPS[self.thousands], "").str.replace(self.decimal, ".", literal=True)
        value = number.cast(pl.Float64, strict=False)
        minus = part["sign"].is_in(["-", "−"]).fill_null(False) | part["inner"].is_not_null()
        minus |= part["open"].is_not_null() | part["behind"].is_not_null()
        whole = part["open"].is_null() == part["close"].is_null()
        frame = pl.DataFrame({"value": value, "minus": minus, "whole": whole})
        signed = pl.when("minus").then(-pl.col("value")).otherwise("value")
        return frame.select(pl.when("whole").then(signed)).to_series().alias(text.name)

    @property
    def _pattern(self) -> str:
        unit = f"(?:{_unit_pattern(self.unit)})?" if self.unit else ""
        return (
            rf"^\s*(?P<open>\()?\s*(?P<sign>[-−+])?\s*{unit}\s*(?P<inner>[-−])?\s*"
            rf"(?P<number>{self.number}|(?i:inf(?:inity)?))\s*{unit}\s*(?P<close>\))?\s*(?P<behind>-)?\s*$"
        )

    @property
    def number(self) -> str:
        """The pattern of a number without sign and unit; none begins with a zero that says nothing.

        Commas may part lakhs, too: 12,34,567. A number with an exponent has no thousands: `1,698E+03` is 1698.
        """
        point, parted = re.escape(self.decimal), GROUPS[self.thousands]
        lakhs = rf"|[1-9]\d?(?:{parted}\d{{2}})+{parted}\d{{3}}" if self.thousands == "," else ""
        grouped = rf"(?:[1-9]\d{{0,2}}(?:{parted}\d{{3}})+{lakhs})(?:{point}(?:\d+|{DASH}))?"
        return rf"(?:{grouped}|(?:(?:0|[1-9]\d*)(?:{point}(?:\d+|{DASH}))?|{point}\d+)(?:[eE][+-]?\d+)?)"


FORMATS = tuple(NumberFormat(*signs) for signs in (".,", ",.", ". ", ", ", ".'", ",'"))


@dataclass(frozen=True)
class Reading:
    """A column of text that holds numbers.

    Parameters
    ----------
    numbers
        Float64, null where missing.
    written
        How they are written; None: as 1568.43.
    odd
        Words that stand for missing numbers, and how often they do; those of any missing value aside.
    """

    numbers: pl.Series
    written: NumberFormat | None
    odd: dict[str, int]

    @property
    def also_missing(self) -> list[str]:
        """The odd words that only this column has."""
        return [word for word in self.odd if word.lower() not in MISSING_NUMBERS]


def recognised(text: pl.Series, missing: Sequence[str], marks: Marks = (None, None)) -> Reading | None:
    """Read a column of text as numbers, if nearly all its values are numbers written one way.

    `1,568` is 1568 and `1.568` is 1.568, where no value tells otherwise: `1,56`, `0,568` and `1.568,43` tell that the
    comma is the decimal sign; `1.568.430` that the point is not, and so does `1.568 €`: no money has three decimals.

    Parameters
    ----------
    missing
        Words that stand for a missing value of any kind.
    marks
        Decimal and thousands signs, where they are given.

    Returns
    -------
    Reading or None
        None where the column holds no numbers.
    """
    head = _cleaned(text.drop_nulls().head(HEAD), missing).drop_nulls()
    like = head.str.contains(GENERAL) | head.str.to_lowercase().is_in(MISSING_NUMBERS) | _plain(head).is_not_null()
    if like.sum() < ENOUGH * len(head) or head.str.contains(NO_NUMBER).any():
        return None
    cells = _cleaned(text, missing)
    pointed = marks[0] in (None, ".") and marks[1] != "."
    if pointed and (number := _plain(cells)).null_count() == cells.null_count():
        codes = number.null_count() == len(number) or cells.str.contains(NO_NUMBER).any()
        return None if codes else Reading(number.alias(text.name), None, {})
    counts = cells.drop_nulls().value_counts(name="n").sort("n", "value", descending=[True, False])
    written = _chosen(counts.head(SAMPLE), marks)
    number = _plain(counts["value"]) if written is None else written.parse(counts["value"])
    counts = counts.with_columns(number.alias("number"))
    odd = counts.filter(pl.col("number").is_null())
    if len(odd) == len(counts) or _are_codes(counts) or not are_few(odd, int(counts["n"].sum())):
        return None
    number = _plain(cells) if written is None else written.parse(cells)
    return Reading(number.alias(text.name), written, dict(odd.select("value", "n").iter_rows()))


def _cleaned(text: pl.Series, missing: Sequence[str]) -> pl.Series:
    cells = text.alias("value").str.strip_chars()
    return cells.set(cells.is_in(missing), None)


def _plain(cells: pl.Series) -> pl.Series:
    return cells.cast(pl.Float64, strict=False).fill_nan(None)


def _chosen(counts: pl.DataFrame, marks: Marks) -> NumberFormat | None:
    """The format in which most of the values are numbers; None: as 1568.43."""
    part = counts["value"].str.extract_groups(GENERAL).struct.unnest()
    known = pl.DataFrame({"number": part["number"], "unit": part["before"].fill_null(part["behind"]), "n": counts["n"]})
    known = known.drop_nulls("number")
    unit = _unit(known)
    formats = [f for f in FORMATS if marks[0] in (None, f.decimal) and marks[1] in (None, f.thousands)]
    rows = {f: int(known.filter(pl.col("number").str.contains(f"^{f.number}$"))["n"].sum()) for f in formats}
    best = max(rows, key=rows.__getitem__)  # the first of several
    money = bool(re.fullmatch(CURRENCY, unit))
    if money and best == FORMATS[0] and rows.get(FORMATS[1]) == rows[best]:  # 1.568 is no amount with three decimals
        best = FORMATS[1] if known["number"].str.contains(".", literal=True).any() else best
    if marks == (None, None) and not unit and best == FORMATS[0]:
        plain = int(counts.filter(_plain(counts["value"]).is_not_null())["n"].sum())
        signed = counts["value"].str.contains(r"^\(|-$") & counts["value"].str.contains("[0-9]")
        return best if plain < rows[best] or signed.any() else None
    return NumberFormat(best.decimal, best.thousands, unit)


def _unit(known: pl.DataFrame) -> str:
    """The one unit that nearly all values have, money also where many have none; empty if there is none."""
    there = known.drop_nulls("unit").group_by("unit").agg(pl.col("n").sum()).sort("n", "unit", descending=[True, False])
    if there.is_empty():
        return ""
    unit = str(there["unit"][0])
    those = there.filter(there["unit"].str.contains(f"^(?:{_unit_pattern(unit)})$"))["n"].sum()
    bare = int(known.filter(pl.col("unit").is_null() & (pl.col("number") != "0"))["n"].sum())
    rows = int(there["n"].sum()) + (0 if re.fullmatch(CURRENCY, unit) else bare)
    return unit if not NO_UNITS.fullmatch(unit) and those >= (1 - ODD) * rows else ""


def _unit_pattern(unit: str) -> str:
    """Matches a unit; a word in any case, in singular and plural."""
    if unit in ("%", "‰") or re.fullmatch(CURRENCY, unit):
        return re.escape(unit)
    word = unit.rstrip(".")
    stem = re.sub("(es|en|e|n|s)$" if len(word) > 3 else "s$", "", word) if len(word) > 2 else word
    return rf"(?i:{re.escape(stem)}(?:es|en|e|n|s)?\.?)"


def _are_codes(counts: pl.DataFrame) -> bool:
    """Whether what reads like numbers are area codes in brackets, phone numbers in groups, dates or versions."""
    read, odd = counts.filter(pl.col("number").is_not_null())["value"], counts.filter(pl.col("number").is_null())
    if odd["value"].str.contains(PARTS).any() or counts["value"].str.contains(NO_NUMBER).any():
        return True
    grouped = rf"^[0-9]+(?:{BLANKS}[0-9]{{3}}){{2,}}$"
    lengths = read.str.len_chars().n_unique()
    return read.str.starts_with("(").all() or (len(read) > 1 and lengths == 1 and read.str.contains(grouped).all())


def are_few(odd: pl.DataFrame, rows: int, known: Sequence[str] = MISSING_NUMBERS) -> bool:
    """Return whether what is no number, or no time, is so rare that it stands for missing values; `known` words do."""
    unknown = odd.filter(~pl.col("value").str.to_lowercase().is_in(known))
    return len(unknown) <= ODD_WORDS and int(unknown["n"].sum()) <= ODD * rows
