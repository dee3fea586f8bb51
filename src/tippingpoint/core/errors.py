"""What went wrong, where, and what to type instead."""

import difflib
from collections.abc import Iterable


class TippingpointError(Exception):
    """Base of the errors a user is shown as one message, without a traceback.

    Parameters
    ----------
    where
        The config path, file or store the message is about.
    what
        What is wrong, as a clause without a final stop.
    remedy
        What to type instead, as a sentence.
    """

    exit_code = 2

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        self.where, self.what, self.remedy = where, what, remedy
        super().__init__(f"{where}: {what}." + (f" {remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:  # survives the trip from a worker process
        return type(self), (self.where, self.what, self.remedy)


class InputError(TippingpointError):
    """The user's input is wrong (exit code 2)."""


class RefusedError(TippingpointError):
    """A gate or a check said no (exit code 1); a result that is `refused` exits with the same."""

    exit_code = 1


class OutsideError(TippingpointError):
    """Something outside failed: the store, a database (exit code 3)."""

    exit_code = 3


def nearest(name: str, names: Iterable[str]) -> str:
    """Name the closest of `names`, then list them all (shortened past twelve).

    >>> nearest("adoptr", ["user_id", "age", "adopter"])
    "Nearest: 'adopter'. There are: user_id, age, adopter."
    """
    names = list(names)
    folded = {n.casefold(): n for n in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    shown = ", ".join(names[:12]) + (f", … ({len(names)})" if len(names) > 12 else "")
    return (f"Nearest: {folded[close[0]]!r}. " if close else "") + (f"There are: {shown}." if names else "")
