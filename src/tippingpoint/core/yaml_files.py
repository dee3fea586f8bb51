"""YAML that people write: read whole, or refused with file and line; no file fills memory or runs code."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tippingpoint.core.errors import InputError

T = TypeVar("T")

DEEPEST = 50
"""Levels of lists and keys within each other."""
REPEATED = 10_000
"""Nodes that aliases repeat, all in all: nine lists of nine aliases each would be a thousand million."""
LARGEST = 8 << 20
"""Bytes of a file."""
MERGE = "tag:yaml.org,2002:merge"


class _Bounded(yaml.SafeLoader):
    """Refuses what is nested too deep, repeated too often or within itself."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = self._repeated = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # types-pyyaml leaves the parser out
        mark, anchor = event.start_mark, getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent) and anchor in self.anchors:
            if anchor not in self._sizes:
                raise yaml.MarkedYAMLError(problem=f"*{anchor} repeats itself within itself", problem_mark=mark)
            self._nodes += self._sizes[anchor]
            self._repeated += self._sizes[anchor]
            if self._repeated > REPEATED:
                raise yaml.MarkedYAMLError(problem=f"aliases repeat more than {REPEATED:,} nodes", problem_mark=mark)
        if self._depth == DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST} levels", problem_mark=mark)
        self._depth, before = self._depth + 1, self._nodes
        self._nodes += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if anchor is not None and not isinstance(event, yaml.AliasEvent):
            self._sizes[anchor] = self._nodes - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError) as error:  # PyYAML takes a tag's word for it
            problem = f"{node.value!r:.100} is no {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # !!map may stand before anything
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.tag != MERGE:
                problem = f"the key {key.value!r} stands there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _Words(_Bounded):
    """Takes every value for text: No is a category before it is a boolean."""

    yaml_implicit_resolvers: dict[str, Any] = {}


def read_text(path: Path, where: str) -> str:
    """Return the text of a YAML file, which has been looked through as far as it can be without making values of it.

    Raises
    ------
    InputError
        At `where`, naming the line, when it cannot be read, or is no YAML, or one that grows without bounds.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(where, f"cannot be read ({error.strerror})") from error
    if len(content) > LARGEST:
        raise InputError(where, f"has {len(content):,} bytes; a YAML file may have {LARGEST:,}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(where, f"line {line} is not in UTF-8", "Save it as UTF-8.") from error
    with_line(lambda: _Bounded(text).get_single_node(), text, where)
    return text


def read_yaml(path: Path, where: str, words: bool = False) -> Any:
    """Return what a YAML file holds.

    Parameters
    ----------
    words
        Whether every value stays text.

    Raises
    ------
    InputError
        At `where`, naming the line, when it is no YAML.
    """
    text = read_text(path, where)
    return with_line(lambda: (_Words if words else _Bounded)(text).get_single_data(), text, where)


def line_of(path: Path, keys: Sequence[str]) -> int | None:
    """Return the line on which a file sets a key, or the innermost above it that stands there; None where none does.

    Parameters
    ----------
    keys
        Names of keys and numbers of items, from the outermost on; a name with dots in it may come in pieces.

    Raises
    ------
    InputError
        When the file is no YAML.
    """
    text = read_text(path, str(path))
    node, left, line = _Bounded(text).get_single_node(), list(keys), None
    while left:
        inner: yaml.Node
        if isinstance(node, yaml.MappingNode):
            named = {str(key.value): (key, value) for key, value in node.value}
            most = next((n for n in range(len(left), 0, -1) if ".".join(left[:n]) in named), 0)
            if not most:
                break
            at, inner = named[".".join(left[:most])]
        elif isinstance(node, yaml.SequenceNode) and left[0].isdigit() and int(left[0]) < len(node.value):
            most, at = 1, node.value[int(left[0])]
            inner = at
        else:
            break
        node, left, line = inner, left[most:], at.start_mark.line + 1
    return line


def with_line(read: Callable[[], T], text: str, where: str) -> T:
    """Return what `read` makes of the text of a file; what PyYAML says against it is said with its line.

    Raises
    ------
    InputError
        At `where`.
    """
    try:
        return read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        said = " ".join(filter(None, [error.context, error.problem]))
    except yaml.reader.ReaderError as error:
        at = f"line {text[: error.position].count(chr(10)) + 1}: "
        said = f"holds the character {error.character!r}, which no text does"
    raise InputError(where, f"is not YAML ({at}{' '.join(said.split())})", "Fix this line.") from None
