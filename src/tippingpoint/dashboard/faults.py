"""What is wrong with the quarantined rows, by column and kind of fault, and the rows themselves as a CSV."""

from collections.abc import Mapping

import polars as pl

from tippingpoint.dashboard.tables import as_csv
from tippingpoint.data.writing import for_spreadsheets

COMMA = r"^[+-]?\d+(\.\d{3})*,\d+$"
"""A number with a decimal comma."""


def reasons_by_column(broken: pl.DataFrame, reasons: Mapping[str, int]) -> pl.DataFrame:
    """What is wrong: one row a column and kind of fault, with the rows it is in and three of the values.

    Parameters
    ----------
    reasons
        What was broken and in how many rows, as the tally has it.
    """
    row, reason = broken.columns[:2]
    found = []
    for general, n in reasons.items():
        column = max((c for c in broken.columns[2:] if general.startswith(f"{c} ")), key=len, default="")
        said = general.removeprefix(f"{column} ")
        value = pl.col(column).str.slice(0, 40) if column else pl.lit(None, pl.String)
        shown = pl.when(value.is_null()).then(pl.lit("")).otherwise(pl.format(" {}", value))
        words = pl.format("{}{} {}", pl.lit(column), shown, pl.lit(said))
        of = broken.filter(pl.col(reason).str.contains(words, literal=True))
        examples = of[column].drop_nulls().unique(maintain_order=True) if column else pl.Series([], dtype=pl.String)
        found.append(
            {
                "column": column,
                "what is wrong": said,
                "rows": n,
                "for example": ", ".join(text[:40] for text in examples.head(3)) + (", …" if len(examples) > 3 else ""),
                "first rows": ", ".join(map(str, of[row].head(5))),
            }
        )
    schema = dict.fromkeys(("column", "what is wrong", "rows", "for example", "first rows"), pl.String)
    return pl.DataFrame(found, schema=schema | {"rows": pl.Int64}).sort("rows", descending=True, maintain_order=True)


def with_commas(broken: pl.DataFrame, wrong: pl.DataFrame) -> list[str]:
    """Columns whose rows seem to be quarantined because their numbers have a decimal comma."""
    unread = wrong.filter(pl.col("what is wrong").str.contains("^is not a (whole )?number"))["column"]
    return [c for c in unread if c and (broken[c].str.strip_chars().str.contains(COMMA).mean() or 0) > 0.5]


def broken_csv(broken: pl.DataFrame) -> tuple[bytes, int]:
    """The quarantined rows as a CSV, and how many of its cells a spreadsheet would have run."""
    table, cells = for_spreadsheets(broken)
    return as_csv([table]), cells
