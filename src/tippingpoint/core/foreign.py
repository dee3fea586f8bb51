"""Errors of models, policies and generators that are the user's own, told from errors of the store and of ours."""

import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

from tippingpoint.core.errors import InputError, TippingpointError
from tippingpoint.core.strict import StrictModel, plugins


def as_theirs(error: BaseException) -> InputError | None:
    """Return what to say of an error that code of the user's own raised, or made a library raise; None for others.

    The innermost frame that is ours or the user's decides: it is theirs if it stands in a module of theirs, or in a
    function of ours that was given an object of theirs first (`fit(family, …)`, a policy's own method).
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TippingpointError):
        if (found := _place(cause)) is not None:
            whose, at = found
            said = " ".join(str(cause).split())
            what = f"raised {type(cause).__name__}{f': {said}' if said else ''} ({at})"
            theirs = InputError(whose, what, "The error is not from tippingpoint. Type debug=true for the traceback.")
            theirs.__cause__ = error
            return theirs
        cause = cause.__cause__  # MLflow wraps what it meets
    return None


def of_ours(cls: type) -> bool:
    """Whether a class is this package's own."""
    return cls.__module__.partition(".")[0] == "tippingpoint"


def _place(error: BaseException) -> tuple[str, str] | None:
    """The class or module of the user's that raised an error, and where; None where none did."""
    modules = {cls.__module__ for cls in _below(StrictModel)}
    packages = {target.partition(".")[0] for target in plugins()}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        name, first = str(frame.f_globals.get("__name__")), _first(frame)
        cls = first if isinstance(first, type) else type(first)
        if name.partition(".")[0] == "tippingpoint":
            if of_ours(cls) or not issubclass(cls, StrictModel):
                return None
            return f"{cls.__module__}.{cls.__qualname__}", str(getattr(sys.modules[cls.__module__], "__file__", ""))
        if name in modules or name.partition(".")[0] in packages:
            whose = f"{name}.{cls.__qualname__}" if cls.__module__ == name else name
            return whose, f"{frame.f_code.co_filename}:{line}"
    return None


def _below(cls: type) -> Iterator[type]:
    """Classes of others that derive from one."""
    direct: list[type] = cls.__subclasses__()
    for below in direct:
        if not of_ours(below):
            yield below
        yield from _below(below)


def _first(frame: FrameType) -> Any:
    """The first argument of the function a frame is of."""
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
