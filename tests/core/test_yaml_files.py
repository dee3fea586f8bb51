"""YAML that people write wrong, or wrote to do harm."""

from pathlib import Path

import pytest

from tests.refusals import refuses
from tippingpoint.core.yaml_files import DEEPEST, REPEATED, read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 9)
)
NO_SUCH = (("int", "''"), ("float", "'_'"), ("timestamp", "'x'"), ("bool", "'x'"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1", "line 2"),
        ("a: 1\n\tb: 2", "line 2"),
        ("a: 1\nb: !!python/object/apply:os.getcwd []", "line 2"),
        ("a: 1\nb: *nowhere", "line 2"),
        ("a: &a [*a]", "line 1"),
        ("a: 1\nb: 2\na: 3", "line 3"),
        ("a: 1\nb: \x01", "line 2"),
        ("a: !!int x", "line 1, column 4: 'x' is no int"),
        ("a: 1\nb: 2026-02-30", "line 2"),
        ("a: 1\nb: !!map x", "line 2, column 4"),
        ("a: 1\nb: !!set [x]", "line 2, column 4"),
        *((f"a: 1\nb: !!{tag} {of}", f"line 2, column 4: {of} is no {tag}") for tag, of in NO_SUCH),
        ("a: 1\nb: " + "[" * 500 + "]" * 500, f"deeper than {DEEPEST}"),
        (BOMB, f"more than {REPEATED:,}"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (path := tmp_path / "own.yaml").write_text(text)
    with refuses("own.yaml", said):
        read_yaml(path, "own.yaml")


def test_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    (path := tmp_path / "own.yaml").write_bytes("a: 1\nb: ü".encode("cp1252"))
    with refuses("own.yaml", "line 2 is not in UTF-8"):
        read_yaml(path, "own.yaml")


def test_what_is_yaml_is_read(tmp_path: Path) -> None:
    (path := tmp_path / "own.yaml").write_text("\ufeffa: &x {b: No, c: 1.5}\nd: {<<: *x, c: 2}")
    assert read_yaml(path, "") == {"a": {"b": False, "c": 1.5}, "d": {"b": False, "c": 2}}
    assert read_yaml(path, "", words=True)["a"] == {"b": "No", "c": "1.5"}
