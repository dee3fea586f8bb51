"""What tables in text are written with, as configs name it: separators, decimal and thousands signs, encodings."""

import codecs
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

NAMES = {"comma": ",", "point": ".", "blank": " ", "apostrophe": "'", "semicolon": ";", "tab": "\t"}
"""Signs by names that need no quotes in a shell."""


def _sign(given: Any) -> Any:
    return NAMES.get(given, given)


def _known(encoding: str) -> str:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ValueError(f"there is no encoding {encoding!r}. Type cp1252, latin-1 or utf-16") from error
    return encoding


Decimal = Annotated[Literal[".", ","], BeforeValidator(_sign)]
"""What stands before decimals."""
Sign = Annotated[Literal[".", ",", " ", "'"], BeforeValidator(_sign)]
"""What parts thousands."""
Separator = Annotated[str, BeforeValidator(_sign), Field(min_length=1, max_length=1)]
"""What stands between a CSV's values."""
Encoding = Annotated[str, AfterValidator(_known)]
"""What a text is written in, by a name that Python knows."""
