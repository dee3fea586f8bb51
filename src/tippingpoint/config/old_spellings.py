"""Spellings of release 0.1, understood for one release more: each says on stderr what to type instead.

This file goes with release 0.3, and with it the two calls of `modern_words`, the one of `modern_gate` and the test over
`OLD_SPELLINGS`. Nothing else knows an old spelling.
"""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tippingpoint.core.errors import InputError
from tippingpoint.core.redaction import masked


class OldSpelling(NamedTuple):
    """How a word of a verb began (a regular expression), and how it begins now."""

    verbs: tuple[str, ...]
    old: str
    new: str


OLD_SPELLINGS = (
    OldSpelling(("score",), r"output=(?!['\"]?(?:text|json)['\"]?$)", "to="),
    OldSpelling(("policy_lint",), r"picture=", "to="),
    OldSpelling(("score", "serve", "dashboard", "promote"), r"version=", "model="),
    OldSpelling(("policy_lint", "policy_diff"), r"scored_by=", "model="),
    OldSpelling(("promote",), r"(gate\.\w+)\.cannot_tell=", r"\1.inconclusive="),
)


def modern_words(verb: str, words: Sequence[str]) -> list[str]:
    """Return the words typed after a verb, those in an old spelling in the new one.

    Raises
    ------
    InputError
        When a key is given in both spellings.

    Examples
    --------
    >>> modern_words("score", ["input=users.csv", "output=json", "to=decisions.csv"])
    ['input=users.csv', 'output=json', 'to=decisions.csv']
    """
    found = list(words)
    for place, word in enumerate(words):
        for verbs, old, new in OLD_SPELLINGS:
            if verb in verbs and re.match(old, word):
                found[place] = re.sub(f"^{old}", new, word)
                key = found[place].partition("=")[0]
                if any(other.startswith(f"{key}=") for other in words):
                    raise InputError(key, f"given twice, once as {word.partition('=')[0]}", f"Give {key}= alone.")
                _say(masked(word), shlex.quote(masked(found[place])))
    # A gate of the user's own may hold the old key beside the new one; what is typed counts more than either.
    typed = [match[1] for word in found if (match := re.match(r"(gate\.\w+)\.inconclusive=", word))]
    return [*found, *(f"++{check}.cannot_tell=null" for check in typed)]


def modern_gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config node of a gate with `inconclusive` where it says `cannot_tell`.

    A gate of the user's own that is laid over a shipped one holds both: its own word, the old one, counts.
    """
    renamed = dict(gate)
    for name, check in gate.items():
        if isinstance(check, Mapping) and "cannot_tell" in check:
            renamed[name] = {key: value for key, value in check.items() if key != "cannot_tell"}
            if check["cannot_tell"] is not None:
                renamed[name]["inconclusive"] = check["cannot_tell"]
                _say(f"gate.{name}.cannot_tell", f"gate.{name}.inconclusive")
    return renamed


def _say(old: str, new: str) -> None:
    print(f"{old} is an old spelling, which the next release does not know: type {new}", file=sys.stderr)
