"""A store that was made before the modules moved works on: store/make_store.py made it, and says how.

Its versions load and decide the same, are promoted and rolled back, simulated and served.
"""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.frozen.comparing import ABSOLUTE, Allowed, unintended
from tests.frozen.store import make_store
from tests.frozen.test_frozen_answers import ALLOWED, listed

OF_STORE: tuple[Allowed, ...] = ()
"""Intended differences in what is answered on the store, besides those in all answers."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store is unpacked."""
    return make_store.unpacked(tmp_path_factory.mktemp("store").resolve())


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict:
    """What the verbs answer on it now."""
    return make_store.replayed(folder)


def test_every_verb_answers_on_it_as_before(answers: dict) -> None:
    before = json.loads(make_store.ANSWERS.read_text(encoding="utf-8"))
    assert not (found := unintended(before, answers, (*ALLOWED, *OF_STORE))), listed(found)


@pytest.mark.usefixtures("answers")
def test_every_version_decides_as_before(folder: Path) -> None:
    before, now = (pl.read_csv(path) for path in (make_store.DECISIONS, folder / "decisions.csv"))
    assert now.columns == before.columns
    numbers = ["propensity_score", "expected_value"]
    assert now.drop(numbers).equals(before.drop(numbers)), "users, segments, actions, versions and policy digests"
    for name in numbers:
        assert now[name].to_list() == pytest.approx(before[name].to_list(), rel=1e-12, abs=ABSOLUTE), name


def test_the_registry_went_forth_and_back(answers: dict) -> None:
    statuses = [answers[name]["answer"]["models"][0] for name in ("status", "status_promoted", "status_rolled_back")]
    assert [status["champion"] for status in statuses] == ["2", "3", "2"]
