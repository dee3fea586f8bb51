"""Whether this process was told to stop. A signal's exception can be lost: Python ignores those raised inside
`__del__` and weakref callbacks. What is noted here is not, and is looked at before each step that cannot be undone."""

came: list[int] = []
"""The signals that came, the first one first."""


def note(number: int) -> None:
    """Note a signal."""
    came.append(number)


def check() -> None:
    """End the process if it was told to stop and goes on all the same.

    Raises
    ------
    SystemExit
        With the exit code of the signal.
    """
    if came:
        raise SystemExit(128 + came[0])
