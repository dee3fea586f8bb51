"""Addresses without their passwords."""

import re
from collections.abc import Mapping
from typing import Any


def masked(value: Any) -> Any:
    """Text, or a whole config, without the passwords of addresses in it: what the store and terminals may see.

    >>> masked({"url": "postgresql://ann:secret@host/db?password=x"})
    {'url': 'postgresql://ann:***@host/db?password=***'}
    """
    if isinstance(value, Mapping):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"(?i)(://[^:/@\s]*):[^@\s]+@|(password=)('[^']*'|[^&\s'\"]+)", _mask, value)


def _mask(found: re.Match[str]) -> str:
    return f"{found[1]}:***@" if found[2] is None else f"{found[2]}***"
