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
        texts = (text for text in overrides_in("".join(remedy)) if not PLACE.search(text))
        return [shlex.split(text) for text in texts]


PLACE = re.compile(r"…|\b(KEY|VALUE|NAME|NUMBER|VERSION|ALIAS)\b")
"""A place to fill in."""
LINE = r"[a-z]+(?: (?:approve|pin|request|resume)\b)?(?: \d+\b)?"
"""How a line begins: a verb, and what of it is named without a key."""
WORD = r"'?(?:[+~]{0,2}[a-z][\w./]*=|~[a-z])"
"""How an override begins."""


def overrides_in(text: str) -> list[str]:
    """Overrides in a sentence to the letter, those that belong together in one."""
    found: list[tuple[int, int]] = []
    for start in re.finditer(rf"(?:^|[\s(])(?={WORD})", text):
        end = start.end() + _word_length(text[start.end() :])
        begin = found.pop()[0] if found and found[-1][1] == start.start() else start.end()
        found.append((begin, end))
    return [text[begin:end] for begin, end in found]


def lines_in(text: str) -> tuple[list[str], str]:
    """Command lines in a sentence, and what is left of it."""
    lines = []
    while start := re.search(r"\btippingpoint (?=[a-z])(?!'?\[)", text):
        end = start.end() + len(re.match(LINE, text[start.end() :])[0])  # type: ignore[index]  # it looked ahead
        while more := re.match(rf" (?=…|{WORD})", text[end:]):
            end += more.end() + _word_length(text[end + more.end() :])
        lines.append(text[start.end() : end])
        text = text[: start.start()] + text[end:]
    return lines, text


def _word_length(text: str) -> int:
    """Length of the first word of a line as a shell reads it, without the sign that ends the clause around it."""
    raw = re.match(r"(?:'[^']*'|\"(?:\\.|[^\"])*\"|[^\s'\"])*", text, re.DOTALL)
    assert raw
    return len(re.sub(r"[.,;:?)]$", "", raw[0]))


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
