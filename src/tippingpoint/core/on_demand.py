"""Libraries that are loaded when they are used: a service of scores has no need of some that jobs work with."""

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as polars
else:

    class _OnDemand(ModuleType):
        def __getattr__(self, name: str) -> Any:
            found = getattr(import_module(self.__name__), name)
            setattr(self, name, found)
            return found

    polars = _OnDemand("polars")
    """25 MB of a process. A module that uses it so has annotations that are not evaluated."""


@contextlib.contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let what is imported meanwhile find some packages not installed, which it would load only to be ready for them.

    Whoever imports them later gets them. One that is loaded already stays.
    """
    hidden = [package for package in packages if package not in sys.modules]
    for package in hidden:
        sys.modules[package] = None  # type: ignore[assignment]  # what Python takes for "is not there"
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]
