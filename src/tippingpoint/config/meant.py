"""Words often typed for something else: put right where they can mean one thing alone, else told what to type."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override


def bound_policy(overrides: Sequence[str]) -> list[str]:
    """Words of `policy bind` with the policy as it takes it: `policy=NAME` is an option, as for every other verb.

    Raises
    ------
    InputError
        Where two policies are named, or prices, which a version keeps.

    Examples
    --------
    >>> bound_policy(["policy=top_fraction", "policy.share=0.1"])
    ['policies=[top_fraction]', 'policy.share=0.1']
    """
    if priced := next((word for word in overrides if re.match(r"[+~]*economics(\.|=|$)", word)), None):
        fit = "Others take a fit: type tippingpoint compare policy=… economics=…."
        raise InputError(priced.lstrip("+~").partition("=")[0], "a bound version keeps its prices", fit)
    named = [word for word in overrides if re.fullmatch(r"\+*policy=[^{\[].*", word)]
    if named and any(word.startswith("policies=") for word in overrides):
        raise InputError("policy", "is named twice, by policy= and by policies=", "Leave one of them out.")
    return [f"policies=[{word.partition('=')[2]}]" if word in named else word for word in overrides]


def in_place(key: str, typed: str) -> str:
    """What to type so that keys with values are there instead of what is there.

    >>> print(in_place("policy.actions", "policy.actions={none: none}"))
    '~policy.actions' '+policy.actions={none: none}'
    """
    return f"{shlex.quote(f'~{key}')} {shlex.quote(f'+{typed}')}"


def with_comma(key: str, value: str, whole: bool) -> str:
    """What to type for a value with a comma: a number, where it is one with a decimal comma, then what else it may be.

    `whole` says that the key takes whole numbers.

    >>> print(with_comma("economics.price", "9,99", whole=False).partition(",")[0])
    Type economics.price=9.99 for a number
    """
    number = ""
    if re.fullmatch(r"[+-]?\d+,\d+%?", value) and not whole:
        point = value.replace(",", ".")
        number = f"{float(point[:-1]) / 100:.12g}" if point.endswith("%") else point
        number = f"{key}={number} for a number, "
    listed = f"{key}={shlex.quote(f'[{value}]')} for a list, {override(key, value)} for one text"
    return f"Type {number}{listed}, or add -m to run one job for each."


def elsewhere(config: Any, leaf: str) -> Iterator[str]:
    """Keys one level down that have the name of one typed at the root.

    >>> list(elsewhere({"seed": 0, "budget": {"contacts": None}}, "contacts"))
    ['budget.contacts']
    """
    found = config.items() if isinstance(config, Mapping) else ()
    return (f"{key}.{leaf}" for key, of in found if isinstance(of, Mapping) and leaf in of)
