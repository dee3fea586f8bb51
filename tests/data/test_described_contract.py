"""A contract that `describe` writes reads the table as a job without it does."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.data.contract import read_contract
from tippingpoint.data.frame import Frame
from tippingpoint.data.profile import infer
from tippingpoint.decisions.deployment import _terms

N = 60
NOW = datetime.now(UTC).replace(tzinfo=None)
COLUMNS: dict[str, list] = {
    "whole": [i * 3 % 41 for i in range(N)],
    "infinite": [float("inf") if i % 9 == 0 else i / 7 for i in range(N)],
    "nan": [float("nan") if i % 5 == 0 else i / 3 for i in range(N)],
    "large": [2**60 + (i << 20) for i in range(N)],
    "flag": [i % 3 == 0 for i in range(N)],
    "plan": [("a", "b", " a", "NA", None)[i % 5] for i in range(N)],
    "cities": [f"city {i % 29}" for i in range(N)],
    "note": [f"note {i}" for i in range(N)],
    "account_id": list(range(1000, 1000 + N)),
    "zip": [f"{i % 12:05}" for i in range(N)],
    "flat": ["12 €"] * N,
    "same": [7] * N,
    "money": [f"{i * 99:,.2f} €" for i in range(N)],
    "comma": [f"{i / 7:.2f}".replace(".", ",") for i in range(N)],
    "percent": [f"{i}%" if i % 4 else None for i in range(N)],
    "odd": ["weird" if i == 5 else "-" if i % 7 == 0 else "inf" if i == 9 else f"{i / 3:.3f}" for i in range(N)],
    "seen": [NOW - timedelta(days=i) for i in range(N)],
    "renews": [NOW + timedelta(days=30 + i) for i in range(N)],
    "told": [f"2024-01-{i % 20 + 1:02}T10:00:00" for i in range(N)],
    "clock": [time(i % 24, i) for i in range(N)],
    "tags": [[i, i + 1] for i in range(N)],
    "raw": [bytes([i]) for i in range(N)],
    "+phone": [f"+49 30 {1234567 + i}" for i in range(N)],
    "of, odd: name": [i % 4 for i in range(N)],
}
Y = [int(i % 3 == 0) for i in range(N)]


def frame(*names: str) -> pl.DataFrame:
    return pl.DataFrame({"user_id": [f"u{i}" for i in range(N)], **{n: COLUMNS[n] for n in names}, "y": Y})


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(sorted(set(COLUMNS) - {"whole"})), max_size=8))
def test_a_job_with_the_described_contract_sees_the_same(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    table = frame("whole", *sorted(names))
    path = tmp_path_factory.mktemp("contract") / "c.yaml"
    path.write_text(infer(table, "y", "user_id").as_yaml(), encoding="utf-8")
    without, held = Frame.of(table, target="y").load(), Frame.of(table, contract=str(path)).load()
    assert [(c.name, c.kind) for c in held.contract.columns] == [(c.name, c.kind) for c in without.contract.columns]
    assert len(held) == len(without) == N
    for name in without.contract.names("number"):
        assert held.features[name].equals(without.features[name]), name


def test_the_contract_says_how_numbers_are_written(tmp_path: Path) -> None:
    table = frame("money", "comma", "odd", "infinite", "whole")
    path = tmp_path / "c.yaml"
    path.write_text(infer(table, "y", "user_id").as_yaml(), encoding="utf-8")
    terms = read_contract(path).columns
    keys = ("decimal", "thousands", "unit", "also_missing")
    said = {name: {k: v for k in keys if (v := getattr(spec, k))} for name, spec in terms.items()}
    assert said["money"] == {"decimal": ".", "unit": "€"}
    assert said["comma"] == {"decimal": ","}
    assert said["odd"] == {"also_missing": ["weird", "inf"]}
    assert said["infinite"] == {"also_missing": ["inf"]}
    assert (terms["infinite"].min, terms["infinite"].max) == (0.14, 8.5)
    assert "decimal" not in terms["whole"].model_dump(mode="json"), "a deployment of before keeps its digest"


def test_measures_may_be_money() -> None:
    users = Frame.of(frame("money", "whole"), target="y", measures=["money"]).load()
    assert users.measures is not None
    assert users.measures["money"].tolist() == [i * 99.0 for i in range(N)]


def test_a_version_without_a_contract_reads_what_it_learnt_from() -> None:
    table = frame("money", "comma", "odd", "whole")
    users = Frame.of(table, target="y").load()
    terms = _terms(None, users.contract)
    assert terms.columns["money"].written == users.contract.columns[0].written
    assert terms.columns["odd"].also_missing == ["weird", "inf"]
    assert users.contract.odd["odd"] == {"-": 9, "inf": 1, "weird": 1}
