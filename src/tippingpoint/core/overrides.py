"""Overrides as they are typed: a value in Hydra's grammar, and both key and value in a shell's."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

WORD = re.compile(r"([A-Za-z_/]|\.\.?/)[A-Za-z0-9_./:@+%-]*")
"""Text that Hydra takes as it stands, if it is not TYPED."""
TYPED = re.compile(r"(?i)null|true|false|[+-]?(nan|inf)")
"""Words that Hydra takes for something else than text."""
KEY = re.compile(r"[\w/+.$%*@?|\\()\[\]{}:=, -]*[A-Za-z][\w/+.$%*@?|\\()\[\]{}:=, -]*|0|-?[1-9]\d*", re.ASCII)
"""Keys of a dict that can be typed: Hydra knows no quotes there. Whole numbers are text again where it is wanted."""


def override(key: str, value: Any) -> str:
    r"""Return `key=value` to be typed in a POSIX shell, so that the value arrives as it stands.

    Parameters
    ----------
    value
        Text, a number, true or false, None, or a list or dict of such.

    Raises
    ------
    ValueError
        For a dict with a key that Hydra's grammar has no form for.

    Examples
    --------
    >>> print(override("data.drop", ["Customer, ID", "age"]))
    data.drop='["Customer, ID", age]'
    >>> print(override("data.target", "adopter"), override("data.positive", "1"), override("data.id", "a$b"))
    data.target=adopter data.positive='"1"' data.id='"a$b"'
    """
    return f"{shlex.quote(key)}={shlex.quote(_written(value))}"


def quoted(value: str, quote: str = "'") -> str:
    """Text as Hydra takes it literally: in its quotes a backslash counts only before a quote, and is doubled there.

    What stands in `${…}` is still looked up.
    """
    escaped = re.sub(rf"(\\*)({quote}|\Z)", lambda m: m[1] * 2 + m[2].replace(quote, f"\\{quote}"), value)
    return f"{quote}{escaped}{quote}"


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, str):
        if WORD.fullmatch(value) and not TYPED.fullmatch(value):
            return value
        looked_up_not = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + "\\${", value)
        return quoted(looked_up_not, "'" if '"' in value else '"')
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(str(key))}: {_written(inner)}' for key, inner in value.items())}}}"
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, Iterable) else str(value)


def _key(key: str) -> str:
    if not KEY.fullmatch(key) or TYPED.fullmatch(key) or re.fullmatch(r"[+-]?[\d._]+e[+-]?[\d_]+", key, re.IGNORECASE):
        raise ValueError(f"{key!r} cannot be typed as a key")
    return re.sub(r"[\\()\[\]{}:=,]|^ +| +$", lambda m: "".join(f"\\{sign}" for sign in m[0]), key)
