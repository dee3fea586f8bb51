"""A refusal as tests check it: where it is, of which kind, and what it says to type; not word for word."""

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


@contextmanager
def refuses(key: str, *named: str, kind: type[TippingpointError] = InputError) -> Iterator[None]:
    """The block ends in one error, which is about this key and names these values and words to type."""
    with pytest.raises(kind) as raised:
        yield
    assert raised.value.where == key
    assert [word for word in named if word not in str(raised.value)] == []
