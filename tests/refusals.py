"""A refusal as tests check it: where it is, of which kind, and what it says to type; not word for word."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tippingpoint.core.errors import InputError, TippingpointError


class Refusal(str):
    """What the command line says of wrong words."""

    @property
    def key(self) -> str:
        """The config path or file it is about."""
        return self.partition(": ")[0]

    @property
    def typed(self) -> list[list[str]]:
        """Overrides it says to type, as a shell hands them on, those that belong together in one; none with a place to
        fill in (`…`, `NAME`)."""
        remedy = re.split(r"\b[Tt]ype |\btwice: ", self.partition(": ")[2], maxsplit=1)[1:]
        return [words for words in overrides_in("".join(remedy)) if not any(map(PLACE.search, words))]


PLACE = re.compile(r"…|\b(KEY|VALUE|NAME|NUMBER|VERSION|ALIAS)\b")
"""A place to fill in."""
WORD = r"(?:[+~]{0,2}[a-z][\w./]*=|~[a-z])"
"""How an override begins."""


def overrides_in(text: str) -> list[list[str]]:
    """Overrides in a sentence, as a shell hands them on, those that belong together in one."""
    found: list[list[str]] = []
    end = -1
    for start in re.finditer(rf"(?:^|[\s(])(?={WORD})", text):
        word, length = _first_word(text[start.end() :])
        if start.start() != end:
            found.append([])
        found[-1].append(word)
        end = start.end() + length
    return found


def lines_in(text: str) -> tuple[list[str], str]:
    """Command lines in a sentence, and what is left of it."""
    lines = []
    while start := re.search(r"\btippingpoint (?=[a-z])(?!'?\[)", text):
        end = start.end() + len(re.match(r"[a-z]+", text[start.end() :])[0])  # type: ignore[index]  # it looked ahead
        while more := re.match(rf" (?=…|{WORD})", text[end:]):
            end += more.end() + _first_word(text[end + more.end() :])[1]
        lines.append(text[start.end() : end])
        text = text[: start.start()] + text[end:]
    return lines, text


def _first_word(text: str) -> tuple[str, int]:
    """The first word of a line as a shell reads it, without the sign that ends the clause around it; and its length."""
    raw = re.match(r"(?:'[^']*'|\"(?:\\.|[^\"])*\"|[^\s'\"])*", text, re.DOTALL)
    assert raw
    word = re.sub(r"[.,;:?)]$", "", raw[0])
    return shlex.split(word)[0], len(word)


def retyped(words: tuple[str, ...], overrides: list[str]) -> list[str]:
    """The same line with overrides instead of what was typed for their keys, or beside it."""
    keys = [override.partition("=")[0].lstrip("+") for override in overrides]
    kept = (word for word in words if "=" not in word or word.lstrip("+").partition("=")[0] not in keys)
    return [*kept, *overrides]


@contextmanager
def refuses(key: str, *named: str, kind: type[TippingpointError] = InputError) -> Iterator[None]:
    """The block ends in one error, which is about this key and names these values and words to type."""
    with pytest.raises(kind) as raised:
        yield
    assert raised.value.where == key
    assert [word for word in named if word not in str(raised.value)] == []
