"""Mixpanel's raw export, as its SDKs of different ages write it."""

import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.data.events.exports import PRODUCT, Properties
from tippingpoint.data.events.mixpanel import read_mixpanel, write_mixpanel

NAMES = Properties(
    seconds="Seconds Watched",
    platform="$os",
    country="mp_country_code",
    variant="Variant name",
    user_id="user_id",
)


def read(path: Path, *events: object) -> list[dict[str, object]]:
    path.write_text("\n".join(json.dumps(event) for event in events))
    return read_mixpanel(str(path), NAMES).to_dicts()


def event(name: str, **properties: object) -> dict[str, object]:
    return {"event": name, "properties": {"time": 1_700_000_000, "distinct_id": "ann", **properties}}


def test_an_event_with_all_and_one_with_the_least(tmp_path: Path) -> None:
    full = {
        "$insert_id": "x", "mp_processing_time_ms": 1_700_000_009_500, "Seconds Watched": 61.6, "$os": "iOS",
        "mp_country_code": "DE", "$city": "Köln", "tags": ["a", {"b": 1}],
    }  # fmt: skip
    first, second = read(tmp_path / "e.jsonl", event("Playback", **full), event("Search"))
    assert first == {
        "distinct_id": "ann", "event": "Playback", "time": 1_700_000_000, "insert_id": "x",
        "received": 1_700_000_009, "alias": None, "variant": None, "seconds": 62, "platform": "iOS",
        "country": "DE",
    }  # fmt: skip
    assert (second["insert_id"], second["received"], second["seconds"]) == ("row 1", None, None)


@pytest.mark.parametrize(
    "joining",
    [
        event("$identify", **{"$identified_id": "ann", "$anon_id": "dev"}),
        event("$create_alias", alias="dev"),
        {"event": "$merge", "properties": {"time": 1_700_000_000, "$distinct_ids": ["ann", "dev"]}},
    ],
)
def test_joined_ids_are_told_from_every_kind_of_joining_event(tmp_path: Path, joining: object) -> None:
    (row,) = read(tmp_path / "e.jsonl", joining)
    assert (row["distinct_id"], row["alias"]) == ("ann", "dev")


def test_a_device_is_joined_by_an_event_that_names_its_user(tmp_path: Path) -> None:
    signed_in = event("Playback", **{"$user_id": "ann", "$device_id": "d1"})
    signed_out = {
        "event": "Playback",
        "properties": {"time": 1, "distinct_id": "$device:d1", "$device_id": "d1"},
    }
    assert [row["alias"] for row in read(tmp_path / "e.jsonl", signed_in, signed_out)] == ["$device:d1", None]


def test_an_alias_property_of_another_event_joins_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "e.jsonl", event("Playback", alias="nickname"))[0]["alias"] is None


def test_times_may_be_in_milliseconds_or_have_fractions(tmp_path: Path) -> None:
    rows = read(tmp_path / "e.jsonl", event("a", time=1_700_000_000_999), event("b", time=1_700_000_000.9))
    assert [row["time"] for row in rows] == [1_700_000_000] * 2


def test_an_array_a_gzip_a_folder_and_a_pattern_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([event("a"), event("b")]))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps(event("c")).encode()))
    for path, count in (("a.json", 2), ("b.json.gz", 1), (".", 3), ("*.json", 2)):
        assert len(read_mixpanel(str(tmp_path / path), NAMES)) == count


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 of 2 events .* have no 'properties.time' \(first: number 2\)"):
        read(tmp_path / "e.jsonl", event("a"), {"event": "b", "properties": {}})
    (tmp_path / "bad.jsonl").write_text(json.dumps(event("a")) + "\n{not json\n")
    with pytest.raises(InputError, match=r"cannot be read as JSON lines .*bad\.jsonl"):
        read_mixpanel(str(tmp_path / "bad.jsonl"), NAMES)
    for text in ("ß" * 50, "x" + "ß" * 50):  # of which DuckDB quotes the first 50 bytes
        with pytest.raises(InputError, match=r"cannot be read as JSON lines .*ßßß"):
            read(tmp_path / "text.jsonl", {"event": "a", "properties": {"time": text}})
    with pytest.raises(InputError, match=r"Nearest: 'bad\.jsonl'"):
        read_mixpanel(str(tmp_path / "bed.jsonl"), NAMES)


text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(text, text, text, st.one_of(st.none(), text), st.one_of(st.none(), st.integers(0, 10**6))),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    names = ("distinct_id", "event", "insert_id", "platform", "seconds")
    table = pl.DataFrame(
        [{**dict(zip(names, row, strict=True)), "time": 1_700_000_000, "received": 1_700_000_001} for row in rows],
        schema=PRODUCT,
    ).filter(~pl.col("event").str.starts_with("$"))
    file = io.BytesIO()
    write_mixpanel(table, NAMES, file)
    path = tmp_path_factory.mktemp("export") / "e.jsonl"
    path.write_bytes(file.getvalue())
    if len(table):
        assert read_mixpanel(str(path), NAMES).equals(table)
