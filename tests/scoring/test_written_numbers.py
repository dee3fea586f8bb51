"""However numbers are written in a file: training, a described contract and scoring read the same."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tippingpoint.data.contract import TableSchema, read_contract
from tippingpoint.data.files import Table
from tippingpoint.data.profile import infer
from tippingpoint.data.validation import check
from tippingpoint.decisions.deployment import _terms
from tippingpoint.scoring.readers import Files

N = 80
SPEND = [(i * 7919 % 400_000 - 20_000) / 100 for i in range(N)]
"""From -200 to 3800, two decimals."""


def german(x: float) -> str:
    return f"{x:,.2f}".translate(str.maketrans(",.", ".,"))


WRITTEN: dict[str, Callable[[int, float], str]] = {
    "plain": lambda i, x: f"{x}",
    "decimal comma": lambda i, x: german(x).replace(".", ""),
    "german": lambda i, x: german(x),
    "german money": lambda i, x: f"{german(x)} €",
    "french": lambda i, x: german(x).replace(".", "\u202f"),
    "swiss": lambda i, x: f"CHF {x:,.2f}".replace(",", "’"),
    "english": lambda i, x: f"{x:,.2f}",
    "dollars": lambda i, x: f"-${-x:,.2f}" if x < 0 else f"${x:,.2f}",
    "accounting": lambda i, x: f"({-x:,.2f})" if x < 0 else f"{x:,.2f}",
    "minus behind": lambda i, x: f"{abs(x):.2f}{'-' * (x < 0)}",
    "real minus": lambda i, x: f"{x:.2f}".replace("-", "−"),
    "percent": lambda i, x: f"{german(x)} %",
    "code": lambda i, x: f"{x:.2f} USD",
    "unit": lambda i, x: f"{x} {'month' if x == 1 else 'months'}",
    "a word": lambda i, x: "weird" if i == 7 else f"{x}",
    "dashes": lambda i, x: "-" if i % 3 == 0 else german(x),
    "infinite": lambda i, x: "inf" if i % 9 == 0 else f"{x}",
}


def read_by(terms: TableSchema, path: Path) -> list[float | None]:
    (chunk,) = Files(path).chunks(list(terms.columns), terms.columns, 1000)
    held = check(chunk, terms, datetime(2026, 1, 1))
    assert not held.reasons
    return held.table["spend"].to_list()


@pytest.mark.parametrize("how", WRITTEN)
def test_training_a_contract_and_scoring_read_the_same(tmp_path: Path, how: str) -> None:
    cells = [WRITTEN[how](i, x) for i, x in enumerate(SPEND)]
    known = [None if cell in ("weird", "-", "inf") else x for cell, x in zip(cells, SPEND, strict=True)]
    path, contract = tmp_path / "users.csv", tmp_path / "contract.yaml"
    lines = [f"u{i};{cell};{i % 2}" for i, cell in enumerate(cells)]
    path.write_text("\n".join(["user_id;spend;y", *lines, ""]), encoding="utf-8")

    source = Table(path=str(path), target="y")
    without = source.load()
    contract.write_text(infer(source.read(), "y", "user_id").as_yaml(), encoding="utf-8")
    held = Table(path=str(path), contract=str(contract)).load()
    for users in (without, held):
        assert users.features["spend"].tolist() == pytest.approx(
            [float("nan") if x is None else x for x in known], nan_ok=True
        )
    assert read_by(_terms(None, without.contract), path) == known
    assert read_by(_terms(read_contract(contract), held.contract), path) == known
