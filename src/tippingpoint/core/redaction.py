"""Addresses without their passwords."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

USER = re.compile(r"(://[^:/@\s'\"]*):(?!\d+[/?#])((?:(?!://)[^\s'\"])+)@", re.IGNORECASE)
"""User and password of an address: up to the last @, as one in a password is not always written %40."""
KEYS = r"(?:password|passwd|pwd|secret|token|api_?key|access_?key)"
NAMED = re.compile(
    rf"((?<![a-z]){KEYS}|(?<=[a-z_]){KEYS})(\s*=\s*)('[^']*'|\"[^\"]*\"|[^&\s'\",;)\]}}]+)", re.IGNORECASE
)
LEAST = 3
"""Letters that a part of a password has before it is looked for in what a driver says."""


def masked(value: Any, *addresses: str) -> Any:
    """Text, or a whole config, without the passwords of addresses in it: what the store and terminals may see.

    Parameters
    ----------
    addresses
        Whose passwords are taken out too, wherever they stand: a driver that takes an address apart otherwise repeats
        some of one.

    Examples
    --------
    >>> masked({"url": "postgresql://ann:se@cr/et@host/db?password=x", "token": "abc"})
    {'url': 'postgresql://ann:***@host/db?password=***', 'token': '***'}
    >>> masked('no host named "cr/et@host"', "postgresql://ann:se@cr/et@host/db")
    'no host named "***@host"'
    """
    if isinstance(value, Mapping):
        return {
            key: "***" if isinstance(inner, str) and re.fullmatch(KEYS, str(key), re.IGNORECASE) else masked(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(inner, *addresses) for inner in value]
    if not isinstance(value, str):
        return value
    text = NAMED.sub(r"\1\2***", USER.sub(r"\1:***@", value))
    for secret in sorted({part for address in addresses for part in _secrets(address)}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets(address: str) -> Iterator[str]:
    """The passwords of an address, as written and as meant, and what may be taken for its other parts."""
    written = [found[2] for found in USER.finditer(address)] + [
        found[3].strip("'\"") for found in NAMED.finditer(address)
    ]
    for password in written:
        whole = (password, unquote(password))
        ends = (password[at.end() :] for at in re.finditer("[@/:?#]", password))
        parts = re.split("[@/:?#]", password)
        yield from (part for part in (*whole, *ends, *parts) if len(part) >= LEAST or (part in whole and part))
