"""Answers that differ are told apart: what is a fault, what is intended, and what differs in every run."""

import pytest

from tests.frozen.comparing import Allowed, normalised, unintended

BEFORE = {"checks": {"value": {"word": "cannot tell", "gap": 0.1}}, "names": ["a", "gate.cannot tell"], "n": {"x": 1}}
RENAMED = Allowed(r".*", "cannot tell", "inconclusive", "the house's words")


def told(now: dict, *allowed: Allowed) -> list[str]:
    return [str(one) for one in unintended(BEFORE, now, allowed)]


def test_every_difference_is_told_with_its_place() -> None:
    now = {"checks": {"value": {"word": "passes", "gap": 0.1000001}}, "names": ["a", "b"], "n": {"y": 1}}
    assert told(now) == [
        "checks.value.word: 'cannot tell' -> 'passes'",
        "checks.value.gap: 0.1 -> 0.1000001",
        "names[]: 'gate.cannot tell' -> (not there)",
        "names[]: (not there) -> 'b'",
        "n.x: 1 -> (not there)",
        "n.y: (not there) -> 1",
    ]
    assert told(BEFORE) == told({**BEFORE, "checks": {"value": {"word": "cannot tell", "gap": 0.1 + 1e-13}}}) == []


def test_an_intended_word_may_be_new_in_values_keys_and_names_and_nothing_else() -> None:
    now = {**BEFORE, "checks": {"value": {"word": "inconclusive", "gap": 0.1}}, "names": ["a", "gate.inconclusive"]}
    assert len(told(now)) == 3
    assert told(now, RENAMED) == told(BEFORE, RENAMED) == []
    assert told({**now, "n": {"x": 2}}, RENAMED) == ["n.x: 1 -> 2"]
    assert unintended({"a": {"cannot tell": 3}}, {"a": {"inconclusive": 3}}, [RENAMED]) == []
    assert [str(one) for one in unintended({"cannot tell": 3}, {"inconclusive": 4}, [RENAMED])] == [
        "cannot tell: 3 -> 4"
    ]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (Allowed(r"n\.x", "1", None, "gone"), ["n.y: (not there) -> 1"]),
        (Allowed(r"n\.y", None, "1", "new"), ["n.x: 1 -> (not there)"]),
        (Allowed(r"n\..", None, None, "another value"), ["n.x: 1 -> (not there)", "n.y: (not there) -> 1"]),
    ],
)
def test_a_place_may_be_new_or_gone(rule: Allowed, left: list[str]) -> None:
    assert told({**BEFORE, "n": {"y": 1}}, rule) == left


def test_what_differs_in_every_run_is_taken_out() -> None:
    found = normalised(
        {
            "run_id": "0" * 32,
            "path": "/somewhere/mlflow.db",
            "seconds": {"fit": 0.3},
            "study": f"x-{'1' * 12}-{'2' * 8}",
        },
        {"folder": "/somewhere"},
    )
    assert found == {
        "run_id": "<id>",
        "path": "<folder>/mlflow.db",
        "seconds": {"fit": "<differs>"},
        "study": "x-<study>-<id>",
    }
