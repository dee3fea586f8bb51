"""What went wrong, where, and what to type instead."""

import difflib
import errno
import re
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

from tippingpoint.core.overrides import WORD, override

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a system says when a disk, or a user's share of one, is full."""


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


def is_full(error: BaseException) -> bool:
    """Whether a disk is full; where an error came through polars or MLflow, the system's number stands in its text."""
    found = re.search(r"(?:os error |\[Errno )(\d+)", str(error))
    number = getattr(error, "errno", None) or (int(found[1]) if found else None)
    return number in FULL or "No usable temporary directory" in str(error)  # Python's, of none that takes a file


def unwritable(where: str, error: OSError) -> TippingpointError:
    """Return what to say of a place that cannot be written: the disk's fault if it is full, else the name's."""
    what = f"cannot be written ({error.strerror or error})"
    if is_full(error):
        return OutsideError(where, what, "Make room, or name a place elsewhere; nothing is left there in part.")
    return InputError(where, what, "Name a place elsewhere.")


class UnexpectedError(TippingpointError):
    """An error that nothing here expects, so one of ours (exit code 3)."""

    exit_code = 3

    @classmethod
    def of(cls, error: BaseException) -> TippingpointError:
        """Return the one message in which an error leaves the command line, with the place where it was raised."""
        if isinstance(error, OSError) and is_full(error):
            return unwritable(str(error.filename or "disk"), error)
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "tippingpoint" in Path(frame.filename).parts]
        at = f"{Path((ours or frames)[-1].filename).name}:{(ours or frames)[-1].lineno}"
        said = " ".join(str(error).split())[:300]
        what = f"raised {type(error).__name__}{f' ({said})' if said else ''}, which nothing expects"
        unexpected = cls(f"tippingpoint {at}", what, "Type the same line with debug=true, and report what it prints.")
        unexpected.__cause__ = error
        return unexpected


def nearest(name: str, names: Iterable[str], key: str = "", among: Sequence[str] | None = None) -> str:
    """Name the closest of `names`, then list them all (shortened past twelve).

    Parameters
    ----------
    key
        Where the name was typed, if it was: a closest one that a shell or Hydra would misread is shown as typed there.
    among
        The list typed there, where `key` takes one.

    Examples
    --------
    >>> nearest("adoptr", ["user_id", "age", "adopter"])
    "Nearest: 'adopter'. There are: user_id, age, adopter."
    >>> print(nearest("customer id", ["age", "Customer, ID"], "data.id"))
    Nearest: 'Customer, ID'; type data.id='"Customer, ID"'. There are: age, Customer, ID.
    """
    names = list(names)
    folded = {n.casefold(): n for n in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    shown = ", ".join(names[:12]) + (f", … ({len(names)})" if len(names) > 12 else "")
    listed = f"There are: {shown}." if names else ""
    if not close:
        return listed
    best = folded[close[0]]
    meant = best if among is None else [best if one == name else one for one in among]
    typed = f"; type {override(key, meant)}" if key and not WORD.fullmatch(best) else ""
    return f"Nearest: {best!r}{typed}. {listed}"
