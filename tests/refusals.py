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
    def typed(self) -> list[str]:
        """Overrides it says to type, as a shell hands them on; none with a place to fill in (`…`, `NAME`)."""
        remedy = re.split(r"\b[Tt]ype |\btwice: ", self.partition(": ")[2], maxsplit=1)[1:]
        found = []
        for start in re.finditer(r"(?:^|[\s(])(?=[+~]{0,2}[a-z][\w./]*=)", remedy[0] if remedy else ""):
            word = _first_word(remedy[0][start.end() :])
            if not re.search(r"…|\b(KEY|VALUE|NAME|NUMBER|VERSION|ALIAS|ACTION|REGISTRY)\b", word):
                found.append(word)
        return found


def _first_word(text: str) -> str:
    """The first word of a line as a shell reads it, without the sign that ends the clause around it."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="")
    lexer.whitespace_split, lexer.commenters = True, ""
    return re.sub(r"[.,;:?)]$", "", lexer.get_token() or "")


def retyped(words: tuple[str, ...], override: str) -> list[str]:
    """The same line with an override instead of what was typed for its key, or beside it."""
    key = override.partition("=")[0]
    return [*(word for word in words if word.lstrip("+").partition("=")[0] != key.lstrip("+")), override]


@contextmanager
def refuses(key: str, *named: str, kind: type[TippingpointError] = InputError) -> Iterator[None]:
    """The block ends in one error, which is about this key and names these values and words to type."""
    with pytest.raises(kind) as raised:
        yield
    assert raised.value.where == key
    assert [word for word in named if word not in str(raised.value)] == []
